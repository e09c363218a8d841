//! Deleting objects.

use super::commit::{lock_current, remove_version};
use super::condition::{DeleteCondition, Unmet};
use crate::extent::discard;
use crate::index::Index;
use crate::store::{Txn, tables};
use crate::{BucketId, BucketName, ExtentId, IndexError, ObjectKey};

/// What a delete did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Whether there was an object.
    pub existed: bool,
}

/// Why one object was left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteRefused {
    /// Another object is there than the condition allows.
    #[error("the object under this key does not meet the condition")]
    PreconditionFailed,
    /// The condition asks for an object, and none is there.
    #[error("no such key")]
    NoSuchKey,
}

impl From<Unmet> for DeleteRefused {
    fn from(unmet: Unmet) -> Self {
        match unmet {
            Unmet::Missing => Self::NoSuchKey,
            Unmet::Mismatch => Self::PreconditionFailed,
        }
    }
}

/// Why nothing was deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// No bucket has this name.
    #[error("no such bucket")]
    NoSuchBucket,
    /// The object was left alone.
    #[error(transparent)]
    Refused(#[from] DeleteRefused),
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl Index {
    /// Deletes an object, if there is one and the condition holds. Its extents become garbage.
    ///
    /// # Errors
    /// See [`DeleteError`]. That there is no object is an error only if the condition asks for something.
    pub async fn delete_object(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        condition: DeleteCondition,
    ) -> Result<Deleted, DeleteError> {
        let (bucket, key) = (bucket.clone(), key.clone());
        self.write(move |txn| {
            let bucket = lock_bucket(txn, &bucket)?;
            let mut given_up = Vec::new();
            let deleted = delete_in(txn, bucket, &key, &condition, &mut given_up)??;
            discard(txn, given_up)?;
            Ok(deleted)
        })
        .await
    }

    /// Deletes several objects in one transaction, and says in the same order what became of each. Those that
    /// are refused do not keep the others.
    ///
    /// The transaction is held in memory: a thousand keys, S3's limit, take about a megabyte.
    ///
    /// # Errors
    /// [`DeleteError::NoSuchBucket`], or that the index failed; nothing is deleted then.
    pub async fn delete_objects(
        &self,
        bucket: &BucketName,
        objects: Vec<(ObjectKey, DeleteCondition)>,
    ) -> Result<Vec<Result<Deleted, DeleteRefused>>, DeleteError> {
        let bucket = bucket.clone();
        self.write(move |txn| {
            let bucket = lock_bucket(txn, &bucket)?;
            let mut order: Vec<usize> = (0..objects.len()).collect();
            order.sort_by_key(|&index| &objects[index].0); // Stable: a key named twice is taken in turn.
            let mut results = vec![Ok(Deleted { existed: false }); objects.len()];
            let mut given_up = Vec::new();
            for index in order {
                let (key, condition) = &objects[index];
                results[index] = delete_in(txn, bucket, key, condition, &mut given_up)?;
            }
            discard(txn, given_up)?;
            Ok(results)
        })
        .await
    }
}

fn lock_bucket(txn: &Txn<'_>, name: &BucketName) -> Result<BucketId, DeleteError> {
    Ok(txn.lock_shared(tables::BUCKETS, name)?.ok_or(DeleteError::NoSuchBucket)?.id)
}

/// Removes the object if it may, and adds its extents to `given_up` for the caller to discard.
fn delete_in(
    txn: &Txn<'_>,
    bucket: BucketId,
    key: &ObjectKey,
    condition: &DeleteCondition,
    given_up: &mut Vec<ExtentId>,
) -> Result<Result<Deleted, DeleteRefused>, IndexError> {
    let current = lock_current(txn, bucket, key)?;
    if let Err(unmet) = condition.check(current.as_ref().map(|(_, record)| record)) {
        return Ok(Err(unmet.into()));
    }
    if let Some((row, _)) = &current {
        given_up.extend(remove_version(txn, row)?);
    }
    Ok(Ok(Deleted { existed: current.is_some() }))
}
