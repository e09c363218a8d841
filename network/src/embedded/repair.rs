//! Putting back what nodes have lost: slivers that readers found damaged, and everything on a directory that came
//! back empty or stale.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use haulout_encoder::{
    Axis, BlobId, DecodeError, EncodeError, EncodedBlob, PoolError, SliverPairIndex, VerifiedMetadata,
    decode, encode,
};
use metrics::counter;
use tokio::sync::{Semaphore, mpsc};
use tracing::{debug, info, instrument, warn};

use super::node::EmbeddedNode;
use crate::client::{Damage, DamagedPart, NetworkClient, ReadError};
use crate::ids::NodeId;
use crate::ledger::LedgerError;
use crate::local_ledger::LocalLedger;
use crate::node::{BlobStatus, NodeError, PairSliver, StorageNode, Trust};

/// Blobs that are decoded and encoded again at once. Each takes several times its size in memory.
const REPAIRS_MAX: usize = 1;

/// Reports that may wait. What comes beyond them is found again by the next reader or catch-up.
pub(super) const REPORTS_MAX: usize = 1024;

/// Reports looked at together, so that a blob damaged in many places is decoded once.
const REPORTS_AT_ONCE: usize = 256;

/// Blobs asked of the ledger at once.
const PAGE: usize = 256;

