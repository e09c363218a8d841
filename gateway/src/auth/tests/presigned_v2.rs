//! Signature Version 2 in URLs. Known answers: boto3 1.44.5, checked against a plain HMAC-SHA1 of the documented string.

use bytes::Bytes;
use http::Request;
use s3s::Body;

use super::harness::{Outcome, config, send, send_at};

const GET_URI: &str = "/examplebucket/a%20b%2Bc/%C3%BC~?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE\
                       &Signature=svbCiWeIHTN%2BjBZoYB1qXYRAXc8%3D&Expires=1369440000";
const PUT_URI: &str = "/examplebucket/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=S%2B%2FBsCgwITNLHZPJcOtBebDQW0Q%3D\
                       &content-type=text%2Fplain&x-amz-meta-a=one%20two&Expires=1369440000";
const PART_URI: &str = "/examplebucket/k?uploadId=a%2Bb%2Fc&partNumber=2&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE\
                        &Signature=xgjX7BmDQm4np3zNcrpKvuiIlNo%3D&Expires=1369440000";
const OVERRIDE_URI: &str = "/examplebucket/k?versionId=null&response-content-type=text%2Fplain%3B%20charset%3Dutf-8\
                            &AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=%2B3umyszhQpTIRT1IdCMVQfmZKV8%3D\
                            &Expires=1369440000";
const LIST_QUERY: &str = "?list-type=2&prefix=x%2F&encoding-type=url&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE\
                          &Signature=2lW0gZD2tENqd1u6vq%2B2p6%2FZnfU%3D&Expires=1369440000";

fn request(method: &str, uri: &str) -> Request<Body> {
    let body = if method == "PUT" { Body::from(Bytes::from("hello")) } else { Body::empty() };
    let length = if method == "PUT" { 5 } else { 0 };
    Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "127.0.0.1:9000")
        .header("content-length", length)
        .body(body)
        .unwrap()
}

async fn send_request(method: &str, uri: &str) -> Outcome {
    send(request(method, uri)).await
}

#[tokio::test]
async fn a_get_passes_without_its_signature() {
    let (parts, _) = send_request("GET", GET_URI).await.passed();
    assert_eq!(parts.uri, "/examplebucket/a%20b%2Bc/%C3%BC~");
}

#[tokio::test]
async fn the_same_url_is_good_in_virtual_host_style() {
    let uri = GET_URI.strip_prefix("/examplebucket").unwrap();
    let mut virtual_host = request("GET", uri);
    virtual_host.headers_mut().insert("host", "examplebucket.s3.amazonaws.com".parse().unwrap());
    send(virtual_host).await.passed();
}

#[tokio::test]
async fn headers_in_the_url_become_headers() {
    let (parts, body) = send_request("PUT", PUT_URI).await.passed();
    assert_eq!(body, "hello");
    assert_eq!(parts.headers["x-amz-meta-a"], "one two");
    assert_eq!(parts.headers["content-type"], "text/plain");
    assert_eq!(parts.uri, "/examplebucket/k");

    let mut sent_as_header = request("PUT", PUT_URI);
    sent_as_header.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    send(sent_as_header).await.passed();
    let mut other_type = request("PUT", PUT_URI);
    other_type.headers_mut().insert("content-type", "text/html".parse().unwrap());
    send(other_type).await.assert_refused(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn sub_resources_and_overrides_are_signed() {
    let (parts, _) = send_request("PUT", PART_URI).await.passed();
    assert_eq!(parts.uri.query(), Some("uploadId=a%2Bb%2Fc&partNumber=2"));
    send_request("GET", OVERRIDE_URI).await.passed();

    for (method, uri) in [
        ("PUT", PART_URI.replace("partNumber=2", "partNumber=3")),
        ("PUT", PART_URI.replace("partNumber=2", "partNumber=2&partNumber=3")),
        ("PUT", PART_URI.replace("partNumber=2&", "")),
        ("GET", OVERRIDE_URI.replace("text%2Fplain", "text%2Fhtml")),
        ("GET", format!("{GET_URI}&acl")),
        ("GET", format!("{GET_URI}&x-amz-meta-a=b")),
        ("DELETE", GET_URI.to_owned()),
        ("GET", GET_URI.replace("~", "~~")),
        ("GET", GET_URI.replace("1369440000", "1369440001")),
        ("GET", GET_URI.replace("svbC", "svbD")),
    ] {
        send_request(method, &uri).await.assert_refused(403, "SignatureDoesNotMatch");
    }
}

#[tokio::test]
async fn buckets_are_listed_in_both_styles() {
    send_request("GET", &format!("/examplebucket{LIST_QUERY}")).await.passed();
    let mut virtual_host = request("GET", &format!("/{LIST_QUERY}"));
    virtual_host.headers_mut().insert("host", "examplebucket.s3.amazonaws.com".parse().unwrap());
    send(virtual_host).await.passed();
}

#[tokio::test]
async fn urls_expire_to_the_second() {
    send_at(request("GET", GET_URI), "20130525T000000Z", config()).await.passed();
    let outcome = send_at(request("GET", GET_URI), "20130525T000001Z", config()).await;
    outcome.assert_refused(403, "AccessDenied");
    assert!(outcome.document.contains("<Message>Request has expired</Message>"), "{}", outcome.document);
    let never = GET_URI.replace("1369440000", "soon");
    send_request("GET", &never).await.assert_refused(403, "AccessDenied");
}

#[tokio::test]
async fn a_setting_turns_version_2_off() {
    let mut config = config();
    config.allow_sigv2_presigned = false;
    let outcome = send_at(request("GET", GET_URI), "20130524T000000Z", config).await;
    outcome.assert_refused(400, "InvalidRequest");
    assert!(outcome.document.contains("AWS4-HMAC-SHA256"), "{}", outcome.document);
}

#[tokio::test]
async fn malformed_urls_are_told_apart_from_wrong_ones() {
    for uri in [
        "/b/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1369440000",
        "/b/k?Signature=x&Expires=1369440000",
        "/b/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=x",
        "/b/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=x&Signature=y&Expires=1369440000",
    ] {
        send_request("GET", uri).await.assert_refused(400, "AuthorizationQueryParametersError");
    }
    let unknown = GET_URI.replace("EXAMPLE", "EXAMPLF");
    send_request("GET", &unknown).await.assert_refused(403, "InvalidAccessKeyId");
}

#[tokio::test]
async fn version_2_in_the_header_is_refused_by_name() {
    let mut request = request("GET", "/b/k");
    request
        .headers_mut()
        .insert("authorization", "AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo".parse().unwrap());
    let outcome = send(request).await;
    outcome.assert_refused(400, "InvalidRequest");
    assert!(outcome.document.contains("AWS4-HMAC-SHA256"), "{}", outcome.document);
}
