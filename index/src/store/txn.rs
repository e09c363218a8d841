//! Transactions: rows locked as they are read, changed together, on disk when done.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

use rocksdb::{ErrorKind, ReadOptions, Transaction, TransactionDB, TransactionOptions, WriteOptions};

use super::read::options_within;
use super::{Cursor, Family, Key, Read, Row, Store, Table};
use crate::IndexError;

/// How often a transaction is tried that lost its locks to others.
const ATTEMPTS_MAX: u32 = 4;
/// The pause after the first lost attempt; it doubles with each.
const FIRST_BACKOFF: Duration = Duration::from_millis(2);
/// How long one row is waited for. Holders wait only for the disk, never for a client, and a circle of waiting
/// transactions is broken at once; so this is a long queue for one row on a slow disk.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(3);

impl Store {
    /// Runs `job` in a transaction and commits it, synced to disk, if it returns `Ok`. Locks lost to other
    /// transactions make it run again, a few times, from the start.
    ///
    /// # Errors
    /// What `job` refused, with nothing changed; [`IndexError::Busy`] once the attempts are used up.
    pub(crate) fn transact<T, E: From<IndexError>>(
        &self,
        job: impl Fn(&Txn<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut attempt = 1;
        let mut backoff = FIRST_BACKOFF;
        loop {
            let txn = Txn::begin(self, attempt);
            match job(&txn) {
                Ok(value) => return txn.commit().map(|()| value).map_err(E::from),
                Err(error) if attempt == ATTEMPTS_MAX || !txn.contended.get() => return Err(error),
                Err(_lost_locks) => drop(txn),
            }
            thread::sleep(backoff);
            attempt += 1;
            backoff *= 2;
        }
    }
}

/// A transaction under way. Dropped without commit, it changes nothing.
pub(crate) struct Txn<'db> {
    store: &'db Store,
    inner: Transaction<'db, TransactionDB>,
    attempt: u32,
    /// Whether an operation failed because others hold its row.
    contended: Cell<bool>,
}

impl<'db> Txn<'db> {
    fn begin(store: &'db Store, attempt: u32) -> Self {
        let mut durable = WriteOptions::default();
        durable.set_sync(true);
        let mut locking = TransactionOptions::default();
        locking.set_deadlock_detect(true);
        let timeout_ms = i64::try_from(store.lock_timeout.as_millis()).expect("seconds, not ages");
        locking.set_lock_timeout(timeout_ms);
        let inner = store.db.transaction_opt(&durable, &locking);
        Self { store, inner, attempt, contended: Cell::new(false) }
    }

    fn commit(self) -> Result<(), IndexError> {
        Ok(self.inner.commit()?)
    }

    /// Reads a row and keeps others from locking it until the end, whether it exists or not.
    pub(crate) fn lock<K: Key, R: Row>(&self, table: Table<K, R>, key: &K) -> Result<Option<R>, IndexError> {
        self.lock_row(table, &table.key_bytes(key), true)
    }

    /// As [`Txn::lock`], of a row which another refers to.
    pub(crate) fn lock_required<K: Key, R: Row>(&self, table: Table<K, R>, key: &K) -> Result<R, IndexError> {
        self.lock(table, key)?.ok_or_else(|| table.dangling())
    }

    /// Reads a row and keeps others from changing it until the end; they may share the lock.
    pub(crate) fn lock_shared<K: Key, R: Row>(
        &self,
        table: Table<K, R>,
        key: &K,
    ) -> Result<Option<R>, IndexError> {
        self.lock_row(table, &table.key_bytes(key), false)
    }

    /// Keeps others from locking a name that is not a row.
    pub(crate) fn lock_name(&self, family: Family, name: &[u8]) -> Result<(), IndexError> {
        self.lock_bytes(family, name, true).map(|_no_row| ())
    }

    /// Writes a row.
    pub(crate) fn put<K: Key, R: Row>(&self, table: Table<K, R>, key: &K, row: &R) -> Result<(), IndexError> {
        let handle = self.store.handle(table.family);
        self.inner.put_cf(handle, table.key_bytes(key), row.to_bytes()).map_err(|error| self.classify(error))
    }

    /// Removes a row, if it is there.
    pub(crate) fn delete<K: Key, R: Row>(&self, table: Table<K, R>, key: &K) -> Result<(), IndexError> {
        let handle = self.store.handle(table.family);
        self.inner.delete_cf(handle, table.key_bytes(key)).map_err(|error| self.classify(error))
    }

    fn lock_row<K: Key, R: Row>(
        &self,
        table: Table<K, R>,
        key: &[u8],
        exclusive: bool,
    ) -> Result<Option<R>, IndexError> {
        self.lock_bytes(table.family, key, exclusive)?.map(|bytes| table.decode_row(&bytes)).transpose()
    }

