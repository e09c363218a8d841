//! Bodies through the layer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_sigv4::http_request::SignatureLocation;
use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use s3s::Body;

use super::harness::{Outcome, send};
use super::second_signer::sign_with_sdk;
use crate::auth::PayloadInfo;

const MODE: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// An upload of `hello` as boto3 sends it over TLS.
fn upload(body: Body) -> Request<Body> {
    let mut request = Request::put("/b/k")
        .header("host", "127.0.0.1:9000")
        .header("content-encoding", "gzip,aws-chunked")
        .header("transfer-encoding", "chunked")
        .header("x-amz-content-sha256", MODE)
        .header("x-amz-decoded-content-length", "5")
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .header("x-amz-sdk-checksum-algorithm", "CRC32")
        .body(body)
        .unwrap();
    sign_with_sdk(&mut request, SignatureLocation::Headers, MODE);
    request
}

async fn send_wire(wire: &'static str) -> Outcome {
    send(upload(Body::from(Bytes::from(wire)))).await
}

#[tokio::test]
async fn trailing_checksums_arrive_with_the_object() {
    let (parts, body) = send_wire("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n").await.passed();
    assert_eq!(body, "hello");
    assert_eq!(parts.headers["content-length"], "5");
    assert_eq!(parts.headers["content-encoding"], "gzip");
    assert_eq!(parts.headers["x-amz-sdk-checksum-algorithm"], "CRC32");
    assert!(!parts.headers.contains_key("transfer-encoding"));
    let info = parts.extensions.get::<PayloadInfo>().unwrap();
    assert_eq!(info.trailers.get().unwrap()["x-amz-checksum-crc32"], "NhCmhg==");
}

/// The service below answers with an internal error, as s3s does for any body that fails; the client sees the cause.
#[tokio::test]
async fn the_client_sees_what_was_wrong_with_the_body() {
    for (wire, code) in [
        ("5\r\nhello\r\n0\r\n\r\n", "MalformedTrailerError"),
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:NhCmhg==\r\n\r\n", "MalformedTrailerError"),
        ("5\r\nhel", "IncompleteBody"),
        ("5\r\nhello\r\n", "IncompleteBody"),
        ("4\r\nhell\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", "IncompleteBody"),
        ("6\r\nhello!\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", "IncompleteBody"),
        ("five\r\nhello\r\n0\r\n\r\n", "IncompleteBody"),
    ] {
        let outcome = send_wire(wire).await;
        outcome.assert_answer(400, code);
        assert_eq!(outcome.seen.unwrap().body, Err(code), "{wire}");
    }
}

#[tokio::test]
async fn an_upload_must_say_how_much_comes() {
    let mut request = upload(Body::from(Bytes::from("0\r\n\r\n")));
    request.headers_mut().remove("x-amz-decoded-content-length");
    request.headers_mut().remove("authorization");
    request.headers_mut().remove("x-amz-date");
    sign_with_sdk(&mut request, SignatureLocation::Headers, MODE);
    send(request).await.assert_refused(411, "MissingContentLength");
}

/// A body that gives some bytes and then stalls, or breaks.
struct Interrupted {
    bytes: Option<Bytes>,
    breaks: bool,
}

impl http_body::Body for Interrupted {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.bytes.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None if self.breaks => Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into()))),
            None => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_not_waited_for() {
    let started = tokio::time::Instant::now();
    let stalled = Interrupted { bytes: Some(Bytes::from("5\r\nhel")), breaks: false };
    let outcome = send(upload(Body::http_body(stalled))).await;
    outcome.assert_answer(400, "RequestTimeout");
    let waited = started.elapsed();
    assert!((Duration::from_secs(30)..Duration::from_secs(31)).contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn a_broken_connection_is_an_incomplete_body() {
    let broken = Interrupted { bytes: Some(Bytes::from("5\r\nhel")), breaks: true };
    send(upload(Body::http_body(broken))).await.assert_answer(400, "IncompleteBody");
}
