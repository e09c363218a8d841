//! Multipart uploads. All parts share one data key; completing an upload joins their extents and moves no byte.

use std::ops::Range;
use std::sync::Arc;

use haulout_index::{
    BucketName, Checksum, ChecksumAlgorithm, ChecksumKind, CommitObject, CompletedUpload, Durability, ETag,
    Layout, ObjectKey, ObjectRecord, PartId, PartPage, PartRecord, PartSummary, UploadId, UploadPage,
    UploadQuery, UploadRecord, VersionId, WriteCondition,
};
use md5::{Digest, Md5};

use super::checksum::{combine, kind_exists};
use super::copy::{CopySource, OpenSource};
use super::error::{DigestKind, ObjectError};
use super::part_number::PartNumber;
use super::put::settle;
use super::seal::Seal;
use super::{ChecksumExpectation, ObjectAttributes, ObjectStore, PART_BYTES_MIN, Stored, Upload};
use crate::clock::{fresh, now_ms};

/// An upload to begin.
#[derive(Clone, Debug)]
pub struct CreateUpload {
    /// Where.
    pub bucket: BucketName,
    /// Where.
    pub key: ObjectKey,
    /// The metadata the object will have.
    pub attributes: ObjectAttributes,
    /// The checksum the object will have, if the client chose one.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// When to acknowledge the object; `None` is as the bucket says.
    pub durability: Option<Durability>,
}

/// A part as the client lists it to complete an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletePart {
    /// Which.
    pub number: PartNumber,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its checksum, if the client repeats it.
    pub checksum: Option<(ChecksumAlgorithm, Vec<u8>)>,
}

/// An upload to complete.
#[derive(Clone, Debug)]
pub struct CompleteUpload {
    /// Where.
    pub bucket: BucketName,
    /// Where.
    pub key: ObjectKey,
    /// Which.
    pub upload: UploadId,
    /// The parts to join.
    pub parts: Vec<CompletePart>,
    /// What must hold of the object it replaces.
    pub condition: WriteCondition,
    /// The full object's checksum, if the client knows it.
    pub checksum: Option<(ChecksumAlgorithm, Vec<u8>)>,
    /// The object's size in bytes, if the client says it.
    pub size: Option<u64>,
}

impl ObjectStore {
    /// Begins an upload.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`]; [`ObjectError::ChecksumTypeMismatch`] for a kind that does not exist.
    pub async fn create_upload(&self, create: CreateUpload) -> Result<UploadId, ObjectError> {
        let CreateUpload { bucket, key, attributes, checksum, durability } = create;
        if checksum.is_some_and(|(algorithm, kind)| !kind_exists(algorithm, kind)) {
            return Err(ObjectError::ChecksumTypeMismatch);
        }
        let options = self.bucket(&bucket).await?;
        let id = fresh(UploadId::at);
        let record = UploadRecord {
            id,
            key,
            initiated_at_ms: now_ms(),
            system: attributes.system,
            user_metadata: attributes.user_metadata,
            checksum,
            wrapped_key: Seal::for_new_object(options.protection).wrapped(&self.shared.master_key),
            durability: durability.unwrap_or(options.durability),
        };
        self.shared.index.create_upload(&bucket, record).await?;
        Ok(id)
    }

