use super::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_made_found_and_deleted() {
    let world = World::new().await;
    world.send("PUT", "/second", &[], "").await.expect(200);
    world.send("PUT", "/second", &[], "").await.expect_error(409, "BucketAlreadyOwnedByYou");
    let head = world.send("HEAD", "/second", &[], "").await.expect(200);
    assert_eq!(head.header("x-amz-bucket-region"), "us-east-1");
    assert!(world.get("/second?location").await.expect(200).body.ends_with("\"></LocationConstraint>"));
    assert_eq!(world.get("/").await.expect(200).elements("Name"), ["bucket", "second"]);
    world.send("DELETE", "/second", &[], "").await.expect(204);
    world.send("HEAD", "/second", &[], "").await.expect(404);
    world.send("DELETE", "/second", &[], "").await.expect_error(404, "NoSuchBucket");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_with_objects_stays() {
    let world = World::new().await;
    world.put("k", "x").await;
    world.send("DELETE", "/bucket", &[], "").await.expect_error(409, "BucketNotEmpty");
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_list_in_pages() {
    let world = World::new().await;
    for name in ["alpha", "beta", "gamma"] {
        world.send("PUT", &format!("/{name}"), &[], "").await.expect(200);
    }
    let first = world.get("/?max-buckets=2").await.expect(200);
    assert_eq!(first.elements("Name"), ["alpha", "beta"]);
    let token = first.element("ContinuationToken");
    let second = world.get(&format!("/?max-buckets=2&continuation-token={token}")).await.expect(200);
    assert_eq!(second.elements("Name"), ["bucket", "gamma"]);
    assert!(second.elements("ContinuationToken").is_empty());
    assert_eq!(world.get("/?prefix=ga").await.elements("Name"), ["gamma"]);
    assert!(world.get("/?bucket-region=eu-west-1").await.elements("Name").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_bucket_without_encryption_says_that_it_has_none() {
    let world = World::new().await;
    world.send("PUT", "/plain", &[("x-haulout-encryption", "none")], "").await.expect(200);
    world
        .send("PUT", "/odd", &[("x-haulout-encryption", "some")], "")
        .await
        .expect_error(400, "InvalidArgument");
    let sealed = world.send("PUT", "/bucket/k", &[], "x").await.expect(200);
    assert_eq!(sealed.header("x-amz-server-side-encryption"), "AES256");
    let plain = world.send("PUT", "/plain/k", &[], "x").await.expect(200);
    assert!(!plain.headers.contains_key("x-amz-server-side-encryption"));
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_that_no_bucket_has_answer_as_s3_does() {
    let world = World::new().await;
    world.put("k", "x").await;
    for (query, code) in [
        ("tagging", "NoSuchTagSet"),
        ("policy", "NoSuchBucketPolicy"),
        ("cors", "NoSuchCORSConfiguration"),
        ("lifecycle", "NoSuchLifecycleConfiguration"),
        ("website", "NoSuchWebsiteConfiguration"),
        ("encryption", "ServerSideEncryptionConfigurationNotFoundError"),
        ("object-lock", "ObjectLockConfigurationNotFoundError"),
        ("replication", "ReplicationConfigurationNotFoundError"),
        ("ownershipControls", "OwnershipControlsNotFoundError"),
        ("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
    ] {
        world.get(&format!("/bucket?{query}")).await.expect_error(404, code);
        world.get(&format!("/absent?{query}")).await.expect_error(404, "NoSuchBucket");
    }
    for uri in
        ["/bucket?versioning", "/bucket?acl", "/bucket?requestPayment", "/bucket?logging", "/bucket/k?acl"]
    {
        world.get(uri).await.expect(200);
    }
    let tags = world.get("/bucket/k?tagging").await.expect(200);
    assert!(tags.elements("Tag").is_empty());
    world.get("/bucket/absent?tagging").await.expect_error(404, "NoSuchKey");
    world.get("/bucket?versions").await.expect_error(501, "NotImplemented");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_also_named_by_the_host() {
    let world = World::new().await;
    world.put("k", "x").await;
    let by_host = world.send("GET", "/k", &[("host", "bucket.localhost:9000")], "").await.expect(200);
    assert_eq!(by_host.body, "x");
    world
        .send("GET", "/k", &[("host", "Not_valid.localhost")], "")
        .await
        .expect_error(400, "InvalidBucketName");
}
