//! Blobs: staged extents on their way to the network, and certified ones with their leases.

mod lease;
mod ship;

use serde::{Deserialize, Serialize};

use crate::index::Index;
use crate::store::{BlobPhase, PhaseKey, Read, tables};
use crate::{BlobKey, ExtentId, IndexError, StagingFileId, StagingSpan};

pub(crate) use lease::shrink;

/// One extent's place in a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobMember {
    /// The extent.
    pub extent: ExtentId,
    /// Bytes from the beginning of the blob, unencoded.
    pub offset: u64,
    /// Its bytes in the blob, as in staging.
    pub stored_length: u64,
    /// The staging file, and the offset in it, that its bytes come from.
    pub source: (StagingFileId, u64),
}

impl BlobMember {
    /// The staging bytes that it is made of.
    #[must_use]
    pub fn span(&self) -> StagingSpan {
        let (file, offset) = self.source;
        StagingSpan { file, offset, length: self.stored_length }
    }
}

/// How far a blob has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlobState {
    /// Its members are chosen and fixed; nobody else knows of it.
    Planned,
    /// Paid for on the ledger, its slivers on their way.
    Registered {
        /// The ledger's object for it.
        object_id: [u8; 32],
        /// Its Walrus blob ID.
        blob_id: [u8; 32],
        /// First epoch in which it is not stored any more.
        end_epoch: u32,
    },
    /// Provably stored: its members are read from the network.
    Certified {
        /// The ledger's object for it.
        object_id: [u8; 32],
        /// Its Walrus blob ID.
        blob_id: [u8; 32],
        /// The epoch in which it was certified.
        certified_epoch: u32,
        /// First epoch in which it is not stored any more.
        end_epoch: u32,
    },
}

/// A blob and what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRecord {
    /// How far it has come.
    pub state: BlobState,
    /// The extents it was made of, by ascending extent id, dead ones included.
    pub members: Vec<BlobMember>,
    /// Unencoded bytes.
    pub length: u64,
    /// Sum of `stored_length` of the members whose extents are not gone.
    pub live_bytes: u64,
    /// The number of members whose extents are not gone.
    pub live_members: u64,
}

/// Why a step of a blob's life was refused.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// No blob has this key.
    #[error("no such blob")]
    NoSuchBlob,
    /// A blob of this key was planned before.
    #[error("the blob is planned already")]
    AlreadyPlanned,
    /// It must be registered first.
    #[error("the blob is not registered")]
    NotRegistered,
    /// It must be certified first.
    #[error("the blob is not certified")]
    NotCertified,
    /// It is certified: what was registered cannot change.
    #[error("the blob is certified already")]
    AlreadyCertified,
    /// Objects, or garbage that is not collected yet, still refer to it.
    #[error("{live_members} members of the blob are still referred to")]
    InUse {
        /// How many.
        live_members: u64,
    },
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl Index {
    /// The blob of `key`, if there is one.
    ///
    /// # Errors
    /// As every read: [`IndexError`].
    pub async fn blob(&self, key: BlobKey) -> Result<Option<BlobRecord>, IndexError> {
        self.read(move |view| view.get(tables::BLOBS, &key)).await
    }

    /// Every blob that is planned or registered, oldest first of each: what a restart takes up again.
    ///
    /// There are as many as the caller lets be under way at once.
    ///
    /// # Errors
    /// As every read: [`IndexError`].
    pub async fn unfinished_blobs(&self) -> Result<Vec<(BlobKey, BlobRecord)>, IndexError> {
        self.read(|view| unfinished(view)).await
    }

    /// Up to `max` certified blobs of which no member is left, oldest first: what a restart still has to
    /// delete on the ledger before [`Index::forget_blob`].
    ///
    /// # Errors
    /// As every read: [`IndexError`].
    pub async fn empty_blobs(&self, max: usize) -> Result<Vec<(BlobKey, BlobRecord)>, IndexError> {
        self.read(move |view| in_phase(view, BlobPhase::Empty, max)).await
    }
}

impl BlobRecord {
    /// The queue it stands in.
    pub(crate) fn phase(&self) -> BlobPhase {
        match self.state {
            BlobState::Planned => BlobPhase::Planned,
            BlobState::Registered { .. } => BlobPhase::Registered,
            BlobState::Certified { .. } if self.live_members > 0 => BlobPhase::Certified,
            BlobState::Certified { .. } => BlobPhase::Empty,
        }
    }
}

pub(crate) fn unfinished(read: &impl Read) -> Result<Vec<(BlobKey, BlobRecord)>, IndexError> {
    let mut blobs = in_phase(read, BlobPhase::Planned, usize::MAX)?;
    blobs.extend(in_phase(read, BlobPhase::Registered, usize::MAX)?);
    Ok(blobs)
}

fn in_phase(
    read: &impl Read,
    phase: BlobPhase,
    max: usize,
) -> Result<Vec<(BlobKey, BlobRecord)>, IndexError> {
    let keys = read.scan_prefix(tables::PHASES, &PhaseKey::prefix(phase));
    keys.take(max)
        .map(|entry| {
            let (key, _) = entry?;
            Ok((key.blob, read.get_required(tables::BLOBS, &key.blob)?))
        })
        .collect()
}
