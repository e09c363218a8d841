//! Listing objects.

use super::ObjectError;
use crate::index::Index;
use crate::store::{Found, Listing, Read, list, tables};
use crate::{BucketId, BucketName, ObjectKey, ObjectRecord};

/// Which objects to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Only keys that begin with it.
    pub prefix: String,
    /// Keys that have it behind the prefix count as one common prefix, up to and with its first occurrence.
    /// The empty one counts as none.
    pub delimiter: Option<String>,
    /// Where the page begins.
    pub start: ListStart,
    /// At most so many entries; none at all is a page without continuation.
    pub max_keys: usize,
}

/// Where a page of a listing begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListStart {
    /// At the first key.
    #[default]
    Beginning,
    /// After this key. A common prefix that it lies under is listed still if a later key does too.
    After(String),
    /// After everything that begins with this common prefix.
    AfterPrefix(String),
}

/// A page of a listing, by ascending UTF-8 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPage {
    /// Objects and common prefixes.
    pub entries: Vec<ListEntry>,
    /// Where the next page begins, if there are more entries.
    pub next: Option<ListStart>,
}

/// An entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "most entries are objects, and boxes would cost them an allocation"
)]
pub enum ListEntry {
    /// An object.
    Object(ObjectKey, ObjectRecord),
    /// All keys that begin with it, the delimiter included.
    CommonPrefix(String),
}

impl Index {
    /// A page of the objects of a bucket, all of one moment.
    ///
    /// Costs one seek or step in the index for each entry, however many keys a common prefix stands for.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`].
    pub async fn list_objects(&self, bucket: &BucketName, query: ListQuery) -> Result<ListPage, ObjectError> {
        let bucket = bucket.clone();
        self.read(move |view| {
            let bucket = view.get(tables::BUCKETS, &bucket)?.ok_or(ObjectError::NoSuchBucket)?;
            let (found, more) = list(view, tables::OBJECTS, &query.listing(bucket.id))?;
            let entries: Vec<ListEntry> = found.into_iter().map(ListEntry::from).collect();
            let next = entries.last().filter(|_| more).map(ListEntry::continuation);
            Ok(ListPage { entries, next })
        })
        .await
    }
}

impl ListQuery {
    fn listing(&self, bucket: BucketId) -> Listing<'_> {
        let start = match &self.start {
            ListStart::Beginning => Listing::start_of(bucket),
            ListStart::After(key) => Listing::start_after(bucket, key),
            ListStart::AfterPrefix(prefix) => Listing::start_after_prefix(bucket, prefix),
        };
        let (prefix, delimiter) = (self.prefix.as_str(), self.delimiter.as_deref());
        Listing { bucket, prefix, delimiter, start, max: self.max_keys }
    }
}

impl ListEntry {
    fn continuation(&self) -> ListStart {
        match self {
            Self::Object(key, _) => ListStart::After(key.as_str().to_owned()),
            Self::CommonPrefix(prefix) => ListStart::AfterPrefix(prefix.clone()),
        }
    }
}

impl<I> From<Found<I, ObjectRecord>> for ListEntry {
    fn from(found: Found<I, ObjectRecord>) -> Self {
        match found {
            Found::Row(row, record) => Self::Object(row.key, record),
            Found::CommonPrefix(prefix) => Self::CommonPrefix(prefix),
        }
    }
}
