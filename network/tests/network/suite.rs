//! What every network owes its users, over the client's public interface only.

use haulout_encoder::encode;
use haulout_network::{LedgerError, NetworkClient, ReadError, StoreError, Verification};

use crate::world::{World, bytes, key, read_all, register, registration};

/// Runs on any network, with its clock standing still.
async fn keeps_its_promises(client: &NetworkClient) {
    blobs_of_all_sizes_come_back(client).await;
    ranges_are_cut_exactly(client).await;
    storing_again_changes_nothing(client).await;
    registering_again_is_free(client).await;
    equal_blobs_live_apart(client).await;
    extending_moves_the_end(client).await;
    misuse_is_refused(client).await;
}

async fn blobs_of_all_sizes_come_back(client: &NetworkClient) {
    for (seed, len) in [(1, 0), (2, 1), (3, 4_556), (4, 4_557), (5, 100_000)] {
        let data = bytes(seed, len);
        let blob = encode(client.encoding(), data.clone()).unwrap();
        let registered = register(client, &blob, key(), 2).await;
        let certified = client.store(&blob, &registered).await.unwrap();
        assert_eq!(certified.certified_epoch, client.epoch().await.unwrap());
        assert_eq!(certified.end_epoch, registered.end_epoch);
        assert_eq!(registered.end_epoch.0, client.epoch().await.unwrap().0 + 2);
        for verification in [Verification::ByCaller, Verification::BySlivers] {
            let read = read_all(client, blob.metadata.blob_id(), verification).await.unwrap();
            assert!(read == data, "{len} bytes, {verification:?}");
        }
    }
}

async fn ranges_are_cut_exactly(client: &NetworkClient) {
    let data = bytes(6, 50_000);
    let blob = encode(client.encoding(), data.clone()).unwrap();
    let registered = register(client, &blob, key(), 2).await;
    client.store(&blob, &registered).await.unwrap();
    let row = blob.metadata.sliver_bytes(haulout_encoder::Axis::Primary);
    let ends = [0, 1, row - 1, row, row + 1, 7 * row, 20_001, data.len() - 1, data.len()];
    let ends = ends.map(|end| end.min(data.len()));
    for (start, end) in ends.iter().flat_map(|start| ends.iter().map(move |end| (*start, *end))) {
        let range = u64::try_from(start).unwrap()..u64::try_from(end).unwrap();
        let read = client.read(blob.metadata.blob_id(), range, Verification::BySlivers).await;
        if start <= end {
            assert!(read.unwrap() == data[start..end], "{start}..{end}");
        } else {
            assert!(matches!(read, Err(ReadError::OutOfRange(_))), "{start}..{end}");
        }
    }
    let beyond = client.read(blob.metadata.blob_id(), 0..50_001, Verification::BySlivers).await;
    assert!(matches!(beyond, Err(ReadError::OutOfRange(_))));
}

async fn storing_again_changes_nothing(client: &NetworkClient) {
    let blob = encode(client.encoding(), bytes(7, 1000)).unwrap();
    let registered = register(client, &blob, key(), 2).await;
    let first = client.store(&blob, &registered).await.unwrap();
    assert_eq!(client.store(&blob, &registered).await.unwrap(), first);
}

async fn registering_again_is_free(client: &NetworkClient) {
    let blobs: Vec<_> = (8..11).map(|seed| encode(client.encoding(), bytes(seed, 500)).unwrap()).collect();
    let keys = [key(), key(), key()];
    let request = |index: usize| registration(&blobs[index], keys[index], 2);
    let first = client.register(vec![request(0), request(1)]).await.unwrap();
    let again = client.register(vec![request(1), request(2), request(0)]).await.unwrap();
    assert_eq!([again[0], again[2]], [first[1], first[0]]);
    assert_eq!(again[1].blob_id, *blobs[2].metadata.blob_id());
    client.store(&blobs[0], &first[0]).await.unwrap();
    assert_eq!(client.register(vec![request(0)]).await.unwrap(), first[..1], "certified by now");
    assert_eq!(client.register(vec![]).await.unwrap(), []);
}

async fn equal_blobs_live_apart(client: &NetworkClient) {
    let data = bytes(11, 3000);
    let blob = encode(client.encoding(), data.clone()).unwrap();
    let one = register(client, &blob, key(), 2).await;
    let other = register(client, &blob, key(), 2).await;
    assert_ne!(one.object_id, other.object_id);
    client.store(&blob, &one).await.unwrap();
    client.store(&blob, &other).await.unwrap();
    client.delete(one.object_id).await.unwrap();
    client.delete(one.object_id).await.expect("deleting twice is no error");
    assert_eq!(client.object(one.object_id).await.unwrap(), None);
    assert!(read_all(client, &one.blob_id, Verification::BySlivers).await.unwrap() == data);
    client.delete(other.object_id).await.unwrap();
    let read = read_all(client, &one.blob_id, Verification::BySlivers).await;
    assert!(matches!(read, Err(ReadError::NotFound { blob_id }) if blob_id == one.blob_id));
}

async fn extending_moves_the_end(client: &NetworkClient) {
    let blob = encode(client.encoding(), bytes(12, 10)).unwrap();
    let registered = register(client, &blob, key(), 1).await;
    let early = client.extend(registered.object_id, 1).await;
    assert!(matches!(early, Err(LedgerError::NotCertified { .. })));
    client.store(&blob, &registered).await.unwrap();
    let extended = client.extend(registered.object_id, 3).await.unwrap();
    assert_eq!(extended.end_epoch.0, registered.end_epoch.0 + 3);
    assert_eq!(
        client.object(registered.object_id).await.unwrap().unwrap().storage.end_epoch,
        extended.end_epoch
    );
    let beyond = client.extend(registered.object_id, 50).await;
    assert!(matches!(beyond, Err(LedgerError::EpochsOutOfRange { requested: 54, max: 53 })));
}

async fn misuse_is_refused(client: &NetworkClient) {
    let blob = encode(client.encoding(), bytes(13, 10)).unwrap();
    for epochs in [0, 54, u32::MAX] {
        let refused = client.register(vec![registration(&blob, key(), epochs)]).await;
        assert!(matches!(refused, Err(LedgerError::EpochsOutOfRange { .. })), "{epochs} epochs");
    }
    let registered = register(client, &blob, key(), 1).await;
    let other = encode(client.encoding(), bytes(14, 10)).unwrap();
    assert!(matches!(client.store(&other, &registered).await, Err(StoreError::OtherBlob { .. })));
    let unread = client.read(other.metadata.blob_id(), 0..1, Verification::ByCaller).await;
    assert!(matches!(unread, Err(ReadError::NotFound { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_network_keeps_its_promises() {
    keeps_its_promises(&World::new().await.client()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_changes_nothing() {
    keeps_its_promises(&World::with(|_| ()).await.client()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_shapes_keep_their_promises() {
    for (n_shards, nodes) in [(4, 4), (31, 7)] {
        let world = World::with(|config| {
            config.n_shards = n_shards;
            config.node_dirs.truncate(nodes);
        });
        keeps_its_promises(&world.await.client()).await;
    }
}
