//! The guard's tables, walked.

use http::{Method, Request};
use http_body_util::BodyExt as _;
use s3s::Body;
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::{AdmissionLayer, Refusal, check};
use crate::addressing::VirtualHosts;
use crate::http::error_body::RequestId;

fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(uri).header("host", "127.0.0.1:9000");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

fn judge(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<(), Refusal> {
    check(&request(method, uri, headers).into_parts().0, &VirtualHosts::new(["s3.example.com"]))
}

#[test]
fn every_operation_we_have_is_admitted() {
    for (method, uri) in [
        ("GET", "/"),
        ("GET", "/?x-id=ListBuckets&max-buckets=10&continuation-token=t&prefix=a&bucket-region=us-east-1"),
        ("PUT", "/b"),
        ("HEAD", "/b"),
        ("DELETE", "/b"),
        ("GET", "/b?location"),
        ("GET", "/b"),
        ("GET", "/b?prefix=a&delimiter=%2F&max-keys=0&marker=m&encoding-type=url"),
        ("GET", "/b/?list-type=2&continuation-token=t&start-after=s&fetch-owner=true&prefix="),
        ("GET", "/b?list-type=2&prefix=&delimiter="),
        ("GET", "/b?uploads&key-marker=k&upload-id-marker=u&max-uploads=5"),
        ("POST", "/b?delete"),
        ("POST", "/b?delete=&x-id=DeleteObjects"),
        ("PUT", "/b/k"),
        ("PUT", "/b/k?x-id=PutObject"),
        ("GET", "/b/k?versionId=null&partNumber=1&response-content-type=text%2Fplain"),
        ("HEAD", "/b/k?partNumber=1&versionId=null"),
        ("DELETE", "/b/k?versionId=null"),
        ("GET", "/b/k?attributes"),
        ("POST", "/b/k?uploads"),
        ("PUT", "/b/k?partNumber=1&uploadId=u"),
        ("POST", "/b/k?uploadId=u"),
        ("DELETE", "/b/k?uploadId=u"),
        ("GET", "/b/k?uploadId=u&max-parts=5&part-number-marker=1"),
    ] {
        assert!(judge(method, uri, &[]).is_ok(), "{method} {uri}");
    }
}

#[test]
fn questions_about_what_is_absent_go_to_the_router() {
    for name in [
        "tagging",
        "policy",
        "cors",
        "lifecycle",
        "website",
        "encryption",
        "object-lock",
        "versioning",
        "acl",
    ] {
        assert!(judge("GET", &format!("/b?{name}"), &[]).is_ok(), "{name}");
        for method in ["PUT", "DELETE", "POST", "HEAD"] {
            assert_refused(method, &format!("/b?{name}"), name);
        }
    }
    for name in ["tagging", "acl"] {
        assert!(judge("GET", &format!("/b/k?{name}"), &[]).is_ok(), "{name}");
        for method in ["PUT", "DELETE", "POST", "HEAD"] {
            assert_refused(method, &format!("/b/k?{name}"), name);
        }
    }
}

#[track_caller]
fn assert_refused(method: &str, uri: &str, refused_name: &str) {
    match judge(method, uri, &[]) {
        Err(Refusal::SubResource { name, .. }) => assert_eq!(name, refused_name, "{method} {uri}"),
        other => panic!("{method} {uri}: {other:?}"),
    }
}

#[test]
fn sub_resources_that_we_lack_are_refused_with_and_without_value() {
    for name in [
        "accelerate",
        "analytics",
        "inventory",
        "logging",
        "metrics",
        "notification",
        "ownershipControls",
        "policyStatus",
        "publicAccessBlock",
        "replication",
        "requestPayment",
        "versions",
        "session",
        "metadataTable",
        "abac",
        "torrent",
        "legal-hold",
        "retention",
        "restore",
        "select",
        "renameObject",
        "annotation",
    ] {
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE"] {
            for path in ["/b", "/b/k", "/"] {
                assert_refused(method, &format!("{path}?{name}"), name);
                assert_refused(method, &format!("{path}?{name}=x&x-id=X"), name);
            }
        }
    }
}

