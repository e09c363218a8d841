//! RocksDB's options.

use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, Options,
    TransactionDB, TransactionDBOptions,
};

use super::Family;
use crate::{IndexConfig, OpenError};

/// RocksDB's own log: so many files of so many bytes.
const LOG_FILES: usize = 4;
const LOG_FILE_BYTES: usize = 4 << 20;
/// Ten bits a key find one absent key in a hundred by mistake.
const BLOOM_BITS_PER_KEY: f64 = 10.0;

pub(super) fn open(directory: &Path, config: &IndexConfig) -> Result<TransactionDB, OpenError> {
    let (configured, least) = (config.write_buffer_bytes, IndexConfig::MIN_WRITE_BUFFER_BYTES);
    if configured < least {
        return Err(OpenError::WriteBufferTooSmall { configured, least });
    }
    let cache = Cache::new_lru_cache(config.block_cache_bytes);
    let families =
        Family::ALL.map(|family| ColumnFamilyDescriptor::new(family.name(), family_options(config, &cache)));
    let database = database_options(config);
    Ok(TransactionDB::open_cf_descriptors(&database, &TransactionDBOptions::default(), directory, families)?)
}

fn database_options(config: &IndexConfig) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_db_write_buffer_size(config.write_buffer_bytes);
    // The log is replayed after a crash: twice the write buffers, since a family that is seldom written
    // holds on to old files.
    options.set_max_total_wal_size(2 * u64::try_from(config.write_buffer_bytes).unwrap_or(u64::MAX / 2));
    options.set_max_open_files(i32::from(config.max_open_files));
    // One flush and one compaction: the machine's cores belong to the encoder.
    options.set_max_background_jobs(2);
    // A torn last write was not acknowledged and may go. Damage before it may not: RocksDB's default would
    // drop every acknowledged write behind it without a word.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_keep_log_file_num(LOG_FILES);
    options.set_max_log_file_size(LOG_FILE_BYTES);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

fn family_options(config: &IndexConfig, cache: &Cache) -> Options {
    let mut options = Options::default();
    // A quarter each: the database's limit flushes the largest of them well before all are full.
    options.set_write_buffer_size(config.write_buffer_bytes / 4);
    // Flushed memtables serve only to check transactions against snapshots, which ours do not have.
    // Zero would mean a default of several write buffers here.
    options.set_max_write_buffer_size_to_maintain(1);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_block_based_table_factory(&table_options(cache));
    options
}

fn table_options(cache: &Cache) -> BlockBasedOptions {
    let mut options = BlockBasedOptions::default();
    options.set_block_cache(cache);
    options.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
    // Inside the cache's bound; outside it they would grow with the index.
    options.set_cache_index_and_filter_blocks(true);
    options.set_pin_l0_filter_and_index_blocks_in_cache(true);
    options
}
