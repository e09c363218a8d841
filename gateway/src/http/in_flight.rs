//! At most so many requests at once; one more is refused at once instead of waiting where nobody sees it.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use metrics::gauge;
use s3s::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::{Layer, Service};

use super::error_body::{RequestId, error_xml, fit_to_method};

/// When a refused client may come again. Clients add their own, growing, wait to it.
const RETRY_AFTER_SECONDS: &str = "1";

/// Limits requests in flight, from their headers to the last byte of their answer.
///
/// tower's own concurrency limit lets go as soon as the headers of an answer are out, when a 5 GiB GET has
/// hardly begun. Here the permit travels with the body.
#[derive(Clone, Debug)]
pub struct InFlightLayer {
    permits: Arc<Semaphore>,
}

impl InFlightLayer {
    /// A limit shared by all services made by this layer and its clones.
    pub fn new(max_in_flight_requests: NonZeroUsize) -> Self {
        Self { permits: Arc::new(Semaphore::new(max_in_flight_requests.get().min(Semaphore::MAX_PERMITS))) }
    }
}

impl<S> Layer<S> for InFlightLayer {
    type Service = InFlight<S>;

    fn layer(&self, inner: S) -> InFlight<S> {
        InFlight { inner, permits: Arc::clone(&self.permits) }
    }
}

/// See [`InFlightLayer`].
#[derive(Clone, Debug)]
pub struct InFlight<S> {
    inner: S,
    permits: Arc<Semaphore>,
}

impl<S> Service<Request<Body>> for InFlight<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<PermittedBody>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            return Box::pin(std::future::ready(Ok(refusal(&request).map(PermittedBody::without_permit))));
        };
        let permit = CountedPermit::new(permit);
        let answering = self.inner.call(request);
        Box::pin(async move {
            let response = answering.await?;
            Ok(response.map(|body| PermittedBody { body, _permit: Some(permit) }))
        })
    }
}

/// A body that holds its request's permit until it was sent or given up.
#[derive(Debug)]
pub struct PermittedBody {
    body: Body,
    _permit: Option<CountedPermit>,
}

impl PermittedBody {
    fn without_permit(body: Body) -> Self {
        Self { body, _permit: None }
    }
}

impl HttpBody for PermittedBody {
    type Data = Bytes;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(ready!(Pin::new(&mut self.body).poll_frame(context)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        HttpBody::size_hint(&self.body)
    }
}

/// A permit that shows in the gauge while it is held.
#[derive(Debug)]
struct CountedPermit {
    _permit: OwnedSemaphorePermit,
}

impl CountedPermit {
    fn new(permit: OwnedSemaphorePermit) -> Self {
        gauge!("gateway_requests_in_flight").increment(1);
        Self { _permit: permit }
    }
}

impl Drop for CountedPermit {
    fn drop(&mut self) {
        gauge!("gateway_requests_in_flight").decrement(1);
    }
}

fn refusal(request: &Request<Body>) -> Response<Body> {
    let mut response = error_xml(
        "SlowDown",
        StatusCode::SERVICE_UNAVAILABLE,
        "Please reduce your request rate.",
        request.uri().path(),
        RequestId::of(request.extensions()),
        &[],
    );
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
    fit_to_method(response, request.method())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use std::convert::Infallible;
    use tower::{ServiceExt as _, service_fn};

    fn limited_to_one()
    -> impl Service<Request<Body>, Response = Response<PermittedBody>, Error = Infallible, Future: Send> + Clone
    {
        let inner = service_fn(async |_: Request<Body>| {
            Ok::<_, Infallible>(Response::new(Body::from("done".to_owned())))
        });
        InFlightLayer::new(NonZeroUsize::MIN).layer(inner)
    }

    #[tokio::test]
    async fn one_too_many_is_told_to_slow_down() {
        let service = limited_to_one();
        let first = service.clone().oneshot(Request::new(Body::empty())).await.unwrap();
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = "/bucket/key".parse().unwrap();
        request.extensions_mut().insert(RequestId("0123".to_owned()));
        let refused = service.clone().oneshot(request).await.unwrap();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
        let body = refused.into_body().collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&body).unwrap();
        assert!(
            text.contains("<Code>SlowDown</Code>") && text.contains("<RequestId>0123</RequestId>"),
            "{text}"
        );
        assert_eq!(first.into_body().collect().await.unwrap().to_bytes(), "done");
    }

    #[tokio::test]
    async fn the_permit_is_held_until_the_body_is_gone() {
        let service = limited_to_one();
        for _ in 0..3 {
            let response = service.clone().oneshot(Request::new(Body::empty())).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            let meanwhile = service.clone().oneshot(Request::new(Body::empty())).await.unwrap();
            assert_eq!(meanwhile.status(), StatusCode::SERVICE_UNAVAILABLE);
            drop(response);
        }
    }

    #[tokio::test]
    async fn a_refused_head_has_no_body() {
        let service = limited_to_one();
        let _first = service.clone().oneshot(Request::new(Body::empty())).await.unwrap();
        let request = Request::head("/b").body(Body::empty()).unwrap();
        let refused = service.oneshot(request).await.unwrap();
        assert!(refused.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
}
