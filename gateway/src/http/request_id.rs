//! A name for every request: in the answer, in error documents and in the log.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Request, Response};
use tower::{Layer, Service};

use super::error_body::RequestId;
use crate::clock::random;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const EXTENDED_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

/// Names requests: a [`RequestId`] extension going in, `x-amz-request-id` and `x-amz-id-2` going out, on any
/// answer.
///
/// The first is 16 random hexadecimal digits. The second names this process, so that of several gateways
/// behind one address the right log can be found.
#[derive(Clone, Debug)]
pub struct RequestIdLayer {
    process: HeaderValue,
}

impl RequestIdLayer {
    /// Draws a name for this process.
    pub fn new() -> Self {
        let process = STANDARD.encode(random::<24>());
        Self { process: HeaderValue::try_from(process).expect("base64 is valid in a header") }
    }
}

impl Default for RequestIdLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for RequestIdLayer {
    type Service = NameRequests<S>;

    fn layer(&self, inner: S) -> NameRequests<S> {
        NameRequests { inner, process: self.process.clone() }
    }
}

/// See [`RequestIdLayer`].
#[derive(Clone, Debug)]
pub struct NameRequests<S> {
    inner: S,
    process: HeaderValue,
}

impl<S, A, B> Service<Request<A>> for NameRequests<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        let request_id = hex::encode_upper(random::<8>());
        let header =
            HeaderValue::try_from(request_id.as_str()).expect("hexadecimal digits are valid in a header");
        let process = self.process.clone();
        request.extensions_mut().insert(RequestId(request_id));
        let answering = self.inner.call(request);
        Box::pin(async move {
            let mut response = answering.await?;
            response.headers_mut().insert(REQUEST_ID, header);
            response.headers_mut().insert(EXTENDED_REQUEST_ID, process);
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use tower::{ServiceExt as _, service_fn};

    #[tokio::test]
    async fn the_answer_carries_what_the_request_was_given() {
        let echo = service_fn(async |request: Request<()>| {
            Ok::<_, Infallible>(Response::new(RequestId::of(request.extensions()).to_owned()))
        });
        let service = RequestIdLayer::new().layer(echo);
        let first = service.clone().oneshot(Request::new(())).await.unwrap();
        let second = service.oneshot(Request::new(())).await.unwrap();
        assert_eq!(first.headers()[REQUEST_ID], first.body().as_str());
        assert_eq!(first.body().len(), 16);
        assert_ne!(first.body(), second.body());
        assert_eq!(first.headers()[EXTENDED_REQUEST_ID], second.headers()[EXTENDED_REQUEST_ID]);
    }
}
