//! Bodies that do not arrive as announced.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use haulout_tests::s3::{object_request, part_request};
use haulout_tests::signature::{
    STREAMING_SIGNED, STREAMING_SIGNED_TRAILER, STREAMING_UNSIGNED_TRAILER, UNSIGNED_PAYLOAD, frame_unsigned,
};
use haulout_tests::wire::Request;
use haulout_tests::xml;

use crate::refusal::{Site, assert_error};

/// CRC-32 of `hello`.
const HELLO_CRC32: &str = "NhCmhg==";
const CRC32_TRAILER: &str = "x-amz-checksum-crc32";

#[test]
fn wrong_checksum_in_a_header() {
    let mut site = Site::new();
    for (algorithm, length) in [("crc32", 4), ("crc32c", 4), ("crc64nvme", 8), ("sha1", 20), ("sha256", 32)] {
        let wrong = BASE64.encode(vec![7; length]);
        let request = site.put().header(&format!("x-amz-checksum-{algorithm}"), wrong);
        site.refuses_signed(request, 400, "BadDigest");
    }
}

#[test]
fn two_different_checksums() {
    let mut site = Site::new();
    let request = site.put().header(CRC32_TRAILER, HELLO_CRC32).header("x-amz-checksum-crc32c", "mnG7TA==");
    site.refuses_signed(request, 400, "InvalidRequest");
}

#[test]
fn checksum_of_the_wrong_length() {
    let mut site = Site::new();
    site.refuses_signed(site.put().header("x-amz-checksum-sha256", HELLO_CRC32), 400, "InvalidRequest");
}

#[test]
fn wrong_checksum_in_a_trailer() {
    let mut site = Site::new();
    let request = trailing(&site, "5", frame_unsigned(&[b"hello"], Some((CRC32_TRAILER, "AAAAAA=="))));
    site.refuses(&request, 400, "BadDigest");
}

#[test]
fn wrong_checksum_in_a_signed_trailer() {
    let mut site = Site::new();
    let mut request = chunked(site.put(), "5").header("x-amz-trailer", CRC32_TRAILER);
    let chain = site.signer().sign(&mut request, &site.host(), STREAMING_SIGNED_TRAILER);
    request.body = chain.frame(&[b"hello"], Some((CRC32_TRAILER, "AAAAAA==")));
    site.refuses(&request, 400, "BadDigest");
}

#[test]
fn announced_trailer_missing() {
    let mut site = Site::new();
    let request = trailing(&site, "5", frame_unsigned(&[b"hello"], None));
    site.refuses(&request, 400, "MalformedTrailerError");
}

#[test]
fn wrong_content_md5() {
    let mut site = Site::new();
    site.refuses_signed(site.put().header("content-md5", BASE64.encode([7; 16])), 400, "BadDigest");
    site.refuses_signed(site.put().header("content-md5", "bm90IGFuIG1kNQ=="), 400, "InvalidDigest");
    site.refuses_signed(site.put().header("content-md5", "!"), 400, "InvalidDigest");
}

/// The framing ends properly, but there is more or less in it than was announced.
#[test]
fn decoded_length_differs() {
    let mut site = Site::new();
    for announced in ["4", "6", "0", "1000"] {
        let request =
            trailing(&site, announced, frame_unsigned(&[b"hello"], Some((CRC32_TRAILER, HELLO_CRC32))));
        site.refuses(&request, 400, "IncompleteBody");
    }
}

/// The HTTP body is whole, but the aws-chunked framing in it stops anywhere.
#[test]
fn framing_cut_short() {
    let whole = frame_unsigned(&[b"hel", b"lo"], Some((CRC32_TRAILER, HELLO_CRC32)));
    // Up to the end of the trailer's line; what may be missing after that is taste.
    let last = whole.len() - "\r\n\r\n".len();
    let mut site = Site::new();
    for length in 0..last {
        let request = trailing(&site, "5", whole[..length].to_vec());
        let response = site.send(&request);
        assert_eq!(response.status, 400, "cut after {length}: {}", response.text());
        site.assert_empty();
    }
}

#[test]
fn malformed_framing() {
    let mut site = Site::new();
    for body in ["hello", "zz\r\nhello\r\n0\r\n\r\n", "5\r\nhelloX\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n"]
    {
        let request = trailing(&site, "5", body.as_bytes().to_vec());
        let response = site.send(&request);
        assert_eq!(response.status, 400, "{body:?}: {}", response.text());
        site.assert_empty();
    }
}

