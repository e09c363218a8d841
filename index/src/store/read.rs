//! Reads, of one moment or inside a transaction.

use rocksdb::{DBAccess, DBRawIteratorWithThreadMode, ReadOptions, SnapshotWithThreadMode, TransactionDB};

use super::keys::after_prefix;
use super::{Family, Key, Row, Store, Table};
use crate::{IndexError, RowError};

/// Something to read tables from.
pub(crate) trait Read {
    /// RocksDB's type of it.
    type Access: DBAccess;

    /// The bytes of a row.
    fn get_bytes(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError>;

    /// A cursor over the rows that begin with `prefix`, standing nowhere yet.
    fn cursor(&self, family: Family, prefix: &[u8]) -> Cursor<'_, Self::Access>;

    /// The row of `key`, if there is one.
    fn get<K: Key, R: Row>(&self, table: Table<K, R>, key: &K) -> Result<Option<R>, IndexError> {
        self.get_bytes(table.family, &table.key_bytes(key))?.map(|bytes| table.decode_row(&bytes)).transpose()
    }

    /// The row of `key`, which another row refers to.
    fn get_required<K: Key, R: Row>(&self, table: Table<K, R>, key: &K) -> Result<R, IndexError> {
        self.get(table, key)?.ok_or_else(|| table.dangling())
    }

    /// All rows by ascending key.
    fn scan<K: Key, R: Row>(&self, table: Table<K, R>) -> Scan<'_, Self::Access, K, R> {
        self.scan_from(table, &[], None)
    }

    /// The rows whose keys begin with `prefix`, by ascending key.
    fn scan_prefix<K: Key, R: Row>(&self, table: Table<K, R>, prefix: &[u8]) -> Scan<'_, Self::Access, K, R> {
        self.scan_from(table, prefix, None)
    }

    /// The rows whose keys begin with `prefix` and come after `after`, by ascending key.
    fn scan_from<K: Key, R: Row>(
        &self,
        table: Table<K, R>,
        prefix: &[u8],
        after: Option<&K>,
    ) -> Scan<'_, Self::Access, K, R> {
        let prefix = [table.tag, prefix].concat();
        let mut cursor = self.cursor(table.family, &prefix);
        // The first key after another is that key with a zero byte behind it.
        let beyond = after.map(|key| [&table.key_bytes(key)[..], &[0]].concat());
        cursor.seek(&beyond.map_or(prefix.clone(), |beyond| beyond.max(prefix)));
        Scan { cursor, table, failed: false }
    }
}

/// What was committed at one moment.
pub(crate) struct View<'db> {
    store: &'db Store,
    snapshot: SnapshotWithThreadMode<'db, TransactionDB>,
}

impl<'db> View<'db> {
    pub(super) fn new(store: &'db Store) -> Self {
        Self { store, snapshot: store.db.snapshot() }
    }
}

impl Read for View<'_> {
    type Access = TransactionDB;

    fn get_bytes(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self.snapshot.get_cf(self.store.handle(family), key)?)
    }

    fn cursor(&self, family: Family, prefix: &[u8]) -> Cursor<'_, TransactionDB> {
        let options = options_within(prefix);
        Cursor { raw: self.snapshot.raw_iterator_cf_opt(self.store.handle(family), options) }
    }
}

/// The bound makes a cursor stop at the end of its range instead of wading through deleted rows behind it.
pub(super) fn options_within(prefix: &[u8]) -> ReadOptions {
    let mut options = ReadOptions::default();
    if let Some(end) = after_prefix(prefix) {
        options.set_iterate_upper_bound(end);
    }
    options
}

/// A key with its tag, and the bytes of its row.
type RawRow<'a> = (&'a [u8], &'a [u8]);

/// A place in a column family.
pub(crate) struct Cursor<'a, D: DBAccess> {
    pub(super) raw: DBRawIteratorWithThreadMode<'a, D>,
}

impl<D: DBAccess> Cursor<'_, D> {
    /// Goes to the first row at or after `key`.
    pub(crate) fn seek(&mut self, key: &[u8]) {
        self.raw.seek(key);
    }

    /// Goes to the next row. Only where there is a current one.
    pub(crate) fn advance(&mut self) {
        self.raw.next();
    }

    /// The key and the row it stands at; `None` past the last.
    pub(crate) fn current(&self) -> Result<Option<RawRow<'_>>, IndexError> {
        let item = self.raw.item();
        if item.is_none() {
            // The end and a failed read look alike but for the status.
            self.raw.status()?;
        }
        Ok(item)
    }
}

/// The rows of a range, one after the other. Ends after its first error.
pub(crate) struct Scan<'a, D: DBAccess, K, R> {
    cursor: Cursor<'a, D>,
    table: Table<K, R>,
    failed: bool,
}

impl<D: DBAccess, K: Key, R: Row> Iterator for Scan<'_, D, K, R> {
    type Item = Result<(K, R), IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let entry = match self.cursor.current() {
            Ok(None) => return None,
            Ok(Some((key, row))) => self.table.decode(key, row),
            Err(error) => Err(error),
        };
        match entry {
            Ok(_) => self.cursor.advance(),
            Err(_) => self.failed = true,
        }
        Some(entry)
    }
}

impl<K: Key, R: Row> Table<K, R> {
    pub(super) fn key_bytes(self, key: &K) -> Vec<u8> {
        let mut bytes = self.tag.to_vec();
        key.encode(&mut bytes);
        bytes
    }

    pub(super) fn decode(self, key: &[u8], row: &[u8]) -> Result<(K, R), IndexError> {
        Ok((self.decode_key(key)?, self.decode_row(row)?))
    }

    pub(super) fn decode_key(self, bytes: &[u8]) -> Result<K, IndexError> {
        bytes.strip_prefix(self.tag).and_then(K::decode).ok_or_else(|| self.corrupt(RowError::Key))
    }

    pub(super) fn decode_row(self, bytes: &[u8]) -> Result<R, IndexError> {
        R::from_bytes(bytes).map_err(|source| self.corrupt(source))
    }

    pub(crate) fn dangling(self) -> IndexError {
        IndexError::Dangling { family: self.family.name() }
    }

    fn corrupt(self, source: RowError) -> IndexError {
        IndexError::Corrupt { family: self.family.name(), source }
    }
}
