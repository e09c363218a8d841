//! A ledger in one file, with the rules of the chain: epochs, prices, blob objects, certificates.
//!
//! It stands in for the chain where all storage nodes belong to one owner. Epochs follow the wall clock; what is
//! acknowledged has been fsynced. Start at [`LocalLedger::open`].

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use haulout_encoder::{BlobId, EncodingConfig};
use redb::{Database, ReadableTable};
use tokio_util::task::TaskTracker;

mod epochs;
mod queries;
mod records;
mod transactions;
mod writer;

use epochs::Epochs;
use records::{
    FORMAT_VERSION, META, META_BALANCE, META_EPOCH, META_EPOCH_MS, META_FORMAT, META_GENESIS_MS, OBJECTS,
    OBJECTS_BY_END, OBJECTS_OF_BLOB, REMOVALS,
};
use transactions::Rules;
use writer::Writer;

pub use queries::Account;
pub use records::DamagedRecord;
pub use writer::NotAcknowledged;

use crate::certificate::Certificate;
use crate::clock::Clock;
use crate::committee::Committee;
use crate::ids::{Epoch, ObjectId};
use crate::ledger::{BlobObject, BlobRegistration, Ledger, LedgerError, LedgerState, Prices, Storage};

/// Memory for pages of the file. Lookups touch a few pages each; more would take from the gateway's budget.
const PAGE_CACHE_BYTES: usize = 8 << 20;

/// How a local ledger is set up.
#[derive(Clone, Debug)]
pub struct LocalLedgerConfig {
    /// The file; its directory exists.
    pub path: PathBuf,
    /// Length of an epoch, at least a millisecond. Fixed when the file is created.
    pub epoch_duration: Duration,
    /// How many epochs ahead a blob can be paid for.
    pub max_epochs_ahead: u32,
    /// What storage costs.
    pub prices: Prices,
    /// FROST in the purse when the file is created.
    pub initial_balance: u128,
}

