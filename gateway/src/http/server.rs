//! Sockets: accept, speak TLS and HTTP, stop in good order.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use metrics::gauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{BoxError, Service, ServiceExt as _};
use tracing::{debug, warn};

use super::client_stream::{ClientStream, StreamLimits};
use crate::config::LimitSettings;

/// Pause after a failed accept: what failed (mostly: no file descriptor left) needs others to finish first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes an HTTP/2 client may send ahead of us, on a stream and on a connection. RFC 9113's 64 KiB would hold
/// an upload at 64 KiB a round trip; much more would be memory that no permit covers.
const HTTP2_STREAM_WINDOW_BYTES: u32 = 512 * 1024;
const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
/// An HTTP/2 connection is asked this often whether anybody is still there, and cut after the second of
/// silence.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(30);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// A bound socket, not yet accepting: clients that connect now are answered once [`Server::serve`] runs.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

/// A socket that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}; is another process using it?")]
pub struct BindError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

/// How a server is told to stop: first politely, then not. Clones tell the same servers.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    abort: CancellationToken,
}

impl Shutdown {
    /// Accept nothing any more, finish what is in flight.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Cut everything now. Implies [`drain`](Self::drain).
    pub fn abort(&self) {
        self.drain.cancel();
        self.abort.cancel();
    }

    /// Waits for [`drain`](Self::drain).
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Whether [`drain`](Self::drain) was called.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Waits for [`abort`](Self::abort). A server whose drain timeout passed does not call it.
    pub async fn aborted(&self) {
        self.abort.cancelled().await;
    }
}

impl Server {
    /// Listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// [`BindError`], mostly because the port is taken.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let failed = |source| BindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// The address with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers every request by `service` until `shutdown`. Returns when the last connection is closed: at
    /// most `limits.drain_timeout` after the call to drain, or at once after the call to abort.
    ///
    /// Speaks HTTP/1.1, and HTTP/2 to clients that ask for it during the TLS handshake; never HTTP/2 without
    /// TLS, which no S3 client uses and which guessing would cost a look into the first bytes of every
    /// connection.
    pub async fn serve<S, B>(
        self,
        service: S,
        tls: Option<TlsAcceptor>,
        limits: &LimitSettings,
        shutdown: Shutdown,
    ) where
        S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send>
            + Clone
            + Send
            + 'static,
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let connections = TaskTracker::new();
        let slots = Arc::new(Semaphore::new(limits.max_connections.get().min(Semaphore::MAX_PERMITS)));
        let protocol = Arc::new(Protocol::new(tls, limits));
        // Ours alone: that time is up here tells nobody else to abort.
        let out_of_time = shutdown.abort.child_token();
        while let Some((socket, slot)) = self.accept(&slots, &shutdown).await {
            let protocol = Arc::clone(&protocol);
            let service = service.clone();
            let (drain, cut) = (shutdown.drain.clone(), out_of_time.clone());
            connections.spawn(async move {
                let _open = OpenConnection::new(slot);
                tokio::select! {
                    () = protocol.converse(socket, service, &drain) => {}
                    () = cut.cancelled() => {}
                }
            });
        }
        // Gone before the wait below, so that new clients are refused at once, not accepted by the kernel and
        // left alone.
        drop(self.listener);
        connections.close();
        if timeout(limits.drain_timeout, connections.wait()).await.is_err() {
            warn!(
                connections = connections.len(),
                "requests still in flight after the drain timeout, cutting them"
            );
            out_of_time.cancel();
            connections.wait().await;
        }
    }

    /// The next connection, when there is room for it. None once draining.
    async fn accept(
        &self,
        slots: &Arc<Semaphore>,
        shutdown: &Shutdown,
    ) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let next = async {
            let slot = Arc::clone(slots).acquire_owned().await.expect("the semaphore is never closed");
            loop {
                match self.listener.accept().await {
                    Ok((socket, _peer)) => return (socket, slot),
                    Err(error) => {
                        warn!(%error, "cannot accept a connection, trying again");
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            biased;
            () = shutdown.draining() => None,
            accepted = next => Some(accepted),
        }
    }
}

/// What every connection of a server has in common.
struct Protocol {
    tls: Option<TlsAcceptor>,
    tls_handshake_timeout: Duration,
    stream_limits: StreamLimits,
    http1: auto::Builder<TokioExecutor>,
    http2: auto::Builder<TokioExecutor>,
}

impl Protocol {
    fn new(tls: Option<TlsAcceptor>, limits: &LimitSettings) -> Self {
        let header_bytes = usize::try_from(limits.max_header_bytes).unwrap_or(usize::MAX);
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_read_timeout)
            .max_headers(limits.max_headers.get())
            .max_buf_size(header_bytes);
        http.http2()
            .timer(TokioTimer::new())
            .max_header_list_size(limits.max_header_bytes)
            .max_concurrent_streams(limits.max_streams_per_connection)
            .initial_stream_window_size(HTTP2_STREAM_WINDOW_BYTES)
            .initial_connection_window_size(HTTP2_CONNECTION_WINDOW_BYTES)
            .keep_alive_interval(HTTP2_PING_INTERVAL)
            .keep_alive_timeout(HTTP2_PING_TIMEOUT);
        Self {
            tls,
            tls_handshake_timeout: limits.tls_handshake_timeout,
            stream_limits: StreamLimits { write_stall: limits.response_stall_timeout },
            http1: http.clone().http1_only(),
            http2: http.http2_only(),
        }
    }

    /// One connection from its first byte to its last.
    async fn converse<S, B>(&self, socket: TcpStream, service: S, drain: &CancellationToken)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send>
            + Clone
            + Send
            + 'static,
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        // Otherwise Nagle's algorithm waits for the client's delayed ACK: 40 ms for an answer of two small
        // writes.
        if let Err(error) = socket.set_nodelay(true) {
            debug!(%error, "the client left before it was served");
            return;
        }
        let stream = ClientStream::new(socket, self.stream_limits);
        let Some(tls) = &self.tls else {
            return serve_http(&self.http1, stream, service, drain).await;
        };
        let handshake = tokio::select! {
            handshake = timeout(self.tls_handshake_timeout, tls.accept(stream)) => handshake,
            () = drain.cancelled() => return,
        };
        match handshake {
            Ok(Ok(stream)) => {
                let chose_http2 = stream.get_ref().1.alpn_protocol() == Some(super::tls::HTTP2);
                let http = if chose_http2 { &self.http2 } else { &self.http1 };
                serve_http(http, stream, service, drain).await;
            }
            Ok(Err(error)) => debug!(%error, "TLS handshake failed"),
            Err(_elapsed) => debug!("TLS handshake took too long"),
        }
    }
}

async fn serve_http<I, S, B>(
    http: &auto::Builder<TokioExecutor>,
    stream: I,
    service: S,
    drain: &CancellationToken,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + 'static,
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    // A clone for each request, made ready by `oneshot`, so that backpressure of the service is respected.
    let service = hyper::service::service_fn(move |request| service.clone().oneshot(request));
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = drain.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // Clients leave at any time and send anything; neither is our error.
    if let Err(error) = ended {
        debug!(error, "connection ended early");
    }
}

/// Counts as an open connection, and holds its slot, while it lives.
struct OpenConnection {
    _slot: OwnedSemaphorePermit,
}

impl OpenConnection {
    fn new(slot: OwnedSemaphorePermit) -> Self {
        gauge!("gateway_connections").increment(1);
        Self { _slot: slot }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        gauge!("gateway_connections").decrement(1);
    }
}

#[cfg(test)]
mod tests;
