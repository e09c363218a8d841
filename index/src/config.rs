//! Limits of the index.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

/// How much memory, how many files and how many threads the index may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IndexConfig {
    /// Cache of table blocks, with their indexes and filters, for all of the index.
    /// More: fewer disk reads per lookup once the index outgrows it. Default 32 MiB: the working set of a few
    /// million objects' upper levels, small beside what the gateway needs to move bytes.
    pub block_cache_bytes: usize,
    /// Memory for writes not yet in tables, over all column families. More: fewer, larger tables and less
    /// rewriting, but a longer replay after a crash. Default 32 MiB, at least
    /// [`IndexConfig::MIN_WRITE_BUFFER_BYTES`].
    pub write_buffer_bytes: usize,
    /// Files held open. Fewer: less memory (each keeps its reader), but tables are opened again for reads.
    /// Default 256, so that the usual limit of 1024 leaves room for sockets and staging.
    pub max_open_files: u16,
    /// Reads inside RocksDB at once, and as many writes, each on a blocking thread; the rest wait in order.
    /// More: more commits share one disk sync. Default 64: beyond it a sync is shared well already, and
    /// threads cost.
    pub max_in_flight: NonZeroU16,
}

impl IndexConfig {
    /// Less would be flushed to tables every few writes.
    pub const MIN_WRITE_BUFFER_BYTES: usize = 1 << 20;
}

impl Default for IndexConfig {
    fn default() -> Self {
        Self {
            block_cache_bytes: 32 << 20,
            write_buffer_bytes: 32 << 20,
            max_open_files: 256,
            max_in_flight: const { NonZeroU16::new(64).expect("not zero") },
        }
    }
}
