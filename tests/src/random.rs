//! Reproducible randomness: the same seed gives the same bytes, sizes and choices on every machine.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::{Rng, RngCore};

/// The seed of this run: `HAULOUT_SEED` if set, otherwise drawn and printed, so that a failure can be replayed.
///
/// # Panics
/// If `HAULOUT_SEED` is not a decimal `u64`.
#[must_use]
pub fn run_seed() -> u64 {
    let seed = match std::env::var("HAULOUT_SEED") {
        Ok(text) => text.parse().expect("HAULOUT_SEED is a decimal number"),
        Err(_) => rand::rng().random(),
    };
    println!("seed: HAULOUT_SEED={seed}");
    seed
}

/// `length` bytes that depend on `seed` alone and do not compress.
#[must_use]
pub fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}
