//! Nodes that go, spoil, lie or dawdle.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use haulout_encoder::{Axis, BlobId, Sliver, SliverIndex, SliverPairIndex, VerifiedMetadata};
use haulout_network::{
    BlobStatus, ClientConfig, NodeCondition, NodeError, NodeId, PairSliver, Persistence, ReadError,
    SignedConfirmation, SourceSymbol, StorageNode, StoreError, Trust, Verification,
};

use crate::recorder::counter;
use crate::world::{World, bytes, eventually, key, read_all, register};

#[tokio::test(flavor = "multi_thread")]
async fn any_three_directories_may_go_while_running() {
    let world = World::new().await;
    let before = bytes(1, 200_000);
    let (blob, _) = world.store(&before).await;
    world.remove_nodes([0, 4, 9]);
    for verification in [Verification::ByCaller, Verification::BySlivers] {
        let read = read_all(&world.client(), blob.metadata.blob_id(), verification).await.unwrap();
        assert!(read == before);
    }
    let after = bytes(2, 100_000);
    let (blob, _) = world.store(&after).await;
    assert!(
        read_all(&world.client(), blob.metadata.blob_id(), Verification::BySlivers).await.unwrap() == after
    );
    let health = world.client().health().await.unwrap();
    assert_eq!((health.nodes_up(), health.shards_up), (7, 70));
    assert!(health.can_write() && health.can_read());
    assert!(!world.node_dir(4).exists(), "a directory that is gone is not created again");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_six_directories_gone_reads_go_on_and_writes_say_try_later() {
    let world = World::new().await;
    let data = bytes(3, 200_000);
    let (blob, _) = world.store(&data).await;
    let blob_id = blob.metadata.blob_id();
    world.remove_nodes(0..6);
    assert!(read_all(&world.client(), blob_id, Verification::ByCaller).await.unwrap() == data);
    let read = world.client().read(blob_id, 777..50_001, Verification::BySlivers).await;
    assert!(read.unwrap() == data[777..50_001]);

    let other = world.encode(b"too late");
    let registered = register(&world.client(), &other, key(), 1).await;
    let refused = world.client().store(&other, &registered).await.unwrap_err();
    assert!(matches!(refused, StoreError::NotEnoughConfirmations { weight: 40, needed: 67 }), "{refused:?}");
    assert!(refused.is_transient());

    world.remove_nodes([6]);
    let unread = world.client().read(blob_id, 0..1000, Verification::ByCaller).await.unwrap_err();
    assert!(matches!(unread, ReadError::NotEnoughSlivers { received: 30, needed: 34 }), "{unread:?}");
    assert!(unread.is_transient());
    let health = world.client().health().await.unwrap();
    assert!(!health.can_write() && !health.can_read());

    world.remove_nodes(7..10);
    let unread = world.client().read(blob_id, 0..1000, Verification::ByCaller).await.unwrap_err();
    assert!(
        matches!(unread, ReadError::MetadataUnavailable),
        "nobody can say that it is not there: {unread:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn spoilt_slivers_are_found_counted_and_repaired() {
    let world = World::new().await;
    let data = bytes(4, 300_000);
    let (blob, _) = world.store(&data).await;
    let blob_id = blob.metadata.blob_id();
    let path = world.blob_file(world.node_of_first_row(blob_id), blob_id);
    let good = fs::read(&path).unwrap();
    let damaged = counter("network_damaged_slivers_total");
    let repaired = counter("network_repaired_slivers_total");

    world.spoil_slivers(world.node_of_first_row(blob_id), &blob);
    assert!(
        read_all(&world.client(), blob_id, Verification::ByCaller).await.unwrap() != data,
        "nobody looked"
    );
    assert!(read_all(&world.client(), blob_id, Verification::BySlivers).await.unwrap() == data);
    assert!(counter("network_damaged_slivers_total") > damaged);
    eventually("the whole file is right again", async || fs::read(&path).unwrap() == good).await;
    eventually("all slivers are counted", async || {
        counter("network_repaired_slivers_total") >= repaired + 20
    })
    .await;
    assert!(read_all(&world.client(), blob_id, Verification::ByCaller).await.unwrap() == data);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_that_nobody_reads_is_found_by_the_scrub() {
    let world = World::with(|config| config.scrub_pause = Duration::from_millis(10)).await;
    let (blob, _) = world.store(&bytes(11, 1000)).await;
    let damaged = counter("network_damaged_slivers_total");
    let files: Vec<_> = (0..2).map(|node| world.blob_file(node, blob.metadata.blob_id())).collect();
    let good: Vec<_> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    for node in 0..2 {
        world.spoil_slivers(node, &blob);
    }
    for (path, good) in files.iter().zip(&good) {
        eventually("the file is right again", async || fs::read(path).unwrap() == *good).await;
    }
    assert!(counter("network_damaged_slivers_total") >= damaged + 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoilt_sliver_does_not_stay_in_the_cache() {
    let world = World::with(|_| ()).await;
    let data = bytes(5, 300_000);
    let (blob, _) = world.store(&data).await;
    let blob_id = blob.metadata.blob_id();
    world.spoil_slivers(world.node_of_first_row(blob_id), &blob);
    let client = world.client();
    assert!(read_all(&client, blob_id, Verification::ByCaller).await.unwrap() != data, "now cached, wrongly");
    assert!(read_all(&client, blob_id, Verification::BySlivers).await.unwrap() == data);
    assert!(read_all(&client, blob_id, Verification::ByCaller).await.unwrap() == data, "cached, rightly");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_any_bytes_does_no_harm() {
    let world = World::new().await;
    let data = bytes(6, 20_000);
    let (blob, _) = world.store(&data).await;
    let blob_id = blob.metadata.blob_id();
    let path = world.blob_file(world.node_of_first_row(blob_id), blob_id);
    let good = fs::read(&path).unwrap();
    for garbage in [vec![], bytes(7, 100), bytes(8, 50_000), good[..500].to_vec(), vec![0xff; 70]] {
        fs::write(&path, garbage).unwrap();
        assert!(read_all(&world.client(), blob_id, Verification::BySlivers).await.unwrap() == data);
        eventually("the file is whole again", async || fs::read(&path).is_ok_and(|bytes| bytes == good))
            .await;
    }
}

/// What is wrong with a [`FaultyNode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Never answers with a sliver.
    Dawdles,
    /// Answers with slivers that are not what it was given.
    LiesAboutSlivers,
    /// As above, and its symbols are wrong as well.
    LiesAboutEverything,
    /// Signs with the bytes of another message.
    SignsSomethingElse,
    /// Confirms with a signature of another node.
    SignsForAnother,
    /// Fails the first time it is asked to keep slivers.
    Hiccups,
}

struct FaultyNode {
    node: Arc<dyn StorageNode>,
    other: Arc<dyn StorageNode>,
    fault: Fault,
    failed_before: std::sync::atomic::AtomicBool,
}

fn flip(data: &Bytes) -> Bytes {
    data.iter().map(|byte| byte ^ 1).collect()
}

#[async_trait]
impl StorageNode for FaultyNode {
    fn node_id(&self) -> NodeId {
        self.node.node_id()
    }

    async fn condition(&self) -> NodeCondition {
        self.node.condition().await
    }

    async fn store_metadata(&self, metadata: VerifiedMetadata) -> Result<(), NodeError> {
        self.node.store_metadata(metadata).await
    }

    async fn store_slivers(
        &self,
        id: BlobId,
        slivers: Vec<PairSliver>,
        trust: Trust,
    ) -> Result<(), NodeError> {
        let first = !self.failed_before.swap(true, std::sync::atomic::Ordering::Relaxed);
        if self.fault == Fault::Hiccups && first {
            return Err(NodeError::Failed("hiccup".into()));
        }
        self.node.store_slivers(id, slivers, trust).await
    }

    async fn metadata(&self, blob_id: BlobId) -> Result<VerifiedMetadata, NodeError> {
        self.node.metadata(blob_id).await
    }

    async fn sliver(&self, blob_id: BlobId, pair: SliverPairIndex, axis: Axis) -> Result<Sliver, NodeError> {
        let sliver = self.node.sliver(blob_id, pair, axis).await?;
        match self.fault {
            Fault::Dawdles => std::future::pending().await,
            Fault::LiesAboutSlivers | Fault::LiesAboutEverything => {
                Ok(Sliver { data: flip(&sliver.data), ..sliver })
            }
            _ => Ok(sliver),
        }
    }

    async fn source_symbols(
        &self,
        id: BlobId,
        axis: Axis,
        target: SliverIndex,
    ) -> Result<Vec<SourceSymbol>, NodeError> {
        let mut symbols = self.node.source_symbols(id, axis, target).await?;
        if self.fault == Fault::LiesAboutEverything {
            symbols.iter_mut().for_each(|symbol| symbol.data = flip(&symbol.data));
        }
        Ok(symbols)
    }

    async fn confirmation(
        &self,
        id: BlobId,
        persistence: Persistence,
    ) -> Result<SignedConfirmation, NodeError> {
        match self.fault {
            Fault::SignsForAnother => self.other.confirmation(id, persistence).await,
            Fault::SignsSomethingElse => {
                let mut confirmation = self.node.confirmation(id, persistence).await?;
                confirmation.message[3] ^= 1;
                Ok(confirmation)
            }
            _ => self.node.confirmation(id, persistence).await,
        }
    }

    async fn blob_status(&self, blob_id: BlobId) -> Result<BlobStatus, NodeError> {
        self.node.blob_status(blob_id).await
    }
}

/// The world's nodes, the first `count` of them faulty.
fn faulty(world: &World, fault: Fault, count: usize) -> Vec<Arc<dyn StorageNode>> {
    let nodes = world.network.nodes();
    let wrap = |(position, node): (usize, &Arc<dyn StorageNode>)| -> Arc<dyn StorageNode> {
        let (node, other) = (Arc::clone(node), Arc::clone(&nodes[9]));
        let failed_before = Default::default();
        if position < count { Arc::new(FaultyNode { node, other, fault, failed_before }) } else { node }
    };
    nodes.iter().enumerate().map(wrap).collect()
}

fn uncached() -> ClientConfig {
    let hedge_after = Duration::from_millis(50);
    ClientConfig { sliver_cache_bytes: 0, hedge_after, ..ClientConfig::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_nodes_are_overtaken() {
    let world = World::new().await;
    let data = bytes(9, 100_000);
    let (blob, _) = world.store(&data).await;
    let nodes = faulty(&world, Fault::Dawdles, 3);
    let client = world.client_over(world.network.ledger(), nodes, uncached());
    let started = Instant::now();
    for verification in [Verification::ByCaller, Verification::BySlivers] {
        assert!(read_all(&client, blob.metadata.blob_id(), verification).await.unwrap() == data);
    }
    assert!(started.elapsed() < uncached().node_timeout, "nobody waited for the slow ones to time out");
}

#[tokio::test(flavor = "multi_thread")]
async fn lying_nodes_are_seen_through() {
    let world = World::new().await;
    let data = bytes(10, 100_000);
    let (blob, _) = world.store(&data).await;
    for fault in [Fault::LiesAboutSlivers, Fault::LiesAboutEverything] {
        let client = world.client_over(world.network.ledger(), faulty(&world, fault, 3), uncached());
        let read = read_all(&client, blob.metadata.blob_id(), Verification::BySlivers).await;
        assert!(read.unwrap() == data, "{fault:?}");
    }
    let nodes = faulty(&world, Fault::LiesAboutEverything, 8);
    let client = world.client_over(world.network.ledger(), nodes, uncached());
    let read = read_all(&client, blob.metadata.blob_id(), Verification::BySlivers).await;
    assert!(matches!(read, Err(ReadError::NotEnoughSlivers { .. })), "wrong bytes are never handed out");
}

#[tokio::test(flavor = "multi_thread")]
async fn false_confirmations_do_not_count() {
    let world = World::new().await;
    for fault in [Fault::SignsSomethingElse, Fault::SignsForAnother] {
        for (count, enough) in [(3, true), (4, false)] {
            let client = world.client_over(world.network.ledger(), faulty(&world, fault, count), uncached());
            let blob = world.encode(format!("{fault:?} {count}").as_bytes());
            let registered = register(&client, &blob, key(), 1).await;
            match client.store(&blob, &registered).await {
                Ok(_) => assert!(enough, "{fault:?} of {count} nodes"),
                Err(StoreError::NotEnoughConfirmations { weight, .. }) => {
                    assert!(!enough, "{fault:?} of {count} nodes");
                    assert_eq!(weight, 60);
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hiccup_is_sat_out() {
    let world = World::new().await;
    let nodes = faulty(&world, Fault::Hiccups, 10);
    let client = world.client_over(world.network.ledger(), nodes, uncached());
    let blob = world.encode(b"once is never");
    let registered = register(&client, &blob, key(), 1).await;
    client.store(&blob, &registered).await.unwrap();
}
