//! Answers of operations that may take minutes: the client hears something while they work.
//!
//! S3 answers such an operation with `200` before it knows how it ends, sends white space, and then the
//! document, be it a result or an error; SDKs look for both. One that ends soon keeps its proper status.
//! Source: Amazon S3 API Reference, CompleteMultipartUpload and CopyObject.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, stream};
use http::{HeaderValue, Method, Request, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use s3s::Body;
use tokio::time::timeout;

/// How long an operation has before its status is given up. Well below the time that clients and proxies wait
/// for a first byte.
const QUIET: Duration = Duration::from_secs(10);

/// How often the client hears something from then on.
const BEAT: Duration = Duration::from_secs(5);

const DECLARATION: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// Whether a request is for CompleteMultipartUpload, CopyObject or UploadPartCopy.
pub(super) fn may_run_long(request: &Request<Body>) -> bool {
    let completes = || {
        let mut items = request.uri().query().unwrap_or_default().split('&');
        items.any(|item| item.starts_with("uploadId="))
    };
    match *request.method() {
        Method::PUT => request.headers().contains_key("x-amz-copy-source"),
        Method::POST => completes(),
        _ => false,
    }
}

/// The answer that `work` gives, if it gives it soon; else one that waits for it in its body.
pub(super) async fn respond(work: impl Future<Output = Response<Body>> + Send + 'static) -> Response<Body> {
    let mut work: Work = Box::pin(work);
    match timeout(QUIET, &mut work).await {
        Ok(response) => response,
        Err(_elapsed) => waiting(work),
    }
}

type Work = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

fn waiting(work: Work) -> Response<Body> {
    let frames = StreamBody::new(frames(work));
    let mut response = Response::new(Body::http_body_unsync(frames));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

enum State {
    Declare(Work),
    Wait(Work),
    Done,
}

fn frames(work: Work) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> {
    stream::unfold(State::Declare(work), async |state| {
        let (bytes, next) = match state {
            State::Declare(work) => (Bytes::from_static(DECLARATION), State::Wait(work)),
            State::Wait(mut work) => match timeout(BEAT, &mut work).await {
                Ok(response) => (document(response).await, State::Done),
                Err(_elapsed) => (Bytes::from_static(b" "), State::Wait(work)),
            },
            State::Done => return None,
        };
        Some((Ok(Frame::data(bytes)), next))
    })
}

/// The document of an answer without its declaration, which went out at the start.
async fn document(response: Response<Body>) -> Bytes {
    // Held in memory, so that reading it cannot fail; were it otherwise the client would see no document, an error.
    let bytes = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let declaration =
        bytes.starts_with(b"<?xml").then(|| bytes.windows(2).position(|end| end == b"?>")).flatten();
    declaration.map_or_else(|| bytes.clone(), |end| bytes.slice(end + 2..))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    async fn after(delay: Duration) -> Response<Body> {
        respond(async move {
            tokio::time::sleep(delay).await;
            let mut response = Response::new(Body::from("<?xml version=\"1.0\"?><Error/>".to_owned()));
            *response.status_mut() = StatusCode::PRECONDITION_FAILED;
            response
        })
        .await
    }

    async fn text(response: Response<Body>) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_quick_failure_keeps_its_status() {
        let response = after(Duration::from_secs(9)).await;
        assert_eq!(response.status(), StatusCode::PRECONDITION_FAILED);
        assert_eq!(text(response).await, "<?xml version=\"1.0\"?><Error/>");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_one_is_one_document_with_white_space_in_front() {
        let response = after(Duration::from_secs(24)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(text(response).await, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n  <Error/>");
    }

    #[test]
    fn only_completions_and_copies_may_run_long() {
        let long = |method: &str, uri: &str, copies: bool| {
            let request = Request::builder().method(method).uri(uri);
            let request = if copies { request.header("x-amz-copy-source", "b/k") } else { request };
            may_run_long(&request.body(Body::empty()).unwrap())
        };
        assert!(long("POST", "/b/k?uploadId=1", false));
        assert!(long("PUT", "/b/k", true));
        assert!(!long("PUT", "/b/k?partNumber=1&uploadId=1", false));
        assert!(!long("POST", "/b?delete", false));
        assert!(!long("GET", "/b/k?uploadId=1", false));
    }
}
