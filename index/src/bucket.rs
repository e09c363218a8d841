//! Buckets.

use serde::{Deserialize, Serialize};

use crate::extent::discard;
use crate::index::Index;
use crate::store::{InBucket, Read, tables};
use crate::upload::take_upload;
use crate::{BucketId, BucketName, IndexError, PartRecord};

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Durability {
    /// Once it is on the gateway's disk.
    Staged,
    /// Once the network has certified it.
    Certified,
}

/// How the bytes of a bucket are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protection {
    /// Encrypted: the network sees nothing of them.
    Sealed,
    /// In plain, for anyone to read from the network.
    Public,
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketRecord {
    /// Its identity, whatever its name.
    pub id: BucketId,
    /// Milliseconds since 1970.
    pub created_at_ms: u64,
    /// The default for its objects.
    pub durability: Durability,
    /// Fixed for its life.
    pub protection: Protection,
}

/// Which buckets to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketQuery {
    /// Only names that begin with it.
    pub prefix: Option<String>,
    /// Only names after it.
    pub after: Option<BucketName>,
    /// At most so many.
    pub max: usize,
}

/// Buckets by ascending name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketPage {
    /// Those of this page.
    pub buckets: Vec<(BucketName, BucketRecord)>,
    /// The last name of this page if there are more: the next page's `after`.
    pub next: Option<BucketName>,
}

/// Why a bucket was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateBucketError {
    /// The name is taken.
    #[error("the bucket exists already")]
    AlreadyExists,
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// Why a bucket was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteBucketError {
    /// No bucket has this name.
    #[error("no such bucket")]
    NoSuchBucket,
    /// It has objects.
    #[error("the bucket is not empty")]
    NotEmpty,
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl Index {
    /// Makes a bucket.
    ///
    /// # Errors
    /// [`CreateBucketError::AlreadyExists`] if the name is taken.
    pub async fn create_bucket(
        &self,
        name: &BucketName,
        record: BucketRecord,
    ) -> Result<(), CreateBucketError> {
        let name = name.clone();
        self.write(move |txn| {
            if txn.lock(tables::BUCKETS, &name)?.is_some() {
                return Err(CreateBucketError::AlreadyExists);
            }
            Ok(txn.put(tables::BUCKETS, &name, &record)?)
        })
        .await
    }

    /// The bucket of this name, if there is one.
    ///
    /// # Errors
    /// As every read: [`IndexError`].
    pub async fn bucket(&self, name: &BucketName) -> Result<Option<BucketRecord>, IndexError> {
        let name = name.clone();
        self.read(move |view| view.get(tables::BUCKETS, &name)).await
    }

    /// Deletes a bucket without objects. Its open multipart uploads are aborted with it, in one transaction
    /// whose size grows with the number of their parts.
    ///
    /// # Errors
    /// [`DeleteBucketError::NotEmpty`] if it has objects, [`DeleteBucketError::NoSuchBucket`].
    pub async fn delete_bucket(&self, name: &BucketName) -> Result<(), DeleteBucketError> {
        let looked_up = name.clone();
        // A look without locks first: a busy bucket is not empty, and its writers would keep us waiting.
        self.read(move |view| check_deletable(view, &looked_up)).await?;
        let name = name.clone();
        self.write(move |txn| {
            let bucket = txn.lock(tables::BUCKETS, &name)?.ok_or(DeleteBucketError::NoSuchBucket)?;
            check_deletable(txn, &name)?;
            let uploads = txn.scan_prefix(tables::UPLOADS, &InBucket::prefix(bucket.id));
            let mut given_up = Vec::new();
            for (upload, _) in uploads.collect::<Result<Vec<_>, _>>()? {
                // Nobody else has it: who changes an upload shares the lock of its bucket first.
                given_up.extend(take_upload(txn, &upload)?.iter().flat_map(PartRecord::extent_ids));
            }
            discard(txn, given_up)?;
            Ok(txn.delete(tables::BUCKETS, &name)?)
        })
        .await
    }

    /// A page of buckets by ascending name.
    ///
    /// # Errors
    /// As every read: [`IndexError`].
    pub async fn list_buckets(&self, query: BucketQuery) -> Result<BucketPage, IndexError> {
        self.read(move |view| list_buckets(view, &query)).await
    }
}

fn check_deletable(read: &impl Read, name: &BucketName) -> Result<(), DeleteBucketError> {
    let bucket = read.get(tables::BUCKETS, name)?.ok_or(DeleteBucketError::NoSuchBucket)?;
    let mut objects = read.scan_prefix(tables::OBJECTS, &InBucket::prefix(bucket.id));
    match objects.next().transpose()? {
        Some(_) => Err(DeleteBucketError::NotEmpty),
        None => Ok(()),
    }
}

fn list_buckets(read: &impl Read, query: &BucketQuery) -> Result<BucketPage, IndexError> {
    if query.max == 0 {
        return Ok(BucketPage::default());
    }
    let prefix = query.prefix.as_deref().unwrap_or_default();
    let mut page = BucketPage::default();
    let rows = read.scan_from(tables::BUCKETS, prefix.as_bytes(), query.after.as_ref());
    for entry in rows {
        if page.buckets.len() == query.max {
            page.next = page.buckets.last().map(|(name, _)| name.clone());
            break;
        }
        page.buckets.push(entry?);
    }
    Ok(page)
}
