//! Well-formed requests for what cannot be.

use haulout_tests::checksum::crc32;
use haulout_tests::s3::{Part, bucket_request, complete_request, object_request, part_request};
use haulout_tests::wire::{Request, percent_encode};
use haulout_tests::xml;

use crate::refusal::{Site, assert_error};

#[test]
fn key_of_1025_bytes() {
    let mut site = Site::new();
    for key in ["x".repeat(1025), "\u{e9}".repeat(513)] {
        site.refuses_signed(object_request("PUT", &site.bucket, &key).body("x"), 400, "KeyTooLongError");
        site.refuses_signed(
            object_request("POST", &site.bucket, &key).query("uploads", ""),
            400,
            "KeyTooLongError",
        );
    }
}

#[test]
fn key_that_is_not_utf8() {
    let mut site = Site::new();
    let request = Request::new("PUT", format!("/{}/%ff%fe", site.bucket)).body("x");
    let request = site.client.signed(request);
    let response = site.send(&request);
    assert_eq!(response.status, 400, "{}", response.text());
    site.assert_empty();
}

#[test]
fn invalid_bucket_names() {
    let mut site = Site::new();
    for name in ["ab", "Upper", "under_score", "-dash", "dash-", "dot..dot", "192.168.1.1", &"x".repeat(64)] {
        let request = Request::new("PUT", format!("/{}", percent_encode(name, "")));
        site.refuses_signed(request, 400, "InvalidBucketName");
    }
}

#[test]
fn absent_bucket() {
    let mut site = Site::new();
    site.refuses_signed(object_request("PUT", "no-such-bucket-here", "key").body("x"), 404, "NoSuchBucket");
    site.refuses_signed(object_request("GET", "no-such-bucket-here", "key"), 404, "NoSuchBucket");
    site.refuses_signed(bucket_request("GET", "no-such-bucket-here"), 404, "NoSuchBucket");
}

/// A HEAD's error is its status: a body would be read as the next answer.
#[test]
fn errors_of_head_have_no_body() {
    let site = Site::new();
    let mut connection = site.connect();
    for _ in 0..2 {
        let request = site.client.signed(object_request("HEAD", &site.bucket, "absent"));
        let response = connection.send(&request).expect("the connection stays in step");
        assert_eq!((response.status, response.body.len()), (404, 0));
    }
}

#[test]
fn malformed_xml() {
    let documents = [
        "",
        "<",
        "no xml at all",
        "<Delete><Object></Delete>",
        "<Other/>",
        "<Delete><Object></Object></Delete>",
    ];
    let mut site = Site::new();
    for document in documents {
        let request = bucket_request("POST", &site.bucket).query("delete", "").body(document);
        // Any checksum will do in the place of Content-MD5.
        let checksum = crc32(document.as_bytes());
        site.refuses_signed(request.header("x-amz-checksum-crc32", checksum), 400, "MalformedXML");
    }
    for document in [
        "<",
        "no xml at all",
        "<CompleteMultipartUpload/>",
        "<CompleteMultipartUpload><Part/></CompleteMultipartUpload>",
    ] {
        let mut site = Site::new();
        let upload = site.client.create_upload(&site.bucket, "key");
        let request = object_request("POST", &site.bucket, "key").query("uploadId", &upload).body(document);
        let response = site.client.send(request).expect("the gateway answers");
        assert_error(&response, 400, "MalformedXML");
        abort(&mut site, &upload);
    }
    let mut site = Site::new();
    let request = bucket_request("PUT", "malformed-xml-bucket").body("<CreateBucketConfiguration>");
    site.refuses_signed(request, 400, "MalformedXML");
}

#[test]
fn part_numbers_beyond_one_to_ten_thousand() {
    let mut site = Site::new();
    let upload = site.client.create_upload(&site.bucket, "key");
    for number in ["0", "10001", "-1", "65537", "x", "99999999999999999999"] {
        let request =
            object_request("PUT", &site.bucket, "key").query("partNumber", number).query("uploadId", &upload);
        let response = site.client.send(request.body("hello")).expect("the gateway answers");
        assert_error(&response, 400, "InvalidArgument");
    }
    assert_eq!(parts(&mut site, &upload), 0);
    abort(&mut site, &upload);
}

