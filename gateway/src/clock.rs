//! The time of day and fresh identities: the two things the object layer takes from outside itself.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;

/// Milliseconds since 1970, UTC.
#[must_use]
pub fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// A new id of this moment, unique by randomness: `fresh(ExtentId::at)`.
pub fn fresh<T>(at: impl FnOnce(u64, [u8; 10]) -> T) -> T {
    at(now_ms(), random())
}

/// Bytes from the operating system's random number generator.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the operating system has a random number generator");
    bytes
}
