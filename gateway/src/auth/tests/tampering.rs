//! Whatever of a signed request is changed on the way, it is refused.

use aws_sigv4::http_request::SignatureLocation;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use proptest::prelude::*;
use s3s::Body;

use super::harness::{Outcome, config, send, send_at};
use super::second_signer::sign_with_sdk;
use crate::auth::signing::sha256_hex;

fn signed() -> Request<Body> {
    let payload = sha256_hex(b"hello");
    let mut request = Request::put("/bucket/key?partNumber=1&uploadId=u")
        .header("host", "127.0.0.1:9000")
        .header("content-length", "5")
        .header("content-type", "text/plain")
        .header("x-amz-meta-a", "1")
        .header("x-amz-content-sha256", &payload)
        .body(Body::from(Bytes::from("hello")))
        .unwrap();
    sign_with_sdk(&mut request, SignatureLocation::Headers, &payload);
    request
}

async fn send_changed(change: impl FnOnce(&mut Request<Body>)) -> Outcome {
    let mut request = signed();
    change(&mut request);
    send(request).await
}

fn set(request: &mut Request<Body>, name: &'static str, value: &str) {
    request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
}

/// Changes a part of the `Authorization` header.
fn reauthorize(request: &mut Request<Body>, from: &str, to: &str) {
    let authorization = request.headers()["authorization"].to_str().unwrap().replacen(from, to, 1);
    set(request, "authorization", &authorization);
}

#[tokio::test]
async fn untouched_it_passes() {
    send(signed()).await.passed();
}

#[tokio::test]
async fn every_signed_part_counts() {
    let changes: [fn(&mut Request<Body>); 11] = [
        |request| *request.method_mut() = http::Method::POST,
        |request| *request.uri_mut() = "/bucket/kez?partNumber=1&uploadId=u".parse().unwrap(),
        |request| *request.uri_mut() = "/bucket/key?partNumber=2&uploadId=u".parse().unwrap(),
        |request| *request.uri_mut() = "/bucket/key?partNumber=1&uploadId=u&acl".parse().unwrap(),
        |request| *request.uri_mut() = "/bucket/key?partNumber=1".parse().unwrap(),
        |request| *request.uri_mut() = "/bucket//key?partNumber=1&uploadId=u".parse().unwrap(),
        |request| set(request, "host", "127.0.0.1:9001"),
        |request| set(request, "x-amz-meta-a", "2"),
        |request| set(request, "x-amz-date", "20130524T000001Z"),
        |request| set(request, "x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        |request| {
            request.headers_mut().append("x-amz-meta-a", HeaderValue::from_static("2"));
        },
    ];
    for change in changes {
        send_changed(change).await.assert_refused(403, "SignatureDoesNotMatch");
    }
}

#[tokio::test]
async fn every_character_of_the_signature_counts() {
    let signature =
        signed().headers()["authorization"].to_str().unwrap().split("Signature=").nth(1).unwrap().to_owned();
    assert_eq!(signature.len(), 64);
    for position in 0..signature.len() {
        let mut forged = signature.clone().into_bytes();
        forged[position] = if forged[position] == b'0' { b'1' } else { b'0' };
        let forged = String::from_utf8(forged).unwrap();
        let outcome = send_changed(|request| reauthorize(request, &signature, &forged)).await;
        outcome.assert_refused(403, "SignatureDoesNotMatch");
    }
    for forged in [&signature[..63], "", &signature.to_ascii_uppercase()] {
        let outcome = send_changed(|request| reauthorize(request, &signature, forged)).await;
        outcome.assert_refused(403, "SignatureDoesNotMatch");
    }
}

#[tokio::test]
async fn a_mismatch_shows_what_was_signed_but_no_secret() {
    let outcome = send_changed(|request| set(request, "x-amz-meta-a", "2")).await;
    for shown in
        ["<StringToSign>AWS4-HMAC-SHA256\n", "<CanonicalRequest>PUT\n/bucket/key\n", "<AWSAccessKeyId>AKIA"]
    {
        assert!(outcome.document.contains(shown), "{}", outcome.document);
    }
    assert!(!outcome.document.contains("wJalr"), "{}", outcome.document);
}

#[tokio::test]
async fn the_body_is_held_to_its_hash() {
    for (body, code) in
        [("hellO", "XAmzContentSHA256Mismatch"), ("hell", "IncompleteBody"), ("hello!", "IncompleteBody")]
    {
        let outcome = send_changed(|request| *request.body_mut() = Body::from(Bytes::from(body))).await;
        outcome.assert_answer(400, code);
        assert_eq!(outcome.seen.unwrap().body, Err(code));
    }
    let outcome = send_changed(|request| *request.body_mut() = Body::empty()).await;
    outcome.assert_refused(400, "XAmzContentSHA256Mismatch");
}

#[tokio::test]
async fn added_amazon_headers_are_refused_others_are_not() {
    let outcome = send_changed(|request| set(request, "x-amz-acl", "public-read")).await;
    outcome.assert_refused(403, "AccessDenied");
    assert!(
        outcome.document.contains("<HeadersNotSigned>x-amz-acl</HeadersNotSigned>"),
        "{}",
        outcome.document
    );
    send_changed(|request| set(request, "via", "proxy")).await.passed();
    let outcome = send_changed(|request| reauthorize(request, "host;", "")).await;
    outcome.assert_refused(403, "AccessDenied");
    assert!(outcome.document.contains("<HeadersNotSigned>host</HeadersNotSigned>"), "{}", outcome.document);
}

