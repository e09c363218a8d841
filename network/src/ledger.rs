//! What Haulout needs of the chain: prices and the committee, and the life of blob objects.

use std::error::Error;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use haulout_encoder::{BlobId, VerifiedMetadata};

use crate::certificate::{Certificate, CertificateError};
use crate::committee::Committee;
use crate::confirmation::Persistence;
use crate::ids::{Epoch, ObjectId, RegistrationKey};

/// Bytes of encoded blob in one unit of storage, the smallest amount that is sold.
pub const STORAGE_UNIT_BYTES: u64 = 1 << 20;

/// What storage costs now. 1 WAL is 10^9 FROST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// FROST for one [`STORAGE_UNIT_BYTES`] during one epoch.
    pub storage_per_unit: u64,
    /// FROST for registering a blob, per [`STORAGE_UNIT_BYTES`]; paid once.
    pub write_per_unit: u64,
}

impl Prices {
    /// FROST for keeping `encoded_length` bytes for `epochs`.
    pub fn storage_cost(&self, encoded_length: u64, epochs: u32) -> u128 {
        u128::from(encoded_length.div_ceil(STORAGE_UNIT_BYTES))
            * u128::from(self.storage_per_unit)
            * u128::from(epochs)
    }

    /// FROST for writing `encoded_length` bytes.
    pub fn write_cost(&self, encoded_length: u64) -> u128 {
        u128::from(encoded_length.div_ceil(STORAGE_UNIT_BYTES)) * u128::from(self.write_per_unit)
    }
}

/// The chain's state as far as it concerns storing blobs.
#[derive(Clone, Debug)]
pub struct LedgerState {
    /// Serves the current epoch and says which that is.
    pub committee: Arc<Committee>,
    /// When the next epoch begins.
    pub epoch_ends_at: SystemTime,
    /// What the next transaction will cost.
    pub prices: Prices,
    /// How many epochs beyond the current one a blob can be paid for.
    pub max_epochs_ahead: u32,
}

/// Paid-for space over a span of epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storage {
    /// First epoch of the span.
    pub start_epoch: Epoch,
    /// The epoch in which the space is no longer ours.
    pub end_epoch: Epoch,
    /// Bytes of encoded blob, metadata of all shards included.
    pub size_bytes: u64,
}

/// A request to pay for a blob and make it known to the nodes. Blobs registered here are deletable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRegistration {
    /// The caller's own record, under which a repeated registration is recognised.
    pub key: RegistrationKey,
    /// What will be stored: the chain wants its blob ID, root hash and length, which belong together by type.
    pub metadata: VerifiedMetadata,
    /// Epochs to pay for, the current one included: `1..=max_epochs_ahead`.
    pub epochs_ahead: u32,
}

/// A registration of a blob, as the chain keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobObject {
    /// Names this registration.
    pub object_id: ObjectId,
    /// The caller's record; `None` for an object that other software registered.
    pub key: Option<RegistrationKey>,
    /// What is stored.
    pub blob_id: BlobId,
    /// Bytes before encoding.
    pub unencoded_length: u64,
    /// When it was paid for.
    pub registered_epoch: Epoch,
    /// When a quorum had confirmed it; before that it may not be readable.
    pub certified_epoch: Option<Epoch>,
    /// The space it occupies, and until when.
    pub storage: Storage,
    /// Whether the owner can delete it.
    pub deletable: bool,
}

impl BlobObject {
    /// Whether the nodes owe us anything in `epoch`.
    pub fn is_live(&self, epoch: Epoch) -> bool {
        epoch < self.storage.end_epoch
    }

    /// What the nodes have to confirm.
    pub fn persistence(&self) -> Persistence {
        if self.deletable { Persistence::Deletable(self.object_id) } else { Persistence::Permanent }
    }
}

