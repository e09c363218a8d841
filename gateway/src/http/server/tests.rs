use super::*;
use http_body_util::{BodyExt as _, Empty, Full};
use std::convert::Infallible;
use std::num::NonZeroUsize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tower::service_fn;

use crate::config::TlsSettings;
use crate::http::tls;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

struct Running {
    address: SocketAddr,
    shutdown: Shutdown,
    ended: JoinHandle<()>,
}

async fn start<S>(service: S, tls: Option<TlsAcceptor>, limits: LimitSettings) -> Running
where
    S: Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
{
    let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address();
    let shutdown = Shutdown::default();
    let told = shutdown.clone();
    let ended = tokio::spawn(async move { server.serve(service, tls, &limits, told).await });
    Running { address, shutdown, ended }
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("hello")))
}

/// Sends `request` on a connection of its own and reads until the server closes.
async fn exchange(address: SocketAddr, request: &[u8]) -> io::Result<String> {
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(request).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Reads the head of an answer with a body of five bytes, and the body.
async fn read_answer(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        answer.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn draining_finishes_what_is_in_flight_and_accepts_nothing_new() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (seen, go) = (Arc::clone(&entered), Arc::clone(&release));
    let slow = service_fn(move |request| {
        let (seen, go) = (Arc::clone(&seen), Arc::clone(&go));
        async move {
            seen.notify_one();
            go.notified().await;
            hello(request).await
        }
    });
    let running = start(slow, None, LimitSettings::default()).await;
    let in_flight = tokio::spawn(async move { exchange(running.address, GET).await });
    entered.notified().await;
    running.shutdown.drain();
    while TcpStream::connect(running.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!running.ended.is_finished());
    release.notify_one();
    // The server closes after it: the client reads to the end without having asked for that.
    let answer = in_flight.await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello"), "{answer}");
    running.ended.await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_drain() {
    let running = start(service_fn(hello), None, LimitSettings::default()).await;
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    idle.write_all(GET).await.unwrap();
    read_answer(&mut idle).await;
    running.shutdown.drain();
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
    drop(idle);
    running.ended.await.unwrap();
}

#[tokio::test]
async fn what_outlasts_the_drain_timeout_is_cut() {
    let stuck = service_fn(|_| std::future::pending());
    let limits = LimitSettings { drain_timeout: Duration::from_millis(50), ..LimitSettings::default() };
    let running = start(stuck, None, limits).await;
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all(GET).await.unwrap();
    running.shutdown.drain();
    running.ended.await.unwrap();
    assert_eq!(client.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn abort_does_not_wait_for_the_drain_timeout() {
    let entered = Arc::new(Notify::new());
    let seen = Arc::clone(&entered);
    let stuck = service_fn(move |_| {
        seen.notify_one();
        std::future::pending()
    });
    let limits = LimitSettings { drain_timeout: Duration::from_secs(3600), ..LimitSettings::default() };
    let running = start(stuck, None, limits).await;
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all(GET).await.unwrap();
    entered.notified().await;
    running.shutdown.abort();
    running.ended.await.unwrap();
}

#[tokio::test]
async fn an_early_refusal_reaches_a_client_that_is_still_sending() {
    const UPLOAD_BYTES: usize = 32 * 1024 * 1024;
    let refuse = service_fn(async |_| {
        let mut response = Response::new(Full::from("no"));
        *response.status_mut() = http::StatusCode::FORBIDDEN;
        Ok(response)
    });
    let running = start(refuse, None, LimitSettings::default()).await;
    let head = format!("PUT /b/k HTTP/1.1\r\nhost: localhost\r\ncontent-length: {UPLOAD_BYTES}\r\n\r\n");
    let mut request = head.into_bytes();
    request.resize(request.len() + UPLOAD_BYTES, b'x');
    let answer = exchange(running.address, &request).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden"), "{answer}");
}

#[tokio::test]
async fn a_connection_too_many_waits_for_a_free_slot() {
    let limits = LimitSettings { max_connections: NonZeroUsize::MIN, ..LimitSettings::default() };
    let running = start(service_fn(hello), None, limits).await;
    let mut first = TcpStream::connect(running.address).await.unwrap();
    first.write_all(GET).await.unwrap();
    read_answer(&mut first).await;
    let mut second = TcpStream::connect(running.address).await.unwrap();
    second.write_all(GET).await.unwrap();
    let answered = timeout(Duration::from_millis(50), second.readable()).await;
    assert!(answered.is_err(), "served beyond the limit");
    drop(first);
    read_answer(&mut second).await;
}

#[tokio::test]
async fn clients_that_vanish_leave_the_server_working() {
    let running = start(service_fn(hello), None, LimitSettings::default()).await;
    for rest in [
        &b""[..],
        b"GET / HT",
        b"PUT /b/k HTTP/1.1\r\nhost: l\r\ncontent-length: 9\r\n\r\nabc",
        b"\x16\x03\x01",
    ] {
        let mut client = TcpStream::connect(running.address).await.unwrap();
        client.write_all(rest).await.unwrap();
        drop(client);
    }
    let answer =
        exchange(running.address, b"GET / HTTP/1.1\r\nhost: l\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
    assert!(answer.contains("\r\ndate: "), "{answer}");
}

#[tokio::test]
async fn headers_beyond_the_limit_are_refused() {
    let limits = LimitSettings { max_header_bytes: 8 * 1024, ..LimitSettings::default() };
    let running = start(service_fn(hello), None, limits).await;
    let request = format!("GET / HTTP/1.1\r\nhost: l\r\nx-long: {}\r\n\r\n", "x".repeat(10_000));
    let answer = exchange(running.address, request.as_bytes()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

/// A server with a certificate of its own, and a client configuration that trusts it.
async fn start_tls() -> (Running, rustls::ClientConfig) {
    let folder = tempfile::tempdir().unwrap();
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let settings = TlsSettings { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    std::fs::write(&settings.cert, issued.cert.pem()).unwrap();
    std::fs::write(&settings.key, issued.signing_key.serialize_pem()).unwrap();
    let acceptor = tls::acceptor(&settings).unwrap();
    let running = start(service_fn(hello), Some(acceptor), LimitSettings::default()).await;

    let mut trusted = rustls::RootCertStore::empty();
    trusted.add(issued.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    (running, client)
}

async fn connect_tls(
    address: SocketAddr,
    mut config: rustls::ClientConfig,
    protocols: &[&[u8]],
) -> tokio_rustls::client::TlsStream<TcpStream> {
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let socket = TcpStream::connect(address).await.unwrap();
    connector.connect("localhost".try_into().unwrap(), socket).await.unwrap()
}

#[tokio::test]
async fn tls_offers_http2_and_a_drain_ends_it() {
    let (running, config) = start_tls().await;
    let stream = connect_tls(running.address, config, &[b"h2", b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("https://localhost/").body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    running.shutdown.drain();
    connection.await.unwrap().unwrap();
    running.ended.await.unwrap();
}

#[tokio::test]
async fn tls_without_alpn_means_http1() {
    let (running, config) = start_tls().await;
    let mut stream = connect_tls(running.address, config, &[]).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: l\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello"), "{answer}");
}
