//! How the work on one blob is cut up, so that it keeps all threads busy and within its memory.

use std::ops::Range;

use crate::code::{LineCode, PieceSize};
use crate::layout::Shape;

/// Bytes of extended columns that one thread aims to work on at a time. Wider units make longer runs to read and
/// write; narrower ones stay in the processor's cache.
const UNIT_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of one symbol of all columns of a task, at least, where there are enough columns: small symbols are
/// encoded many to a block of the code.
const TASK_SYMBOL_BYTES: usize = 512;

/// Tasks for each thread, at least, where there are enough columns: one slow thread should not keep the others
/// waiting for long.
const TASKS_PER_THREAD: usize = 6;

/// Columns of a task, at least, where there are enough: as many leaves of each row become one node.
const TASK_COLUMNS_MIN: usize = 8;

/// Tasks for each thread that takes part, at least: with fewer, more threads would only need more memory.
const TASKS_PER_WORKER: usize = 2;

/// How the columns of the extended matrix are cut.
///
/// A *task* is a run of columns whose number is a power of two, so that its leaves of one row are a whole subtree.
/// A *unit* is the part of a task that is in memory at a time. A *stripe* is the run of tasks whose row parity is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    shape: Shape,
    /// Threads that take part.
    pub(super) workers: usize,
    pub(super) task_columns: usize,
    pub(super) unit_columns: usize,
    /// Tasks whose row parity is computed at a time.
    stripe_tasks: usize,
}

impl Plan {
    /// The fastest plan for a blob and slivers in memory, where long runs gain nothing.
    pub(super) fn in_memory(shape: Shape, threads: usize) -> Self {
        let task_columns = task_columns(&shape, threads);
        let workers = threads.min(shape.n.div_ceil(task_columns * TASKS_PER_WORKER));
        let unit_columns =
            PieceSize::for_code(LineCode::columns(&shape)).lines(shape.symbol_size).min(task_columns);
        Self { shape, workers, task_columns, unit_columns, stripe_tasks: shape.n }
    }

    /// The fastest plan for files.
    pub(super) fn in_files(shape: Shape, threads: usize) -> Self {
        let column_bytes = shape.n * shape.symbol_size;
        let fastest = Self::in_memory(shape, threads);
        Self { unit_columns: (UNIT_BYTES / column_bytes).clamp(1, fastest.task_columns), ..fastest }
    }

    /// This plan, changed to need no more than `memory_bytes`, or as little as can be. What costs least speed goes first.
    pub(super) fn within(mut self, memory_bytes: u64) -> Self {
        let budget = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
        if self.memory() <= budget {
            return self;
        }
        self.stripe_tasks = 1;
        while self.memory() > budget && self.unit_columns > 1 {
            self.unit_columns /= 2;
        }
        // Narrower tasks leave more nodes behind: up to a point, less memory in all.
        while self.memory() > budget && self.halved_task().is_some_and(|plan| plan.memory() < self.memory()) {
            self.task_columns /= 2;
        }
        while self.memory() > budget && self.workers > 1 {
            self.workers /= 2;
        }
        let spare = budget.saturating_sub(self.memory());
        let task_parity = self.task_columns * self.shape.secondary_bytes();
        self.stripe_tasks += (spare / task_parity).min(self.shape.n);
        self
    }

    fn halved_task(&self) -> Option<Self> {
        let halved = Self { task_columns: self.task_columns / 2, ..*self };
        (halved.task_columns >= self.unit_columns).then_some(halved)
    }

    /// What working by this plan takes, in bytes, without the blob and the slivers.
    pub(super) fn memory_bytes(&self) -> u64 {
        u64::try_from(self.memory()).expect("memory is shorter than 2^64 bytes")
    }

    fn memory(&self) -> usize {
        let Shape { n, symbol_size, .. } = self.shape;
        let hashes = 32 * n * (self.n_tasks() + 2);
        // A row of the blob that needs padding.
        let padded = self.shape.primary_bytes();
        // Extended, and a secondary sliver once more by itself.
        let unit = self.unit_columns * n * symbol_size + self.shape.secondary_bytes();
        let leaves = 2 * 32 * n * self.task_columns;
        let [columns, rows] = [LineCode::columns(&self.shape), LineCode::rows(&self.shape)]
            .map(|code| code.working_bytes(symbol_size, self.task_columns));
        let rows_together = PieceSize::for_code(LineCode::rows(&self.shape)).lines(symbol_size);
        let worker = (unit + leaves + columns).max(rows_together * self.shape.primary_bytes() + rows);
        let stripe_columns = (self.stripe_tasks * self.task_columns).min(n - self.shape.n_columns);
        hashes + padded + self.workers * worker + stripe_columns * self.shape.secondary_bytes()
    }

    pub(super) fn n_tasks(&self) -> usize {
        self.shape.n.div_ceil(self.task_columns)
    }

    /// The columns of a task; the last may have fewer than the others.
    pub(super) fn columns_of(&self, task: usize) -> Range<usize> {
        let first = task * self.task_columns;
        first..self.shape.n.min(first + self.task_columns)
    }

