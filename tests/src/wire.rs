//! A blocking HTTP/1.1 client that hides nothing: what is written is what goes over the wire, and it can stop
//! half way, wait for `100 Continue`, or hang up.
//!
//! SDKs repair, retry and refuse; tests of a server's answers to broken requests need a client that does not.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// A server that says nothing for this long fails the test; its slowest step (a Complete) takes seconds.
const READ_TIMEOUT: Duration = Duration::from_mins(2);
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// Far more than S3 sends.
const HEADERS_MAX: usize = 64;

/// Where a server listens and how to speak to it.
#[derive(Clone)]
pub struct Endpoint {
    /// Its address, on the loopback interface.
    pub address: SocketAddr,
    /// The trust to use over https; `None` is http.
    pub tls: Option<Arc<ClientConfig>>,
}

impl Endpoint {
    /// `host:port`, as the Host header carries it.
    #[must_use]
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// The base address, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }
}

/// An HTTP request, exactly as it will be sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method, such as `PUT`.
    pub method: &'static str,
    /// The path, percent-encoded.
    pub path: String,
    /// Query items, not encoded; an empty value is sent as the bare name.
    pub query: Vec<(String, String)>,
    /// Headers in order. `content-length` is added by [`Connection::send`] unless one is given.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without headers, query or body for an already encoded path.
    #[must_use]
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), query: Vec::new(), headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a query item.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Replaces a header's value, or adds the header.
    pub fn set_header(&mut self, name: &str, value: impl Into<String>) {
        self.headers.retain(|(existing, _)| !existing.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
    }

    /// Path and query as they stand in the request line.
    #[must_use]
    pub fn target(&self) -> String {
        let items: Vec<String> = self
            .query
            .iter()
            .map(|(name, value)| match value.as_str() {
                "" => percent_encode(name, ""),
                value => format!("{}={}", percent_encode(name, ""), percent_encode(value, "")),
            })
            .collect();
        if items.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, items.join("&")) }
    }

    fn head(&self) -> Vec<u8> {
        use std::fmt::Write as _;

        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target());
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").expect("writing to a String cannot fail");
        }
        let says_length = |(name, _): &(String, String)| {
            name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding")
        };
        if !self.headers.iter().any(says_length) && (!self.body.is_empty() || self.method != "GET") {
            write!(head, "content-length: {}\r\n", self.body.len()).expect("writing to a String cannot fail");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers in order, names as sent.
    pub headers: Vec<(String, String)>,
    /// The body; empty if it went to a sink.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as text, for XML and messages.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }

    fn content_length(&self) -> io::Result<Option<u64>> {
        self.header("content-length").map(|text| text.parse().map_err(malformed)).transpose()
    }
}

