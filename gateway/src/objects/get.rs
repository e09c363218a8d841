//! Reading objects: what is there, which part of it was asked for, where it is.

use std::ops::Range;
use std::sync::Arc;

use haulout_encoder::BlobId;
use haulout_index::{BlobState, BucketName, ExtentRef, Layout, ObjectKey, ObjectRecord, PartSummary};

use super::conditions::ReadConditions;
use super::error::ObjectError;
use super::part_number::PartNumber;
use super::seal::Seal;
use super::{ByteStream, ObjectStore};

/// A byte range as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeRequest {
    /// `bytes=a-b`, both inclusive.
    FromTo(u64, u64),
    /// `bytes=a-`
    From(u64),
    /// `bytes=-n`: the last `n` bytes.
    Last(u64),
}

/// What to read, and on which conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadRequest {
    /// Only these bytes.
    pub range: Option<RangeRequest>,
    /// Only this part.
    pub part_number: Option<PartNumber>,
    /// Only if these hold.
    pub conditions: ReadConditions,
}

/// An object, and which bytes of it a request gets.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectView {
    /// The object.
    pub record: ObjectRecord,
    /// Where its bytes are.
    pub placement: Placement,
    /// The bytes of the answer; the whole object if nothing less was asked for.
    pub range: Range<u64>,
    /// Whether a range or part was asked for: status 206.
    pub partial: bool,
    /// The part, if one was asked for of a multipart object.
    pub part: Option<PartSummary>,
}

/// Where an object's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Some are only staged here.
    Pending,
    /// All are in certified blobs.
    Certified {
        /// The blobs, in the order of the object's bytes, at most [`Placement::BLOB_IDS_MAX`]. None for an empty object.
        blob_ids: Vec<BlobId>,
        /// The latest epoch in which one was certified.
        certified_epoch: u32,
        /// The earliest epoch in which one is not stored any more, as of now: leases are renewed before.
        end_epoch: u32,
    },
}

impl Placement {
    /// A header line should not list the thousands of blobs of a huge object.
    pub const BLOB_IDS_MAX: usize = 8;
}

/// An object that is being read.
pub struct OpenObject {
    /// What it is.
    pub view: ObjectView,
    /// The bytes of [`ObjectView::range`].
    pub body: ByteStream,
}

impl ObjectStore {
    /// Looks at an object.
    ///
    /// # Errors
    /// [`ObjectError`]: missing, unmet conditions, a range outside the object.
    pub async fn head_object(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        read: ReadRequest,
    ) -> Result<ObjectView, ObjectError> {
        let (record, layout) = self.look_up(bucket, key).await?;
        self.view(record, &layout, &read).await
    }

    /// Opens an object. Its bytes stay readable to the end, whatever is written to the key meanwhile.
    ///
    /// # Errors
    /// [`ObjectError`]: missing, unmet conditions, a range outside the object. Later ones come through the stream.
    pub async fn get_object(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        read: ReadRequest,
    ) -> Result<OpenObject, ObjectError> {
        let guard = self.shared.readers.enter();
        let (record, layout) = self.look_up(bucket, key).await?;
        let view = self.view(record, &layout, &read).await?;
        let seal = Arc::new(Seal::of_stored(view.record.wrapped_key.as_ref(), &self.shared.master_key)?);
        let body = self.read_extents(&layout.extents, view.range.clone(), seal, guard);
        Ok(OpenObject { view, body })
    }

    /// An object with its parts, for GetObjectAttributes.
    ///
    /// # Errors
    /// [`ObjectError`] when it is missing.
    pub async fn object_parts(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<(ObjectView, Vec<PartSummary>), ObjectError> {
        let (record, layout) = self.look_up(bucket, key).await?;
        let view = self.view(record, &layout, &ReadRequest::default()).await?;
        Ok((view, layout.parts))
    }

    pub(super) async fn look_up(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<(ObjectRecord, Layout), ObjectError> {
        let found = self.shared.index.object_with_layout(bucket, key).await?;
        found.ok_or(ObjectError::NoSuchKey)
    }

    async fn view(
        &self,
        record: ObjectRecord,
        layout: &Layout,
        read: &ReadRequest,
    ) -> Result<ObjectView, ObjectError> {
        read.conditions.check(&record)?;
        let placement = self.placement(&layout.extents).await?;
        let (range, partial, part) = match (read.part_number, read.range) {
            (Some(number), _) => part_range(&record, &layout.parts, number)?,
            (None, Some(range)) if read.conditions.range_counts(&record) => {
                (range.within(record.size)?, true, None)
            }
            (None, _) => (0..record.size, false, None),
        };
        Ok(ObjectView { record, placement, range, partial, part })
    }

    async fn placement(&self, extents: &[ExtentRef]) -> Result<Placement, ObjectError> {
        let ids: Vec<_> = extents.iter().map(|extent| extent.id).collect();
        let mut all: Vec<BlobId> = Vec::new();
        let (mut latest, mut earliest) = (0, u32::MAX);
        for blob in self.shared.index.blobs_of(&ids).await? {
            let Some((_, BlobState::Certified { blob_id, certified_epoch, end_epoch, .. })) = blob else {
                return Ok(Placement::Pending);
            };
            (latest, earliest) = (certified_epoch.max(latest), end_epoch.min(earliest));
            if all.len() < Placement::BLOB_IDS_MAX && all.last() != Some(&BlobId(blob_id)) {
                all.push(BlobId(blob_id));
            }
        }
        Ok(Placement::Certified { blob_ids: all, certified_epoch: latest, end_epoch: earliest })
    }
}

impl RangeRequest {
    /// The bytes of an object of `size` bytes that this asks for.
    ///
    /// # Errors
    /// [`ObjectError::InvalidRange`] when there are none.
    pub fn within(self, size: u64) -> Result<Range<u64>, ObjectError> {
        let range = match self {
            Self::FromTo(first, last) => first..last.saturating_add(1).min(size),
            Self::From(first) => first..size,
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        if range.start < range.end { Ok(range) } else { Err(ObjectError::InvalidRange { size }) }
    }
}

type PartRange = (Range<u64>, bool, Option<PartSummary>);

/// Where a part lies. An object that was stored whole has one part: itself.
fn part_range(
    record: &ObjectRecord,
    parts: &[PartSummary],
    number: PartNumber,
) -> Result<PartRange, ObjectError> {
    if parts.is_empty() {
        let only = number.get() == 1;
        return if only { Ok((0..record.size, true, None)) } else { Err(ObjectError::InvalidPartNumber) };
    }
    let mut start = 0;
    for part in parts {
        if part.number == number.get() {
            return Ok((start..start + part.size, true, Some(part.clone())));
        }
        start += part.size;
    }
    Err(ObjectError::InvalidPartNumber)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_clamped_to_the_object_or_refused() {
        let within = |range: RangeRequest, size| range.within(size).ok();
        assert_eq!(within(RangeRequest::FromTo(0, 0), 5), Some(0..1));
        assert_eq!(within(RangeRequest::FromTo(2, 99), 5), Some(2..5));
        assert_eq!(within(RangeRequest::From(5), 5), None);
        assert_eq!(within(RangeRequest::Last(9), 5), Some(0..5));
        assert_eq!(within(RangeRequest::Last(0), 5), None);
        assert_eq!(within(RangeRequest::FromTo(0, 0), 0), None);
        assert_eq!(within(RangeRequest::FromTo(0, u64::MAX), 5), Some(0..5));
    }
}
