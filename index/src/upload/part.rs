//! Parts.

use serde::{Deserialize, Serialize};

use super::upload_row;
use crate::extent::{adopt, check_same, discard};
use crate::index::Index;
use crate::store::{InBucket, PartRowKey, Read, Txn, tables};
use crate::{BucketName, Checksum, ExtentId, ExtentRef, IndexError, NewExtent, ObjectKey, PartId, UploadId};

/// A part of an upload under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRecord {
    /// This upload of the part.
    pub id: PartId,
    /// `1..=10000`.
    pub number: u16,
    /// Bytes, before encryption.
    pub size: u64,
    /// The MD5 of them.
    pub etag_md5: [u8; 16],
    /// Of this part alone.
    pub checksum: Option<Checksum>,
    /// Milliseconds since 1970.
    pub modified_at_ms: u64,
    /// Its bytes in order, without gap.
    pub extents: Vec<ExtentRef>,
}

impl PartRecord {
    pub(crate) fn extent_ids(&self) -> impl Iterator<Item = ExtentId> {
        self.extents.iter().map(|extent| extent.id)
    }
}

/// Parts by ascending number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartPage {
    /// Those of this page.
    pub parts: Vec<PartRecord>,
    /// The last number of this page if there are more: the next page's `after`.
    pub next: Option<u16>,
}

/// Why a part was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum PutPartError {
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
    /// Takes in a part, in place of one of the same number, whose extents become garbage. `extents` are
    /// exactly those of the part; the staged ones are queued for shipping.
    ///
    /// # Errors
    /// See [`PutPartError`]; [`IndexError::ExtentMismatch`] if the part and the extents do not fit together.
    pub async fn put_part(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        upload: UploadId,
        part: PartRecord,
        extents: Vec<NewExtent>,
    ) -> Result<(), PutPartError> {
        let (bucket, key) = (bucket.clone(), key.clone());
        self.write(move |txn| {
            check_same(&extents, &part.extents)?;
            let bucket = txn.lock_shared(tables::BUCKETS, &bucket)?.ok_or(PutPartError::NoSuchBucket)?;
            let row = upload_row(bucket.id, &key, upload);
            txn.lock_shared(tables::UPLOADS, &row)?.ok_or(PutPartError::NoSuchUpload)?;
            Ok(replace_part(txn, upload, &part, &extents)?)
        })
        .await
    }

    /// A page of an upload's parts with numbers above `after`, at most `max`. None if there is no such upload.
    ///
    /// # Errors
    /// As every read: [`IndexError`].
    pub async fn parts(&self, upload: UploadId, after: u16, max: usize) -> Result<PartPage, IndexError> {
        self.read(move |view| {
            let mut page = PartPage::default();
            let after = PartRowKey { upload, number: after };
            for entry in view.scan_from(tables::PARTS, upload.as_bytes(), Some(&after)) {
                if page.parts.len() == max {
                    page.next = page.parts.last().map(|part| part.number);
                    break;
                }
                page.parts.push(entry?.1);
            }
            Ok(page)
        })
        .await
    }
}

fn replace_part(
    txn: &Txn<'_>,
    upload: UploadId,
    part: &PartRecord,
    extents: &[NewExtent],
) -> Result<(), IndexError> {
    let row = PartRowKey { upload, number: part.number };
    let replaced = txn.lock(tables::PARTS, &row)?;
    discard(txn, replaced.iter().flat_map(PartRecord::extent_ids))?;
    adopt(txn, extents)?;
    txn.put(tables::PARTS, &row, part)
}

/// Removes an upload that is locked, and all its parts, and returns these by ascending number.
pub(crate) fn take_upload(txn: &Txn<'_>, row: &InBucket<UploadId>) -> Result<Vec<PartRecord>, IndexError> {
    let parts = txn.scan_prefix(tables::PARTS, row.id.as_bytes());
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    for (key, _) in &parts {
        txn.delete(tables::PARTS, key)?;
    }
    txn.delete(tables::UPLOADS, row)?;
    Ok(parts.into_iter().map(|(_, part)| part).collect())
}
