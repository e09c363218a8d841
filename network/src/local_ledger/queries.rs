//! What can be asked of the ledger without changing it.

use std::sync::Arc;

use haulout_encoder::BlobId;
use redb::{ReadTransaction, ReadableDatabase, ReadableTable, StorageError, TableError, TransactionError};

use super::LocalLedger;
use super::records::{
    DamagedRecord, META, META_BALANCE, META_STORAGE_PAID, META_WRITE_PAID, OBJECTS, OBJECTS_OF_BLOB,
    REMOVALS, decode_object, object_of_blob_key, of_blob_key,
};
use crate::confirmation::Persistence;
use crate::ids::ObjectId;
use crate::ledger::{BlobObject, LedgerError};
use crate::node::BlobStatus;

/// The purse: what is left and what has been spent, in FROST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Left to spend.
    pub balance: u128,
    /// Spent on storage over epochs.
    pub storage_paid: u128,
    /// Spent on registering blobs.
    pub write_paid: u128,
}

/// A query failed on the disk.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueryError {
    #[error("ledger file cannot be read")]
    Database(#[source] redb::Error),
    #[error("ledger file is damaged")]
    Damaged(#[from] DamagedRecord),
}

impl From<TransactionError> for QueryError {
    fn from(error: TransactionError) -> Self {
        Self::Database(error.into())
    }
}

impl From<TableError> for QueryError {
    fn from(error: TableError) -> Self {
        Self::Database(error.into())
    }
}

impl From<StorageError> for QueryError {
    fn from(error: StorageError) -> Self {
        Self::Database(error.into())
    }
}

impl From<QueryError> for LedgerError {
    fn from(error: QueryError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

/// A consistent view of all tables.
pub(super) struct Tables(ReadTransaction);

impl Tables {
    pub(super) fn object(&self, object_id: ObjectId) -> Result<Option<BlobObject>, QueryError> {
        let objects = self.0.open_table(OBJECTS)?;
        let bytes = objects.get(&object_id.0)?;
        Ok(bytes.map(|bytes| decode_object(bytes.value())).transpose()?)
    }

    pub(super) fn objects_of_blob(&self, blob_id: &BlobId) -> Result<Vec<BlobObject>, QueryError> {
        let of_blob = self.0.open_table(OBJECTS_OF_BLOB)?;
        let first = of_blob_key(blob_id, ObjectId([0; 32]));
        let last = of_blob_key(blob_id, ObjectId([0xff; 32]));
        let mut objects = Vec::new();
        for entry in of_blob.range::<&[u8; 64]>(&first..=&last)? {
            objects.extend(self.object(object_of_blob_key(entry?.0.value()))?);
        }
        Ok(objects)
    }

    fn account(&self) -> Result<Account, QueryError> {
        let meta = self.0.open_table(META)?;
        let amount =
            |key| -> Result<u128, QueryError> { Ok(meta.get(key)?.map_or(0, |value| value.value())) };
        Ok(Account {
            balance: amount(META_BALANCE)?,
            storage_paid: amount(META_STORAGE_PAID)?,
            write_paid: amount(META_WRITE_PAID)?,
        })
    }
}

impl LocalLedger {
    /// What the purse holds and what was spent.
    ///
    /// # Errors
    /// [`LedgerError::Unavailable`] if the file cannot be read.
    pub async fn account(self: &Arc<Self>) -> Result<Account, LedgerError> {
        self.query(Tables::account).await
    }

    /// Asks away from the reactor.
    pub(super) async fn query<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Tables) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let database = Arc::clone(&self.database);
        let answer = self
            .queries
            .spawn_blocking(move || -> Result<T, QueryError> { question(&Tables(database.begin_read()?)) });
        Ok(answer.await.map_err(|panicked| LedgerError::Unavailable(Box::new(panicked)))??)
    }

    fn tables(&self) -> Result<Tables, QueryError> {
        Ok(Tables(self.database.begin_read()?))
    }

    /// What a node of this process would have learnt of a blob from the chain's events. Blocks on the disk.
    pub(crate) fn blob_status(&self, blob_id: &BlobId) -> Result<BlobStatus, LedgerError> {
        let epoch = self.epoch();
        let objects = self.tables()?.objects_of_blob(blob_id)?;
        let live = || objects.iter().filter(|object| object.is_live(epoch));
        let certified = || live().filter(|object| object.certified_epoch.is_some());
        if let Some(initial_epoch) = certified().filter_map(|object| object.certified_epoch).min() {
            let end_epoch = certified().map(|object| object.storage.end_epoch).max().unwrap_or(epoch);
            return Ok(BlobStatus::Certified { initial_epoch, end_epoch });
        }
        let end_epoch = live().map(|object| object.storage.end_epoch).max();
        Ok(end_epoch.map_or(BlobStatus::Nonexistent, |end_epoch| BlobStatus::Registered { end_epoch }))
    }

    /// Whether a node may confirm a blob under `persistence`. Blocks on the disk.
    pub(crate) fn is_registered(
        &self,
        blob_id: &BlobId,
        persistence: Persistence,
    ) -> Result<bool, LedgerError> {
        let epoch = self.epoch();
        let objects = self.tables()?.objects_of_blob(blob_id)?;
        Ok(objects.iter().any(|object| object.is_live(epoch) && object.persistence() == persistence))
    }

    /// Up to `limit` blobs with a live certified object, in the order of their IDs, after `after`.
    /// A blob may come twice in a row if a page ends between two of its objects. Blocks on the disk.
    pub(crate) fn certified_blobs(
        &self,
        after: Option<BlobId>,
        limit: usize,
    ) -> Result<Vec<BlobId>, LedgerError> {
        Ok(self.certified_blobs_page(after, limit)?)
    }

    fn certified_blobs_page(&self, after: Option<BlobId>, limit: usize) -> Result<Vec<BlobId>, QueryError> {
        let epoch = self.epoch();
        let tables = self.tables()?;
        let of_blob = tables.0.open_table(OBJECTS_OF_BLOB)?;
        let first = after.map_or([0; 64], |blob_id| of_blob_key(&blob_id, ObjectId([0xff; 32])));
        let mut blobs: Vec<BlobId> = Vec::new();
        for entry in of_blob.range::<&[u8; 64]>(&first..)? {
            if blobs.len() == limit {
                break;
            }
            let Some(object) = tables.object(object_of_blob_key(entry?.0.value()))? else { continue };
            let wanted = object.is_live(epoch) && object.certified_epoch.is_some();
            if wanted && blobs.last() != Some(&object.blob_id) {
                blobs.push(object.blob_id);
            }
        }
        Ok(blobs)
    }

    /// Up to `limit` blobs that lost an object and may have to go. Blocks on the disk.
    pub(crate) fn removals(&self, limit: usize) -> Result<Vec<BlobId>, LedgerError> {
        Ok(self.removals_page(limit)?)
    }

    fn removals_page(&self, limit: usize) -> Result<Vec<BlobId>, QueryError> {
        let removals = self.tables()?.0.open_table(REMOVALS)?;
        let entries = removals.iter()?.take(limit);
        entries.map(|entry| Ok(BlobId(*entry?.0.value()))).collect()
    }
}
