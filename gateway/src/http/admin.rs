//! The admin listener: `/healthz`, `/readyz`, `/metrics`, for machines that watch, without authentication.

use std::convert::Infallible;
use std::num::NonZeroUsize;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use tower::Service;

use super::metrics_page::MetricsPage;
use super::readiness::Readiness;
use crate::config::LimitSettings;

/// Monitoring systems are few; more connections than this are a mistake of somebody's.
const MAX_CONNECTIONS: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not zero");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Source: Prometheus documentation, "Exposition formats".
const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The limits of the admin listener: the S3 listener's, with far fewer connections.
pub fn limits(of_s3: &LimitSettings) -> LimitSettings {
    LimitSettings { max_connections: MAX_CONNECTIONS, ..of_s3.clone() }
}

/// Answers three paths, for GET and HEAD; see the module.
#[derive(Clone)]
pub struct Admin {
    readiness: Readiness,
    metrics: MetricsPage,
}

impl Admin {
    /// Answers `/readyz` by `readiness` and `/metrics` by `metrics`.
    pub fn new(readiness: Readiness, metrics: MetricsPage) -> Self {
        Self { readiness, metrics }
    }

    async fn answer(self, method: Method, path: &str) -> Response<Full<Bytes>> {
        if !matches!(method, Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match path {
            // That this is answered at all is the answer.
            "/healthz" => text(StatusCode::OK, "alive\n".to_owned()),
            "/readyz" => match self.readiness.check().await {
                Ok(()) => text(StatusCode::OK, "ready\n".to_owned()),
                Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
            },
            "/metrics" => {
                let mut response = text(StatusCode::OK, self.metrics.render());
                response.headers_mut().insert(header::CONTENT_TYPE, PROMETHEUS);
                response
            }
            _ => text(StatusCode::NOT_FOUND, "here are /healthz, /readyz and /metrics\n".to_owned()),
        }
    }
}

impl<B> Service<Request<B>> for Admin {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let admin = self.clone();
        let (method, uri) = (request.method().clone(), request.uri().clone());
        Box::pin(async move { Ok(admin.answer(method, uri.path()).await) })
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, TEXT);
    // Yesterday's health is of no use to anybody.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Shutdown;
    use http_body_util::BodyExt as _;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use tower::ServiceExt as _;

    async fn visit(admin: &Admin, method: Method, path: &str) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(path).body(()).unwrap();
        let response = admin.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn each_path_tells_its_truth() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let readiness = Readiness::new(Shutdown::default());
        let admin = Admin::new(readiness.clone(), MetricsPage::of(&recorder));
        metrics::with_local_recorder(&recorder, || metrics::counter!("some_total").increment(3));

        assert_eq!(visit(&admin, Method::GET, "/healthz").await.0, StatusCode::OK);
        let (status, reason) = visit(&admin, Method::GET, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(reason.starts_with("starting"), "{reason}");
        readiness.started(|| Box::pin(std::future::ready(Ok(()))));
        assert_eq!(visit(&admin, Method::GET, "/readyz").await.0, StatusCode::OK);
        assert!(visit(&admin, Method::GET, "/metrics").await.1.contains("some_total 3"));
        assert_eq!(visit(&admin, Method::GET, "/").await.0, StatusCode::NOT_FOUND);
        assert_eq!(visit(&admin, Method::POST, "/healthz").await.0, StatusCode::METHOD_NOT_ALLOWED);
    }
}
