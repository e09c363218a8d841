//! What the benchmarks share.

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