#[test]
fn unknown_names_never_fall_through_to_a_write() {
    for method in ["PUT", "POST", "DELETE"] {
        for path in ["/b", "/b/k"] {
            assert_refused(method, &format!("{path}?new-in-2027=x"), "new-in-2027");
            assert_refused(method, &format!("{path}?%74agging"), "tagging");
        }
    }
    assert_refused("PUT", "/b/k?partNumber=1&uploadId=u&versionId=v", "versionId");
    assert_refused("GET", "/b/k?new-in-2027", "new-in-2027");
    assert!(judge("GET", "/b/k?cache-buster=17", &[]).is_ok());
}

#[test]
fn presigned_items_say_nothing_about_the_operation() {
    let v4 = "X-Amz-Algorithm=a&X-Amz-Credential=c&X-Amz-Date=d&X-Amz-Expires=9&X-Amz-SignedHeaders=host&X-Amz-Signature=s\
              &X-Amz-Security-Token=t&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&x-amz-checksum-crc32=AAAAAA%3D%3D\
              &x-amz-sdk-checksum-algorithm=CRC32&x-amz-meta-a=1&x-id=PutObject&X-Amz-User-Agent=aws-sdk-js";
    let v2 = "AWSAccessKeyId=a&Expires=1&Signature=s&content-type=text%2Fplain&content-md5=m&x-amz-security-token=t";
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        for query in [v4, v2] {
            assert!(judge(method, &format!("/b/k?{query}"), &[]).is_ok(), "{method} {query}");
        }
    }
    assert!(matches!(judge("PUT", "/b/k?x-amz-acl=public-read", &[]), Err(Refusal::Header { .. })));
    assert!(matches!(judge("PUT", "/b/k?X-Amz-Tagging=a%3Db", &[]), Err(Refusal::Header { .. })));
}

#[test]
fn contradictory_queries_are_bad_requests() {
    assert!(matches!(judge("POST", "/b/k?uploads&uploadId=u", &[]), Err(Refusal::Conflict { .. })));
    assert!(matches!(judge("GET", "/b?acl&policy", &[]), Err(Refusal::Conflict { .. })));
    assert!(matches!(judge("PUT", "/b/k?uploadId=u", &[]), Err(Refusal::HalfAPart)));
    assert!(matches!(judge("PUT", "/b/k?partNumber=1", &[]), Err(Refusal::HalfAPart)));
    assert!(matches!(judge("GET", "/b?list-type=3", &[]), Err(Refusal::ListType)));
    assert!(matches!(judge("GET", "/b?prefix=%zz", &[]), Err(Refusal::InvalidUri(_))));
}

#[test]
fn the_level_decides_in_virtual_host_style_too() {
    let vhost = |method: &str, uri: &str| {
        let mut request = request(method, uri, &[]);
        request.headers_mut().insert("host", "b.s3.example.com".parse().unwrap());
        check(&request.into_parts().0, &VirtualHosts::new(["s3.example.com"]))
    };
    assert!(vhost("POST", "/?delete").is_ok());
    assert!(vhost("POST", "/k?delete").is_err());
    assert!(vhost("POST", "/k?uploads").is_ok());
    assert!(vhost("PUT", "/k?partNumber=1&uploadId=u").is_ok());
    assert!(vhost("PUT", "/?partNumber=1&uploadId=u").is_err());
}

