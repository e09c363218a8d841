//! The tower layer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::HeaderName;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response};
use http_body::Body as _;
use s3s::Body;
use tower::{Layer, Service};
use tracing::debug;

use super::credentials::CredentialSource;
use super::error::AuthError;
use super::payload::body::{FailureSlot, VerifiedBody};
use super::payload::{LengthRule, PayloadInfo, PayloadPlan, TrailersHandle};
use super::query::Query;
use super::rewrite::{pin_host, strip_headers, unsigned_uri};
use super::timestamp::Timestamp;
use super::verdict::{Mechanism, Verdict};
use super::{AuthConfig, Clock};
use crate::addressing::Level;
use crate::http::error_body::{RequestId, error_xml, fit_to_method};

const COPY_SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");

/// Lets signed requests through to the service below, and answers all others with an S3 error.
#[derive(Clone)]
pub struct AuthLayer {
    gate: Arc<Gate>,
}

impl AuthLayer {
    /// `clock` decides on skew and expiry, and nothing else.
    pub fn new(credentials: Arc<dyn CredentialSource>, config: AuthConfig, clock: Clock) -> Self {
        Self { gate: Arc::new(Gate { credentials, config, clock }) }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService { inner, gate: Arc::clone(&self.gate) }
    }
}

/// The service that [`AuthLayer`] makes.
#[derive(Clone)]
pub struct AuthService<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S> Service<Request<Body>> for AuthService<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let answer_to = AnswerTo::of(&parts);
        match self.gate.admit(parts, body) {
            Ok(admitted) => {
                let answer = self.inner.call(admitted.request);
                Box::pin(async move { Ok(answer_to.with_cause(answer.await?, &admitted.failure)) })
            }
            Err(error) => {
                let answer = answer_to.refusal(&error);
                Box::pin(std::future::ready(Ok(answer)))
            }
        }
    }
}

struct Gate {
    credentials: Arc<dyn CredentialSource>,
    config: AuthConfig,
    clock: Clock,
}

struct Admitted {
    request: Request<Body>,
    failure: FailureSlot,
}

impl Gate {
    fn admit(&self, mut parts: Parts, body: Body) -> Result<Admitted, AuthError> {
        let uri = parts.uri.clone();
        let query = Query::parse(uri.query())?;
        let mechanism = Mechanism::of(&parts, &query)?;
        let now = Timestamp::new((self.clock)().into());
        let Verdict { identity, mode, chain, hoisted } =
            mechanism.verify(&parts, &query, self.credentials.as_ref(), &self.config, now)?;

        pin_host(&mut parts);
        parts.headers.extend(hoisted);
        if mechanism.is_presigned() {
            parts.uri = unsigned_uri(&uri, &query);
        }
        let body_is_empty = body.is_end_stream();
        let plan = PayloadPlan::new(&parts, mode, self.length_rule(&parts), body_is_empty)?;
        strip_headers(&mut parts.headers, plan.decoded_length);

        let trailers = TrailersHandle::default();
        let failure = FailureSlot::default();
        parts.extensions.insert(identity);
        parts.extensions.insert(PayloadInfo {
            decoded_length: plan.decoded_length,
            announced_trailers: plan.announced_trailers.clone(),
            trailers: trailers.clone(),
        });
        let body = if body_is_empty && plan.allows_no_bytes() {
            trailers.set(HeaderMap::new());
            Body::empty()
        } else {
            let idle_timeout = self.config.body_idle_timeout;
            Body::http_body(VerifiedBody::new(body, &plan, chain, idle_timeout, trailers, failure.clone()))
        };
        Ok(Admitted { request: Request::from_parts(parts, body), failure })
    }

    /// PutObject and UploadPart must say how much comes; copies have no body, documents are bounded by their reader.
    fn length_rule(&self, parts: &Parts) -> LengthRule {
        let stores_body = parts.method == Method::PUT
            && Level::of(parts, &self.config.virtual_hosts) == Level::Object
            && !parts.headers.contains_key(COPY_SOURCE);
        if stores_body { LengthRule::Required } else { LengthRule::Optional }
    }
}

/// What of a request its answer depends on, kept while the request is away.
struct AnswerTo {
    method: Method,
    resource: String,
    request_id: String,
}

impl AnswerTo {
    fn of(parts: &Parts) -> Self {
        Self {
            method: parts.method.clone(),
            resource: parts.uri.path().to_owned(),
            request_id: RequestId::of(&parts.extensions).to_owned(),
        }
    }

    fn refusal(&self, error: &AuthError) -> Response<Body> {
        let (code, status) = error.s3_code();
        debug!(code, %error, "request refused");
        let elements = error.elements();
        let elements: Vec<(&str, &str)> =
            elements.iter().map(|(name, text)| (*name, text.as_ref())).collect();
        let answer = error_xml(code, status, &error.to_string(), &self.resource, &self.request_id, &elements);
        fit_to_method(answer, &self.method)
    }

    /// An error answer after the payload failed is about the payload, whatever the layers between made of it.
    fn with_cause(&self, answer: Response<Body>, failure: &FailureSlot) -> Response<Body> {
        let is_error = answer.status().is_client_error() || answer.status().is_server_error();
        match failure.get() {
            Some(failure) if is_error => {
                debug!(code = failure.code, error = %failure.message, "request body refused");
                let (code, status) = (failure.code, failure.status);
                let answer = error_xml(code, status, &failure.message, &self.resource, &self.request_id, &[]);
                fit_to_method(answer, &self.method)
            }
            _ => answer,
        }
    }
}
