use super::world::World;

const MD5_OF_HELLO: &str = "\"5d41402abc4b2a76b9719d911017c592\"";

#[tokio::test(flavor = "multi_thread")]
async fn an_object_comes_back_with_all_that_was_said_of_it() {
    let world = World::new().await;
    let sent = [
        ("content-type", "text/plain"),
        ("cache-control", "no-cache"),
        ("expires", "whenever"),
        ("content-encoding", "gzip"),
        ("x-amz-meta-color", "=?UTF-8?B?YmzDpHU=?="),
        ("x-amz-checksum-crc32", "NhCmhg=="),
    ];
    let put = world.send("PUT", "/bucket/a%20b%2Bc", &sent, "hello").await.expect(200);
    assert_eq!(put.header("etag"), MD5_OF_HELLO);
    assert_eq!(put.header("x-amz-checksum-crc32"), "NhCmhg==");
    assert_eq!(put.header("x-amz-checksum-type"), "FULL_OBJECT");
    for method in ["GET", "HEAD"] {
        let got = world
            .send(method, "/bucket/a%20b%2Bc", &[("x-amz-checksum-mode", "ENABLED")], "")
            .await
            .expect(200);
        for (name, value) in sent {
            assert_eq!(got.header(name), value, "{method} {name}");
        }
        assert_eq!(got.header("etag"), MD5_OF_HELLO);
        assert_eq!(got.header("content-length"), "5");
        assert_eq!(got.header("accept-ranges"), "bytes");
        assert!(got.headers.contains_key("last-modified") && !got.headers.contains_key("x-amz-version-id"));
        assert_eq!(got.body, if method == "GET" { "hello" } else { "" });
    }
    let unasked = world.get("/bucket/a%20b%2Bc").await;
    assert!(!unasked.headers.contains_key("x-amz-checksum-crc32"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_without_checksum_gets_one_and_without_type_the_default() {
    let world = World::new().await;
    let put = world.put("k", "hello").await;
    assert_eq!(put.header("x-amz-checksum-crc64nvme").len(), 12);
    assert_eq!(world.get("/bucket/k").await.header("content-type"), "binary/octet-stream");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_pending_until_the_network_has_certified_it() {
    let world = World::new().await;
    world.send("PUT", "/bucket/k", &[("x-haulout-durability", "certified")], "hello").await.expect(200);
    let head = world.send("HEAD", "/bucket/k", &[], "").await.expect(200);
    assert_eq!(head.header("x-amz-replication-status"), "COMPLETED");
    assert_eq!(head.header("x-haulout-blob-id").len(), 43);
    assert!(
        head.headers.contains_key("x-haulout-certified-epoch")
            && head.headers.contains_key("x-haulout-end-epoch")
    );
    assert_eq!(world.get("/bucket/k").await.body, "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_parts_or_errors_or_ignored() {
    let world = World::new().await;
    world.put("k", "0123456789").await;
    for (range, part, content_range) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=-99", "0123456789", "bytes 0-9/10"),
        ("bytes=8-99999999999999999999", "89", "bytes 8-9/10"),
    ] {
        let get = world.send("GET", "/bucket/k", &[("range", range)], "").await.expect(206);
        assert_eq!((get.body.as_str(), get.header("content-range")), (part, content_range), "{range}");
        let head = world.send("HEAD", "/bucket/k", &[("range", range)], "").await.expect(206);
        assert_eq!(head.header("content-length"), part.len().to_string(), "{range}");
    }
    for ignored in ["bytes=2-1", "bytes=0-1,4-5", "lines=1-2", "bytes=x"] {
        let whole = world.send("GET", "/bucket/k", &[("range", ignored)], "").await.expect(200);
        assert_eq!(whole.body, "0123456789", "{ignored}");
    }
    let outside =
        world.send("GET", "/bucket/k", &[("range", "bytes=10-")], "").await.expect_error(416, "InvalidRange");
    assert_eq!(outside.header("content-range"), "bytes */10");
    assert_eq!(outside.element("ActualObjectSize"), "10");
    assert_eq!(outside.element("RangeRequested"), "bytes=10-");
    world.put("empty", "").await;
    world.send("GET", "/bucket/empty", &[("range", "bytes=0-0")], "").await.expect_error(416, "InvalidRange");
}

#[tokio::test(flavor = "multi_thread")]
async fn if_range_decides_between_part_and_whole() {
    let world = World::new().await;
    world.put("k", "hello").await;
    for (tag, status) in
        [(MD5_OF_HELLO, 206), ("\"other\"", 200), ("W/\"5d41402abc4b2a76b9719d911017c592\"", 200)]
    {
        world.send("GET", "/bucket/k", &[("range", "bytes=0-1"), ("if-range", tag)], "").await.expect(status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditional_reads() {
    let world = World::new().await;
    world.put("k", "hello").await;
    let list = format!("\"zz\", {MD5_OF_HELLO}");
    let unchanged = world.send("GET", "/bucket/k", &[("if-none-match", list.as_str())], "").await.expect(304);
    assert_eq!((unchanged.body.as_str(), unchanged.header("etag")), ("", MD5_OF_HELLO));
    let failed = world.send("GET", "/bucket/k", &[("if-match", "\"zz\"")], "").await;
    assert_eq!(failed.expect_error(412, "PreconditionFailed").element("Condition"), "If-Match");
    let head = world.send("HEAD", "/bucket/k", &[("if-match", "\"zz\"")], "").await.expect(412);
    assert_eq!(head.body, "");
    world.send("GET", "/bucket/k", &[("if-modified-since", "not a date")], "").await.expect(200);
    let long_ago = "Sun, 06 Nov 1994 08:49:37 GMT";
    world.send("GET", "/bucket/k", &[("if-unmodified-since", long_ago)], "").await.expect(412);
    world.send("GET", "/bucket/k", &[("if-modified-since", long_ago)], "").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditional_writes_and_deletes() {
    let world = World::new().await;
    let new = [("if-none-match", "*")];
    world.send("PUT", "/bucket/k", &new, "hello").await.expect(200);
    world.send("PUT", "/bucket/k", &new, "other").await.expect_error(412, "PreconditionFailed");
    world
        .send("PUT", "/bucket/k", &[("if-match", "\"zz\"")], "other")
        .await
        .expect_error(412, "PreconditionFailed");
    world.send("PUT", "/bucket/absent", &[("if-match", "\"zz\"")], "x").await.expect_error(404, "NoSuchKey");
    let refused = world.send("PUT", "/bucket/k", &[("if-none-match", MD5_OF_HELLO)], "x").await;
    assert_eq!(refused.expect_error(501, "NotImplemented").element("Header"), "If-None-Match");
    assert_eq!(world.get("/bucket/k").await.body, "hello");
    world
        .send("DELETE", "/bucket/k", &[("if-match", "\"zz\"")], "")
        .await
        .expect_error(412, "PreconditionFailed");
    world.send("DELETE", "/bucket/k", &[("if-match", MD5_OF_HELLO)], "").await.expect(204);
    world.send("DELETE", "/bucket/k", &[], "").await.expect(204);
    world.get("/bucket/k").await.expect_error(404, "NoSuchKey");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_what_it_claims_is_not_stored() {
    let world = World::new().await;
    for (header, value, code) in [
        ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==", "BadDigest"),
        ("content-md5", "short", "InvalidDigest"),
        ("x-amz-checksum-sha256", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "BadDigest"),
        ("x-amz-checksum-sha256", "AAAA", "InvalidRequest"),
        ("x-haulout-durability", "eternal", "InvalidArgument"),
        ("x-haulout-encryption", "none", "InvalidRequest"),
    ] {
        world.send("PUT", "/bucket/k", &[(header, value)], "hello").await.expect_error(400, code);
    }
    let two = [("x-amz-checksum-crc32", "NhCmhg=="), ("x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00=")];
    world.send("PUT", "/bucket/k", &two, "hello").await.expect_error(400, "InvalidRequest");
    let large = "v".repeat(2048);
    world
        .send("PUT", "/bucket/k", &[("x-amz-meta-a", &large)], "x")
        .await
        .expect_error(400, "MetadataTooLarge");
    world.send("PUT", "/bucket/k?uploadId=x", &[], "x").await.expect_error(400, "InvalidRequest");
    world
        .send("PUT", &format!("/bucket/{}", "k".repeat(1025)), &[], "")
        .await
        .expect_error(400, "KeyTooLongError");
    world.get("/bucket/k").await.expect_error(404, "NoSuchKey");
}

#[tokio::test(flavor = "multi_thread")]
async fn response_overrides_hold_for_get_and_head() {
    let world = World::new().await;
    world.send("PUT", "/bucket/k", &[("content-type", "text/plain")], "x").await.expect(200);
    let query = "response-content-type=a/b&response-content-disposition=attachment%3B%20filename%3Dx";
    for method in ["GET", "HEAD"] {
        let answer = world.send(method, &format!("/bucket/k?{query}"), &[], "").await.expect(200);
        assert_eq!(answer.header("content-type"), "a/b");
        assert_eq!(answer.header("content-disposition"), "attachment; filename=x");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_keep_or_replace_what_is_said_of_the_object() {
    let world = World::new().await;
    world
        .send("PUT", "/bucket/a%20%C3%A9", &[("x-amz-meta-a", "1"), ("content-type", "a/b")], "hello")
        .await
        .expect(200);
    let source = ("x-amz-copy-source", "/bucket/a%20%C3%A9?versionId=null");
    let copied = world.send("PUT", "/bucket/copy", &[source, ("x-amz-meta-b", "2")], "").await.expect(200);
    assert_eq!(copied.element("ETag"), MD5_OF_HELLO);
    let kept = world.get("/bucket/copy").await;
    assert_eq!((kept.header("x-amz-meta-a"), kept.header("content-type")), ("1", "a/b"));
    assert_eq!(kept.body, "hello");

    let onto_itself = [("x-amz-copy-source", "bucket/copy")];
    world.send("PUT", "/bucket/copy", &onto_itself, "").await.expect_error(400, "InvalidRequest");
    let replace = [onto_itself[0], ("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-b", "2")];
    world.send("PUT", "/bucket/copy", &replace, "").await.expect(200);
    let replaced = world.get("/bucket/copy").await;
    assert_eq!(replaced.header("x-amz-meta-b"), "2");
    assert!(!replaced.headers.contains_key("x-amz-meta-a"));

    let unmet = [source, ("x-amz-copy-source-if-match", "\"zz\"")];
    world.send("PUT", "/bucket/new", &unmet, "").await.expect_error(412, "PreconditionFailed");
    let current = [source, ("x-amz-copy-source-if-none-match", MD5_OF_HELLO)];
    world.send("PUT", "/bucket/new", &current, "").await.expect_error(412, "PreconditionFailed");
    world
        .send("PUT", "/bucket/new", &[("x-amz-copy-source", "bucket/absent")], "")
        .await
        .expect_error(404, "NoSuchKey");
    world
        .send("PUT", "/bucket/new", &[("x-amz-copy-source", "nothing")], "")
        .await
        .expect_error(400, "InvalidArgument");
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_deletes_report_each_key() {
    let world = World::new().await;
    for key in ["a", "b", "keep"] {
        world.put(key, "x").await;
    }
    let document = "<Delete><Object><Key>a</Key></Object><Object><Key>absent</Key></Object>\
                    <Object><Key>keep</Key><VersionId>3HL4</VersionId></Object></Delete>";
    world.send("POST", "/bucket?delete", &[], document).await.expect_error(400, "InvalidRequest");
    let checksum = crc32(document);
    let header = [("x-amz-checksum-crc32", checksum.as_str())];
    let report = world.send("POST", "/bucket?delete", &header, document).await.expect(200);
    assert_eq!(report.elements("Key"), ["a", "absent", "keep"]);
    assert_eq!(report.elements("Code"), ["InvalidArgument"]);
    assert_eq!(world.get("/bucket").await.elements("Key"), ["b", "keep"]);

    let quiet = "<Delete><Quiet>true</Quiet><Object><Key>b</Key></Object></Delete>";
    let report =
        world.send("POST", "/bucket?delete", &[("x-amz-checksum-crc32", &crc32(quiet))], quiet).await;
    assert!(report.expect(200).elements("Key").is_empty());
    assert_eq!(world.get("/bucket").await.elements("Key"), ["keep"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_delete_of_no_or_too_many_keys_deletes_nothing() {
    let world = World::new().await;
    world.put("k", "x").await;
    let many = format!("<Delete>{}</Delete>", "<Object><Key>k</Key></Object>".repeat(1001));
    for document in [many.as_str(), "<Delete></Delete>", "<Delete>", "", "<Other/>"] {
        let checksum = crc32(document);
        let header = [("x-amz-checksum-crc32", checksum.as_str())];
        world.send("POST", "/bucket?delete", &header, document).await.expect_error(400, "MalformedXML");
    }
    world.get("/bucket/k").await.expect(200);
}

fn crc32(document: &str) -> String {
    let mut running = crate::objects::RunningChecksum::new(haulout_index::ChecksumAlgorithm::Crc32);
    running.update(document.as_bytes());
    crate::s3::checksums::encode(&running.finish())
}
