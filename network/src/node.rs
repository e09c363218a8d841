//! What Haulout needs of a storage node, in the process or behind a wire.

use std::error::Error;

use async_trait::async_trait;
use bytes::Bytes;
use haulout_encoder::{Axis, BlobId, Sliver, SliverIndex, SliverPairIndex, VerifiedMetadata};

use crate::confirmation::{Persistence, SignedConfirmation};
use crate::ids::{Epoch, NodeId};

/// A sliver and the pair it belongs to; its axis is in the sliver.
#[derive(Clone, Debug)]
pub struct PairSliver {
    /// The pair's position, the same for both axes.
    pub pair: SliverPairIndex,
    /// One half of the pair.
    pub sliver: Sliver,
}

/// How a node in this process treats slivers it is given.
///
/// A node behind a wire cannot see our memory and verifies everything, whatever is asked here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// They came from elsewhere: check each against the metadata.
    Verify,
    /// This very process has just encoded them with their metadata and they have not left its memory since.
    /// Hashing them again would prove nothing but the memory, at the price of encoding the blob twice.
    EncodedHere,
}

/// One symbol of a sliver on the other axis than the sliver it helps to recover. Carries no proof: what is
/// recovered from such symbols has to be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSymbol {
    /// The sliver it was cut from.
    pub source: SliverIndex,
    /// `symbol_size` bytes.
    pub data: Bytes,
}

/// What a node knows of a blob. One node proves nothing: it may lag or lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobStatus {
    /// It has never heard of a live object for it.
    Nonexistent,
    /// There is a live registration.
    Registered {
        /// When the last of its objects expires.
        end_epoch: Epoch,
    },
    /// It is readable.
    Certified {
        /// When it was first certified.
        initial_epoch: Epoch,
        /// When the last of its certified objects expires.
        end_epoch: Epoch,
    },
}

/// A node did not do what was asked. The variants are the reasons of Walrus's node interface.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// It has not seen the registration (yet): an ordinary race with the chain. Retry shortly.
    #[error("blob is not registered at the node")]
    NotRegistered,
    /// It cannot confirm before it has both slivers of all its shards.
    #[error("node misses {missing} slivers of the blob")]
    MissingSlivers {
        /// How many, counting both axes.
        missing: usize,
    },
    /// It has no metadata of this blob, which slivers need.
    #[error("node has no metadata of the blob")]
    MetadataNotFound,
    /// It is on duty for the shard but has no such sliver.
    #[error("node does not have the sliver")]
    SliverNotFound,
    /// Our view of the committee is stale.
    #[error("node is not on duty for the shard")]
    ShardNotAssigned,
    /// No such pair or target.
    #[error("index {index} is out of range")]
    IndexOutOfRange {
        /// What was asked for.
        index: u16,
    },
    /// The metadata we sent does not fit the network.
    #[error("node refused the metadata")]
    InvalidMetadata,
    /// The sliver we sent does not belong to the blob.
    #[error("node refused the sliver of pair {}", pair.0)]
    InvalidSliver {
        /// The pair it was sent for.
        pair: SliverPairIndex,
    },
    /// What it stores, or answered, is not well-formed: its copy has to be repaired.
    #[error("node's copy of the blob is damaged")]
    Damaged,
    /// It cannot be reached, or its storage cannot: retry later, meanwhile use others.
    #[error("node is down")]
    Down,
    /// It, or the way to it, failed. Retry, meanwhile use others.
    #[error("node failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
    /// It did not answer in time.
    #[error("node did not answer in time")]
    TimedOut,
}

impl NodeError {
    /// Whether the same request may succeed at the same node a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NotRegistered | Self::Failed(_) | Self::TimedOut => true,
            Self::MissingSlivers { .. }
            | Self::MetadataNotFound
            | Self::SliverNotFound
            | Self::ShardNotAssigned
            | Self::IndexOutOfRange { .. }
            | Self::InvalidMetadata
            | Self::InvalidSliver { .. }
            | Self::Damaged
            | Self::Down => false,
        }
    }
}

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeCondition {
    /// It serves.
    Up,
    /// It cannot be reached, or cannot reach its storage.
    Down,
}

/// A storage node. All requests are idempotent; answers have to be verified by the caller.
#[async_trait]
pub trait StorageNode: Send + Sync {
    /// Who this is.
    fn node_id(&self) -> NodeId;

    /// Whether it serves at present.
    async fn condition(&self) -> NodeCondition;

    /// Has it keep a blob's metadata, which has to come before slivers.
    async fn store_metadata(&self, metadata: VerifiedMetadata) -> Result<(), NodeError>;

    /// Has it keep slivers of its shards. Slivers of one call are taken together: a node in the process writes
    /// them in one go, one behind a wire sends them with its own bounds. On an error some may have been kept.
    async fn store_slivers(
        &self,
        blob_id: BlobId,
        slivers: Vec<PairSliver>,
        trust: Trust,
    ) -> Result<(), NodeError>;

    /// A blob's metadata, proven to belong to `blob_id`.
    async fn metadata(&self, blob_id: BlobId) -> Result<VerifiedMetadata, NodeError>;

    /// One sliver, unverified but of the right axis and index.
    async fn sliver(&self, blob_id: BlobId, pair: SliverPairIndex, axis: Axis) -> Result<Sliver, NodeError>;

    /// The symbols that this node's slivers hold of the *systematic* sliver `target` on `axis`: one for each of
    /// its slivers on the other axis. At most one for each of its shards, fewer when some are missing.
    async fn source_symbols(
        &self,
        blob_id: BlobId,
        axis: Axis,
        target: SliverIndex,
    ) -> Result<Vec<SourceSymbol>, NodeError>;

    /// Its signed promise to hold all it is on duty for, durably.
    async fn confirmation(
        &self,
        blob_id: BlobId,
        persistence: Persistence,
    ) -> Result<SignedConfirmation, NodeError>;

    /// What it knows of a blob.
    async fn blob_status(&self, blob_id: BlobId) -> Result<BlobStatus, NodeError>;
}