#[tokio::test]
async fn the_scope_is_checked() {
    for (from, to) in
        [("/s3/", "/s3express/"), ("/s3/", "/sts/"), ("20130524/", "20130523/"), ("aws4_request", "aws4")]
    {
        let outcome = send_changed(|request| reauthorize(request, from, to)).await;
        outcome.assert_refused(400, "AuthorizationHeaderMalformed");
    }
    // Another region makes another key, so the signature no longer fits.
    let outcome = send_changed(|request| reauthorize(request, "us-east-1", "eu-west-1")).await;
    outcome.assert_refused(403, "SignatureDoesNotMatch");
    let outcome = send_changed(|request| reauthorize(request, "EXAMPLE/", "EXAMPLF/")).await;
    outcome.assert_refused(403, "InvalidAccessKeyId");
}

#[tokio::test]
async fn a_strict_gateway_names_its_region() {
    let mut config = config();
    config.strict_region = true;
    config.region = "eu-west-1".to_owned();
    let outcome = send_at(signed(), "20130524T000000Z", config).await;
    outcome.assert_refused(400, "AuthorizationHeaderMalformed");
    assert!(outcome.document.contains("<Region>eu-west-1</Region>"), "{}", outcome.document);
}

#[tokio::test]
async fn malformed_headers_are_told_apart_from_wrong_ones() {
    for (from, to) in [
        ("Credential=", "Credentials="),
        ("SignedHeaders=", "Signature="),
        ("Signature=", "Other="),
        (", Signature=", ", Signature=0, Signature="),
        ("SignedHeaders=", "SignedHeaders=;"),
        ("SignedHeaders=c", "SignedHeaders=C"),
        ("Credential=AKIAIOSFODNN7EXAMPLE/", "Credential="),
    ] {
        let outcome = send_changed(|request| reauthorize(request, from, to)).await;
        outcome.assert_refused(400, "AuthorizationHeaderMalformed");
    }
    let outcome = send_changed(|request| {
        request.headers_mut().append("authorization", HeaderValue::from_static("AWS4-HMAC-SHA256 x"));
    });
    outcome.await.assert_refused(400, "AuthorizationHeaderMalformed");
    send_changed(|request| set(request, "authorization", "Bearer x"))
        .await
        .assert_refused(400, "InvalidArgument");
    let outcome = send_changed(|request| reauthorize(request, "HMAC", "ECDSA-P256"));
    outcome.await.assert_refused(400, "InvalidRequest");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let without = |name: &'static str| {
        send_changed(move |request| {
            request.headers_mut().remove(name);
        })
    };
    without("authorization").await.assert_refused(403, "AccessDenied");
    without("x-amz-date").await.assert_refused(403, "AccessDenied");
    without("x-amz-content-sha256").await.assert_refused(400, "InvalidRequest");
    // Signed, but gone: a proxy took it.
    without("x-amz-meta-a").await.assert_refused(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn two_mechanisms_at_once_are_refused() {
    for item in ["X-Amz-Signature=x", "X-Amz-Algorithm=AWS4-HMAC-SHA256", "Signature=x", "AWSAccessKeyId=x"] {
        let outcome =
            send_changed(|request| *request.uri_mut() = format!("/bucket/key?{item}").parse().unwrap());
        outcome.await.assert_refused(400, "InvalidArgument");
    }
    let both = Request::get("/b/k?Signature=x&X-Amz-Signature=y").body(Body::empty()).unwrap();
    send(both).await.assert_refused(400, "InvalidArgument");
}

#[tokio::test]
async fn http2_requests_are_signed_for_their_authority() {
    let over_http2 = |header: Option<&'static str>| {
        send_changed(move |request| {
            *request.version_mut() = http::Version::HTTP_2;
            *request.uri_mut() = "http://127.0.0.1:9000/bucket/key?partNumber=1&uploadId=u".parse().unwrap();
            request.headers_mut().remove("host");
            if let Some(host) = header {
                set(request, "host", host);
            }
        })
    };
    let (parts, _) = over_http2(None).await.passed();
    assert_eq!(parts.headers["host"], "127.0.0.1:9000");
    // A header that names another host must not lead the router astray.
    let (parts, _) = over_http2(Some("other.s3.amazonaws.com")).await.passed();
    assert_eq!(parts.headers["host"], "127.0.0.1:9000");
}

/// Fragments that get far into the parsers, and bytes that do not belong there.
fn hostile_text() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(vec![
        "AWS4-HMAC-SHA256 ",
        "Credential=",
        "SignedHeaders=",
        "Signature=",
        "host;x-amz-date",
        "/20130524/us-east-1/s3",
        "/aws4_request",
        "AKIAIOSFODNN7EXAMPLE",
        ",",
        "=",
        ";",
        "&",
        "%2F",
        "%",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Credential=",
        "X-Amz-Date=20130524T000000Z",
        "X-Amz-Expires=",
        "X-Amz-SignedHeaders=host",
        "X-Amz-Signature=",
        "AWSAccessKeyId=",
        "Expires=",
        "9",
        "-",
        "a",
        "AWS ",
    ]);
    prop::collection::vec(fragment, 0..14).prop_map(|fragments| fragments.concat())
}

proptest! {
    /// Hostile credentials are refused as the client's mistake, never with a panic.
    #[test]
    fn hostile_credentials_do_no_harm(authorization in hostile_text(), query in hostile_text(), in_header in any::<bool>()) {
        let mut request = signed();
        *request.uri_mut() = format!("/bucket/key?{}", query.replace(' ', "+")).parse().unwrap();
        if in_header {
            set(&mut request, "authorization", &authorization);
        } else {
            request.headers_mut().remove("authorization");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let outcome = runtime.block_on(send(request));
        prop_assert!(outcome.status.is_client_error() && outcome.seen.is_none(), "{}", outcome.document);
    }
}
