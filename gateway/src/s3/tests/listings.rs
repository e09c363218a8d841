use super::world::{Answer, World};

/// Keys and common prefixes of a page.
fn entries(page: &Answer) -> Vec<String> {
    let prefixes = page
        .body
        .split("<CommonPrefixes>")
        .skip(1)
        .filter_map(|rest| rest.strip_prefix("<Prefix>")?.split('<').next());
    page.elements("Key").into_iter().chain(prefixes).map(str::to_owned).collect()
}

async fn world_with_keys() -> World {
    let world = World::new().await;
    for key in ["a", "b/1", "b/2", "b", "c/d/1", "e", "f%20+%26"] {
        world.put(key, "x").await;
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_size_gives_every_entry_once() {
    let world = world_with_keys().await;
    for size in 1..=8 {
        let (mut v1, mut v2) = (Vec::new(), Vec::new());
        let mut marker = String::new();
        loop {
            let page = world
                .get(&format!("/bucket?delimiter=/&encoding-type=url&max-keys={size}&marker={marker}"))
                .await
                .expect(200);
            v1.extend(entries(&page));
            if page.element("IsTruncated") == "false" {
                break;
            }
            marker = page.element("NextMarker").to_owned();
        }
        let mut token = String::new();
        loop {
            let page = world
                .get(&format!("/bucket?list-type=2&delimiter=/&encoding-type=url&max-keys={size}{token}"))
                .await
                .expect(200);
            assert_eq!(page.element("KeyCount"), entries(&page).len().to_string());
            v2.extend(entries(&page));
            if page.element("IsTruncated") == "false" {
                break;
            }
            token = format!("&continuation-token={}", page.element("NextContinuationToken"));
        }
        v1.sort();
        v2.sort();
        assert_eq!(v1, ["a", "b", "b/", "c/", "e", "f%20%2B%26"], "version 1 in pages of {size}");
        assert_eq!(v2, v1, "version 2 in pages of {size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_and_a_start_narrow_a_listing() {
    let world = world_with_keys().await;
    assert_eq!(entries(&world.get("/bucket?list-type=2&prefix=b").await), ["b", "b/1", "b/2"]);
    assert_eq!(entries(&world.get("/bucket?list-type=2&prefix=c/&delimiter=/").await), ["c/d/"]);
    assert_eq!(entries(&world.get("/bucket?list-type=2&start-after=c").await), ["c/d/1", "e", "f +&amp;"]);
    assert_eq!(entries(&world.get("/bucket?marker=b/&delimiter=/&max-keys=1").await), ["c/"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_no_keys_is_whole() {
    let world = world_with_keys().await;
    let page = world.get("/bucket?list-type=2&max-keys=0").await.expect(200);
    assert_eq!((page.element("IsTruncated"), page.element("KeyCount")), ("false", "0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_parameters_are_refused() {
    let world = World::new().await;
    for query in ["max-keys=-1", "max-keys=many", "encoding-type=base64", "list-type=2&continuation-token=zz"]
    {
        world.get(&format!("/bucket?{query}")).await.expect_error(400, "InvalidArgument");
    }
    world.get("/absent?list-type=2").await.expect_error(404, "NoSuchBucket");
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_carry_what_sync_tools_compare() {
    let world = World::new().await;
    world.put("k%0D", "hello").await;
    let page = world.get("/bucket?list-type=2&fetch-owner=true").await.expect(200);
    assert_eq!(page.element("Key"), "k&#13;");
    assert_eq!(page.element("Size"), "5");
    assert_eq!(page.element("ETag").replace("&quot;", "\""), "\"5d41402abc4b2a76b9719d911017c592\"");
    assert_eq!(page.element("StorageClass"), "STANDARD");
    assert_eq!(page.element("ChecksumAlgorithm"), "CRC64NVME");
    assert!(page.element("LastModified").ends_with('Z'));
    assert_eq!(page.elements("ID").len(), 1);
    assert!(world.get("/bucket?list-type=2").await.elements("ID").is_empty());
    assert_eq!(world.get("/bucket").await.elements("ID").len(), 1);
}
