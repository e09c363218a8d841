//! The guard at the door: what we do not implement answers `NotImplemented` before anything else looks at the request.
//!
//! S3 puts operations into query names and behaviour into headers. A router that does not know a name would fall
//! through to a neighbour, and a `PUT /bucket/key?annotation` would overwrite the object. So `sub_resources` lists
//! what each method at each level may carry, and `headers` what may be asked of an operation; the rest is refused.
//!
//! The guard only decides whether a request may be routed. What the answer is (an empty tag set, say) is the router's.

mod headers;
mod sub_resources;

#[cfg(test)]
mod tests;

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::Either;
use http::header::{CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderName, Method, Request, Response, StatusCode};
use s3s::Body;
use tower::{Layer, Service};
use tracing::debug;

use crate::addressing::{Level, VirtualHosts};
use crate::auth::query::{InvalidEscape, Query};
use crate::http::error_body::{RequestId, error_xml, fit_to_method};

/// Why a request was turned away at the door.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the sub-resource or parameter {name} is not implemented for {method} requests at this level")]
    SubResource { name: String, method: Method },
    #[error("the header {name} asks for something that is not implemented")]
    Header { name: HeaderName },
    #[error("browser uploads by POST forms are not implemented")]
    PostForm,
    #[error("conflicting query string parameters: {first}, {second}")]
    Conflict { first: &'static str, second: &'static str },
    #[error("uploading a part needs both partNumber and uploadId")]
    HalfAPart,
    #[error("invalid list type specified in request")]
    ListType,
    #[error("the request must have exactly one Host header")]
    Hosts,
    #[error("the specified method is not allowed against this resource")]
    Method,
    #[error("CORSResponse: CORS is not enabled for this bucket")]
    Preflight,
    #[error("could not parse the specified URI")]
    InvalidUri(#[from] InvalidEscape),
}

impl Refusal {
    fn s3_code(&self) -> (&'static str, StatusCode) {
        match self {
            Self::SubResource { .. } | Self::Header { .. } | Self::PostForm => {
                ("NotImplemented", StatusCode::NOT_IMPLEMENTED)
            }
            Self::Conflict { .. } | Self::HalfAPart | Self::ListType => {
                ("InvalidArgument", StatusCode::BAD_REQUEST)
            }
            Self::Hosts => ("InvalidRequest", StatusCode::BAD_REQUEST),
            Self::Method => ("MethodNotAllowed", StatusCode::METHOD_NOT_ALLOWED),
            Self::Preflight => ("AccessForbidden", StatusCode::FORBIDDEN),
            Self::InvalidUri(_) => ("InvalidURI", StatusCode::BAD_REQUEST),
        }
    }
}

/// Checks a request's method, query names and headers against what we implement.
fn check(parts: &Parts, virtual_hosts: &VirtualHosts) -> Result<(), Refusal> {
    check_method(&parts.method)?;
    if parts.headers.get_all(HOST).iter().count() > 1 {
        return Err(Refusal::Hosts);
    }
    check_post_form(parts)?;
    let query = Query::parse(parts.uri.query())?;
    sub_resources::check(&parts.method, Level::of(parts, virtual_hosts), &query)?;
    headers::check(&parts.headers, &query)
}

fn check_method(method: &Method) -> Result<(), Refusal> {
    match *method {
        Method::GET | Method::HEAD | Method::PUT | Method::POST | Method::DELETE => Ok(()),
        Method::OPTIONS => Err(Refusal::Preflight),
        _ => Err(Refusal::Method),
    }
}

fn check_post_form(parts: &Parts) -> Result<(), Refusal> {
    const FORM: &str = "multipart/form-data";
    let is_form =
        |text: &str| text.trim_start().get(..FORM.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(FORM));
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if parts.method == Method::POST && content_type.is_some_and(is_form) {
        return Err(Refusal::PostForm);
    }
    Ok(())
}

/// Turns requests away that ask for what we do not implement.
#[derive(Clone, Debug)]
pub struct AdmissionLayer {
    virtual_hosts: Arc<VirtualHosts>,
}

impl AdmissionLayer {
    /// `virtual_hosts` decides, with the path, on which level of S3 a request acts.
    pub fn new(virtual_hosts: VirtualHosts) -> Self {
        Self { virtual_hosts: Arc::new(virtual_hosts) }
    }
}

impl<S> Layer<S> for AdmissionLayer {
    type Service = AdmissionService<S>;

    fn layer(&self, inner: S) -> AdmissionService<S> {
        AdmissionService { inner, virtual_hosts: Arc::clone(&self.virtual_hosts) }
    }
}

/// The service that [`AdmissionLayer`] makes.
#[derive(Clone, Debug)]
pub struct AdmissionService<S> {
    inner: S,
    virtual_hosts: Arc<VirtualHosts>,
}

impl<S> Service<Request<Body>> for AdmissionService<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (parts, body) = request.into_parts();
        match check(&parts, &self.virtual_hosts) {
            Ok(()) => Either::Left(self.inner.call(Request::from_parts(parts, body))),
            Err(refusal) => Either::Right(ready(Ok(answer(&refusal, &parts)))),
        }
    }
}

fn answer(refusal: &Refusal, parts: &Parts) -> Response<Body> {
    let (code, status) = refusal.s3_code();
    debug!(code, error = %refusal, "request not admitted");
    let request_id = RequestId::of(&parts.extensions);
    let answer = error_xml(code, status, &refusal.to_string(), parts.uri.path(), request_id, &[]);
    fit_to_method(answer, &parts.method)
}
