//! Who is reading: so that the bytes of a replaced object stay until the last reader of it is done.
//!
//! A reader enters before it looks an object up. Garbage seen at some moment can be referred to only by readers that
//! entered before it, so the collector waits for exactly those (the grace period of read-copy-update).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

/// Keeps the count of readers. Cheap to clone.
#[derive(Clone, Default)]
pub struct Readers {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    left: Notify,
}

#[derive(Default)]
struct State {
    generation: u64,
    /// Readers inside, by the generation they entered in.
    inside: BTreeMap<u64, usize>,
}

/// A reader inside; it leaves on drop.
pub struct ReadGuard {
    shared: Arc<Shared>,
    generation: u64,
}

impl Readers {
    /// Enters. Call it before the index is asked.
    #[must_use]
    pub fn enter(&self) -> ReadGuard {
        let mut state = self.shared.lock();
        let generation = state.generation;
        *state.inside.entry(generation).or_default() += 1;
        ReadGuard { shared: Arc::clone(&self.shared), generation }
    }

    /// Waits until every reader that is inside now has left. Later ones do not delay it.
    pub async fn wait_for_current(&self) {
        let until = {
            let mut state = self.shared.lock();
            state.generation += 1;
            state.generation
        };
        loop {
            let left = self.shared.left.notified();
            if self.shared.lock().inside.range(..until).next().is_none() {
                return;
            }
            left.await;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it counts readers")
    }
}

impl Drop for ReadGuard {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if let Some(count) = state.inside.get_mut(&self.generation) {
            *count -= 1;
            if *count == 0 {
                state.inside.remove(&self.generation);
            }
        }
        drop(state);
        self.shared.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_collector_waits_for_earlier_readers_only() {
        let readers = Readers::default();
        let early = readers.enter();
        let waiting = tokio::spawn({
            let readers = readers.clone();
            async move { readers.wait_for_current().await }
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        let _late = readers.enter();
        assert!(!waiting.is_finished());
        drop(early);
        tokio::time::timeout(Duration::from_secs(1), waiting).await.unwrap().unwrap();
    }
}
