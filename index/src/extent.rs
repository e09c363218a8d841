//! Extents: runs of stored bytes, where they are, and when they are garbage.

mod garbage;

use serde::{Deserialize, Serialize};

use crate::blob::unfinished;
use crate::index::Index;
use crate::store::{ExtentRow, Read, StagedKey, tables};
use crate::{BlobKey, BlobMember, BlobRecord, BlobState, ExtentId, IndexError, StagingFileId};

pub(crate) use garbage::{adopt, check_same, discard};

/// An extent as part of an object or a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtentRef {
    /// The extent.
    pub id: ExtentId,
    /// Bytes of the object in it, before encryption.
    pub length: u64,
}

/// How a reader checks an extent's bytes, frame by frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FrameCheck {
    /// Each frame ends in its AEAD tag.
    Sealed,
    /// The BLAKE3 digest of each frame, in order.
    Digests(Vec<[u8; 32]>),
}

/// Where an extent's stored bytes begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExtentLocation {
    /// In the staging area.
    Staged {
        /// The file.
        file: StagingFileId,
        /// Bytes from the beginning of the file.
        offset: u64,
    },
    /// In a certified blob.
    Blob {
        /// The blob.
        blob: BlobKey,
        /// Bytes from the beginning of the blob, unencoded.
        offset: u64,
    },
}

/// What a reader needs to fetch and check an extent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtentRecord {
    /// Bytes in staging or in the blob: with AEAD tags, if there are any.
    pub stored_length: u64,
    /// How to check them.
    pub frames: FrameCheck,
    /// Where they are.
    pub location: ExtentLocation,
}

impl ExtentRecord {
    /// The staging bytes it stands in, if it is staged.
    #[must_use]
    pub fn staging_span(&self) -> Option<StagingSpan> {
        match self.location {
            ExtentLocation::Staged { file, offset } => {
                Some(StagingSpan { file, offset, length: self.stored_length })
            }
            ExtentLocation::Blob { .. } => None,
        }
    }
}

/// An extent with its id: one that enters the index, or one that waits in a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewExtent {
    /// Never used before.
    pub id: ExtentId,
    /// Where its bytes already are.
    pub record: ExtentRecord,
}

/// A run of bytes of a staging file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StagingSpan {
    /// The file.
    pub file: StagingFileId,
    /// Bytes from the beginning of the file.
    pub offset: u64,
    /// In bytes.
    pub length: u64,
}

/// What [`Index::collect_garbage`] set free. The caller acts on it after the fact; what a crash cuts off is
/// found again by [`Index::staged_locations`] and [`Index::empty_blobs`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collected {
    /// Staging bytes that nobody needs any more.
    pub freed_staging: Vec<StagingSpan>,
    /// Certified blobs without a live member: delete them on the ledger, then [`Index::forget_blob`].
    pub empty_blobs: Vec<(BlobKey, BlobRecord)>,
}

impl Index {
    /// The records of `ids`, in the same order, of one moment; `None` for an extent that is gone.
    ///
    /// # Errors
    /// As every read: [`IndexError`].
    pub async fn extents(&self, ids: &[ExtentId]) -> Result<Vec<Option<ExtentRecord>>, IndexError> {
        let ids = ids.to_vec();
        self.read(move |view| {
            let record = |id: &ExtentId| Ok(view.get(tables::EXTENTS, id)?.map(|row| row.record));
            ids.iter().map(record).collect()
        })
        .await
    }

    /// The certified blob that holds each of `ids`, in the same order, of one moment; `None` for an extent that
    /// is staged or gone.
    ///
    /// # Errors
    /// As every read: [`IndexError`].
    pub async fn blobs_of(&self, ids: &[ExtentId]) -> Result<Vec<Option<(BlobKey, BlobState)>>, IndexError> {
        let ids = ids.to_vec();
        self.read(move |view| ids.iter().map(|id| blob_of(view, id)).collect()).await
    }

    /// Up to `max` extents that are staged, owned and in no blob yet, oldest first, after `after`.
    ///
    /// # Errors
    /// As every read: [`IndexError`].
    pub async fn staged_extents(
        &self,
        after: Option<ExtentId>,
        max: usize,
    ) -> Result<Vec<NewExtent>, IndexError> {
        self.read(move |view| {
            let queue = view.scan_from(tables::STAGED, &[], after.map(StagedKey).as_ref());
            queue.take(max).map(|entry| entry.and_then(|(key, _)| queued_extent(view, key.0))).collect()
        })
        .await
    }

    /// Every run of staging bytes that is still needed: by extents that wait to be shipped, by members of
    /// unfinished blobs, dead ones too, and by garbage not yet collected. In no particular order.
    ///
    /// For start-up, before anything is written: all else in the staging area is free. The result is bounded
    /// by the number of extents that fit in staging.
    ///
    /// # Errors
    /// As every read: [`IndexError`].
    pub async fn staged_locations(&self) -> Result<Vec<StagingSpan>, IndexError> {
        self.read(|view| staging_spans(view)).await
    }
}

pub(crate) fn queued_extent(read: &impl Read, id: ExtentId) -> Result<NewExtent, IndexError> {
    let row: ExtentRow = read.get_required(tables::EXTENTS, &id)?;
    Ok(NewExtent { id, record: row.record })
}

fn blob_of(read: &impl Read, id: &ExtentId) -> Result<Option<(BlobKey, BlobState)>, IndexError> {
    let Some(row) = read.get(tables::EXTENTS, id)? else { return Ok(None) };
    match row.record.location {
        ExtentLocation::Staged { .. } => Ok(None),
        ExtentLocation::Blob { blob, .. } => Ok(Some((blob, read.get_required(tables::BLOBS, &blob)?.state))),
    }
}

pub(crate) fn staging_spans(read: &impl Read) -> Result<Vec<StagingSpan>, IndexError> {
    let mut spans = Vec::new();
    for entry in read.scan(tables::STAGED) {
        spans.extend(queued_extent(read, entry?.0.0)?.record.staging_span());
    }
    for entry in read.scan(tables::GARBAGE) {
        spans.extend(queued_extent(read, entry?.0.0)?.record.staging_span());
    }
    for (_, blob) in unfinished(read)? {
        spans.extend(blob.members.iter().map(BlobMember::span));
    }
    Ok(spans)
}