#[test]
fn small_part_before_the_last() {
    let mut site = Site::new();
    let upload = site.client.create_upload(&site.bucket, "key");
    let small = site.client.upload_part(&site.bucket, "key", &upload, 1, vec![b'x'; 5 * 1024 * 1024 - 1]);
    let last = site.client.upload_part(&site.bucket, "key", &upload, 2, "last");
    let request = complete_request(&site.bucket, "key", &upload, &[small, last]);
    let response = site.client.send(request).expect("the gateway answers");
    assert_error(&response, 400, "EntityTooSmall");
    assert_eq!(site.client.list(&site.bucket), []);
    assert_eq!(parts(&mut site, &upload), 2, "the upload is still there to be repaired");
    abort(&mut site, &upload);
}

#[test]
fn unknown_uploads() {
    let mut site = Site::new();
    for upload in ["0123456789abcdef0123456789abcdef", "x", "../../etc"] {
        site.refuses_signed(part_request(&site.bucket, "key", upload, 1).body("x"), 404, "NoSuchUpload");
        let part = Part { number: 1, etag: "\"00000000000000000000000000000000\"".to_owned() };
        site.refuses_signed(complete_request(&site.bucket, "key", upload, &[part]), 404, "NoSuchUpload");
    }
}

/// A sub-resource nobody knows must not turn into the operation without it: `PUT ?annotation` is no PUT.
#[test]
fn unknown_sub_resources() {
    let mut site = Site::new();
    for name in [
        "annotation",
        "renameObject",
        "acl",
        "tagging",
        "legal-hold",
        "retention",
        "torrent",
        "no-such-thing",
    ] {
        site.refuses_signed(site.put().query(name, ""), 501, "NotImplemented");
        site.refuses_signed(
            object_request("POST", &site.bucket, "key").query(name, ""),
            501,
            "NotImplemented",
        );
    }
    let bucket = site.bucket.clone();
    site.client.put(&bucket, "kept", "as it was");
    for name in ["annotation", "tagging", "no-such-thing"] {
        for method in ["PUT", "DELETE"] {
            let request = object_request(method, &bucket, "kept").query(name, "");
            let response = site.client.send(request).expect("the gateway answers");
            assert_error(&response, 501, "NotImplemented");
        }
    }
    for name in ["policy", "lifecycle", "cors", "abac", "no-such-thing"] {
        for method in ["PUT", "DELETE"] {
            let response = site
                .client
                .send(bucket_request(method, &bucket).query(name, ""))
                .expect("the gateway answers");
            assert_error(&response, 501, "NotImplemented");
        }
    }
    assert_eq!(site.client.get(&bucket, "kept"), b"as it was");
}

/// Headers that ask for behaviour the gateway does not have.
#[test]
fn headers_not_implemented() {
    for (name, value) in [
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-object-lock-mode", "COMPLIANCE"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-acl", "public-read"),
        ("x-amz-grant-read", "id=\"x\""),
        ("x-amz-storage-class", "GLACIER"),
        ("x-amz-website-redirect-location", "/x"),
        ("x-amz-write-offset-bytes", "0"),
    ] {
        let mut site = Site::new();
        let response = site.refuses_signed(site.put().header(name, value), 501, "NotImplemented");
        assert!(response.text().contains(name), "the message names the header: {}", response.text());
    }
}

/// Refused by what is announced: nobody sends six gigabytes to learn that five are allowed.
#[test]
fn larger_than_one_put_may_be() {
    let mut site = Site::new();
    let request = object_request("PUT", &site.bucket, "key").header("content-length", "6442450944");
    let mut request = request.header("expect", "100-continue");
    site.signer().sign(&mut request, &site.host(), "UNSIGNED-PAYLOAD");
    site.refuses(&request, 400, "EntityTooLarge");
}

fn parts(site: &mut Site, upload: &str) -> usize {
    let list = object_request("GET", &site.bucket, "key").query("uploadId", upload);
    xml::texts(&site.client.expect(200, list).text(), "Part").len()
}

fn abort(site: &mut Site, upload: &str) {
    site.client.expect(204, object_request("DELETE", &site.bucket, "key").query("uploadId", upload));
    site.assert_empty();
}
