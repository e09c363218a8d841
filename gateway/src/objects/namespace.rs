//! Buckets, listings and deletions: what needs the index only.

use haulout_index::{
    BucketId, BucketName, BucketPage, BucketQuery, BucketRecord, DeleteCondition, Durability, ListPage,
    ListQuery, ObjectKey,
};

use super::error::ObjectError;
use super::{BucketOptions, ObjectStore};
use crate::clock::{fresh, now_ms};

impl ObjectStore {
    /// Creates a bucket.
    ///
    /// # Errors
    /// [`ObjectError::BucketAlreadyOwnedByYou`] when it exists.
    pub async fn create_bucket(
        &self,
        name: &BucketName,
        options: BucketOptions,
    ) -> Result<BucketRecord, ObjectError> {
        let record = BucketRecord {
            id: fresh(BucketId::at),
            created_at_ms: now_ms(),
            durability: options.durability.unwrap_or(Durability::Staged),
            protection: options.protection,
        };
        self.shared.index.create_bucket(name, record.clone()).await?;
        Ok(record)
    }

    /// Deletes an empty bucket, and whatever uploads are open in it.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`], [`ObjectError::BucketNotEmpty`].
    pub async fn delete_bucket(&self, name: &BucketName) -> Result<(), ObjectError> {
        Ok(self.shared.index.delete_bucket(name).await?)
    }

    /// Buckets by name.
    ///
    /// # Errors
    /// When the index fails.
    pub async fn list_buckets(&self, query: BucketQuery) -> Result<BucketPage, ObjectError> {
        Ok(self.shared.index.list_buckets(query).await?)
    }

    /// Objects and common prefixes in key order.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`].
    pub async fn list_objects(&self, bucket: &BucketName, query: ListQuery) -> Result<ListPage, ObjectError> {
        Ok(self.shared.index.list_objects(bucket, query).await?)
    }

    /// Deletes an object; returns whether there was one.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`], or a condition that does not hold.
    pub async fn delete_object(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        condition: DeleteCondition,
    ) -> Result<bool, ObjectError> {
        let deleted = self.shared.index.delete_object(bucket, key, condition).await?;
        self.shared.shipping.garbage();
        Ok(deleted.existed)
    }

    /// Deletes many objects in one transaction; each has its own outcome, in the order given.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`] for all of them.
    pub async fn delete_objects(
        &self,
        bucket: &BucketName,
        keys: Vec<(ObjectKey, DeleteCondition)>,
    ) -> Result<Vec<Result<bool, ObjectError>>, ObjectError> {
        let outcomes = self.shared.index.delete_objects(bucket, keys).await?;
        self.shared.shipping.garbage();
        let outcome = |outcome: Result<haulout_index::Deleted, _>| Ok(outcome?.existed);
        Ok(outcomes.into_iter().map(outcome).collect())
    }
}
