//! What was asked of each key and when, and so what the key may hold now.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use haulout_tests::random;

/// Bytes of an object, by what they are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) seed: u64,
    pub(crate) length: usize,
}

impl Value {
    pub(crate) fn bytes(self) -> Vec<u8> {
        random::bytes(self.seed, self.length)
    }
}

/// What a key holds: a value, or nothing.
pub(crate) type Content = Option<Value>;

/// A write to a key, named so that its outcome can be noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Write(u64);

#[derive(Clone, Copy, Debug)]
struct Entry {
    write: Write,
    content: Content,
    /// Set once the client has the whole answer.
    acknowledged: Option<u64>,
}

/// The ledger of all clients. Times are counts: only their order matters.
#[derive(Default)]
pub(crate) struct History(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    now: u64,
    keys: BTreeMap<String, Vec<Entry>>,
}

impl Inner {
    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }
}

impl History {
    /// Notes that a write is about to be sent.
    pub(crate) fn begin(&self, key: &str, content: Content) -> Write {
        self.with(|inner| {
            let write = Write(inner.tick());
            inner.keys.entry(key.to_owned()).or_default().push(Entry { write, content, acknowledged: None });
            write
        })
    }

    /// Notes that a write was acknowledged: from now on it counts.
    pub(crate) fn acknowledge(&self, key: &str, write: Write) {
        self.with(|inner| {
            let now = inner.tick();
            let entries = inner.keys.get_mut(key).expect("the key was written");
            let entry = entries.iter_mut().find(|entry| entry.write == write).expect("the write was begun");
            entry.acknowledged = Some(now);
        });
    }

    /// Forgets a write that was refused and so had no effect.
    pub(crate) fn forget(&self, key: &str, write: Write) {
        self.with(|inner| {
            inner.keys.get_mut(key).expect("the key was written").retain(|entry| entry.write != write);
        });
    }

    /// Everything `key` may hold, if all is well.
    ///
    /// A write in flight may or may not have happened. One that was acknowledged has, unless another that was
    /// acknowledged too began after it had ended.
    pub(crate) fn candidates(&self, key: &str) -> Vec<Content> {
        self.with(|inner| {
            let entries = inner.keys.get(key).map_or(&[][..], Vec::as_slice);
            let acknowledged = || entries.iter().filter(|entry| entry.acknowledged.is_some());
            let superseded = |end: u64| acknowledged().any(|other| other.write.0 > end);
            let possible =
                entries.iter().filter(|entry| entry.acknowledged.is_none_or(|end| !superseded(end)));
            let mut candidates: Vec<Content> = possible.map(|entry| entry.content).collect();
            // Before its first write a key is absent.
            if acknowledged().next().is_none() {
                candidates.push(None);
            }
            candidates
        })
    }

    /// Everything that `key` ever was, for reads that race with writes.
    pub(crate) fn ever(&self, key: &str) -> Vec<Value> {
        self.with(|inner| {
            inner.keys.get(key).into_iter().flatten().filter_map(|entry| entry.content).collect()
        })
    }

    /// Every key that was written to.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.with(|inner| inner.keys.keys().cloned().collect())
    }

    /// Replaces a key's past by what was found: after a restart nothing is in flight any more.
    pub(crate) fn settle(&self, key: &str, content: Content) {
        self.with(|inner| {
            let (write, acknowledged) = (Write(inner.tick()), Some(inner.tick()));
            inner.keys.insert(key.to_owned(), vec![Entry { write, content, acknowledged }]);
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        // A worker that panicked has failed the test already; the others may still finish.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Content = Some(Value { seed: 1, length: 1 });
    const TWO: Content = Some(Value { seed: 2, length: 2 });

    #[test]
    fn a_later_acknowledged_write_supersedes_an_earlier_one() {
        let history = History::default();
        let first = history.begin("key", ONE);
        assert_eq!(history.candidates("key"), [ONE, None]);
        history.acknowledge("key", first);
        assert_eq!(history.candidates("key"), [ONE]);
        let second = history.begin("key", TWO);
        assert_eq!(history.candidates("key"), [ONE, TWO]);
        history.acknowledge("key", second);
        assert_eq!(history.candidates("key"), [TWO]);
    }

    #[test]
    fn overlapping_writes_may_end_in_either_order() {
        let history = History::default();
        let (first, second) = (history.begin("key", ONE), history.begin("key", None));
        history.acknowledge("key", second);
        history.acknowledge("key", first);
        assert_eq!(history.candidates("key"), [ONE, None]);
    }

    #[test]
    fn a_write_in_flight_stays_possible() {
        let history = History::default();
        history.begin("key", ONE);
        let second = history.begin("key", TWO);
        history.acknowledge("key", second);
        assert_eq!(history.candidates("key"), [ONE, TWO]);
    }
}
