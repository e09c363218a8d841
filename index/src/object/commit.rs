//! Making an object visible.

use std::collections::BTreeSet;

use super::condition::Unmet;
use super::read::current;
use crate::extent::{adopt, discard};
use crate::index::Index;
use crate::store::{Family, InBucket, Read, Txn, tables};
use crate::upload::take_upload;
use crate::{
    BucketId, BucketName, ExtentId, IndexError, Layout, NewExtent, ObjectKey, ObjectRecord, PartId,
    PartRecord, UploadId, VersionId, WriteCondition,
};

/// An object to be made visible under its key, and what must hold for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitObject {
    /// Where.
    pub bucket: BucketName,
    /// Under which key. What is there is replaced.
    pub key: ObjectKey,
    /// What clients see of it.
    pub record: ObjectRecord,
    /// Where its bytes are. Its extents are exactly `extents` and those of the listed parts, which it need not
    /// take all of.
    pub layout: Layout,
    /// The extents that enter the index with it.
    pub extents: Vec<NewExtent>,
    /// Checked in the same transaction.
    pub condition: WriteCondition,
    /// The multipart upload that this completes.
    pub upload: Option<CompletedUpload>,
}

/// A multipart upload and the parts chosen from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedUpload {
    /// The upload.
    pub id: UploadId,
    /// Part numbers, with the part that was read under each.
    pub parts: Vec<(u16, PartId)>,
}

/// Why an object did not become visible. Nothing has changed then; the staging bytes are the caller's still.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// No bucket has this name.
    #[error("no such bucket")]
    NoSuchBucket,
    /// Another object is there than the condition allows.
    #[error("the object under this key does not meet the condition")]
    PreconditionFailed,
    /// The condition asks for an object, and none is there.
    #[error("no such key")]
    NoSuchKey,
    /// The upload was completed or aborted, or is of another key.
    #[error("no such upload")]
    NoSuchUpload,
    /// The part was uploaded again since it was read, or never.
    #[error("part {number} is not the one expected")]
    PartChanged {
        /// The first such part.
        number: u16,
    },
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl From<Unmet> for CommitError {
    fn from(unmet: Unmet) -> Self {
        match unmet {
            Unmet::Missing => Self::NoSuchKey,
            Unmet::Mismatch => Self::PreconditionFailed,
        }
    }
}

impl Index {
    /// Makes an object visible, in one transaction: checks the condition, replaces what is under the key
    /// (whose extents become garbage), takes in new extents and queues the staged ones for shipping, and ends
    /// the multipart upload it came from, whose unused extents become garbage.
    ///
    /// # Errors
    /// See [`CommitError`]; [`IndexError::ExtentMismatch`] if the layout and the extents do not fit together.
    pub async fn commit_object(&self, commit: CommitObject) -> Result<(), CommitError> {
        self.write(move |txn| commit_in(txn, &commit)).await
    }
}

fn commit_in(txn: &Txn<'_>, commit: &CommitObject) -> Result<(), CommitError> {
    let bucket = txn.lock_shared(tables::BUCKETS, &commit.bucket)?.ok_or(CommitError::NoSuchBucket)?.id;
    let parts = match &commit.upload {
        None => Vec::new(),
        Some(upload) => end_upload(txn, bucket, &commit.key, upload)?,
    };
    let replaced = lock_current(txn, bucket, &commit.key)?;
    commit.condition.check(replaced.as_ref().map(|(_, record)| record))?;

    let mut given_up = unused_extents(commit, &parts)?;
    if let Some((row, _)) = &replaced {
        given_up.extend(remove_version(txn, row)?);
    }
    discard(txn, given_up)?;
    adopt(txn, &commit.extents)?;
    let version = commit.record.version_id;
    txn.put(tables::LAYOUTS, &version, &commit.layout)?;
    let row = InBucket { bucket, key: commit.key.clone(), id: version };
    Ok(txn.put(tables::OBJECTS, &row, &commit.record)?)
}

/// Removes the upload with all its parts, and returns these.
fn end_upload(
    txn: &Txn<'_>,
    bucket: BucketId,
    key: &ObjectKey,
    upload: &CompletedUpload,
) -> Result<Vec<PartRecord>, CommitError> {
    let row = InBucket { bucket, key: key.clone(), id: upload.id };
    txn.lock(tables::UPLOADS, &row)?.ok_or(CommitError::NoSuchUpload)?;
    let parts = take_upload(txn, &row)?;
    for &(number, expected) in &upload.parts {
        let found = parts.binary_search_by_key(&number, |part| part.number).map(|index| parts[index].id);
        if found != Ok(expected) {
            return Err(CommitError::PartChanged { number });
        }
    }
    Ok(parts)
}

/// The extents of `parts`, all of the ended upload, that the object does not take.
fn unused_extents(commit: &CommitObject, parts: &[PartRecord]) -> Result<BTreeSet<ExtentId>, IndexError> {
    let chosen: BTreeSet<PartId> =
        commit.upload.iter().flat_map(|upload| &upload.parts).map(|&(_, id)| id).collect();
    let new: BTreeSet<ExtentId> = commit.extents.iter().map(|extent| extent.id).collect();
    let offered: BTreeSet<ExtentId> =
        parts.iter().filter(|part| chosen.contains(&part.id)).flat_map(PartRecord::extent_ids).collect();
    let used: BTreeSet<ExtentId> = commit.layout.extents.iter().map(|extent| extent.id).collect();
    let unknown = used.iter().find(|id| !new.contains(id) && !offered.contains(id));
    match unknown.or_else(|| new.difference(&used).next()) {
        Some(&extent) => Err(IndexError::ExtentMismatch { extent }),
        None => Ok(parts.iter().flat_map(PartRecord::extent_ids).filter(|id| !used.contains(id)).collect()),
    }
}

/// What is under `key`, kept from changing until the transaction ends.
pub(super) fn lock_current(
    txn: &Txn<'_>,
    bucket: BucketId,
    key: &ObjectKey,
) -> Result<Option<(InBucket<VersionId>, ObjectRecord)>, IndexError> {
    // The version's own row cannot be locked before it is found, nor that of one yet to come.
    txn.lock_name(Family::Objects, &InBucket::key_rows(bucket, key.as_str()))?;
    current(txn, bucket, key)
}

/// Removes an object version, and returns its extents for the caller to discard.
pub(super) fn remove_version(txn: &Txn<'_>, row: &InBucket<VersionId>) -> Result<Vec<ExtentId>, IndexError> {
    let layout = txn.get_required(tables::LAYOUTS, &row.id)?;
    txn.delete(tables::OBJECTS, row)?;
    txn.delete(tables::LAYOUTS, &row.id)?;
    Ok(layout.extents.iter().map(|extent| extent.id).collect())
}
