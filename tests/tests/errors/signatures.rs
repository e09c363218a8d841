//! Requests that are not who they say they are, or not when.

use haulout_tests::s3::object_request;
use haulout_tests::signature::{STREAMING_SIGNED, STREAMING_SIGNED_TRAILER, UNSIGNED_PAYLOAD};
use haulout_tests::wire::Request;
use haulout_tests::xml;
use time::{Duration, OffsetDateTime};

use crate::refusal::Site;

#[test]
fn no_signature() {
    let mut site = Site::new();
    let mut request = site.put();
    request.set_header("host", site.host());
    site.refuses(&request, 403, "AccessDenied");
}

#[test]
fn wrong_secret() {
    let mut site = Site::new();
    let mut signer = site.signer();
    signer.credentials.secret_access_key.push('x');
    let request = site.signed_by(&signer, site.put());
    site.refuses(&request, 403, "SignatureDoesNotMatch");
}

#[test]
fn unknown_key() {
    let mut site = Site::new();
    let mut signer = site.signer();
    signer.credentials.access_key_id = "HOTESTACCESSKEY99999".to_owned();
    let request = site.signed_by(&signer, site.put());
    site.refuses(&request, 403, "InvalidAccessKeyId");
}

type Change = fn(&mut Request);

/// Whatever is changed after signing, the signature no longer fits.
#[test]
fn changed_after_signing() {
    let changes: [(&str, Change); 6] = [
        ("path", |request| request.path.push('x')),
        ("query", |request| request.query.push(("x-id".to_owned(), "PutObject".to_owned()))),
        ("signed header", |request| request.set_header("x-amz-meta-name", "other")),
        ("method", |request| request.method = "POST"),
        ("host", |request| request.set_header("host", "localhost:1")),
        ("payload hash", |request| request.set_header("x-amz-content-sha256", UNSIGNED_PAYLOAD)),
    ];
    let mut site = Site::new();
    for (what, change) in changes {
        let mut request = site.client.signed(site.put().header("x-amz-meta-name", "value"));
        change(&mut request);
        let response = site.send(&request);
        assert_eq!(response.status, 403, "{what}: {}", response.text());
        site.assert_empty();
    }
}

/// AWS refuses `x-amz-` headers that the signature does not cover: someone on the way may have added them.
#[test]
fn unsigned_amz_header() {
    let mut site = Site::new();
    let request = site.client.signed(site.put()).header("x-amz-meta-added", "later");
    site.refuses(&request, 403, "AccessDenied");
}

#[test]
fn body_changed_after_signing() {
    let mut site = Site::new();
    let mut request = site.client.signed(site.put());
    request.body = b"jello".to_vec();
    site.refuses(&request, 400, "XAmzContentSHA256Mismatch");
}

#[test]
fn skewed_clock() {
    let mut site = Site::new();
    for minutes in [-16, 16] {
        let mut signer = site.signer();
        signer.time += Duration::minutes(minutes);
        let request = site.signed_by(&signer, site.put());
        let response = site.refuses(&request, 403, "RequestTimeTooSkewed");
        assert!(
            xml::text(&response.text(), "ServerTime").is_some(),
            "SDKs correct their clock by ServerTime"
        );
    }
}

#[test]
fn clock_within_fifteen_minutes_is_accepted() {
    let site = Site::new();
    for minutes in [-14, 14] {
        let mut signer = site.signer();
        signer.time += Duration::minutes(minutes);
        let request = site.signed_by(&signer, site.put());
        assert_eq!(site.send(&request).status, 200);
    }
}

#[test]
fn malformed_authorization() {
    for authorization in
        ["AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=x", "AWS4-HMAC-SHA256 nonsense, here"]
    {
        let mut site = Site::new();
        let mut request = site.client.signed(site.put());
        request.set_header("authorization", authorization);
        site.refuses(&request, 400, "AuthorizationHeaderMalformed");
    }
}

#[test]
fn version_2_in_the_header() {
    let mut site = Site::new();
    let mut request = site.client.signed(site.put());
    request.set_header("authorization", "AWS HOTESTACCESSKEY00001:c2lnbmF0dXJl");
    let response = site.refuses(&request, 400, "InvalidRequest");
    assert!(
        response.text().contains("AWS4-HMAC-SHA256"),
        "the message names what to use: {}",
        response.text()
    );
}