#[test]
fn headers_are_honoured_or_refused() {
    let refused = [
        ("x-amz-acl", "public-read"),
        ("x-amz-grant-read", "id=1"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-storage-class", "GLACIER"),
        ("x-amz-website-redirect-location", "/x"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "k"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-copy-source-server-side-encryption-customer-key", "k"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-object-lock-legal-hold", "OFF"),
        ("x-amz-bucket-object-lock-enabled", "true"),
        ("x-amz-object-ownership", "ObjectWriter"),
        ("x-amz-mfa", "1 2"),
        ("x-amz-write-offset-bytes", "0"),
        ("x-amz-rename-source", "/b/k"),
        ("x-amz-rename-source-if-match", "e"),
        ("x-amz-checksum-sha512", "x"),
        ("x-amz-checksum-xxhash3", "x"),
        ("x-amz-sdk-checksum-algorithm", "XXHASH64"),
        ("x-amz-checksum-algorithm", "MD5"),
        ("x-amz-trailer", "x-amz-checksum-crc32, x-amz-checksum-sha512"),
    ];
    for (name, value) in refused {
        match judge("PUT", "/b/k", &[(name, value)]) {
            Err(Refusal::Header { name: named }) => assert_eq!(named, name),
            other => panic!("{name}: {value}: {other:?}"),
        }
    }
    let honoured = [
        ("x-amz-acl", "private"),
        ("x-amz-acl", "bucket-owner-full-control"),
        ("x-amz-tagging", ""),
        ("x-amz-storage-class", "STANDARD"),
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-server-side-encryption-bucket-key-enabled", "false"),
        ("x-amz-bucket-object-lock-enabled", "false"),
        ("x-amz-object-ownership", "BucketOwnerEnforced"),
        ("x-amz-checksum-algorithm", "CRC64NVME"),
        ("x-amz-sdk-checksum-algorithm", "crc32c"),
        ("x-amz-checksum-crc32", "AAAAAA=="),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
        ("x-amz-copy-source", "/b/k"),
        ("x-amz-meta-acl", "public-read"),
    ];
    for (name, value) in honoured {
        assert!(judge("PUT", "/b/k", &[(name, value)]).is_ok(), "{name}: {value}");
    }
}

#[test]
fn forms_preflights_and_foreign_methods_are_answered_here() {
    let form = [("content-type", "Multipart/Form-Data; boundary=x")];
    assert!(matches!(judge("POST", "/b", &form), Err(Refusal::PostForm)));
    assert!(judge("PUT", "/b/k", &form).is_ok());
    assert!(matches!(judge("OPTIONS", "/b/k", &[]), Err(Refusal::Preflight)));
    assert!(matches!(judge("PATCH", "/b/k", &[]), Err(Refusal::Method)));
    let mut two_hosts = request("GET", "/b/k", &[]);
    two_hosts.headers_mut().append("host", "other".parse().unwrap());
    assert!(matches!(check(&two_hosts.into_parts().0, &VirtualHosts::default()), Err(Refusal::Hosts)));
}

#[tokio::test]
async fn refusals_are_s3_errors_and_never_reach_the_service_below() {
    let below = service_fn(async |request: Request<Body>| -> Result<http::Response<Body>, std::io::Error> {
        assert_eq!(request.uri(), "/b/k", "only what was admitted gets here");
        Ok(http::Response::new(Body::empty()))
    });
    let layer = AdmissionLayer::new(VirtualHosts::default());
    let answer = layer.layer(below).oneshot(request("GET", "/b/k", &[])).await.unwrap();
    assert_eq!(answer.status(), 200);

    for method in [Method::PUT, Method::HEAD] {
        let mut refused = request(method.as_str(), "/b/k?annotation", &[]);
        refused.extensions_mut().insert(RequestId("7".to_owned()));
        let answer = layer.layer(below).oneshot(refused).await.unwrap();
        assert_eq!(answer.status(), 501);
        let document = answer.into_body().collect().await.unwrap().to_bytes();
        if method == Method::HEAD {
            assert!(document.is_empty());
        } else {
            let document = String::from_utf8(document.to_vec()).unwrap();
            for part in
                ["<Code>NotImplemented</Code>", "annotation", "<Resource>/b/k</Resource>", "<RequestId>7<"]
            {
                assert!(document.contains(part), "{document}");
            }
        }
    }
}
