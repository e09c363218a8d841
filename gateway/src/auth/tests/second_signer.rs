//! Requests made at random and signed by the AWS SDK's own signer.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;
use http::Request;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use s3s::Body;

use super::harness::{ACCESS_KEY, SECRET_KEY, send};
use crate::auth::payload::PayloadMode;
use crate::auth::signing::sha256_hex;

/// 2013-05-24, the moment of AWS's examples.
const EXAMPLE_UNIX_SECONDS: u64 = 1_369_353_600;

/// Signs `request` in place; `payload` is what stands for the body.
pub(super) fn sign_with_sdk(request: &mut Request<Body>, location: SignatureLocation, payload: &str) {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.signature_location = location;
    if location == SignatureLocation::QueryParams {
        settings.expires_in = Some(Duration::from_secs(900));
    }
    let identity = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test").into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("s3")
        .time(SystemTime::UNIX_EPOCH + Duration::from_secs(EXAMPLE_UNIX_SECONDS))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let host = request.headers()["host"].to_str().unwrap();
    let uri = format!("http://{host}{}", request.uri());
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let body = SignableBody::Precomputed(payload.to_owned());
    let signable = SignableRequest::new(request.method().as_str(), uri, headers, body).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    instructions.apply_to_request_http1x(request);
}

#[derive(Clone, Debug)]
struct Shape {
    method: &'static str,
    path: Vec<u8>,
    query: Vec<(String, String)>,
    metadata: Vec<(String, String)>,
    body: Vec<u8>,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let method = prop::sample::select(vec!["GET", "HEAD", "PUT", "POST", "DELETE"]);
    let query = vec(("[a-z][a-z-]{0,8}", "[ -~é]{0,12}"), 0..4);
    let metadata = btree_map("x-amz-meta-[a-z]{1,8}", "[!-~]([ -~]{0,10}[!-~])?", 0..4);
    (method, vec(any::<u8>(), 1..40), query, metadata, vec(any::<u8>(), 0..200)).prop_map(
        |(method, path, query, metadata, body)| Shape {
            method,
            path,
            query,
            metadata: metadata.into_iter().collect(),
            body: if method == "PUT" { body } else { Vec::new() },
        },
    )
}

/// Percent-encodes as S3 clients do: the signer takes the path as it is on the wire.
fn encode(bytes: &[u8], unreserved: &[u8]) -> String {
    let encode_one = |byte: &u8| {
        let stays = byte.is_ascii_alphanumeric() || unreserved.contains(byte);
        if stays { char::from(*byte).to_string() } else { format!("%{byte:02X}") }
    };
    bytes.iter().map(encode_one).collect()
}

impl Shape {
    fn request(&self, payload: &str) -> Request<Body> {
        let path = encode(&self.path, b"-_.~/");
        let query: Vec<String> = self
            .query
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value.as_bytes(), b"-_.~")))
            .collect();
        let uri = format!("/bucket/{path}?{}", query.join("&"));
        let mut request = Request::builder()
            .method(self.method)
            .uri(uri)
            .header("host", "127.0.0.1:9000")
            .header("content-length", self.body.len())
            .header("x-amz-content-sha256", payload);
        for (name, value) in &self.metadata {
            request = request.header(name, value);
        }
        request.body(Body::from(Bytes::from(self.body.clone()))).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn its_header_signatures_are_ours(shape in shapes(), hash_the_body in any::<bool>()) {
        let payload = if hash_the_body { sha256_hex(&shape.body) } else { PayloadMode::UNSIGNED.to_owned() };
        let mut request = shape.request(&payload);
        sign_with_sdk(&mut request, SignatureLocation::Headers, &payload);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (_, body) = runtime.block_on(send(request)).passed();
        prop_assert_eq!(body, shape.body);
    }

    #[test]
    fn its_query_signatures_are_ours(shape in shapes()) {
        let mut request = shape.request(PayloadMode::UNSIGNED);
        request.headers_mut().remove("x-amz-content-sha256");
        sign_with_sdk(&mut request, SignatureLocation::QueryParams, PayloadMode::UNSIGNED);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (parts, body) = runtime.block_on(send(request)).passed();
        prop_assert!(!parts.uri.to_string().contains("X-Amz-"), "{}", parts.uri);
        prop_assert_eq!(body, shape.body);
    }
}
