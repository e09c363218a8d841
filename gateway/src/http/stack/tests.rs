use super::*;
use crate::config::LimitSettings;
use crate::http::error_body::RequestId;
use crate::http::{Server, Shutdown};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tower::layer::util::Identity;
use tower::service_fn;

/// Serves `s3` behind the whole stack, one request at a time.
async fn start<S>(s3: S) -> SocketAddr
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
{
    let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address();
    let service = stack(NonZeroUsize::MIN, Identity::new(), Identity::new(), s3);
    tokio::spawn(async move {
        server.serve(service, None, &LimitSettings::default(), Shutdown::default()).await;
    });
    address
}

async fn get(address: SocketAddr) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(b"GET /b/k HTTP/1.1\r\nhost: l\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

fn header_of<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

#[tokio::test]
async fn answers_carry_the_id_the_service_was_given() {
    let address = start(service_fn(async |request: Request<Body>| {
        Ok(Response::new(Body::from(RequestId::of(request.extensions()).to_owned())))
    }))
    .await;
    let answer = get(address).await;
    let request_id = header_of(&answer, "x-amz-request-id").unwrap();
    assert!(answer.ends_with(&format!("\r\n\r\n{request_id}")), "{answer}");
    assert!(header_of(&answer, "x-amz-id-2").is_some());
    assert_eq!(header_of(&answer, "server"), Some("Haulout"));
}

#[tokio::test]
async fn a_shed_request_has_its_id_in_header_and_document() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (seen, go) = (Arc::clone(&entered), Arc::clone(&release));
    let address = start(service_fn(move |_| {
        let (seen, go) = (Arc::clone(&seen), Arc::clone(&go));
        async move {
            seen.notify_one();
            go.notified().await;
            Ok(Response::new(Body::empty()))
        }
    }))
    .await;
    let first = tokio::spawn(get(address));
    entered.notified().await;
    let shed = get(address).await;
    assert!(shed.starts_with("HTTP/1.1 503 "), "{shed}");
    assert_eq!(header_of(&shed, "retry-after"), Some("1"));
    let request_id = header_of(&shed, "x-amz-request-id").unwrap();
    assert!(shed.contains("<Code>SlowDown</Code>"), "{shed}");
    assert!(shed.contains(&format!("<RequestId>{request_id}</RequestId>")), "{shed}");
    release.notify_one();
    assert!(first.await.unwrap().starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn an_upload_answered_before_its_end_closes_the_connection() {
    let address = start(service_fn(async |_| Ok(Response::new(Body::empty())))).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(b"PUT /b/k HTTP/1.1\r\nhost: l\r\ncontent-length: 9\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert_eq!(header_of(&answer, "connection"), Some("close"), "{answer}");
}
