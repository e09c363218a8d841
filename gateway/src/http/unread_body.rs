//! Says so when a connection cannot be used again, because an upload was answered before its end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use s3s::Body;
use tower::{Layer, Service};

/// Adds `Connection: close` to HTTP/1.1 answers to requests whose body nobody has read to its end.
///
/// hyper closes such connections without saying so beforehand, as it writes the headers of an answer before
/// it looks at what is left of the request. A client that pools its connections would send the next request
/// into the closing one.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnreadBodyLayer;

impl<S> Layer<S> for UnreadBodyLayer {
    type Service = UnreadBody<S>;

    fn layer(&self, inner: S) -> UnreadBody<S> {
        UnreadBody { inner }
    }
}

/// See [`UnreadBodyLayer`].
#[derive(Clone, Debug)]
pub struct UnreadBody<S> {
    inner: S,
}

impl<S, A, B> Service<Request<A>> for UnreadBody<S>
where
    A: HttpBody<Data = Bytes> + Unpin + Send + Sync + 'static,
    s3s::StdError: From<A::Error>,
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        // Most requests have no body, and HTTP/2 has no such header: it resets the stream alone.
        if request.body().is_end_stream() || request.version() == Version::HTTP_2 {
            return Box::pin(self.inner.call(request.map(|body| Body::http_body(body))));
        }
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        let answering =
            self.inner.call(request.map(|body| Body::http_body(WatchedBody { body, ended: seen })));
        Box::pin(async move {
            let mut response = answering.await?;
            if !ended.load(Ordering::Acquire) {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        })
    }
}

/// A request body that notes when its end was seen.
struct WatchedBody<A> {
    body: A,
    ended: Arc<AtomicBool>,
}

impl<A: HttpBody<Data = Bytes> + Unpin> HttpBody for WatchedBody<A> {
    type Data = Bytes;
    type Error = A::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, A::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        // A reader that counts to the announced length never asks for the end itself.
        if frame.is_none() || self.body.is_end_stream() {
            self.ended.store(true, Ordering::Release);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt as _, Full};
    use std::convert::Infallible;
    use tower::{ServiceExt as _, service_fn};

    async fn answer_to(request: Request<Full<Bytes>>, reads: bool) -> Response<()> {
        let inner = service_fn(move |request: Request<Body>| async move {
            if reads {
                request.into_body().collect().await.unwrap();
            }
            Ok::<_, Infallible>(Response::new(()))
        });
        UnreadBodyLayer.layer(inner).oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn only_an_unread_body_closes_the_connection() {
        let upload = || Request::new(Full::from("bytes"));
        let closes = |response: Response<()>| response.headers().contains_key(header::CONNECTION);
        assert!(closes(answer_to(upload(), false).await));
        assert!(!closes(answer_to(upload(), true).await));
        assert!(!closes(answer_to(Request::new(Full::default()), false).await));
        let mut over_http2 = upload();
        *over_http2.version_mut() = Version::HTTP_2;
        assert!(!closes(answer_to(over_http2, false).await));
    }
}