/// How long to wait with what a catch-up could not repair, typically because too many other nodes are down.
const CATCH_UP_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// A blob cannot be repaired now.
#[derive(Debug, thiserror::Error)]
pub(super) enum RepairError {
    #[error("blob cannot be read")]
    Read(#[from] ReadError),
    #[error("ledger cannot be asked for the committee")]
    Ledger(#[from] LedgerError),
    #[error("slivers do not decode")]
    Decode(#[from] DecodeError),
    #[error("blob does not encode")]
    Encode(#[from] EncodeError),
    #[error("no memory or thread for the repair")]
    Cpu(#[from] PoolError),
    #[error("node does not take its slivers back")]
    Node(#[from] NodeError),
}

/// The nodes where a blob is not what it should be, and whether slivers are said to be damaged there rather than
/// missing.
type Wrong = BTreeMap<NodeId, bool>;

/// Repairs nodes from the other nodes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Repair {
    nodes: Arc<BTreeMap<NodeId, EmbeddedNode>>,
    client: NetworkClient,
    ledger: Arc<LocalLedger>,
    cpu: haulout_encoder::CpuPool,
    repairs: Arc<Semaphore>,
}

impl Repair {
    pub(super) fn new(
        nodes: &[EmbeddedNode],
        client: NetworkClient,
        ledger: Arc<LocalLedger>,
        cpu: haulout_encoder::CpuPool,
    ) -> Self {
        let nodes = nodes.iter().map(|node| (node.node_id(), node.clone())).collect();
        Self { nodes: Arc::new(nodes), client, ledger, cpu, repairs: Arc::new(Semaphore::new(REPAIRS_MAX)) }
    }

    /// Repairs what is reported until nobody can report any more.
    pub(super) async fn serve_reports(self, mut reports: mpsc::Receiver<Damage>) {
        let mut batch = Vec::with_capacity(REPORTS_AT_ONCE);
        while reports.recv_many(&mut batch, REPORTS_AT_ONCE).await > 0 {
            let mut blobs: BTreeMap<BlobId, Wrong> = BTreeMap::new();
            for Damage { node_id, blob_id, part } in batch.drain(..) {
                let damaged = blobs.entry(blob_id).or_default().entry(node_id).or_default();
                *damaged |= matches!(part, DamagedPart::Sliver { .. });
            }
            for (blob_id, wrong) in blobs {
                if let Err(error) = self.repair(blob_id, wrong).await {
                    warn!(%blob_id, error = &error as &dyn std::error::Error, "blob cannot be repaired now");
                }
            }
        }
    }

    /// Brings a node up to date with the ledger, again and again until nothing is left to do or it goes down.
    #[instrument(skip_all, fields(node_id = %node.node_id()))]
    pub(super) async fn catch_up(&self, node: &EmbeddedNode) {
        loop {
            let left = match self.catch_up_once(node).await {
                Ok(left) => left,
                Err(RepairError::Node(NodeError::Down)) => return,
                Err(error) => {
                    warn!(error = &error as &dyn std::error::Error, "node cannot be brought up to date now");
                    1
                }
            };
            if left == 0 {
                debug!("node is up to date");
                return;
            }
            info!(blobs = left, "some blobs are left to repair later");
            tokio::time::sleep(CATCH_UP_AGAIN_AFTER).await;
        }
    }

    /// Repairs what the node lacks of live blobs and removes what it has of others. Answers how many blobs could not
    /// be repaired.
    async fn catch_up_once(&self, node: &EmbeddedNode) -> Result<usize, RepairError> {
        let (mut after, mut left) = (None, 0);
        loop {
            let ledger = Arc::clone(&self.ledger);
            let page = node.blocking(move |_| Ok(ledger.certified_blobs(after, PAGE)?)).await?;
            let Some(last) = page.last() else { break };
            after = Some(*last);
            for blob_id in page {
                left += usize::from(!self.catch_up_with(node, blob_id).await?);
            }
        }
        for bucket in 0..=u8::MAX {
            for blob_id in node.stored_blobs(bucket).await? {
                remove_unless_live(node, blob_id).await?;
            }
        }
        Ok(left)
    }

    /// Answers whether the node has all of the blob now.
    async fn catch_up_with(&self, node: &EmbeddedNode, blob_id: BlobId) -> Result<bool, RepairError> {
        if node.missing(blob_id).await?.is_empty() {
            return Ok(true);
        }
        match self.repair(blob_id, Wrong::from([(node.node_id(), false)])).await {
            Ok(()) => Ok(true),
            Err(RepairError::Node(NodeError::Down)) => Err(NodeError::Down.into()),
            Err(error) => {
                warn!(%blob_id, error = &error as &dyn std::error::Error, "blob cannot be repaired now");
                Ok(false)
            }
        }
    }

    /// Writes again what is wrong with a blob, if it is certified and alive and something is wrong indeed.
    #[instrument(skip_all, fields(%blob_id))]
    async fn repair(&self, blob_id: BlobId, wrong: Wrong) -> Result<(), RepairError> {
        let metadata = match self.client.metadata(&blob_id).await {
            Err(ReadError::NotFound { .. }) => return Ok(()), // Deleted or expired since.
            metadata => metadata?,
        };
        let mut work = Vec::new();
        for (node_id, reported) in wrong {
            let Some(node) = self.nodes.get(&node_id).filter(|node| node.is_up()) else { continue };
            if !self.is_certified(node, blob_id).await? {
                return Ok(());
            }
            // Whoever has no file gets one, and a damaged one is replaced; that shows what is missing.
            node.store_metadata(metadata.clone()).await?;
            let mut slivers: BTreeSet<_> = node.missing(blob_id).await?.into_iter().collect();
            if reported {
                slivers.extend(self.damaged(node, &metadata).await?);
            }
            if !slivers.is_empty() {
                work.push((node, slivers));
            }
        }
        if work.is_empty() {
            return Ok(());
        }
        let _permit = self.repairs.acquire().await.expect("never closed");
        let blob = self.encode_again(&metadata).await?;
        for (node, slivers) in work {
            write_again(node, &blob, slivers).await?;
        }
        Ok(())
    }

    /// The slivers that the node has of a blob but not as they should be. All of them are looked at: what spoilt one
    /// sliver of a file may have spoilt its neighbours.
    async fn damaged(
        &self,
        node: &EmbeddedNode,
        metadata: &VerifiedMetadata,
    ) -> Result<Vec<(SliverPairIndex, Axis)>, RepairError> {
        let mut damaged = Vec::new();
        for pair in node.pairs(metadata.blob_id()) {
            for axis in Axis::BOTH {
                if !self.client.is_genuine_at(node, metadata, pair, axis).await? {
                    damaged.push((pair, axis));
                }
            }
        }
        Ok(damaged)
    }

    /// Checks the node's slivers at rest, blob by blob, for ever.
    #[instrument(skip_all, fields(node_id = %node.node_id()))]
    pub(super) async fn scrub(self, node: EmbeddedNode, pause: Duration) {
        let mut after = None;
        loop {
            tokio::time::sleep(pause).await;
            let ledger = Arc::clone(&self.ledger);
            let next = node.blocking(move |_| Ok(ledger.certified_blobs(after, 1)?)).await;
            // At the end, or when the ledger is in trouble, begin again.
            after = next.ok().and_then(|page| page.first().copied());
            let Some(blob_id) = after.filter(|_| node.is_up()) else { continue };
            if let Err(error) = self.scrub_blob(&node, blob_id).await {
                debug!(%blob_id, error = &error as &dyn std::error::Error, "blob cannot be checked now");
            }
        }
    }

    async fn scrub_blob(&self, node: &EmbeddedNode, blob_id: BlobId) -> Result<(), RepairError> {
        let metadata = self.client.metadata(&blob_id).await?;
        let damaged = self.damaged(node, &metadata).await?;
        if damaged.is_empty() {
            return Ok(());
        }
        warn!(%blob_id, slivers = damaged.len(), "slivers were damaged at rest");
        counter!(crate::metrics::DAMAGED_SLIVERS).increment(u64::try_from(damaged.len()).unwrap_or(u64::MAX));
        self.repair(blob_id, Wrong::from([(node.node_id(), true)])).await
    }

    async fn is_certified(&self, node: &EmbeddedNode, blob_id: BlobId) -> Result<bool, RepairError> {
        Ok(matches!(node.blob_status(blob_id).await?, BlobStatus::Certified { .. }))
    }

    /// All slivers of a blob, from verified ones of the nodes that have them.
    async fn encode_again(&self, metadata: &VerifiedMetadata) -> Result<EncodedBlob, RepairError> {
        let config = metadata.config();
        let slivers = self.client.verified_set(metadata).await?;
        let sliver_bytes: usize = slivers.iter().map(|sliver| sliver.data.len()).sum();
        let blob_bytes = metadata.unencoded_length();
        let threads = self.cpu.threads();
        let decoding = config.decode_memory_bytes(blob_bytes, threads).map_err(EncodeError::from)?;
        let encoding = config.encode_memory_bytes(blob_bytes, threads).map_err(EncodeError::from)?;
        // The slivers are gone when the blob is encoded.
        let sliver_bytes = u64::try_from(sliver_bytes).unwrap_or(u64::MAX);
        let memory_bytes = decoding.saturating_add(sliver_bytes).max(encoding.saturating_add(blob_bytes));
        let metadata = metadata.clone();
        let encoded = self.cpu.run(memory_bytes, move || {
            let blob = decode(config, &metadata, slivers)?;
            Ok::<_, RepairError>(encode(config, blob)?)
        });
        encoded.await?
    }
}

async fn write_again(
    node: &EmbeddedNode,
    blob: &EncodedBlob,
    slivers: BTreeSet<(SliverPairIndex, Axis)>,
) -> Result<(), RepairError> {
    let blob_id = *blob.metadata.blob_id();
    let count = slivers.len();
    let slivers = slivers.into_iter().map(|(pair, axis)| {
        let sliver = blob.sliver(axis, pair).map_err(|error| NodeError::Failed(Box::new(error)))?;
        Ok(PairSliver { pair, sliver })
    });
    // They were encoded from a blob that was just proven to have this ID.
    let slivers = slivers.collect::<Result<_, NodeError>>()?;
    node.store_slivers(blob_id, slivers, Trust::EncodedHere).await?;
    let missing = node.missing(blob_id).await?.len(); // Also brings them to disk.
    if missing > 0 {
        return Err(NodeError::MissingSlivers { missing }.into());
    }
    counter!(crate::metrics::REPAIRED_SLIVERS).increment(u64::try_from(count).unwrap_or(u64::MAX));
    info!(node_id = %node.node_id(), %blob_id, slivers = count, "slivers repaired");
    Ok(())
}

/// Removes a blob's data from a node unless a live object needs it.
pub(super) async fn remove_unless_live(node: &EmbeddedNode, blob_id: BlobId) -> Result<(), NodeError> {
    if node.remove_unless_live(blob_id).await? {
        counter!(crate::metrics::REMOVED_BLOBS).increment(1);
        debug!(node_id = %node.node_id(), %blob_id, "blob removed");
    }
    Ok(())
}
