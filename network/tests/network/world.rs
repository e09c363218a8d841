//! An embedded network in a temporary directory, with a clock that stands still unless moved.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;
use haulout_encoder::{BlobId, CpuPool, EncodedBlob, EncoderConfig, SliverPairIndex, encode};
use haulout_network::{
    BlobRegistration, ClientConfig, EmbeddedConfig, EmbeddedNetwork, Ledger, ManualClock, NetworkClient,
    ReadError, RegisteredBlob, RegistrationKey, StorageNode, Verification,
};
use tempfile::TempDir;

/// Generous: these tests share two cores with everything else.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const EPOCH: Duration = Duration::from_secs(1000);

pub(crate) struct World {
    directory: TempDir,
    pub(crate) config: EmbeddedConfig,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) cpu: CpuPool,
    pub(crate) network: EmbeddedNetwork,
}

impl World {
    /// Ten nodes, 100 shards, and no cache, so that reads show what the nodes have.
    pub(crate) async fn new() -> Self {
        Self::with(|config| config.client.sliver_cache_bytes = 0).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut EmbeddedConfig)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = EmbeddedConfig::new(directory.path());
        config.epoch_duration = EPOCH;
        config.watch_interval = Duration::from_millis(20);
        config.sweep_interval = Duration::from_millis(20);
        // So that only what a test does finds damage.
        config.scrub_pause = Duration::from_secs(3600);
        change(&mut config);
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
        let threads = NonZeroUsize::new(2).unwrap();
        let cpu = CpuPool::new(&EncoderConfig { threads, ..EncoderConfig::default() }).unwrap();
        let network = EmbeddedNetwork::open(config.clone(), cpu.clone(), clock.clone()).await.unwrap();
        Self { directory, config, clock, cpu, network }
    }

    /// Shuts the network down, does something while it is down, and opens it again.
    pub(crate) async fn reopen(self, meanwhile: impl FnOnce(&EmbeddedConfig)) -> Self {
        let Self { directory, config, clock, cpu, network } = self;
        network.shutdown().await;
        meanwhile(&config);
        let network = EmbeddedNetwork::open(config.clone(), cpu.clone(), clock.clone()).await.unwrap();
        Self { directory, config, clock, cpu, network }
    }

    pub(crate) fn client(&self) -> NetworkClient {
        self.network.client()
    }

    /// A client of its own over other ways to the ledger and the nodes.
    pub(crate) fn client_over(
        &self,
        ledger: Arc<dyn Ledger>,
        nodes: Vec<Arc<dyn StorageNode>>,
        config: ClientConfig,
    ) -> NetworkClient {
        NetworkClient::new(self.client().encoding(), ledger, nodes, self.cpu.clone(), None, config)
    }

    pub(crate) fn next_epochs(&self, count: u32) {
        self.clock.advance(EPOCH * count);
    }

    pub(crate) fn node_dir(&self, node: usize) -> &Path {
        &self.config.node_dirs[node]
    }

    pub(crate) fn remove_nodes(&self, nodes: impl IntoIterator<Item = usize>) {
        for node in nodes {
            fs::remove_dir_all(self.node_dir(node)).unwrap();
        }
    }

    /// Where a node keeps a blob.
    pub(crate) fn blob_file(&self, node: usize, blob_id: &BlobId) -> PathBuf {
        let name = hex::encode(blob_id.0);
        self.node_dir(node).join(&name[..2]).join(name)
    }

    pub(crate) fn blob_files(&self, blob_id: &BlobId) -> Vec<bool> {
        (0..self.config.node_dirs.len()).map(|node| self.blob_file(node, blob_id).exists()).collect()
    }

    /// Flips every byte of all the slivers that a node has of a blob.
    pub(crate) fn spoil_slivers(&self, node: usize, blob: &EncodedBlob) {
        let path = self.blob_file(node, blob.metadata.blob_id());
        let mut bytes = fs::read(&path).unwrap();
        let slivers_start = bytes.len() - sliver_bytes_per_node(blob);
        bytes[slivers_start..].iter_mut().for_each(|byte| *byte ^= 0x55);
        fs::write(&path, bytes).unwrap();
    }

    /// The node that keeps the first row of a blob, which every read of its beginning asks.
    pub(crate) fn node_of_first_row(&self, blob_id: &BlobId) -> usize {
        let n_shards = self.config.n_shards;
        usize::from(SliverPairIndex(0).to_shard(n_shards, blob_id).0) * self.config.node_dirs.len()
            / usize::from(n_shards)
    }

    pub(crate) fn encode(&self, data: &[u8]) -> EncodedBlob {
        encode(self.client().encoding(), data.to_vec()).unwrap()
    }

    /// Registers and stores some bytes.
    pub(crate) async fn store(&self, data: &[u8]) -> (EncodedBlob, RegisteredBlob) {
        let blob = self.encode(data);
        let registered = register(&self.client(), &blob, key(), 2).await;
        self.client().store(&blob, &registered).await.unwrap();
        // So that every node has everything, not only a quorum.
        self.client().drain().await;
        (blob, registered)
    }
}

fn sliver_bytes_per_node(blob: &EncodedBlob) -> usize {
    let config = blob.metadata.config();
    let symbol = blob.metadata.symbol_size_bytes();
    10 * (config.primary_sliver_bytes(symbol) + config.secondary_sliver_bytes(symbol))
}

/// A registration key that no other call returns.
pub(crate) fn key() -> RegistrationKey {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut key = [0; 16];
    key[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    RegistrationKey(key)
}

pub(crate) fn registration(blob: &EncodedBlob, key: RegistrationKey, epochs_ahead: u32) -> BlobRegistration {
    BlobRegistration { key, metadata: blob.metadata.clone(), epochs_ahead }
}

pub(crate) async fn register(
    client: &NetworkClient,
    blob: &EncodedBlob,
    key: RegistrationKey,
    epochs_ahead: u32,
) -> RegisteredBlob {
    client.register(vec![registration(blob, key, epochs_ahead)]).await.unwrap()[0]
}

/// Bytes without a pattern that could hide a mix-up, the same for the same seed.
pub(crate) fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

pub(crate) async fn read_all(
    client: &NetworkClient,
    blob_id: &BlobId,
    verification: Verification,
) -> Result<Bytes, ReadError> {
    let length = client.blob_length(blob_id).await?;
    client.read(blob_id, 0..length, verification).await
}

/// Waits until something is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < PATIENCE, "still not so: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
