//! A storage node in this process, on one directory.

use std::collections::HashMap;
use std::io;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use async_trait::async_trait;
use haulout_encoder::{
    Axis, BlobId, CpuPool, EncodingConfig, ShardIndex, Sliver, SliverIndex, SliverPairIndex,
    VerifiedMetadata, verify_slivers,
};
use tokio_util::task::TaskTracker;
use tracing::Span;

mod storage;

use super::blob_file::BlobFileError;
use super::directory::NodeDirectory;
use crate::bls::SecretKey;
use crate::committee::Member;
use crate::confirmation::{Persistence, SignedConfirmation};
use crate::ids::NodeId;
use crate::ledger::LedgerError;
use crate::local_ledger::LocalLedger;
use crate::node::{BlobStatus, NodeCondition, NodeError, PairSliver, SourceSymbol, StorageNode, Trust};

/// Locks that keep the removal of a blob apart from its storing. More of them collide less.
const BLOB_LOCKS: usize = 64;

/// One of the network's nodes. Cheap to clone; clones are the same node.
#[derive(Clone)]
pub(super) struct EmbeddedNode {
    inner: Arc<Inner>,
    cpu: CpuPool,
}

pub(super) struct Inner {
    pub(super) directory: NodeDirectory,
    node_id: NodeId,
    key: SecretKey,
    config: EncodingConfig,
    /// Where each of the node's shards has its slots.
    places: HashMap<u16, usize>,
    shards: Vec<ShardIndex>,
    ledger: Arc<LocalLedger>,
    /// Set by whoever watches the directory, cleared by whoever first finds it gone.
    up: AtomicBool,
    /// Distinguishes what this run wrote from what earlier ones did.
    run: NonZeroU64,
    temporaries: AtomicU64,
    blob_locks: [RwLock<()>; BLOB_LOCKS],
    /// Work on the directory that is under way, also for callers that went away.
    work: TaskTracker,
}

impl EmbeddedNode {
    /// The node is down until [`Self::set_up`].
    pub(super) fn new(
        directory: NodeDirectory,
        member: Member,
        key: SecretKey,
        config: EncodingConfig,
        ledger: Arc<LocalLedger>,
        cpu: CpuPool,
        run: NonZeroU64,
    ) -> Self {
        let places = member.shards.iter().enumerate().map(|(place, shard)| (shard.0, place)).collect();
        let inner = Inner {
            directory,
            node_id: member.node_id,
            key,
            config,
            places,
            shards: member.shards,
            ledger,
            up: AtomicBool::new(false),
            run,
            temporaries: AtomicU64::new(0),
            blob_locks: std::array::from_fn(|_| RwLock::new(())),
            work: TaskTracker::new(),
        };
        Self { inner: Arc::new(inner), cpu }
    }

    /// Does the node's work away from the reactor.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, NodeError> + Send + 'static,
    ) -> Result<T, NodeError> {
        let (inner, span) = (Arc::clone(&self.inner), Span::current());
        let done = self.inner.work.spawn_blocking(move || span.in_scope(|| work(&inner)));
        done.await.map_err(|panicked| NodeError::Failed(Box::new(panicked)))?
    }

    /// Waits for work whose callers went away.
    pub(super) async fn settle(&self) {
        self.inner.work.close();
        self.inner.work.wait().await;
    }

    pub(super) fn directory(&self) -> &NodeDirectory {
        &self.inner.directory
    }

    pub(super) fn is_up(&self) -> bool {
        self.inner.up.load(Ordering::Acquire)
    }

    /// Changes whether the node serves. Answers whether that is new.
    pub(super) fn set_up(&self, up: bool) -> bool {
        self.inner.up.swap(up, Ordering::AcqRel) != up
    }

    /// The slivers that the node should have of a blob and has not. If there are none, the blob is on disk now.
    pub(super) async fn missing(&self, blob_id: BlobId) -> Result<Vec<(SliverPairIndex, Axis)>, NodeError> {
        self.blocking(move |node| node.missing(&blob_id)).await
    }

    /// Removes a blob's data unless a live object needs it.
    pub(super) async fn remove_unless_live(&self, blob_id: BlobId) -> Result<bool, NodeError> {
        self.blocking(move |node| node.remove_unless_live(&blob_id)).await
    }

    /// The pairs that the node is on duty for.
    pub(super) fn pairs(&self, blob_id: &BlobId) -> Vec<SliverPairIndex> {
        (0..self.inner.shards.len()).map(|place| self.inner.pair(blob_id, place)).collect()
    }

    /// The blobs whose files are in the `bucket`-th of the 256 parts of the directory. Clears away what earlier runs
    /// left unfinished there.
    pub(super) async fn stored_blobs(&self, bucket: u8) -> Result<Vec<BlobId>, NodeError> {
        self.blocking(move |node| {
            node.expect_up()?;
            Ok(node.directory.list(bucket, node.run)?)
        })
        .await
    }

    async fn verify_all(
        &self,
        blob_id: BlobId,
        slivers: Vec<PairSliver>,
    ) -> Result<Vec<PairSliver>, NodeError> {
        let metadata = self.blocking(move |node| node.metadata(&blob_id)).await?;
        let config = self.inner.config;
        // Every thread of the pool extends a sliver.
        let extended_bytes = u64::from(config.n_shards()) * u64::from(metadata.symbol_size_bytes());
        let memory_bytes =
            u64::try_from(self.cpu.threads()).unwrap_or(u64::MAX).saturating_mul(extended_bytes);
        let verified = self.cpu.run(memory_bytes, move || {
            let sent: Vec<_> = slivers.iter().map(|sent| (sent.pair, sent.sliver.clone())).collect();
            let verdicts = verify_slivers(config, &metadata, &sent);
            match sent.iter().zip(verdicts).find(|(_, verdict)| verdict.is_err()) {
                Some(((pair, _), _)) => Err(NodeError::InvalidSliver { pair: *pair }),
                None => Ok(slivers),
            }
        });
        verified.await.map_err(|error| NodeError::Failed(Box::new(error)))?
    }
}

