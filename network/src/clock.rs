//! Where the time of day comes from.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

/// Tells the time of day, on which epochs depend.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> SystemTime;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A clock that moves when told to, for tests of what happens with time.
#[derive(Debug)]
pub struct ManualClock(Mutex<SystemTime>);

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: SystemTime) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves on by `duration`.
    pub fn advance(&self, duration: Duration) {
        *self.0.lock().expect("nobody panics while holding it") += duration;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().expect("nobody panics while holding it")
    }
}