#[test]
fn no_length() {
    let mut site = Site::new();
    // A chunked HTTP body without a word on its length.
    let mut request = object_request("PUT", &site.bucket, "key").header("transfer-encoding", "chunked");
    site.signer().sign(&mut request, &site.host(), UNSIGNED_PAYLOAD);
    request.body = b"5\r\nhello\r\n0\r\n\r\n".to_vec();
    site.refuses(&request, 411, "MissingContentLength");

    // An aws-chunked body without its decoded length.
    let mut request = object_request("PUT", &site.bucket, "key").header("x-amz-trailer", CRC32_TRAILER);
    site.signer().sign(&mut request, &site.host(), STREAMING_UNSIGNED_TRAILER);
    request.body = frame_unsigned(&[b"hello"], Some((CRC32_TRAILER, HELLO_CRC32)));
    site.refuses(&request, 411, "MissingContentLength");
}

/// The client goes away in the middle of a plain body.
#[test]
fn connection_lost_in_a_plain_body() {
    let mut site = Site::new();
    for sent in [0, 1, 70_000, 199_999] {
        let body = vec![b'x'; 200_000];
        let request = site.client.signed(object_request("PUT", &site.bucket, "key").body(body));
        hang_up(&mut site, &request, sent);
    }
}

/// The client goes away in the middle of an aws-chunked body, signed or not.
#[test]
fn connection_lost_in_a_chunked_body() {
    let mut site = Site::new();
    for signed in [true, false] {
        let chunks: [&[u8]; 3] = [&[b'x'; 66_000], &[b'y'; 66_000], b"z"];
        let mut request = chunked(object_request("PUT", &site.bucket, "key"), "132001");
        if signed {
            let chain = site.signer().sign(&mut request, &site.host(), STREAMING_SIGNED);
            request.body = chain.frame(&chunks, None);
        } else {
            request.set_header("x-amz-trailer", CRC32_TRAILER);
            site.signer().sign(&mut request, &site.host(), STREAMING_UNSIGNED_TRAILER);
            request.body = frame_unsigned(&chunks, Some((CRC32_TRAILER, HELLO_CRC32)));
        }
        let sent = request.body.len() - 10;
        hang_up(&mut site, &request, sent);
    }
}

#[test]
fn connection_lost_in_a_part() {
    let mut site = Site::new();
    let upload = site.client.create_upload(&site.bucket, "key");
    let request = site.client.signed(part_request(&site.bucket, "key", &upload, 1).body(vec![b'x'; 100_000]));
    let mut connection = site.connect();
    connection.send_head(&request).expect("the head is sent");
    connection.write(&request.body[..50_000]).expect("half of the body is sent");
    connection.finish_writing().expect("the connection is still there");
    // The answer's end is the sign that the gateway has dealt with it.
    let _answer = connection.receive("PUT", &mut Vec::new());

    let list = object_request("GET", &site.bucket, "key").query("uploadId", &upload);
    let parts = site.client.expect(200, list).text();
    assert_eq!(xml::texts(&parts, "Part"), [""; 0]);
    let abort = object_request("DELETE", &site.bucket, "key").query("uploadId", upload);
    site.client.expect(204, abort);
    site.assert_empty();
}

/// A part with a wrong checksum is no part.
#[test]
fn wrong_checksum_of_a_part() {
    let mut site = Site::new();
    let upload = site.client.create_upload(&site.bucket, "key");
    let request =
        part_request(&site.bucket, "key", &upload, 1).body("hello").header(CRC32_TRAILER, "AAAAAA==");
    let response = site.client.send(request).expect("the gateway answers");
    assert_error(&response, 400, "BadDigest");
    let list = object_request("GET", &site.bucket, "key").query("uploadId", upload);
    assert_eq!(xml::texts(&site.client.expect(200, list).text(), "Part"), [""; 0]);
}

fn hang_up(site: &mut Site, request: &Request, sent: usize) {
    let mut connection = site.connect();
    let mut head = request.clone();
    head.set_header("content-length", request.body.len().to_string());
    connection.send_head(&head).expect("the head is sent");
    connection.write(&request.body[..sent]).expect("a part of the body is sent");
    connection.finish_writing().expect("the connection is still there");
    // Either an answer or the end of the connection, but no success.
    if let Ok(response) = connection.receive("PUT", &mut Vec::new()) {
        assert_eq!(response.status, 400, "{sent} bytes sent: {response:?}");
    }
    site.assert_empty();
}

fn chunked(request: Request, decoded_length: &str) -> Request {
    request.header("content-encoding", "aws-chunked").header("x-amz-decoded-content-length", decoded_length)
}

/// A PUT with an announced CRC-32 trailer and `body` as it is.
fn trailing(site: &Site, decoded_length: &str, body: Vec<u8>) -> Request {
    let request = object_request("PUT", &site.bucket, "key");
    let mut request = chunked(request, decoded_length).header("x-amz-trailer", CRC32_TRAILER);
    site.signer().sign(&mut request, &site.host(), STREAMING_UNSIGNED_TRAILER);
    request.body = body;
    request
}