/// A transaction did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Zero epochs, or an end beyond what can be paid for now.
    #[error("{requested} epochs ahead are outside 1..={max}")]
    EpochsOutOfRange {
        /// Epochs from the current one to the end asked for.
        requested: u32,
        /// The most that can be paid for.
        max: u32,
    },
    /// The purse is empty: a human has to fill it.
    #[error("balance of {available} FROST does not cover {needed}")]
    InsufficientBalance {
        /// What the transaction costs, in FROST.
        needed: u128,
        /// What is there, in FROST.
        available: u128,
    },
    /// The blob was encoded for a network of another size, where it has another blob ID.
    #[error("blob is encoded for {found} shards, the network has {expected}")]
    WrongShardCount {
        /// Shards of the network.
        expected: u16,
        /// Shards the blob was encoded for.
        found: u16,
    },
    /// No such blob object is ours.
    #[error("no blob object {object_id}")]
    ObjectNotFound {
        /// What was looked for.
        object_id: ObjectId,
    },
    /// The object's space has lapsed: the data may be gone.
    #[error("blob object {object_id} expired in epoch {end_epoch}")]
    Expired {
        /// The object.
        object_id: ObjectId,
        /// The first epoch that was not paid for.
        end_epoch: Epoch,
    },
    /// Certified before; nothing is left to do.
    #[error("blob object {object_id} is certified already")]
    AlreadyCertified {
        /// The object.
        object_id: ObjectId,
    },
    /// Only a certified blob can be extended.
    #[error("blob object {object_id} is not certified")]
    NotCertified {
        /// The object.
        object_id: ObjectId,
    },
    /// A permanent blob stays until it expires.
    #[error("blob object {object_id} is not deletable")]
    NotDeletable {
        /// The object.
        object_id: ObjectId,
    },
    /// The certificate proves nothing. Of a [`CertificateError::WrongEpoch`] a fresh one is the remedy.
    #[error("certificate refused")]
    Certificate(#[from] CertificateError),
    /// Nothing was done; try again later.
    #[error("ledger is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The answer was lost: it may or may not have been done. Look before paying again.
    #[error("outcome of the transaction is unknown")]
    OutcomeUnknown(#[source] Box<dyn Error + Send + Sync>),
}

impl LedgerError {
    /// Whether the same request may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Certificate(CertificateError::WrongEpoch { .. })
            | Self::Unavailable(_)
            | Self::OutcomeUnknown(_) => true,
            Self::EpochsOutOfRange { .. }
            | Self::InsufficientBalance { .. }
            | Self::WrongShardCount { .. }
            | Self::ObjectNotFound { .. }
            | Self::Expired { .. }
            | Self::AlreadyCertified { .. }
            | Self::NotCertified { .. }
            | Self::NotDeletable { .. }
            | Self::Certificate(_) => false,
        }
    }
}

/// The chain as one wallet sees it. What is acknowledged is durable.
///
/// Transactions are paid for, so none of these retries by itself.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// The current epoch with its committee, prices and limits. Cheap; implementations cache.
    async fn state(&self) -> Result<LedgerState, LedgerError>;

    /// Reserves space and registers blobs, all in one transaction: all of them, in order, or none.
    async fn register(&self, registrations: Vec<BlobRegistration>) -> Result<Vec<BlobObject>, LedgerError>;

    /// Records that a quorum confirmed a blob. Checks the certificate.
    async fn certify(&self, object_id: ObjectId, certificate: Certificate)
    -> Result<BlobObject, LedgerError>;

    /// Pays for `epochs` more epochs at the end of a certified blob's span.
    async fn extend(&self, object_id: ObjectId, epochs: u32) -> Result<BlobObject, LedgerError>;

    /// Gives a deletable blob up; answers with the space that is left over.
    async fn delete(&self, object_id: ObjectId) -> Result<Storage, LedgerError>;

    /// Our own objects for a blob, expired ones included, in no particular order.
    async fn own_objects(&self, blob_id: &BlobId) -> Result<Vec<BlobObject>, LedgerError>;

    /// One of our objects, if it exists.
    async fn object(&self, object_id: ObjectId) -> Result<Option<BlobObject>, LedgerError>;
}