#[async_trait]
impl StorageNode for EmbeddedNode {
    fn node_id(&self) -> NodeId {
        self.inner.node_id
    }

    async fn condition(&self) -> NodeCondition {
        let there = self.is_up() && self.blocking(|node| Ok(node.is_there())).await.unwrap_or(false);
        if there { NodeCondition::Up } else { NodeCondition::Down }
    }

    async fn store_metadata(&self, metadata: VerifiedMetadata) -> Result<(), NodeError> {
        if metadata.config() != self.inner.config {
            return Err(NodeError::InvalidMetadata);
        }
        self.blocking(move |node| node.store_metadata(&metadata)).await
    }

    async fn store_slivers(
        &self,
        blob_id: BlobId,
        slivers: Vec<PairSliver>,
        trust: Trust,
    ) -> Result<(), NodeError> {
        let slivers = match trust {
            Trust::Verify => self.verify_all(blob_id, slivers).await?,
            Trust::EncodedHere => slivers,
        };
        self.blocking(move |node| node.store_slivers(&blob_id, &slivers)).await
    }

    async fn metadata(&self, blob_id: BlobId) -> Result<VerifiedMetadata, NodeError> {
        self.blocking(move |node| match node.status(&blob_id)? {
            BlobStatus::Nonexistent => node.unless_down(NodeError::MetadataNotFound),
            _ => node.metadata(&blob_id),
        })
        .await
    }

    async fn sliver(&self, blob_id: BlobId, pair: SliverPairIndex, axis: Axis) -> Result<Sliver, NodeError> {
        self.blocking(move |node| node.sliver(&blob_id, pair, axis)).await
    }

    async fn source_symbols(
        &self,
        blob_id: BlobId,
        axis: Axis,
        target: SliverIndex,
    ) -> Result<Vec<SourceSymbol>, NodeError> {
        self.blocking(move |node| node.source_symbols(&blob_id, axis, target)).await
    }

    async fn confirmation(
        &self,
        blob_id: BlobId,
        persistence: Persistence,
    ) -> Result<SignedConfirmation, NodeError> {
        self.blocking(move |node| node.confirm(&blob_id, persistence)).await
    }

    async fn blob_status(&self, blob_id: BlobId) -> Result<BlobStatus, NodeError> {
        self.blocking(move |node| {
            node.expect_up()?;
            node.status(&blob_id)
        })
        .await
    }
}

impl From<BlobFileError> for NodeError {
    fn from(error: BlobFileError) -> Self {
        match error {
            // Cut off: what should be there is not.
            BlobFileError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => Self::Damaged,
            BlobFileError::Io(error) => Self::Failed(Box::new(error)),
            BlobFileError::ForeignHeader
            | BlobFileError::ImpossibleLength(_)
            | BlobFileError::Metadata(_) => Self::Damaged,
        }
    }
}

impl From<io::Error> for NodeError {
    fn from(error: io::Error) -> Self {
        BlobFileError::Io(error).into()
    }
}

impl From<LedgerError> for NodeError {
    fn from(error: LedgerError) -> Self {
        Self::Failed(Box::new(error))
    }
}
