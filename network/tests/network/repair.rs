//! Directories that come back.

use std::fs;

use haulout_network::Verification;

use crate::recorder::counter;
use crate::world::{World, bytes, eventually, read_all};

/// Where a blob's file says that all of it is on disk.
const SEAL: usize = 56;

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_comes_back_empty_gets_everything_again() {
    let world = World::new().await;
    let blobs = [(1, 200_000), (2, 10), (3, 5_000)];
    let mut stored = Vec::new();
    for (seed, len) in blobs {
        stored.push(world.store(&bytes(seed, len)).await.0);
    }
    let files: Vec<_> =
        stored.iter().map(|blob| fs::read(world.blob_file(3, blob.metadata.blob_id())).unwrap()).collect();
    let repaired = counter("network_repaired_slivers_total");

    world.remove_nodes([3]);
    let missed = bytes(4, 3000);
    let (late, _) = world.store(&missed).await;
    fs::create_dir(world.node_dir(3)).unwrap();
    for (blob, file) in stored.iter().zip(&files) {
        let path = world.blob_file(3, blob.metadata.blob_id());
        eventually("the file is what it was", async || fs::read(&path).is_ok_and(|bytes| bytes == *file))
            .await;
    }
    let path = world.blob_file(3, late.metadata.blob_id());
    eventually("what was missed is there and sealed, too", async || {
        fs::read(&path).is_ok_and(|bytes| bytes[SEAL] == 1)
    })
    .await;
    assert!(counter("network_repaired_slivers_total") >= repaired + 4 * 20);

    // The repaired node is needed now: with it, four are left.
    world.remove_nodes([0, 1, 2, 4, 5, 6]);
    for (blob, (seed, len)) in stored.iter().zip(blobs) {
        let read = read_all(&world.client(), blob.metadata.blob_id(), Verification::BySlivers).await;
        assert!(read.unwrap() == bytes(seed, len));
    }
    let read = read_all(&world.client(), late.metadata.blob_id(), Verification::BySlivers).await;
    assert!(read.unwrap() == missed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_comes_back_stale_is_brought_up_to_date() {
    let world = World::new().await;
    let (deleted, registered) = world.store(&bytes(5, 1000)).await;
    let away = world.node_dir(8).with_extension("away");
    fs::rename(world.node_dir(8), &away).unwrap();
    let (missed, _) = world.store(&bytes(6, 1000)).await;
    world.client().delete(registered.object_id).await.unwrap();
    eventually("the other nodes have removed it", async || {
        (0..10).all(|node| !world.blob_file(node, deleted.metadata.blob_id()).exists())
    })
    .await;
    fs::rename(&away, world.node_dir(8)).unwrap();
    eventually("what was missed is there and what was deleted is gone", async || {
        world.blob_file(8, missed.metadata.blob_id()).exists()
            && !world.blob_file(8, deleted.metadata.blob_id()).exists()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_file_is_noticed_by_readers() {
    let world = World::new().await;
    let data = bytes(7, 100_000);
    let (blob, _) = world.store(&data).await;
    let path = world.blob_file(world.node_of_first_row(blob.metadata.blob_id()), blob.metadata.blob_id());
    let file = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let read = read_all(&world.client(), blob.metadata.blob_id(), Verification::ByCaller).await;
    assert!(read.unwrap() == data);
    eventually("the file is what it was", async || fs::read(&path).is_ok_and(|bytes| bytes == file)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_directory_is_left_alone() {
    let world = World::new().await;
    let data = bytes(8, 1000);
    let (blob, _) = world.store(&data).await;
    let away = world.node_dir(1).with_extension("away");
    fs::rename(world.node_dir(1), &away).unwrap();
    fs::create_dir_all(world.node_dir(1).join("holiday pictures")).unwrap();
    // Another node's directory, mounted in the wrong place, is foreign as well.
    fs::rename(world.node_dir(2), world.node_dir(2).with_extension("away")).unwrap();
    fs::rename(&away, world.node_dir(2)).unwrap();
    eventually("both are down", async || world.client().health().await.unwrap().nodes_up() == 8).await;
    assert!(
        read_all(&world.client(), blob.metadata.blob_id(), Verification::BySlivers).await.unwrap() == data
    );
    let entries = fs::read_dir(world.node_dir(1)).unwrap().count();
    assert_eq!(entries, 1, "nothing was written there");
}
