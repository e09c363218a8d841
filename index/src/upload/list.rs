//! Listing uploads.

use super::{UploadError, UploadRecord};
use crate::index::Index;
use crate::store::{Found, Listing, Read, list, tables};
use crate::{BucketId, BucketName, UploadId};

/// Which uploads to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadQuery {
    /// Only keys that begin with it.
    pub prefix: String,
    /// Keys that have it behind the prefix count as one common prefix, up to and with its first occurrence.
    /// The empty one counts as none.
    pub delimiter: Option<String>,
    /// Only keys after it, or after everything under it if it is a common prefix itself.
    pub key_marker: Option<String>,
    /// With a `key_marker`: also uploads of that key which were initiated after this one, which need not be
    /// under way any more.
    pub upload_id_marker: Option<UploadId>,
    /// At most so many entries; none at all is a page without continuation.
    pub max: usize,
}

/// A page of uploads, by ascending key, then by initiation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadPage {
    /// Uploads and common prefixes.
    pub entries: Vec<UploadEntry>,
    /// The next page's `key_marker` and `upload_id_marker`, if there are more entries.
    pub next: Option<(String, Option<UploadId>)>,
}

/// An entry of a listing of uploads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "most entries are uploads, and boxes would cost them an allocation"
)]
pub enum UploadEntry {
    /// An upload.
    Upload(UploadRecord),
    /// All keys that begin with it, the delimiter included.
    CommonPrefix(String),
}

impl Index {
    /// A page of the uploads under way in a bucket, all of one moment.
    ///
    /// # Errors
    /// [`UploadError::NoSuchBucket`].
    pub async fn list_uploads(
        &self,
        bucket: &BucketName,
        query: UploadQuery,
    ) -> Result<UploadPage, UploadError> {
        let bucket = bucket.clone();
        self.read(move |view| {
            let bucket = view.get(tables::BUCKETS, &bucket)?.ok_or(UploadError::NoSuchBucket)?;
            let (found, more) = list(view, tables::UPLOADS, &query.listing(bucket.id))?;
            let entries: Vec<UploadEntry> = found.into_iter().map(UploadEntry::from).collect();
            let next = entries.last().filter(|_| more).map(UploadEntry::continuation);
            Ok(UploadPage { entries, next })
        })
        .await
    }
}

impl UploadQuery {
    fn listing(&self, bucket: BucketId) -> Listing<'_> {
        let (prefix, delimiter) = (self.prefix.as_str(), self.delimiter.as_deref());
        let mut listing = Listing { bucket, prefix, delimiter, start: None, max: self.max };
        listing.start = match (self.key_marker.as_deref(), self.upload_id_marker) {
            (None, _) => Listing::start_of(bucket),
            (Some(key), Some(id)) => Listing::start_after_row(bucket, key, id),
            (Some(key), None) if listing.group(key) == Some(key) => Listing::start_after_prefix(bucket, key),
            (Some(key), None) => Listing::start_after(bucket, key),
        };
        listing
    }
}

impl UploadEntry {
    fn continuation(&self) -> (String, Option<UploadId>) {
        match self {
            Self::Upload(upload) => (upload.key.as_str().to_owned(), Some(upload.id)),
            Self::CommonPrefix(prefix) => (prefix.clone(), None),
        }
    }
}

impl<I> From<Found<I, UploadRecord>> for UploadEntry {
    fn from(found: Found<I, UploadRecord>) -> Self {
        match found {
            Found::Row(_, upload) => Self::Upload(upload),
            Found::CommonPrefix(prefix) => Self::CommonPrefix(prefix),
        }
    }
}
