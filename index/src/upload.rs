//! Multipart uploads and their parts, until they are completed or aborted.

mod list;
mod part;

use serde::{Deserialize, Serialize};

use crate::extent::discard;
use crate::index::Index;
use crate::store::{InBucket, Read, tables};
use crate::{
    BucketId, BucketName, ChecksumAlgorithm, ChecksumKind, Durability, IndexError, ObjectKey, SystemMetadata,
    UploadId, WrappedKey,
};

pub use list::{UploadEntry, UploadPage, UploadQuery};
pub(crate) use part::take_upload;
pub use part::{PartPage, PartRecord, PutPartError};

/// A multipart upload under way, with what its object will have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRecord {
    /// Its identity, made at its initiation.
    pub id: UploadId,
    /// The key of the object to come.
    pub key: ObjectKey,
    /// Milliseconds since 1970.
    pub initiated_at_ms: u64,
    /// The headers that S3 keeps with an object.
    pub system: SystemMetadata,
    /// `x-amz-meta-*`: names without that prefix, in the order received.
    pub user_metadata: Vec<(String, String)>,
    /// The checksum that every part and the object will have.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// The key of its parts' bytes; `None` if they are stored in plain.
    pub wrapped_key: Option<WrappedKey>,
    /// The durability that its completion promises.
    pub durability: Durability,
}

/// Why uploads were not made or looked up.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// No bucket has this name.
    #[error("no such bucket")]
    NoSuchBucket,
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// Why an upload was not aborted.
#[derive(Debug, thiserror::Error)]
pub enum AbortError {
    /// No bucket has this name.
    #[error("no such bucket")]
    NoSuchBucket,
    /// It was completed or aborted, or is of another key.
    #[error("no such upload")]
    NoSuchUpload,
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl Index {
    /// Begins a multipart upload.
    ///
    /// # Errors
    /// [`UploadError::NoSuchBucket`].
    pub async fn create_upload(&self, bucket: &BucketName, record: UploadRecord) -> Result<(), UploadError> {
        let bucket = bucket.clone();
        self.write(move |txn| {
            let bucket = txn.lock_shared(tables::BUCKETS, &bucket)?.ok_or(UploadError::NoSuchBucket)?;
            Ok(txn.put(tables::UPLOADS, &upload_row(bucket.id, &record.key, record.id), &record)?)
        })
        .await
    }

    /// The upload of this key and id, if it is under way.
    ///
    /// # Errors
    /// [`UploadError::NoSuchBucket`].
    pub async fn upload(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        id: UploadId,
    ) -> Result<Option<UploadRecord>, UploadError> {
        let (bucket, key) = (bucket.clone(), key.clone());
        self.read(move |view| {
            let bucket = view.get(tables::BUCKETS, &bucket)?.ok_or(UploadError::NoSuchBucket)?;
            Ok(view.get(tables::UPLOADS, &upload_row(bucket.id, &key, id))?)
        })
        .await
    }

    /// Ends an upload without an object. The extents of its parts become garbage.
    ///
    /// # Errors
    /// [`AbortError::NoSuchUpload`], [`AbortError::NoSuchBucket`].
    pub async fn abort_upload(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        id: UploadId,
    ) -> Result<(), AbortError> {
        let (bucket, key) = (bucket.clone(), key.clone());
        self.write(move |txn| {
            let bucket = txn.lock_shared(tables::BUCKETS, &bucket)?.ok_or(AbortError::NoSuchBucket)?;
            let row = upload_row(bucket.id, &key, id);
            txn.lock(tables::UPLOADS, &row)?.ok_or(AbortError::NoSuchUpload)?;
            let parts = take_upload(txn, &row)?;
            Ok(discard(txn, parts.iter().flat_map(PartRecord::extent_ids))?)
        })
        .await
    }
}

fn upload_row(bucket: BucketId, key: &ObjectKey, id: UploadId) -> InBucket<UploadId> {
    InBucket { bucket, key: key.clone(), id }
}
