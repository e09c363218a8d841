use super::world::{Answer, World};

/// Begins an upload of `key` and gives the query that names it.
async fn begin(world: &World, key: &str, headers: &[(&str, &str)]) -> String {
    let begun = world.send("POST", &format!("/bucket/{key}?uploads"), headers, "").await.expect(200);
    assert_eq!(begun.header("x-amz-server-side-encryption"), "AES256");
    format!("uploadId={}", begun.element("UploadId"))
}

async fn part(world: &World, key: &str, upload: &str, number: u16, body: &str) -> Answer {
    world.send("PUT", &format!("/bucket/{key}?partNumber={number}&{upload}"), &[], body).await.expect(200)
}

fn document(parts: &[(u16, &str)]) -> String {
    let parts: String = parts
        .iter()
        .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"))
        .collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_become_one_object_and_a_repeated_completion_says_so_again() {
    let world = World::new().await;
    let upload = begin(&world, "k", &[("content-type", "a/b"), ("x-amz-checksum-algorithm", "CRC32")]).await;
    let first = "x".repeat(5 << 20);
    let etags = [
        part(&world, "k", &upload, 1, &first).await.header("etag").to_owned(),
        part(&world, "k", &upload, 3, "tail").await.header("etag").to_owned(),
    ];
    let listed = world.get(&format!("/bucket/k?{upload}")).await.expect(200);
    assert_eq!(listed.elements("PartNumber"), ["1", "3"]);
    assert_eq!(world.get("/bucket?uploads").await.elements("Key"), ["k"]);
    world.get("/bucket/k").await.expect_error(404, "NoSuchKey");

    let completion = document(&[(1, &etags[0]), (3, &etags[1])]);
    for _ in 0..2 {
        let done = world.send("POST", &format!("/bucket/k?{upload}"), &[], &completion).await.expect(200);
        assert!(
            done.element("ETag").trim_end_matches("&quot;").trim_end_matches('"').ends_with("-2"),
            "{}",
            done.body
        );
        assert!(done.element("ChecksumCRC32").ends_with("-2"));
        assert_eq!(done.element("ChecksumType"), "COMPOSITE");
    }
    let whole = world.get("/bucket/k").await.expect(200);
    assert_eq!((whole.header("content-type"), whole.body.len()), ("a/b", first.len() + 4));
    assert!(world.get("/bucket?uploads").await.elements("Key").is_empty());

    let mode = [("x-amz-checksum-mode", "ENABLED")];
    let last = world.send("GET", "/bucket/k?partNumber=3", &mode, "").await.expect(206);
    assert_eq!((last.body.as_str(), last.header("x-amz-mp-parts-count")), ("tail", "2"));
    assert!(last.headers.contains_key("x-amz-checksum-crc32"));
    world.get("/bucket/k?partNumber=2").await.expect_error(416, "InvalidPartNumber");

    let wanted = [("x-amz-object-attributes", "ObjectParts,ObjectSize,Checksum"), ("x-amz-max-parts", "1")];
    let attributes = world.send("GET", "/bucket/k?attributes", &wanted, "").await.expect(200);
    assert_eq!(attributes.element("ObjectSize"), (first.len() + 4).to_string());
    assert_eq!(attributes.elements("PartNumber"), ["1"]);
    assert_eq!(attributes.element("IsTruncated"), "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_that_does_not_fit_leaves_the_upload_open() {
    let world = World::new().await;
    let upload = begin(&world, "k", &[]).await;
    let first = part(&world, "k", &upload, 1, "small").await.header("etag").to_owned();
    let second = part(&world, "k", &upload, 2, "tail").await.header("etag").to_owned();
    let uri = format!("/bucket/k?{upload}");
    for (parts, code) in [
        (vec![(1, first.as_str()), (2, second.as_str())], "EntityTooSmall"),
        (vec![(2, second.as_str()), (1, first.as_str())], "InvalidPartOrder"),
        (vec![(1, second.as_str())], "InvalidPart"),
        (vec![(7, first.as_str())], "InvalidPart"),
        (vec![], "MalformedXML"),
    ] {
        world.send("POST", &uri, &[], &document(&parts)).await.expect_error(400, code);
    }
    world.send("POST", &uri, &[], "").await.expect_error(400, "MalformedXML");
    let completion = document(&[(1, &first)]);
    world
        .send("POST", &uri, &[("x-amz-mp-object-size", "9")], &completion)
        .await
        .expect_error(400, "InvalidRequest");
    world.put("k", "there before").await;
    world
        .send("POST", &uri, &[("if-none-match", "*")], &completion)
        .await
        .expect_error(412, "PreconditionFailed");
    world.send("POST", &uri, &[], &completion).await.expect(200);
    assert_eq!(world.get("/bucket/k").await.body, "small");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_copied_from_objects() {
    let world = World::new().await;
    world.put("source", "0123456789").await;
    let upload = begin(&world, "k", &[]).await;
    let uri = format!("/bucket/k?partNumber=1&{upload}");
    let source = ("x-amz-copy-source", "bucket/source");
    let copied =
        world.send("PUT", &uri, &[source, ("x-amz-copy-source-range", "bytes=2-4")], "").await.expect(200);
    let etag = copied.element("ETag").replace("&quot;", "\"");
    for malformed in ["bytes=2-", "2-4", "bytes=4-2"] {
        let range = ("x-amz-copy-source-range", malformed);
        world.send("PUT", &uri, &[source, range], "").await.expect_error(400, "InvalidArgument");
    }
    world.send("POST", &format!("/bucket/k?{upload}"), &[], &document(&[(1, &etag)])).await.expect(200);
    assert_eq!(world.get("/bucket/k").await.body, "234");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_upload_is_none() {
    let world = World::new().await;
    let upload = begin(&world, "k", &[]).await;
    world.send("DELETE", &format!("/bucket/k?{upload}"), &[], "").await.expect(204);
    for (method, query) in [
        ("DELETE", upload.clone()),
        ("GET", upload.clone()),
        ("PUT", format!("partNumber=1&{upload}")),
        ("PUT", "partNumber=1&uploadId=made-up".to_owned()),
    ] {
        world.send(method, &format!("/bucket/k?{query}"), &[], "").await.expect_error(404, "NoSuchUpload");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn part_numbers_end_at_ten_thousand() {
    let world = World::new().await;
    let upload = begin(&world, "k", &[]).await;
    part(&world, "k", &upload, 10_000, "x").await;
    for number in ["0", "10001", "-1", "x"] {
        let uri = format!("/bucket/k?partNumber={number}&{upload}");
        world.send("PUT", &uri, &[], "x").await.expect_error(400, "InvalidArgument");
    }
}
