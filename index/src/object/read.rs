//! Looking objects up.

use crate::index::Index;
use crate::store::{InBucket, Read, tables};
use crate::{BucketId, BucketName, IndexError, Layout, ObjectKey, ObjectRecord, VersionId};

/// Why objects were not looked up.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// No bucket has this name.
    #[error("no such bucket")]
    NoSuchBucket,
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl Index {
    /// The object under `key`, if there is one.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`] if there is not even the bucket.
    pub async fn object(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Option<ObjectRecord>, ObjectError> {
        let (bucket, key) = (bucket.clone(), key.clone());
        self.read(move |view| look_up(view, &bucket, &key)).await
    }

    /// Where the bytes of a version are; `None` once it was replaced or deleted.
    ///
    /// # Errors
    /// As every read: [`IndexError`].
    pub async fn layout(&self, version: VersionId) -> Result<Option<Layout>, IndexError> {
        self.read(move |view| view.get(tables::LAYOUTS, &version)).await
    }

    /// The object under `key` and where its bytes are, both of one moment.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`] if there is not even the bucket.
    pub async fn object_with_layout(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Option<(ObjectRecord, Layout)>, ObjectError> {
        let (bucket, key) = (bucket.clone(), key.clone());
        self.read(move |view| {
            let Some(record) = look_up(view, &bucket, &key)? else { return Ok(None) };
            let layout = view.get_required(tables::LAYOUTS, &record.version_id)?;
            Ok(Some((record, layout)))
        })
        .await
    }
}

fn look_up(
    read: &impl Read,
    bucket: &BucketName,
    key: &ObjectKey,
) -> Result<Option<ObjectRecord>, ObjectError> {
    let bucket = read.get(tables::BUCKETS, bucket)?.ok_or(ObjectError::NoSuchBucket)?;
    Ok(current(read, bucket.id, key)?.map(|(_, record)| record))
}

/// The newest version under `key`.
pub(super) fn current(
    read: &impl Read,
    bucket: BucketId,
    key: &ObjectKey,
) -> Result<Option<(InBucket<VersionId>, ObjectRecord)>, IndexError> {
    read.scan_prefix(tables::OBJECTS, &InBucket::key_rows(bucket, key.as_str())).next().transpose()
}