    /// The columns of each unit of a task. No unit has columns on both sides of `n_columns`: only those on its left
    /// have symbols in primary slivers, only those on its right have to be computed first.
    pub(super) fn units_of(&self, columns: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
        let (n_columns, unit_columns) = (self.shape.n_columns, self.unit_columns);
        let boundary = n_columns.clamp(columns.start, columns.end);
        let cut = move |side: Range<usize>| {
            let end = side.end;
            side.step_by(unit_columns).map(move |first| first..end.min(first + unit_columns))
        };
        cut(columns.start..boundary).chain(cut(boundary..columns.end))
    }

    /// Runs of tasks that are worked on one after the other. The first one includes all columns that the blob fills.
    pub(super) fn stripes(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let n_tasks = self.n_tasks();
        let stripe_tasks = self.stripe_tasks;
        let first_with_parity = self.shape.n_columns / self.task_columns;
        let mut start = 0;
        std::iter::from_fn(move || {
            let end = n_tasks.min(start.max(first_with_parity) + stripe_tasks);
            let stripe = start..end;
            start = end;
            (!stripe.is_empty()).then_some(stripe)
        })
    }
}

/// As many columns as small symbols need and the threads allow.
fn task_columns(shape: &Shape, threads: usize) -> usize {
    let wanted = (TASK_SYMBOL_BYTES / shape.symbol_size).max(TASK_COLUMNS_MIN);
    let allowed = shape.n / (TASKS_PER_THREAD * threads);
    let columns = wanted.min(allowed).max(1);
    // Rounded down to a power of two.
    1 << columns.ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::EncodingConfig;
    use proptest::prelude::*;

    fn shape(n_shards: u16, blob_bytes: u64) -> Shape {
        EncodingConfig::new(n_shards).expect("a supported number").shape(blob_bytes).expect("not too large")
    }

    proptest! {
        /// However it is cut, every column is worked on once, in order, and with its own side.
        #[test]
        fn stripes_tasks_and_units_cover_all_columns(
            n_shards in 4_u16..=1000, symbol_size in 1_u64..400, threads in 1_usize..9, memory in 0_u64..100_000_000,
        ) {
            let config = EncodingConfig::new(n_shards).expect("a supported number");
            let blob_bytes = u64::from(config.n_rows()) * u64::from(config.n_columns()) * symbol_size;
            let shape = shape(n_shards, blob_bytes);
            let plan = Plan::in_files(shape, threads).within(memory);
            let units: Vec<_> = plan
                .stripes()
                .flatten()
                .flat_map(|task| plan.units_of(plan.columns_of(task)))
                .collect();
            prop_assert!(units.iter().all(|unit| unit.end <= shape.n_columns || unit.start >= shape.n_columns));
            prop_assert!(units.iter().all(|unit| unit.len() <= plan.unit_columns));
            prop_assert!(plan.task_columns.is_power_of_two() && plan.unit_columns <= plan.task_columns);
            prop_assert_eq!(units.into_iter().flatten().collect::<Vec<_>>(), (0..shape.n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_large_blob_fits_half_a_gigabyte() {
        let shape = shape(1000, 1 << 30);
        let plan = Plan::in_files(shape, 2).within(384 << 20);
        assert!(plan.memory_bytes() <= 384 << 20, "{} bytes", plan.memory_bytes());
        assert!(plan.stripes().count() <= 3);
    }

    /// Of no more use, and no less.
    #[test]
    fn all_the_memory_there_is_use_for_needs_no_stripes() {
        for (n_shards, blob_bytes) in [(100, 1 << 20), (100, 100 << 20), (1000, 1 << 20), (1000, 1 << 30)] {
            let fastest = Plan::in_files(shape(n_shards, blob_bytes), 2);
            let needed = fastest.memory_bytes();
            assert_eq!(fastest.within(needed).stripes().count(), 1);
            assert!(fastest.within(needed - 1).memory_bytes() < needed);
        }
    }

    #[test]
    fn the_largest_blob_fits_a_quarter_of_a_gigabyte_whatever_the_threads() {
        let shape = shape(1000, 14_599_533_452);
        for threads in [1, 2, 16, 128] {
            let plan = Plan::in_files(shape, threads).within(256 << 20);
            assert!(plan.memory_bytes() <= 256 << 20, "{} bytes, {threads} threads", plan.memory_bytes());
        }
    }

    #[test]
    fn a_small_blob_needs_little_memory_on_many_threads() {
        let plan = Plan::in_memory(shape(100, 17 << 19), 128);
        assert!(plan.memory_bytes() < 64 << 20, "{} bytes", plan.memory_bytes());
    }

    #[test]
    fn small_symbols_are_worked_on_together() {
        assert_eq!(Plan::in_memory(shape(1000, 1), 2).task_columns, 64);
        assert_eq!(Plan::in_memory(shape(1000, 1 << 28), 2).task_columns, 8);
        assert_eq!(Plan::in_memory(shape(7, 1 << 18), 2).task_columns, 1);
    }
}
