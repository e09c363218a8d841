//! Skew of signed headers.

use aws_sigv4::http_request::SignatureLocation;
use http::Request;
use s3s::Body;

use super::harness::{config, send_at};
use super::second_signer::sign_with_sdk;
use crate::auth::payload::PayloadMode;

fn signed() -> Request<Body> {
    let mut request = Request::get("/bucket/key")
        .header("host", "127.0.0.1:9000")
        .header("x-amz-content-sha256", PayloadMode::UNSIGNED)
        .body(Body::empty())
        .unwrap();
    sign_with_sdk(&mut request, SignatureLocation::Headers, PayloadMode::UNSIGNED);
    request
}

#[tokio::test]
async fn a_quarter_of_an_hour_is_allowed_both_ways() {
    for now in ["20130524T001500Z", "20130523T234500Z"] {
        send_at(signed(), now, config()).await.passed();
    }
}

#[tokio::test]
async fn more_is_refused_with_both_times() {
    for (now, server_time) in
        [("20130524T001501Z", "2013-05-24T00:15:01Z"), ("20130523T234459Z", "2013-05-23T23:44:59Z")]
    {
        let outcome = send_at(signed(), now, config()).await;
        outcome.assert_refused(403, "RequestTimeTooSkewed");
        for element in [
            "<RequestTime>20130524T000000Z</RequestTime>",
            &format!("<ServerTime>{server_time}</ServerTime>"),
            "<MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>",
        ] {
            assert!(outcome.document.contains(element), "{}", outcome.document);
        }
    }
}