/// One connection to a server.
pub struct Connection {
    stream: Stream,
    /// Bytes read from the stream and not consumed yet.
    unread: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Connection {
    /// Connects, with a read timeout of two minutes.
    ///
    /// # Errors
    /// If nobody listens there; over TLS, handshake errors come with the first read or write.
    pub fn open(endpoint: &Endpoint) -> io::Result<Self> {
        let tcp = TcpStream::connect(endpoint.address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(READ_TIMEOUT))?;
        let stream = match &endpoint.tls {
            None => Stream::Plain(tcp),
            Some(config) => {
                let name = ServerName::IpAddress(endpoint.address.ip().into());
                let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
                Stream::Tls(Box::new(StreamOwned::new(session, tcp)))
            }
        };
        Ok(Self { stream, unread: Vec::new() })
    }

    /// Sends a request and reads its answer, interim answers skipped.
    ///
    /// # Errors
    /// If the connection breaks before a whole answer was read.
    pub fn send(&mut self, request: &Request) -> io::Result<Response> {
        let mut body = Vec::new();
        let mut response = self.send_into(request, &mut body)?;
        response.body = body;
        Ok(response)
    }

    /// Like [`Connection::send`], with the answer's body written to `sink` as it arrives.
    ///
    /// # Errors
    /// As [`Connection::send`], or if `sink` fails.
    pub fn send_into(&mut self, request: &Request, sink: &mut dyn Write) -> io::Result<Response> {
        let sent = self.send_head(request).and_then(|()| self.write(&request.body));
        // A server may refuse and hang up while the body is still being written: its answer counts.
        match (sent, self.receive(request.method, sink)) {
            (_, Ok(response)) => Ok(response),
            (Err(error), Err(_)) | (Ok(()), Err(error)) => Err(error),
        }
    }

    /// Sends the request line and the headers only.
    ///
    /// # Errors
    /// If the connection breaks.
    pub fn send_head(&mut self, request: &Request) -> io::Result<()> {
        self.write(&request.head())
    }

    /// Sends raw bytes.
    ///
    /// # Errors
    /// If the connection breaks.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream: &mut dyn Write = match &mut self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls,
        };
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// Ends the sending half, as a client does that went away in the middle of a body.
    ///
    /// # Errors
    /// If the connection is already gone.
    pub fn finish_writing(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.shutdown(Shutdown::Write),
            Stream::Tls(tls) => tls.sock.shutdown(Shutdown::Write),
        }
    }

    /// Reads the final answer to a request of `method`.
    ///
    /// # Errors
    /// If the connection breaks or the answer is not HTTP.
    pub fn receive(&mut self, method: &str, sink: &mut dyn Write) -> io::Result<Response> {
        let mut response = self.receive_head()?;
        while response.status / 100 == 1 {
            response = self.receive_head()?;
        }
        let has_body = method != "HEAD" && response.status != 204 && response.status != 304;
        if has_body {
            self.receive_body(&response, sink)?;
        }
        Ok(response)
    }

    /// Reads the next status line and headers, be they final or interim.
    ///
    /// # Errors
    /// If the connection breaks or the answer is not HTTP.
    pub fn receive_head(&mut self) -> io::Result<Response> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let mut parsed = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(length) = parsed.parse(&self.unread).map_err(malformed)? {
                let response = Response {
                    status: parsed.code.ok_or_else(|| malformed("no status"))?,
                    headers: parsed
                        .headers
                        .iter()
                        .map(|header| {
                            (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())
                        })
                        .collect(),
                    body: Vec::new(),
                };
                self.unread.drain(..length);
                return Ok(response);
            }
            self.read_more()?;
        }
    }

    fn receive_body(&mut self, response: &Response, sink: &mut dyn Write) -> io::Result<()> {
        if response.is_chunked() {
            return self.receive_chunks(sink);
        }
        match response.content_length()? {
            Some(length) => self.copy_exactly(length, sink),
            None => self.copy_to_end(sink),
        }
    }

    fn receive_chunks(&mut self, sink: &mut dyn Write) -> io::Result<()> {
        loop {
            let size_line = self.read_line()?;
            let digits = size_line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(digits, 16).map_err(malformed)?;
            if size == 0 {
                while !self.read_line()?.is_empty() {}
                return Ok(());
            }
            self.copy_exactly(size, sink)?;
            self.read_line()?;
        }
    }

    fn read_line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|window| window == b"\r\n") {
                let line = String::from_utf8_lossy(&self.unread[..end]).into_owned();
                self.unread.drain(..end + 2);
                return Ok(line);
            }
            self.read_more()?;
        }
    }

    fn copy_exactly(&mut self, length: u64, sink: &mut dyn Write) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            if self.unread.is_empty() {
                self.read_more()?;
            }
            let take = usize::try_from(left).map_or(self.unread.len(), |left| left.min(self.unread.len()));
            sink.write_all(&self.unread[..take])?;
            self.unread.drain(..take);
            left -= u64::try_from(take).map_err(malformed)?;
        }
        Ok(())
    }

    fn copy_to_end(&mut self, sink: &mut dyn Write) -> io::Result<()> {
        loop {
            sink.write_all(&self.unread)?;
            self.unread.clear();
            match self.read_more() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn read_more(&mut self) -> io::Result<()> {
        let stream: &mut dyn Read = match &mut self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls,
        };
        let filled = self.unread.len();
        self.unread.resize(filled + READ_BUFFER_BYTES, 0);
        let count = stream.read(&mut self.unread[filled..]);
        self.unread.truncate(filled + *count.as_ref().unwrap_or(&0));
        match count? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters and those in `kept`, as SigV4 wants it.
#[must_use]
pub fn percent_encode(text: &str, kept: &str) -> String {
    use std::fmt::Write as _;

    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let character = char::from(byte);
        if byte.is_ascii_alphanumeric()
            || "-._~".contains(character)
            || (byte.is_ascii() && kept.contains(character))
        {
            encoded.push(character);
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    encoded
}

fn malformed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, cause)
}
