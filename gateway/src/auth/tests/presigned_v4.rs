//! Signature Version 4 in URLs.

use aws_sigv4::http_request::SignatureLocation;
use bytes::Bytes;
use http::Request;
use s3s::Body;

use super::harness::{EXAMPLE_TIME, Outcome, config, send, send_at};
use super::second_signer::sign_with_sdk;
use crate::auth::payload::PayloadMode;
use crate::auth::signing::sha256_hex;

/// A PUT of `hello` presigned for a quarter of an hour.
fn presigned(uri: &str) -> Request<Body> {
    let mut request =
        Request::put(uri).header("host", "127.0.0.1:9000").body(Body::from(Bytes::from("hello"))).unwrap();
    sign_with_sdk(&mut request, SignatureLocation::QueryParams, PayloadMode::UNSIGNED);
    // Clients know it only when they have the body.
    request.headers_mut().insert("content-length", 5.into());
    request
}

async fn send_changed(from: &str, to: &str) -> Outcome {
    let mut request = presigned("/bucket/key");
    let uri = request.uri().to_string();
    assert!(uri.contains(from), "{uri}");
    *request.uri_mut() = uri.replacen(from, to, 1).parse().unwrap();
    send(request).await
}

#[tokio::test]
async fn only_its_own_expiry_counts() {
    send_at(presigned("/bucket/key"), "20130524T001500Z", config()).await.passed();
    let outcome = send_at(presigned("/bucket/key"), "20130524T001501Z", config()).await;
    outcome.assert_refused(403, "AccessDenied");
    for element in ["<Message>Request has expired</Message>", "<Expires>2013-05-24T00:15:00Z</Expires>"] {
        assert!(outcome.document.contains(element), "{}", outcome.document);
    }
}

#[tokio::test]
async fn urls_from_the_future_are_not_valid_yet() {
    send_at(presigned("/bucket/key"), "20130523T234500Z", config()).await.passed();
    let outcome = send_at(presigned("/bucket/key"), "20130523T234459Z", config()).await;
    outcome.assert_refused(403, "AccessDenied");
    assert!(outcome.document.contains("not valid yet"), "{}", outcome.document);
}

#[tokio::test]
async fn lifetimes_are_from_a_second_to_a_week() {
    for seconds in ["0", "-1", "604801", "1.5", "", "99999999999999999999"] {
        let outcome = send_changed("X-Amz-Expires=900", &format!("X-Amz-Expires={seconds}")).await;
        outcome.assert_refused(400, "AuthorizationQueryParametersError");
    }
    // Within the range, but not what was signed.
    for seconds in ["1", "604800"] {
        let outcome = send_changed("X-Amz-Expires=900", &format!("X-Amz-Expires={seconds}")).await;
        outcome.assert_refused(403, "SignatureDoesNotMatch");
    }
}

#[tokio::test]
async fn malformed_urls_are_told_apart_from_wrong_ones() {
    for (from, to) in [
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=AWS4-HMAC-SHA1"),
        ("X-Amz-Algorithm=", "X-Amz-Algorithn="),
        ("X-Amz-Date=20130524T000000Z", "X-Amz-Date=today"),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=Host"),
        ("%2Fs3%2F", "%2Fs3express%2F"),
        ("X-Amz-Signature=", "X-Amz-Expires=1&X-Amz-Signature="),
    ] {
        send_changed(from, to).await.assert_refused(400, "AuthorizationQueryParametersError");
    }
    send_changed("EXAMPLE", "EXAMPLF").await.assert_refused(403, "InvalidAccessKeyId");
    send_changed("/key", "/kez").await.assert_refused(403, "SignatureDoesNotMatch");
    send_changed("X-Amz-Signature=", "acl&X-Amz-Signature=")
        .await
        .assert_refused(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn a_strict_gateway_names_its_region() {
    let mut config = config();
    config.strict_region = true;
    config.region = "eu-west-1".to_owned();
    let outcome = send_at(presigned("/bucket/key"), EXAMPLE_TIME, config).await;
    outcome.assert_refused(400, "AuthorizationQueryParametersError");
    assert!(outcome.document.contains("<Region>eu-west-1</Region>"), "{}", outcome.document);
}

#[tokio::test]
async fn what_sdks_put_into_the_url_is_signed_and_understood() {
    let uri = "/bucket/key?x-id=PutObject&x-amz-meta-a=b%20c&x-amz-checksum-crc32=AAAAAA%3D%3D\
               &x-amz-sdk-checksum-algorithm=CRC32&X-Amz-Security-Token=t%2Fk";
    let (parts, body) = send(presigned(uri)).await.passed();
    assert_eq!(body, "hello");
    assert_eq!(parts.uri, "/bucket/key?x-id=PutObject");
    assert_eq!(parts.headers["x-amz-meta-a"], "b c");
    assert!(!parts.headers.contains_key("x-amz-checksum-crc32"));
}

#[tokio::test]
async fn unsigned_amazon_headers_are_refused() {
    let mut request = presigned("/bucket/key");
    request.headers_mut().insert("x-amz-acl", "public-read".parse().unwrap());
    let outcome = send(request).await;
    outcome.assert_refused(403, "AccessDenied");
    assert!(
        outcome.document.contains("<HeadersNotSigned>x-amz-acl</HeadersNotSigned>"),
        "{}",
        outcome.document
    );
}

#[tokio::test]
async fn a_hash_that_comes_with_the_body_is_checked() {
    let with_hash = |of: &[u8]| {
        let mut request = presigned("/bucket/key");
        request.headers_mut().insert("x-amz-content-sha256", sha256_hex(of).parse().unwrap());
        send(request)
    };
    with_hash(b"hello").await.passed();
    with_hash(b"other").await.assert_answer(400, "XAmzContentSHA256Mismatch");

    let mut request = presigned("/bucket/key");
    request
        .headers_mut()
        .insert("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".parse().unwrap());
    send(request).await.assert_refused(400, "InvalidRequest");
}

#[tokio::test]
async fn a_body_without_length_is_refused() {
    let mut request = presigned("/bucket/key");
    request.headers_mut().remove("content-length");
    send(request).await.assert_refused(411, "MissingContentLength");
}
