//! What the benchmarks share.

use std::io;
use std::sync::{Mutex, PoisonError};

use haulout_encoder::{Axis, EncodingConfig, SliverIndex, SliverSink};
use rand::{RngCore as _, SeedableRng as _, rngs::StdRng};

/// `bytes` that are always the same and never repeat.
pub(crate) fn blob(bytes: usize) -> Vec<u8> {
    let mut blob = vec![0; bytes];
    StdRng::seed_from_u64(20).fill_bytes(&mut blob);
    blob
}

pub(crate) fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started")
}

/// One thread, and all there are.
pub(crate) fn thread_counts() -> Vec<usize> {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    if all == 1 { vec![1] } else { vec![1, all] }
}

/// A spool in memory that is used again and again, so that no time goes into getting memory from the system.
pub(crate) struct MemorySpool {
    n_rows: usize,
    primary: Vec<Mutex<Vec<u8>>>,
    secondary: Vec<Mutex<Vec<u8>>>,
}

impl MemorySpool {
    pub(crate) fn new(config: EncodingConfig, blob_bytes: usize) -> Self {
        let blob_bytes = u64::try_from(blob_bytes).expect("memory is shorter than 2^64 bytes");
        let symbol_size = config.symbol_size_bytes(blob_bytes).expect("the blob is not too large");
        let [n, n_rows] = [config.n_shards(), config.n_rows()].map(usize::from);
        // Not zeros, which the system would only promise.
        let slivers = |count, bytes| (0..count).map(|_| Mutex::new(vec![1; bytes])).collect();
        Self {
            n_rows,
            primary: slivers(n - n_rows, config.primary_sliver_bytes(symbol_size)),
            secondary: slivers(n, config.secondary_sliver_bytes(symbol_size)),
        }
    }
}

impl SliverSink for MemorySpool {
    fn write_all_at(&self, axis: Axis, index: SliverIndex, symbols: &[u8], offset: u64) -> io::Result<()> {
        let index = usize::from(index.0);
        let sliver = match axis {
            Axis::Primary => &self.primary[index - self.n_rows],
            Axis::Secondary => &self.secondary[index],
        };
        let start = usize::try_from(offset).expect("the offset is inside the sliver");
        let mut sliver = sliver.lock().unwrap_or_else(PoisonError::into_inner);
        sliver[start..start + symbols.len()].copy_from_slice(symbols);
        Ok(())
    }
}
