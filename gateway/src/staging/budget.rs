//! The byte budget of the staging area.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::gauge;

/// Staging holds as much as it may.
#[derive(Debug, thiserror::Error)]
#[error("staging is full: {used} of {max} bytes used, {wanted} more wanted")]
pub struct StagingFull {
    /// Bytes staged or reserved now.
    pub used: u64,
    /// The bound (`staging.max_bytes`).
    pub max: u64,
    /// Bytes that did not fit.
    pub wanted: u64,
}

impl StagingFull {
    /// How long a client should wait before it tries again: about what one blob takes to ship.
    pub const RETRY_AFTER: Duration = Duration::from_secs(2);
}

/// Counts the bytes that are staged or promised to a writer.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    used: Arc<AtomicU64>,
    max: u64,
}

impl Budget {
    pub(super) fn new(used: u64, max: u64) -> Self {
        let budget = Self { used: Arc::new(AtomicU64::new(used)), max };
        budget.publish(used);
        budget
    }

    pub(super) fn reserve(&self, bytes: u64) -> Result<Reservation, StagingFull> {
        let grow = |used: u64| used.checked_add(bytes).filter(|total| *total <= self.max);
        match self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, grow) {
            Ok(before) => {
                self.publish(before + bytes);
                Ok(Reservation { budget: self.clone(), bytes })
            }
            Err(used) => Err(StagingFull { used, max: self.max, wanted: bytes }),
        }
    }

    pub(super) fn release(&self, bytes: u64) {
        let before = self.used.fetch_sub(bytes, Ordering::AcqRel);
        self.publish(before - bytes);
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    pub(super) fn max(&self) -> u64 {
        self.max
    }

    // A level, not a count: a gauge may safely lose precision above 2^53.
    #[allow(clippy::cast_precision_loss)]
    fn publish(&self, used: u64) {
        gauge!("gateway_staging_bytes").set(used as f64);
    }
}

/// Bytes promised to one writer; what it does not turn into spans is given back on drop.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    bytes: u64,
}

impl Reservation {
    /// Promises `bytes` more to the same writer.
    ///
    /// # Errors
    /// [`StagingFull`] when they do not fit; what was promised before stays promised.
    pub fn grow(&mut self, bytes: u64) -> Result<(), StagingFull> {
        let more = self.budget.reserve(bytes)?;
        self.bytes += more.into_bytes();
        Ok(())
    }

    /// Bytes still promised.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Splits off `bytes`, which now belong to a span.
    pub(super) fn spend(&mut self, bytes: u64) {
        assert!(bytes <= self.bytes, "a writer stages no more than it reserved");
        self.bytes -= bytes;
    }

    fn into_bytes(mut self) -> u64 {
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.release(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_never_exceed_the_bound_and_return_what_was_not_spent() {
        let budget = Budget::new(10, 100);
        let mut first = budget.reserve(60).unwrap();
        assert_eq!(budget.reserve(31).unwrap_err().used, 70);
        first.grow(30).unwrap();
        first.grow(1).unwrap_err();
        first.spend(20);
        drop(first);
        assert_eq!(budget.used(), 30);
    }
}