/// A local ledger cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenLedgerError {
    /// The file cannot be read or written, or another process has it open.
    #[error("ledger file cannot be opened")]
    Database(#[from] redb::Error),
    /// The thread that writes cannot be started.
    #[error("ledger writer cannot be started")]
    Thread(#[source] std::io::Error),
    /// A newer version of this software wrote the file.
    #[error("ledger has format version {found}, this software knows {FORMAT_VERSION}")]
    UnknownFormat {
        /// The version in the file.
        found: u128,
    },
    /// Epochs cannot change their length: every lease is counted in them.
    #[error("ledger has epochs of {stored:?}, {configured:?} are configured")]
    EpochDurationChanged {
        /// As the file was created.
        stored: Duration,
        /// As configured now.
        configured: Duration,
    },
    /// The length of an epoch is below a millisecond, or beyond all calendars.
    #[error("epochs of {configured:?} are not possible")]
    ImpossibleEpochDuration {
        /// As configured now.
        configured: Duration,
    },
}

macro_rules! into_database_error {
    ($($error:ty),+) => {$(
        impl From<$error> for OpenLedgerError {
            fn from(error: $error) -> Self {
                Self::Database(error.into())
            }
        }
    )+};
}

into_database_error!(
    redb::DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError
);

/// The ledger of an embedded network. Every storage node and client of the process shares one.
pub struct LocalLedger {
    database: Arc<Database>,
    writer: Writer,
    epochs: Epochs,
    encoding: EncodingConfig,
    config: LocalLedgerConfig,
    /// Of the epoch asked for last.
    committee: Mutex<Arc<Committee>>,
    /// Questions that are being answered, which hold the file open.
    queries: TaskTracker,
}

impl LocalLedger {
    /// Opens the file, or creates it with epoch 1 beginning now. `committee` serves in every epoch.
    /// Blocks on the disk.
    ///
    /// # Errors
    /// [`OpenLedgerError`]; nothing is changed in a file of another format or epoch length.
    pub fn open(
        config: LocalLedgerConfig,
        encoding: EncodingConfig,
        committee: Committee,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenLedgerError> {
        let database = Database::builder().set_cache_size(PAGE_CACHE_BYTES).create(&config.path)?;
        let (genesis, highest) = initialise(&database, &config, clock.now())?;
        let epochs = Epochs::new(genesis, config.epoch_duration, clock, highest);
        let database = Arc::new(database);
        let writer = Writer::start(Arc::clone(&database)).map_err(OpenLedgerError::Thread)?;
        let committee = Mutex::new(Arc::new(committee));
        Ok(Self { database, writer, epochs, encoding, config, committee, queries: TaskTracker::new() })
    }

    /// The current epoch.
    pub fn epoch(&self) -> Epoch {
        self.epochs.current()
    }

    /// Waits for questions whose callers went away. Then dropping the ledger closes its file.
    pub(crate) async fn settle(&self) {
        self.queries.close();
        self.queries.wait().await;
    }

    fn committee(&self) -> Arc<Committee> {
        let epoch = self.epoch();
        let mut latest = self.committee.lock().expect("nobody panics while holding it");
        if latest.epoch() != epoch {
            *latest = Arc::new(latest.in_epoch(epoch));
        }
        Arc::clone(&latest)
    }

    fn rules(&self) -> Rules {
        Rules {
            epoch: self.epoch(),
            encoding: self.encoding,
            prices: self.config.prices,
            max_epochs_ahead: self.config.max_epochs_ahead,
        }
    }
}

#[async_trait]
impl Ledger for LocalLedger {
    async fn state(&self) -> Result<LedgerState, LedgerError> {
        let committee = self.committee();
        Ok(LedgerState {
            epoch_ends_at: self.epochs.end_of(committee.epoch()),
            committee,
            prices: self.config.prices,
            max_epochs_ahead: self.config.max_epochs_ahead,
        })
    }

    async fn register(&self, registrations: Vec<BlobRegistration>) -> Result<Vec<BlobObject>, LedgerError> {
        let rules = self.rules();
        self.writer.run(move |write| transactions::register(write, rules, &registrations)).await
    }

    async fn certify(
        &self,
        object_id: ObjectId,
        certificate: Certificate,
    ) -> Result<BlobObject, LedgerError> {
        let committee = self.committee();
        self.writer.run(move |write| transactions::certify(write, &committee, object_id, &certificate)).await
    }

    async fn extend(&self, object_id: ObjectId, epochs: u32) -> Result<BlobObject, LedgerError> {
        let rules = self.rules();
        self.writer.run(move |write| transactions::extend(write, rules, object_id, epochs)).await
    }

    async fn delete(&self, object_id: ObjectId) -> Result<Storage, LedgerError> {
        let epoch = self.epoch();
        self.writer.run(move |write| transactions::delete(write, epoch, object_id)).await
    }

    async fn own_objects(&self, blob_id: &BlobId) -> Result<Vec<BlobObject>, LedgerError> {
        let blob_id = *blob_id;
        self.query(move |tables| tables.objects_of_blob(&blob_id)).await
    }

    async fn object(&self, object_id: ObjectId) -> Result<Option<BlobObject>, LedgerError> {
        self.query(move |tables| tables.object(object_id)).await
    }
}

impl LocalLedger {
    /// Queues what has expired by now for removal. Called by whoever sweeps the nodes, once in an epoch.
    ///
    /// # Errors
    /// [`LedgerError`] of the disk; repeating is harmless.
    pub(crate) async fn expire(&self) -> Result<(), LedgerError> {
        let epoch = self.epoch();
        self.writer.run(move |write| transactions::expire(write, epoch)).await
    }

    /// Takes blobs whose data is gone, or needed after all, off the removal queue.
    pub(crate) async fn forget_removals(&self, swept: Vec<BlobId>) -> Result<(), LedgerError> {
        self.writer.run(move |write| transactions::forget_removals(write, &swept)).await
    }
}

/// Makes sure that all tables exist. Answers when epoch 1 began, and the highest epoch seen.
fn initialise(
    database: &Database,
    config: &LocalLedgerConfig,
    now: SystemTime,
) -> Result<(SystemTime, Epoch), OpenLedgerError> {
    let configured = config.epoch_duration;
    let epoch_ms = configured.as_millis();
    if epoch_ms == 0 || configured.checked_mul(u32::MAX).is_none() {
        return Err(OpenLedgerError::ImpossibleEpochDuration { configured });
    }
    let write = database.begin_write()?;
    write.open_table(OBJECTS)?;
    write.open_table(OBJECTS_OF_BLOB)?;
    write.open_table(OBJECTS_BY_END)?;
    write.open_table(REMOVALS)?;
    let mut meta = write.open_table(META)?;
    let stored = |meta: &redb::Table<'_, &str, u128>, key| -> Result<Option<u128>, redb::StorageError> {
        Ok(meta.get(key)?.map(|value| value.value()))
    };
    match stored(&meta, META_FORMAT)? {
        Some(FORMAT_VERSION) => {}
        Some(found) => return Err(OpenLedgerError::UnknownFormat { found }),
        None => {
            let genesis_ms = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
            meta.insert(META_FORMAT, FORMAT_VERSION)?;
            meta.insert(META_GENESIS_MS, genesis_ms)?;
            meta.insert(META_EPOCH_MS, epoch_ms)?;
            meta.insert(META_BALANCE, config.initial_balance)?;
        }
    }
    let stored_ms = stored(&meta, META_EPOCH_MS)?.unwrap_or(0);
    if stored_ms != epoch_ms {
        let stored = milliseconds(stored_ms);
        return Err(OpenLedgerError::EpochDurationChanged { stored, configured });
    }
    let genesis = UNIX_EPOCH + milliseconds(stored(&meta, META_GENESIS_MS)?.unwrap_or(0));
    let highest = u32::try_from(stored(&meta, META_EPOCH)?.unwrap_or(1)).unwrap_or(1);
    drop(meta);
    write.commit()?;
    Ok((genesis, Epoch(highest)))
}

fn milliseconds(count: u128) -> Duration {
    u64::try_from(count).map_or(Duration::MAX, Duration::from_millis)
}
