//! The tables in RocksDB: typed keys and rows, consistent reads, transactions.
//!
//! The only module that speaks RocksDB. Everything in it blocks.

mod keys;
mod list;
mod open;
mod read;
mod row;
mod schema;
pub(crate) mod tables;
mod txn;

pub(crate) use keys::{
    BlobPhase, GarbageKey, InBucket, Key, LeaseKey, PartRowKey, PhaseKey, RowId, StagedKey,
};
pub(crate) use list::{Found, Listing, list};
pub(crate) use read::{Cursor, Read, View};
pub(crate) use row::{ExtentRow, Row};
pub(crate) use tables::{Family, Table};
pub(crate) use txn::Txn;

use std::path::Path;
use std::time::Duration;

use rocksdb::{ColumnFamily, TransactionDB};

use crate::{IndexConfig, OpenError};

/// The open database.
pub(crate) struct Store {
    db: TransactionDB,
    /// How long a transaction waits for one row.
    lock_timeout: Duration,
}

impl Store {
    /// Opens the database in `directory`, making it if there is none.
    pub(crate) fn open(directory: &Path, config: &IndexConfig) -> Result<Self, OpenError> {
        schema::check_before_open(directory)?;
        let store = Self { db: open::open(directory, config)?, lock_timeout: txn::LOCK_TIMEOUT };
        schema::stamp(&store)?;
        Ok(store)
    }

    /// What is committed at this moment, and nothing later.
    pub(crate) fn view(&self) -> View<'_> {
        View::new(self)
    }

    fn handle(&self, family: Family) -> &ColumnFamily {
        self.db.cf_handle(family.name()).expect("opening creates every family")
    }
}
