//! Which epoch it is, by the wall clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use crate::clock::Clock;
use crate::ids::Epoch;

/// Numbers the epochs since genesis. They never run backwards, even if the clock does.
pub(super) struct Epochs {
    genesis: SystemTime,
    duration: Duration,
    clock: Arc<dyn Clock>,
    highest: AtomicU32,
}

impl Epochs {
    /// Epoch 1 begins at `genesis`; `highest` is the highest epoch ever seen. `duration` is not zero.
    pub(super) fn new(
        genesis: SystemTime,
        duration: Duration,
        clock: Arc<dyn Clock>,
        highest: Epoch,
    ) -> Self {
        Self { genesis, duration, clock, highest: AtomicU32::new(highest.0) }
    }

    /// The current epoch.
    pub(super) fn current(&self) -> Epoch {
        let elapsed = self.clock.now().duration_since(self.genesis).unwrap_or_default();
        let past = u32::try_from(elapsed.as_millis() / self.duration.as_millis()).unwrap_or(u32::MAX - 1);
        let by_clock = past.saturating_add(1);
        Epoch(self.highest.fetch_max(by_clock, Ordering::AcqRel).max(by_clock))
    }

    /// When the epoch after `epoch` begins.
    pub(super) fn end_of(&self, epoch: Epoch) -> SystemTime {
        self.duration
            .checked_mul(epoch.0)
            .and_then(|since_genesis| self.genesis.checked_add(since_genesis))
            .unwrap_or(self.genesis)
    }
}