    fn lock_bytes(&self, family: Family, key: &[u8], exclusive: bool) -> Result<Option<Vec<u8>>, IndexError> {
        self.inner
            .get_for_update_cf_opt(self.store.handle(family), key, exclusive, &ReadOptions::default())
            .map_err(|error| self.classify(error))
    }

    fn classify(&self, error: rocksdb::Error) -> IndexError {
        match error.kind() {
            // A circle of waiting transactions, a wait that took too long, or all locks taken.
            ErrorKind::Busy | ErrorKind::TimedOut | ErrorKind::TryAgain | ErrorKind::Aborted => {
                self.contended.set(true);
                IndexError::Busy { attempts: self.attempt }
            }
            _ => error.into(),
        }
    }
}

/// Reads see the transaction's own changes, and what others commit as it goes on unless locked.
impl<'db> Read for Txn<'db> {
    type Access = Transaction<'db, TransactionDB>;

    fn get_bytes(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self.inner.get_cf(self.store.handle(family), key)?)
    }

    fn cursor(&self, family: Family, prefix: &[u8]) -> Cursor<'_, Self::Access> {
        let options = options_within(prefix);
        Cursor { raw: self.inner.raw_iterator_cf_opt(self.store.handle(family), options) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::store::{StagedKey, tables};
    use crate::{ExtentId, IndexConfig};

    const FIRST: StagedKey = StagedKey(ExtentId::from_bytes([1; 16]));
    const SECOND: StagedKey = StagedKey(ExtentId::from_bytes([2; 16]));

    fn with_store(test: impl FnOnce(Store)) {
        let directory = tempfile::tempdir().unwrap();
        test(Store::open(directory.path(), &IndexConfig::default()).unwrap());
    }

    #[test]
    fn a_row_that_stays_locked_is_busy_after_all_attempts() {
        with_store(|mut store| {
            store.lock_timeout = Duration::from_millis(5);
            let holder = Txn::begin(&store, 1);
            holder.lock(tables::STAGED, &FIRST).unwrap();
            let attempts = AtomicU32::new(0);
            let refused = store.transact::<_, IndexError>(|txn| {
                attempts.fetch_add(1, Ordering::Relaxed);
                txn.lock_shared(tables::STAGED, &FIRST)
            });
            assert!(matches!(refused, Err(IndexError::Busy { attempts: ATTEMPTS_MAX })), "{refused:?}");
            assert_eq!(attempts.into_inner(), ATTEMPTS_MAX);
            drop(holder);
            store.transact::<_, IndexError>(|txn| txn.lock(tables::STAGED, &FIRST)).unwrap();
        });
    }

    #[test]
    fn shared_locks_keep_out_exclusive_ones_only() {
        with_store(|mut store| {
            store.lock_timeout = Duration::from_millis(5);
            let holder = Txn::begin(&store, 1);
            holder.lock_shared(tables::STAGED, &FIRST).unwrap();
            store.transact::<_, IndexError>(|txn| txn.lock_shared(tables::STAGED, &FIRST)).unwrap();
            let refused = store.transact::<_, IndexError>(|txn| txn.put(tables::STAGED, &FIRST, &()));
            assert!(matches!(refused, Err(IndexError::Busy { .. })), "{refused:?}");
        });
    }

    #[test]
    fn a_circle_of_waiting_transactions_is_broken_and_both_succeed() {
        with_store(|store| {
            let both_hold_one = Barrier::new(2);
            let lock_both = |first: StagedKey, second: StagedKey| {
                let attempt = AtomicU32::new(0);
                store.transact::<_, IndexError>(|txn| {
                    txn.lock(tables::STAGED, &first)?;
                    if attempt.fetch_add(1, Ordering::Relaxed) == 0 {
                        both_hold_one.wait();
                    }
                    txn.lock(tables::STAGED, &second)?;
                    txn.put(tables::STAGED, &first, &())
                })
            };
            thread::scope(|scope| {
                let other = scope.spawn(|| lock_both(SECOND, FIRST));
                lock_both(FIRST, SECOND).unwrap();
                other.join().unwrap().unwrap();
            });
            let rows = store.view().scan(tables::STAGED).count();
            assert_eq!(rows, 2);
        });
    }

    #[test]
    fn a_refused_transaction_changes_nothing() {
        with_store(|store| {
            let refused: Result<(), IndexError> = store.transact(|txn| {
                txn.put(tables::STAGED, &FIRST, &())?;
                assert!(txn.get(tables::STAGED, &FIRST)?.is_some(), "it sees its own changes");
                Err(IndexError::ShuttingDown)
            });
            assert!(matches!(refused, Err(IndexError::ShuttingDown)));
            assert!(store.view().get(tables::STAGED, &FIRST).unwrap().is_none());
        });
    }
}
