//! Listings of rows by object key, with prefix and delimiter: one seek or step for each entry.

use super::keys::after_prefix;
use super::{InBucket, Read, Row, RowId, Table};
use crate::{BucketId, IndexError};

/// Which rows of a bucket to list.
pub(crate) struct Listing<'a> {
    pub(crate) bucket: BucketId,
    /// Only keys that begin with it.
    pub(crate) prefix: &'a str,
    /// Keys that have it behind the prefix count as one common prefix, up to and with its first occurrence.
    /// The empty one counts as none.
    pub(crate) delimiter: Option<&'a str>,
    /// Only rows at or after it, [`Listing::start_after`] and the others make it; `None` is past the end.
    pub(crate) start: Option<Vec<u8>>,
    /// At most so many entries.
    pub(crate) max: usize,
}

/// An entry of a listing.
pub(crate) enum Found<I, R> {
    Row(InBucket<I>, R),
    CommonPrefix(String),
}

impl Listing<'_> {
    /// The first row of the bucket, or beyond.
    pub(crate) fn start_of(bucket: BucketId) -> Option<Vec<u8>> {
        Some(InBucket::prefix(bucket))
    }

    /// The first row of a key after `key`, or beyond.
    pub(crate) fn start_after(bucket: BucketId, key: &str) -> Option<Vec<u8>> {
        after_prefix(&InBucket::key_rows(bucket, key))
    }

    /// The first row of a key after those that begin with `prefix`, or beyond.
    pub(crate) fn start_after_prefix(bucket: BucketId, prefix: &str) -> Option<Vec<u8>> {
        after_prefix(&InBucket::key_prefix(bucket, prefix))
    }

    /// The first row of `key` with an id after `id`, or beyond.
    pub(crate) fn start_after_row<I: RowId>(bucket: BucketId, key: &str, id: I) -> Option<Vec<u8>> {
        let mut row = InBucket::key_rows(bucket, key);
        row.extend_from_slice(&id.to_ordered());
        after_prefix(&row)
    }

    /// The common prefix that `key` belongs to, if any.
    pub(crate) fn group<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter.filter(|delimiter| !delimiter.is_empty())?;
        let tail = key.strip_prefix(self.prefix)?;
        let end = self.prefix.len() + tail.find(delimiter)? + delimiter.len();
        Some(&key[..end])
    }
}

/// The entries of one page by ascending key, and whether there are more.
pub(crate) fn list<I: RowId, R: Row>(
    read: &impl Read,
    table: Table<InBucket<I>, R>,
    listing: &Listing<'_>,
) -> Result<(Vec<Found<I, R>>, bool), IndexError> {
    let mut found = Vec::new();
    let Some(start) = &listing.start else { return Ok((found, false)) };
    if listing.max == 0 {
        return Ok((found, false));
    }
    let first = InBucket::key_prefix(listing.bucket, listing.prefix);
    let mut cursor = read.cursor(table.family, &first);
    cursor.seek((&first).max(start));
    while let Some((key, row)) = cursor.current()? {
        if found.len() == listing.max {
            return Ok((found, true));
        }
        let key: InBucket<I> = table.decode_key(key)?;
        match listing.group(key.key.as_str()) {
            None => {
                let row = table.decode_row(row)?;
                found.push(Found::Row(key, row));
                cursor.advance();
            }
            Some(prefix) => {
                let beyond = Listing::start_after_prefix(listing.bucket, prefix);
                found.push(Found::CommonPrefix(prefix.to_owned()));
                let Some(beyond) = beyond else { break };
                cursor.seek(&beyond);
            }
        }
    }
    Ok((found, false))
}

#[cfg(test)]
mod tests {
    use rocksdb::perf::{PerfContext, PerfMetric, PerfStatsLevel, set_perf_stats};

    use super::*;
    use crate::store::{Store, tables};
    use crate::{
        ChecksumAlgorithm, ChecksumKind, Durability, IndexConfig, ObjectKey, SystemMetadata, UploadId,
        UploadRecord,
    };

    fn upload(key: &str) -> UploadRecord {
        UploadRecord {
            id: UploadId::from_bytes([5; 16]),
            key: ObjectKey::parse(key).unwrap(),
            initiated_at_ms: 0,
            system: SystemMetadata::default(),
            user_metadata: Vec::new(),
            checksum: Some((ChecksumAlgorithm::Crc32, ChecksumKind::Composite)),
            wrapped_key: None,
            durability: Durability::Staged,
        }
    }

    #[test]
    fn a_common_prefix_costs_one_seek_however_many_keys_it_stands_for() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), &IndexConfig::default()).unwrap();
        let bucket = BucketId::from_bytes([1; 16]);
        store
            .transact::<_, IndexError>(|txn| {
                for number in 0..3_000 {
                    let upload = upload(&format!("{}/{number:04}", number / 1_000));
                    let row = InBucket { bucket, key: upload.key.clone(), id: upload.id };
                    txn.put(tables::UPLOADS, &row, &upload)?;
                }
                Ok(())
            })
            .unwrap();

        set_perf_stats(PerfStatsLevel::EnableCount);
        let mut perf = PerfContext::default();
        perf.reset();
        let start = Listing::start_of(bucket);
        let listing = Listing { bucket, prefix: "", delimiter: Some("/"), start, max: 10 };
        let (found, more) = list(&store.view(), tables::UPLOADS, &listing).unwrap();
        assert_eq!((found.len(), more), (3, false));
        assert_eq!(perf.metric(PerfMetric::SeekOnMemtableCount), 4);
        assert!(perf.metric(PerfMetric::NextOnMemtableCount) < 10);
    }
}
