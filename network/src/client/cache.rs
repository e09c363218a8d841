//! Metadata and slivers that were read lately, under one budget of bytes.

use std::sync::{Mutex, MutexGuard};

use haulout_encoder::{BlobId, Sliver, SliverIndex, VerifiedMetadata};
use lru::LruCache;

/// What an entry takes besides its data: key, links, allocation. An estimate, so that tiny slivers are not free.
const ENTRY_BYTES: usize = 256;

/// Bytes of hashes per sliver pair in metadata.
const PAIR_HASH_BYTES: usize = 64;

/// A primary sliver in the cache, and whether it was checked against the metadata.
#[derive(Clone)]
pub(super) struct CachedRow {
    pub(super) sliver: Sliver,
    pub(super) verified: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Metadata(BlobId),
    Row(BlobId, SliverIndex),
}

enum Entry {
    Metadata(VerifiedMetadata),
    Row(CachedRow),
}

impl Entry {
    fn bytes(&self) -> usize {
        ENTRY_BYTES
            + match self {
                Self::Metadata(metadata) => metadata.metadata().hashes().len() * PAIR_HASH_BYTES,
                Self::Row(row) => row.sliver.data.len(),
            }
    }
}

/// Least recently used out first.
pub(super) struct SliverCache {
    budget_bytes: usize,
    entries: Mutex<Entries>,
}

struct Entries {
    lru: LruCache<Key, Entry>,
    bytes: usize,
}

impl SliverCache {
    pub(super) fn new(budget_bytes: usize) -> Self {
        Self { budget_bytes, entries: Mutex::new(Entries { lru: LruCache::unbounded(), bytes: 0 }) }
    }

    pub(super) fn metadata(&self, blob_id: &BlobId) -> Option<VerifiedMetadata> {
        match self.entries().lru.get(&Key::Metadata(*blob_id)) {
            Some(Entry::Metadata(metadata)) => Some(metadata.clone()),
            _ => None,
        }
    }

    pub(super) fn insert_metadata(&self, metadata: VerifiedMetadata) {
        self.insert(Key::Metadata(*metadata.blob_id()), Entry::Metadata(metadata));
    }

    pub(super) fn row(&self, blob_id: &BlobId, index: SliverIndex) -> Option<CachedRow> {
        match self.entries().lru.get(&Key::Row(*blob_id, index)) {
            Some(Entry::Row(row)) => Some(row.clone()),
            _ => None,
        }
    }

    /// Keeps a primary sliver. One that was verified is not replaced by one that was not.
    pub(super) fn insert_row(&self, blob_id: &BlobId, row: CachedRow) {
        let key = Key::Row(*blob_id, row.sliver.index);
        let mut entries = self.entries();
        let known_good = matches!(entries.lru.peek(&key), Some(Entry::Row(known)) if known.verified);
        if row.verified || !known_good {
            entries.insert(key, Entry::Row(row), self.budget_bytes);
        }
    }

    /// Drops a sliver that turned out to be wrong, unless a verified one has taken its place.
    pub(super) fn remove_unverified_row(&self, blob_id: &BlobId, index: SliverIndex) {
        let key = Key::Row(*blob_id, index);
        let mut entries = self.entries();
        if matches!(entries.lru.peek(&key), Some(Entry::Row(known)) if !known.verified) {
            entries.remove(&key);
        }
    }

    /// Drops all there is of a blob. Looks at every key, which is fine as often as blobs are deleted.
    pub(super) fn forget(&self, blob_id: &BlobId) {
        let mut entries = self.entries();
        let of_blob = |key: &Key| match key {
            Key::Metadata(id) | Key::Row(id, _) => id == blob_id,
        };
        let keys: Vec<Key> = entries.lru.iter().map(|(key, _)| *key).filter(of_blob).collect();
        for key in keys {
            entries.remove(&key);
        }
    }

    fn insert(&self, key: Key, entry: Entry) {
        self.entries().insert(key, entry, self.budget_bytes);
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().expect("nobody panics while holding it")
    }
}

impl Entries {
    fn insert(&mut self, key: Key, entry: Entry, budget_bytes: usize) {
        self.remove(&key);
        let bytes = entry.bytes();
        if bytes > budget_bytes {
            return; // It would push everything else out and still not fit.
        }
        self.bytes += bytes;
        self.lru.put(key, entry);
        while self.bytes > budget_bytes {
            let (_, oldest) = self.lru.pop_lru().expect("bytes are counted only for entries");
            self.bytes -= oldest.bytes();
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.lru.pop(key) {
            self.bytes -= entry.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use haulout_encoder::Axis;

    use super::*;

    const BLOB: BlobId = BlobId([1; 32]);

    fn row(index: u16, bytes: usize, verified: bool) -> CachedRow {
        let data = Bytes::from(vec![0; bytes]);
        let sliver = Sliver { axis: Axis::Primary, index: SliverIndex(index), symbol_size: 2, data };
        CachedRow { sliver, verified }
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = SliverCache::new(3 * (ENTRY_BYTES + 1000));
        for index in 0..3 {
            cache.insert_row(&BLOB, row(index, 1000, true));
        }
        assert!(cache.row(&BLOB, SliverIndex(0)).is_some());
        cache.insert_row(&BLOB, row(3, 1000, true));
        let kept: Vec<_> = (0..4).filter(|index| cache.row(&BLOB, SliverIndex(*index)).is_some()).collect();
        assert_eq!(kept, [0, 2, 3]);
    }

    #[test]
    fn what_never_fits_pushes_nothing_out() {
        let cache = SliverCache::new(2000);
        cache.insert_row(&BLOB, row(0, 1000, true));
        cache.insert_row(&BLOB, row(1, 2000, true));
        assert!(cache.row(&BLOB, SliverIndex(0)).is_some());
        assert!(cache.row(&BLOB, SliverIndex(1)).is_none());
    }

    #[test]
    fn unverified_slivers_neither_replace_nor_outlive_verified_ones() {
        let cache = SliverCache::new(1 << 20);
        let verified = |index| cache.row(&BLOB, SliverIndex(index)).map(|row| row.verified);
        cache.insert_row(&BLOB, row(0, 10, true));
        cache.insert_row(&BLOB, row(0, 10, false));
        cache.remove_unverified_row(&BLOB, SliverIndex(0));
        assert_eq!(verified(0), Some(true));
        cache.insert_row(&BLOB, row(1, 10, false));
        cache.remove_unverified_row(&BLOB, SliverIndex(1));
        assert_eq!(verified(1), None);
    }

    #[test]
    fn a_forgotten_blob_leaves_its_bytes() {
        let cache = SliverCache::new(1 << 20);
        cache.insert_row(&BLOB, row(0, 10, true));
        cache.insert_row(&BlobId([2; 32]), row(0, 10, true));
        cache.forget(&BLOB);
        assert!(cache.row(&BLOB, SliverIndex(0)).is_none());
        assert_eq!(cache.entries().bytes, ENTRY_BYTES + 10);
    }
}