#[test]
fn signed_twice() {
    let mut site = Site::new();
    let mut request = site.put();
    site.signer().presign(&mut request, &site.host(), 60);
    let request = site.client.signed(request);
    site.refuses(&request, 400, "InvalidArgument");
}

#[test]
fn expired_presigned_url() {
    let mut site = Site::new();
    let mut signer = site.signer();
    signer.time -= Duration::seconds(61);
    let mut request = site.put();
    signer.presign(&mut request, &site.host(), 60);
    site.refuses(&request, 403, "AccessDenied");
}

/// Only its own expiry counts, not the 15 minutes of header signatures.
#[test]
fn old_but_valid_presigned_url_is_accepted() {
    let site = Site::new();
    let mut signer = site.signer();
    signer.time -= Duration::hours(100);
    let mut request = site.put();
    signer.presign(&mut request, &site.host(), 604_800);
    assert_eq!(site.send(&request).status, 200);
}

#[test]
fn presigned_url_changed() {
    let mut site = Site::new();
    let mut request = object_request("GET", &site.bucket, "key");
    site.signer().presign(&mut request, &site.host(), 60);
    request.method = "PUT";
    request.body = b"hello".to_vec();
    site.refuses(&request, 403, "SignatureDoesNotMatch");
}

#[test]
fn presigned_for_too_long() {
    let mut site = Site::new();
    let mut request = site.put();
    site.signer().presign(&mut request, &site.host(), 604_801);
    site.refuses(&request, 400, "AuthorizationQueryParametersError");
}

#[test]
fn presigned_by_an_unknown_key() {
    let mut site = Site::new();
    let mut signer = site.signer();
    signer.credentials.access_key_id = "HOTESTACCESSKEY99999".to_owned();
    let mut request = site.put();
    signer.presign(&mut request, &site.host(), 60);
    site.refuses(&request, 403, "InvalidAccessKeyId");
}

#[test]
fn version_2_presigned_url() {
    let mut site = Site::new();
    let in_a_minute = OffsetDateTime::now_utc().unix_timestamp() + 60;

    let mut expired = site.put();
    site.signer().presign_v2(&mut expired, in_a_minute - 120);
    site.refuses(&expired, 403, "AccessDenied");

    let mut signer = site.signer();
    signer.credentials.secret_access_key.push('x');
    let mut wrong = site.put();
    signer.presign_v2(&mut wrong, in_a_minute);
    site.refuses(&wrong, 403, "SignatureDoesNotMatch");

    let mut right = site.put();
    site.signer().presign_v2(&mut right, in_a_minute);
    assert_eq!(site.send(&right).status, 200);
}

#[test]
fn wrong_chunk_signature() {
    for (payload, trailer) in
        [(STREAMING_SIGNED, None), (STREAMING_SIGNED_TRAILER, Some(("x-amz-checksum-crc32", "NhCmhg==")))]
    {
        let mut site = Site::new();
        let mut request =
            site.put().header("content-encoding", "aws-chunked").header("x-amz-decoded-content-length", "5");
        if let Some((name, _)) = trailer {
            request.set_header("x-amz-trailer", name);
        }
        let chain = site.signer().sign(&mut request, &site.host(), payload);
        let framed = chain.frame(&[b"hello"], trailer);
        let position = framed.windows(5).position(|window| window == b"hello").expect("the chunk is there");
        request.body = framed;
        request.body[position] = b'j';
        site.refuses(&request, 403, "SignatureDoesNotMatch");
    }
}

#[test]
fn wrong_trailer_signature() {
    let mut site = Site::new();
    let mut request = site
        .put()
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "5")
        .header("x-amz-trailer", "x-amz-checksum-crc32");
    let chain = site.signer().sign(&mut request, &site.host(), STREAMING_SIGNED_TRAILER);
    let framed = chain.frame(&[b"hello"], Some(("x-amz-checksum-crc32", "NhCmhg==")));
    let text = String::from_utf8(framed).expect("the frame is text");
    // Another value under the old signature.
    request.body = text.replace("NhCmhg==", "AAAAAA==").into_bytes();
    site.refuses(&request, 403, "SignatureDoesNotMatch");
}
