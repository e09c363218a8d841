//! PutObject, and how any write becomes visible.

use std::sync::Arc;

use haulout_index::{
    BucketName, BucketRecord, CommitError, CommitObject, Durability, ETag, ExtentId, Layout, ObjectKey,
    ObjectRecord, VersionId, WriteCondition,
};

use super::conditions::{check_write, condition_header};
use super::error::ObjectError;
use super::ingest::Ingested;
use super::seal::Seal;
use super::{ObjectAttributes, ObjectStore, Stored, Upload};
use crate::clock::{fresh, now_ms};
use crate::staging::StagedSpan;

/// A whole object to store.
pub struct PutObject {
    /// Where.
    pub bucket: BucketName,
    /// Where.
    pub key: ObjectKey,
    /// Its metadata.
    pub attributes: ObjectAttributes,
    /// What must hold of the object it replaces.
    pub condition: WriteCondition,
    /// When to acknowledge it; `None` is as the bucket says.
    pub durability: Option<Durability>,
    /// Its bytes.
    pub body: Upload,
}

impl ObjectStore {
    /// Stores an object; it is visible, and on disk or on the network, when this returns.
    ///
    /// The bucket and the condition are looked at before the body is asked for, and the condition again when the
    /// object becomes visible.
    ///
    /// # Errors
    /// [`ObjectError`]; then nothing is visible, except after [`ObjectError::CertifyTimeout`].
    pub async fn put_object(&self, put: PutObject) -> Result<Stored, ObjectError> {
        let PutObject { bucket, key, attributes, condition, durability, body } = put;
        let options = self.bucket(&bucket).await?;
        self.check_write_condition(&bucket, &key, &condition).await?;
        let seal = Arc::new(Seal::for_new_object(options.protection));
        let mut ingested = self.ingest(body, &seal).await?;
        let durability = durability.unwrap_or(options.durability);
        let record = self.record_of(&ingested, attributes, &seal, durability);
        let spans = std::mem::take(&mut ingested.spans);
        let layout = Layout { extents: ingested.refs, parts: Vec::new() };
        let extents = ingested.extents;
        self.publish(CommitObject { bucket, key, record, layout, extents, condition, upload: None }, spans)
            .await
    }

    fn record_of(
        &self,
        ingested: &Ingested,
        attributes: ObjectAttributes,
        seal: &Seal,
        durability: Durability,
    ) -> ObjectRecord {
        ObjectRecord {
            version_id: fresh(VersionId::at),
            modified_at_ms: now_ms(),
            size: ingested.size,
            etag: ETag { md5: ingested.md5, parts: None },
            digest: Some(ingested.digest),
            checksum: Some(ingested.checksum.clone()),
            system: attributes.system,
            user_metadata: attributes.user_metadata,
            wrapped_key: seal.wrapped(&self.shared.master_key),
            upload_id: None,
            part_count: None,
            durability,
        }
    }

    /// Makes a staged object visible, then waits for the network if it was promised.
    pub(super) async fn publish(
        &self,
        commit: CommitObject,
        spans: Vec<StagedSpan>,
    ) -> Result<Stored, ObjectError> {
        let record = commit.record.clone();
        let extents: Vec<ExtentId> = commit.layout.extents.iter().map(|extent| extent.id).collect();
        self.commit(commit, spans).await?;
        if record.durability == Durability::Certified {
            self.shared.shipping.certified(&extents, self.shared.limits.certify_timeout).await?;
        }
        Ok(Stored { record })
    }

    /// Commits to the index in a task of its own: a client that goes away must not separate the commit from the
    /// staged bytes it refers to.
    async fn commit(&self, commit: CommitObject, spans: Vec<StagedSpan>) -> Result<(), ObjectError> {
        let store = self.clone();
        let header = condition_header(&commit.condition);
        let task = tokio::spawn(async move {
            let committed = store.shared.index.commit_object(commit).await;
            let committed = committed.map_err(|error| match error {
                CommitError::PreconditionFailed => ObjectError::PreconditionFailed { condition: header },
                other => other.into(),
            });
            settle(&committed, spans);
            store.shared.shipping.staged();
            committed
        });
        task.await?
    }

    /// The condition as of now, to refuse a body before it is sent. The commit checks again.
    pub(super) async fn check_write_condition(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        condition: &WriteCondition,
    ) -> Result<(), ObjectError> {
        if *condition == WriteCondition::None {
            return Ok(());
        }
        let current = self.shared.index.object(bucket, key).await?;
        check_write(condition, current.as_ref())
    }

    /// The bucket.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`].
    pub async fn bucket(&self, name: &BucketName) -> Result<BucketRecord, ObjectError> {
        self.shared.index.bucket(name).await?.ok_or(ObjectError::NoSuchBucket)
    }
}

/// Staged bytes belong to the index after a commit, and to nobody after a refusal. After a failure of the index
/// itself nobody knows: they stay until the next start, which asks the index.
pub(super) fn settle(committed: &Result<(), ObjectError>, spans: Vec<StagedSpan>) {
    match committed {
        Ok(()) | Err(ObjectError::Index(_)) => spans.into_iter().for_each(StagedSpan::keep),
        Err(_) => drop(spans),
    }
}
