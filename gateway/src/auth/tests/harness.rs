//! A layer with a fixed clock over a service that remembers what it saw.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::request::{Builder, Parts};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use s3s::Body;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::addressing::VirtualHosts;
use crate::auth::timestamp::Timestamp;
use crate::auth::{AuthConfig, AuthLayer, CredentialSource, PayloadError, SecretKey};
use crate::http::error_body::RequestId;

pub(super) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(super) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// The moment of AWS's examples.
pub(super) const EXAMPLE_TIME: &str = "20130524T000000Z";
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

struct OneKey;

impl CredentialSource for OneKey {
    fn secret_key(&self, access_key: &str) -> Option<SecretKey> {
        (access_key == ACCESS_KEY).then(|| SecretKey::new(SECRET_KEY))
    }
}

/// A request as the service below saw it.
pub(super) struct Seen {
    pub(super) parts: Parts,
    pub(super) body: Result<Bytes, &'static str>,
}

/// What came back, and what got through.
pub(super) struct Outcome {
    pub(super) status: StatusCode,
    pub(super) document: String,
    pub(super) seen: Option<Seen>,
}

impl Outcome {
    /// What the service below saw of a request that passed with its body.
    pub(super) fn passed(self) -> (Parts, Bytes) {
        assert_eq!(self.status, StatusCode::OK, "{}", self.document);
        let seen = self.seen.expect("a request that passed was seen");
        (seen.parts, seen.body.expect("a request that passed has a good body"))
    }

    /// Asserts that nothing got through.
    #[track_caller]
    pub(super) fn assert_refused(&self, status: u16, code: &str) {
        assert!(self.seen.is_none(), "a refused request got through");
        self.assert_answer(status, code);
    }

    #[track_caller]
    pub(super) fn assert_answer(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.document);
        assert!(self.document.contains(&format!("<Code>{code}</Code>")), "{}", self.document);
        assert!(self.document.contains("<RequestId>request-1</RequestId>"), "{}", self.document);
    }
}

pub(super) fn config() -> AuthConfig {
    AuthConfig {
        region: "us-east-1".to_owned(),
        strict_region: false,
        allow_sigv2_presigned: true,
        body_idle_timeout: IDLE_TIMEOUT,
        virtual_hosts: VirtualHosts::new(["s3.amazonaws.com"]),
    }
}

/// Sends `request` at the moment of AWS's examples.
pub(super) async fn send(request: Request<Body>) -> Outcome {
    send_at(request, EXAMPLE_TIME, config()).await
}

pub(super) async fn send_at(mut request: Request<Body>, now: &str, config: AuthConfig) -> Outcome {
    let now = Timestamp::parse_basic(now).expect("a test's time is well-formed");
    let now = SystemTime::UNIX_EPOCH
        + Duration::try_from(now.since(Timestamp::from_unix(0).expect("1970 exists")))
            .expect("tests are after 1970");
    let seen = Arc::new(Mutex::new(None));
    let recorder = Arc::clone(&seen);
    let service = service_fn(move |request: Request<Body>| record(request, Arc::clone(&recorder)));
    let layer = AuthLayer::new(Arc::new(OneKey), config, Arc::new(move || now));
    request.extensions_mut().insert(RequestId("request-1".to_owned()));
    let response = layer.layer(service).oneshot(request).await.expect("the recorder cannot fail");
    let status = response.status();
    let document = response.into_body().collect().await.expect("an answer is in memory").to_bytes();
    let document = String::from_utf8(document.to_vec()).expect("an answer is text");
    let seen = seen.lock().expect("nobody panicked").take();
    Outcome { status, document, seen }
}

/// Reads the body like s3s does: a failed one becomes an internal error, which the layer must mend.
async fn record(
    request: Request<Body>,
    seen: Arc<Mutex<Option<Seen>>>,
) -> Result<Response<Body>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).map_err(|error| {
        error.downcast_ref::<PayloadError>().expect("bodies fail with payload errors").s3_code().0
    });
    let mut response = Response::new(Body::empty());
    if body.is_err() {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    *seen.lock().expect("nobody panicked") = Some(Seen { parts, body });
    Ok(response)
}

/// `Authorization` of a request signed elsewhere.
pub(super) fn authorization(signed_headers: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders={signed_headers},Signature={signature}"
    )
}

/// A request with the example's host and date.
pub(super) fn example(method: &str, uri: &str, host: &str, payload: &str) -> Builder {
    Request::builder()
        .method(method)
        .uri(uri)
        .header("host", host)
        .header("x-amz-date", EXAMPLE_TIME)
        .header("x-amz-content-sha256", payload)
}