    /// An open upload.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchUpload`].
    pub async fn upload(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<UploadRecord, ObjectError> {
        self.shared.index.upload(bucket, key, upload).await?.ok_or(ObjectError::NoSuchUpload)
    }

    /// Stores a part, replacing an earlier one of its number.
    ///
    /// # Errors
    /// [`ObjectError`]; nothing is stored then.
    pub async fn upload_part(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        upload: UploadId,
        number: PartNumber,
        mut body: Upload,
    ) -> Result<PartRecord, ObjectError> {
        let record = self.upload(bucket, key, upload).await?;
        body.checksum = part_checksum(body.checksum, record.checksum)?;
        let seal = Arc::new(Seal::of_stored(record.wrapped_key.as_ref(), &self.shared.master_key)?);
        let ingested = self.ingest(body, &seal).await?;
        let part = PartRecord {
            id: fresh(PartId::at),
            number: number.get(),
            size: ingested.size,
            etag_md5: ingested.md5,
            checksum: Some(ingested.checksum),
            modified_at_ms: now_ms(),
            extents: ingested.refs,
        };
        let (store, bucket, key, stored) = (self.clone(), bucket.clone(), key.clone(), part.clone());
        let (extents, spans) = (ingested.extents, ingested.spans);
        // A task of its own, as in `commit`: the part and its staged bytes stay together.
        let task = tokio::spawn(async move {
            let put = store.shared.index.put_part(&bucket, &key, upload, stored, extents).await;
            let put = put.map_err(ObjectError::from);
            settle(&put, spans);
            store.shared.shipping.staged();
            put
        });
        task.await??;
        Ok(part)
    }

    /// Stores a part from bytes of an object.
    ///
    /// # Errors
    /// [`ObjectError`] of reading the source and of storing the part.
    pub async fn upload_part_copy(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        upload: UploadId,
        number: PartNumber,
        source: CopySource,
        range: Option<Range<u64>>,
    ) -> Result<PartRecord, ObjectError> {
        self.upload(bucket, key, upload).await?;
        let OpenSource { length, body: stream, .. } = self.open_source(&source, range).await?;
        let checksum = ChecksumExpectation::Compute(ChecksumAlgorithm::Crc64Nvme);
        let body = Upload { stream, length: Some(length), content_md5: None, checksum };
        self.upload_part(bucket, key, upload, number, body).await
    }

    /// Joins parts into an object. Repeating it after a lost answer gives the same answer.
    ///
    /// # Errors
    /// [`ObjectError`]; the upload stays open then.
    pub async fn complete_upload(&self, complete: CompleteUpload) -> Result<Stored, ObjectError> {
        let record = match self.upload(&complete.bucket, &complete.key, complete.upload).await {
            Err(ObjectError::NoSuchUpload) => return self.completed_before(&complete).await,
            other => other?,
        };
        let chosen = self.choose_parts(&complete).await?;
        let object = joined(&record, &complete, &chosen)?;
        let layout = Layout {
            extents: chosen.iter().flat_map(|part| part.extents.iter().copied()).collect(),
            parts: chosen.iter().map(summary).collect(),
        };
        let parts = chosen.iter().map(|part| (part.number, part.id)).collect();
        let commit = CommitObject {
            bucket: complete.bucket.clone(),
            key: complete.key.clone(),
            record: object,
            layout,
            extents: Vec::new(),
            condition: complete.condition.clone(),
            upload: Some(CompletedUpload { id: complete.upload, parts }),
        };
        match self.publish(commit, Vec::new()).await {
            Err(ObjectError::NoSuchUpload) => self.completed_before(&complete).await, // A racing repetition won.
            other => other,
        }
    }

    /// Abandons an upload; its parts are garbage.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchUpload`].
    pub async fn abort_upload(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<(), ObjectError> {
        self.shared.index.abort_upload(bucket, key, upload).await?;
        self.shared.shipping.garbage();
        Ok(())
    }

    /// The parts of an open upload, by number.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchUpload`].
    pub async fn list_parts(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        upload: UploadId,
        after: u16,
        max: usize,
    ) -> Result<(UploadRecord, PartPage), ObjectError> {
        let record = self.upload(bucket, key, upload).await?;
        Ok((record, self.shared.index.parts(upload, after, max).await?))
    }

    /// Open uploads, by key and age.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`].
    pub async fn list_uploads(
        &self,
        bucket: &BucketName,
        query: UploadQuery,
    ) -> Result<UploadPage, ObjectError> {
        Ok(self.shared.index.list_uploads(bucket, query).await?)
    }

    /// What an upload that is no longer open became, if it is still what the key holds.
    async fn completed_before(&self, complete: &CompleteUpload) -> Result<Stored, ObjectError> {
        match self.shared.index.object(&complete.bucket, &complete.key).await? {
            Some(record) if record.upload_id == Some(complete.upload) => Ok(Stored { record }),
            _ => Err(ObjectError::NoSuchUpload),
        }
    }

    async fn choose_parts(&self, complete: &CompleteUpload) -> Result<Vec<PartRecord>, ObjectError> {
        if complete.parts.is_empty() {
            return Err(ObjectError::MalformedParts);
        }
        if complete.parts.windows(2).any(|pair| pair[0].number >= pair[1].number) {
            return Err(ObjectError::InvalidPartOrder);
        }
        let stored = self.shared.index.parts(complete.upload, 0, PartNumber::MAX.into()).await?.parts;
        let last = complete.parts.len() - 1;
        let mut chosen = Vec::with_capacity(complete.parts.len());
        for (position, wanted) in complete.parts.iter().enumerate() {
            let number = wanted.number.get();
            let found = stored.binary_search_by_key(&number, |part| part.number);
            let part = &stored[found.map_err(|_| ObjectError::InvalidPart { number })?];
            if !is_the_part(wanted, part) {
                return Err(ObjectError::InvalidPart { number });
            }
            if position < last && part.size < PART_BYTES_MIN {
                return Err(ObjectError::EntityTooSmall { number, size: part.size });
            }
            chosen.push(part.clone());
        }
        Ok(chosen)
    }
}

/// The checksum of a part: the upload's algorithm if it chose one, else what the client sent with the part.
fn part_checksum(
    sent: ChecksumExpectation,
    chosen: Option<(ChecksumAlgorithm, ChecksumKind)>,
) -> Result<ChecksumExpectation, ObjectError> {
    match (sent, chosen) {
        (sent, None) => Ok(sent),
        (ChecksumExpectation::Compute(_), Some((algorithm, _))) => {
            Ok(ChecksumExpectation::Compute(algorithm))
        }
        (sent, Some((algorithm, _))) if sent.algorithm() == algorithm => Ok(sent),
        (_, Some(_)) => Err(ObjectError::ChecksumTypeMismatch),
    }
}

fn is_the_part(wanted: &CompletePart, part: &PartRecord) -> bool {
    let etag = ETag { md5: part.etag_md5, parts: None }.to_string();
    let checksum = wanted.checksum.as_ref().is_none_or(|(algorithm, value)| {
        part.checksum.as_ref().is_some_and(|stored| stored.algorithm == *algorithm && stored.value == *value)
    });
    wanted.etag == etag && checksum
}

/// The object that `parts` make.
fn joined(
    upload: &UploadRecord,
    complete: &CompleteUpload,
    parts: &[PartRecord],
) -> Result<ObjectRecord, ObjectError> {
    let size = parts.iter().map(|part| part.size).sum();
    if let Some(expected) = complete.size.filter(|&expected| expected != size) {
        return Err(ObjectError::SizeMismatch { expected, actual: size });
    }
    let checksum = joined_checksum(upload, parts);
    if let Some((algorithm, value)) = &complete.checksum {
        let same = checksum.as_ref().filter(|checksum| checksum.algorithm == *algorithm);
        let checksum = same.ok_or(ObjectError::ChecksumTypeMismatch)?;
        if checksum.value != *value {
            return Err(ObjectError::BadDigest { what: DigestKind::Checksum });
        }
    }
    let mut md5 = Md5::new();
    parts.iter().for_each(|part| md5.update(part.etag_md5));
    let part_count = u16::try_from(parts.len()).expect("part numbers ascend and end at 10000");
    Ok(ObjectRecord {
        version_id: fresh(VersionId::at),
        modified_at_ms: now_ms(),
        size,
        etag: ETag { md5: md5.finalize().into(), parts: Some(part_count) },
        digest: None,
        checksum,
        system: upload.system.clone(),
        user_metadata: upload.user_metadata.clone(),
        wrapped_key: upload.wrapped_key.clone(),
        upload_id: Some(complete.upload),
        part_count: Some(part_count),
        durability: upload.durability,
    })
}

/// As the upload chose; else one of the full object where the parts' own checksums allow it.
fn joined_checksum(upload: &UploadRecord, parts: &[PartRecord]) -> Option<Checksum> {
    let first = parts.first().and_then(|part| part.checksum.as_ref());
    let (algorithm, kind) =
        upload.checksum.or_else(|| first.map(|checksum| (checksum.algorithm, ChecksumKind::FullObject)))?;
    let sums: Vec<_> = parts.iter().map(|part| (part.checksum.as_ref(), part.size)).collect();
    combine(algorithm, kind, &sums)
}

fn summary(part: &PartRecord) -> PartSummary {
    PartSummary { number: part.number, size: part.size, checksum: part.checksum.clone() }
}
