//! What is seen of a request from outside: a span around everything it causes, a count, a duration, a line in
//! the log.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use metrics::{counter, histogram};
use tokio::time::Instant;
use tower::{Layer, Service};
use tracing::{Instrument as _, Span, debug, field, warn_span};

use super::error_body::RequestId;

/// Operation of requests that were refused before anybody knew what they want.
const UNKNOWN_OPERATION: &str = "none";

/// Where whoever finds out which S3 operation a request is leaves its name, for metrics and log: in the
/// request's extensions.
#[derive(Clone, Debug, Default)]
pub struct OperationSlot(Arc<OnceLock<&'static str>>);

impl OperationSlot {
    /// Sets the name, such as `GetObject`. It becomes a label, so it must be one of a closed set. The first
    /// one stays.
    pub fn set(&self, operation: &'static str) {
        self.0.get_or_init(|| operation);
    }

    fn get(&self) -> &'static str {
        self.0.get().copied().unwrap_or(UNKNOWN_OPERATION)
    }
}

/// Opens the request's span and keeps its metrics.
///
/// A request lasts until the last byte of its answer was taken: `gateway_requests_total{operation, code}`
/// counts it then, and `gateway_request_duration_seconds{operation}` tells how long it took.
#[derive(Clone, Copy, Debug, Default)]
pub struct ObserveLayer;

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner }
    }
}

/// See [`ObserveLayer`].
#[derive(Clone, Debug)]
pub struct Observe<S> {
    inner: S,
}

impl<S, A, B> Service<Request<A>> for Observe<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    B: HttpBody,
{
    type Response = Response<ObservedBody<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        // At WARN, so that a warning keeps its context under any filter. Neither path nor query: a presigned
        // URL is a secret.
        let span = warn_span!(
            "request",
            method = %request.method(),
            request_id = RequestId::of(request.extensions()),
            operation = field::Empty
        );
        let operation = OperationSlot::default();
        request.extensions_mut().insert(operation.clone());
        let answering = span.in_scope(|| self.inner.call(request)).instrument(span.clone());
        let observation = Observation { span, operation, begun: Instant::now(), status: None };
        Box::pin(async move {
            let mut observation = observation;
            let response = answering.await?;
            observation.status = Some(response.status());
            Ok(response.map(|body| ObservedBody { body, observation }))
        })
    }
}

/// A body whose frames are made inside the request's span, and whose end is the end of the request.
#[derive(Debug)]
pub struct ObservedBody<B> {
    body: B,
    observation: Observation,
}

impl<B> HttpBody for ObservedBody<B>
where
    B: HttpBody<Data = Bytes, Error: fmt::Display> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let _entered = this.observation.span.enter();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        if let Some(Err(error)) = &frame {
            // Nobody else will tell: the status went out long ago, and hyper only cuts the connection.
            tracing::error!(%error, "answer cut short");
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

/// One request, from its headers to the end of its answer.
#[derive(Debug)]
struct Observation {
    span: Span,
    operation: OperationSlot,
    begun: Instant,
    /// None as long as there is no answer.
    status: Option<StatusCode>,
}

impl Drop for Observation {
    fn drop(&mut self) {
        let operation = self.operation.get();
        let duration = self.begun.elapsed();
        let code = match &self.status {
            Some(status) => status.as_str().to_owned(),
            // The client went away before there was an answer; 499 is what proxies call that.
            None => "499".to_owned(),
        };
        self.span.record("operation", operation);
        self.span.in_scope(|| debug!(%code, ?duration, "request ended"));
        histogram!("gateway_request_duration_seconds", "operation" => operation).record(duration);
        counter!("gateway_requests_total", "operation" => operation, "code" => code).increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt as _, Full};
    use metrics_exporter_prometheus::PrometheusBuilder;
    use std::convert::Infallible;
    use tower::{ServiceExt as _, service_fn};

    #[tokio::test]
    async fn a_request_is_counted_once_its_answer_was_taken() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let _installed = metrics::set_default_local_recorder(&recorder);
        let inner = service_fn(async |request: Request<()>| {
            request.extensions().get::<OperationSlot>().unwrap().set("GetObject");
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"x"))))
        });
        let service = ObserveLayer.layer(inner);
        let response = service.oneshot(Request::new(())).await.unwrap();
        assert!(!handle.render().contains("gateway_requests_total"));
        response.into_body().collect().await.unwrap();
        let page = handle.render();
        assert!(page.contains("gateway_requests_total{operation=\"GetObject\",code=\"200\"} 1"), "{page}");
        assert!(page.contains("gateway_request_duration_seconds_count{operation=\"GetObject\"} 1"), "{page}");
    }

    #[tokio::test]
    async fn a_client_that_left_is_counted_too() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let _installed = metrics::set_default_local_recorder(&recorder);
        let inner = service_fn(async |_: Request<()>| {
            std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
        });
        let mut answering = Box::pin(ObserveLayer.layer(inner).oneshot(Request::new(())));
        assert!(futures::poll!(&mut answering).is_pending());
        drop(answering);
        let page = handle.render();
        assert!(page.contains("gateway_requests_total{operation=\"none\",code=\"499\"} 1"), "{page}");
    }
}
