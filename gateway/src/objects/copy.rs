//! Server-side copies. The bytes stream through: a copy has a key of its own, as its bucket says.

use std::ops::Range;
use std::sync::Arc;

use haulout_index::{BucketName, ChecksumAlgorithm, Durability, ObjectKey, ObjectRecord, WriteCondition};

use super::conditions::ReadConditions;
use super::error::ObjectError;
use super::put::PutObject;
use super::seal::Seal;
use super::{
    ByteStream, ChecksumExpectation, ObjectAttributes, ObjectStore, Stored, UPLOAD_BYTES_MAX, Upload,
};

/// What to copy from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// The source's bucket.
    pub bucket: BucketName,
    /// The source's key.
    pub key: ObjectKey,
    /// What must hold of it.
    pub conditions: ReadConditions,
}

/// A copy to make.
#[derive(Clone, Debug)]
pub struct CopyObject {
    /// From where.
    pub source: CopySource,
    /// To where.
    pub bucket: BucketName,
    /// To where.
    pub key: ObjectKey,
    /// New metadata (REPLACE), or the source's (COPY).
    pub attributes: Option<ObjectAttributes>,
    /// Another checksum than the source's.
    pub checksum_algorithm: Option<ChecksumAlgorithm>,
    /// What must hold of the object it replaces.
    pub condition: WriteCondition,
    /// When to acknowledge it; `None` is as the target bucket says.
    pub durability: Option<Durability>,
}

impl ObjectStore {
    /// Copies an object.
    ///
    /// # Errors
    /// [`ObjectError`] of reading and of writing; [`ObjectError::CopyOntoItself`], [`ObjectError::CopySourceTooLarge`].
    pub async fn copy_object(&self, copy: CopyObject) -> Result<Stored, ObjectError> {
        let CopyObject { source, bucket, key, attributes, checksum_algorithm, condition, durability } = copy;
        let onto_itself = source.bucket == bucket && source.key == key;
        if onto_itself && attributes.is_none() && checksum_algorithm.is_none() {
            return Err(ObjectError::CopyOntoItself);
        }
        self.bucket(&bucket).await?;
        let OpenSource { record, body, .. } = self.open_source(&source, None).await?;
        let kept = || ObjectAttributes {
            system: record.system.clone(),
            user_metadata: record.user_metadata.clone(),
        };
        let algorithm = checksum_algorithm
            .or_else(|| record.checksum.as_ref().map(|checksum| checksum.algorithm))
            .unwrap_or(ChecksumAlgorithm::Crc64Nvme);
        let upload = Upload {
            stream: body,
            length: Some(record.size),
            content_md5: None,
            checksum: ChecksumExpectation::Compute(algorithm),
        };
        let attributes = attributes.unwrap_or_else(kept);
        self.put_object(PutObject { bucket, key, attributes, condition, durability, body: upload }).await
    }

    /// Opens the source of a copy, or a range of it: its conditions are preconditions.
    pub(super) async fn open_source(
        &self,
        source: &CopySource,
        range: Option<Range<u64>>,
    ) -> Result<OpenSource, ObjectError> {
        let guard = self.shared.readers.enter();
        let (record, layout) = self.look_up(&source.bucket, &source.key).await?;
        source.conditions.check_copy_source(&record)?;
        let size = record.size;
        let range = range.unwrap_or(0..size);
        if range.end > size {
            return Err(ObjectError::InvalidRange { size });
        }
        let length = range.end.saturating_sub(range.start);
        if length > UPLOAD_BYTES_MAX {
            return Err(ObjectError::CopySourceTooLarge { max: UPLOAD_BYTES_MAX });
        }
        let seal = Arc::new(Seal::of_stored(record.wrapped_key.as_ref(), &self.shared.master_key)?);
        let body = self.read_extents(&layout.extents, range, seal, guard);
        Ok(OpenSource { record, length, body })
    }
}

/// The source of a copy, being read.
pub(super) struct OpenSource {
    /// The whole object.
    pub(super) record: ObjectRecord,
    /// Bytes in `body`.
    pub(super) length: u64,
    /// The bytes to copy.
    pub(super) body: ByteStream,
}
