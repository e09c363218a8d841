//! Extending and hashing columns.

use std::io;
use std::ops::Range;

use rayon::prelude::*;

use super::Job;
use super::matrix::{Matrix, RowParity, Symbols};
use crate::code::{Lanes, LineCode, LineEncoder, PieceSize};
use crate::ids::{Axis, SliverIndex};
use crate::layout::Shape;
use crate::merkle::{Node, TreeHasher};
use crate::stream::SliverSink;
use crate::threads::for_each_task;

/// Rows whose nodes are gathered together, so that each line of the processor's cache is read once.
const ROWS_GATHERED: usize = 16;

/// The hashes of all slivers, in sliver order.
pub(super) struct SliverHashes {
    pub(super) primary: Vec<Node>,
    pub(super) secondary: Vec<Node>,
}

/// Columns to be extended and hashed, and where their hashes go.
struct Task<'a> {
    columns: Range<usize>,
    /// For each row the node over its leaves in these columns.
    nodes: &'a mut [Node],
    secondary: &'a mut [Node],
}

/// Extends and hashes all columns, giving slivers to the job's sink.
pub(super) fn process(job: &Job<'_>) -> io::Result<SliverHashes> {
    let Job { shape, plan, .. } = job;
    let mut nodes = vec![Node::default(); shape.n * plan.n_tasks()];
    let mut secondary = vec![Node::default(); shape.n];
    let outputs = nodes.chunks_mut(shape.n).zip(secondary.chunks_mut(plan.task_columns)).enumerate();
    let task = |(task, (nodes, secondary))| Task { columns: plan.columns_of(task), nodes, secondary };
    let mut tasks: Vec<_> = outputs.map(task).collect();
    for stripe in plan.stripes() {
        let tasks: Vec<_> = tasks.drain(..stripe.len()).collect();
        let [first, end] = [plan.columns_of(stripe.start).start, plan.columns_of(stripe.end - 1).end];
        let parity_columns = first.max(shape.n_columns)..end.max(shape.n_columns);
        let parity = RowParity::compute(&job.matrix, parity_columns, plan.workers)?;
        for_each_task(
            plan.workers,
            tasks,
            || Worker::new(job),
            |worker, task| worker.process(&parity, task),
        )?;
    }
    Ok(SliverHashes { primary: row_roots(shape, &nodes), secondary })
}

/// The root of each row, from the nodes over its leaves in each task.
fn row_roots(shape: &Shape, nodes: &[Node]) -> Vec<Node> {
    let n_tasks = nodes.len() / shape.n;
    let mut roots = vec![Node::default(); shape.n];
    let hasher = TreeHasher::fastest();
    roots.par_chunks_mut(ROWS_GATHERED).enumerate().for_each(|(block, roots)| {
        let mut rows = vec![Vec::with_capacity(n_tasks.next_multiple_of(2)); roots.len()];
        for task in nodes.chunks(shape.n) {
            let nodes = &task[block * ROWS_GATHERED..][..roots.len()];
            rows.iter_mut().zip(nodes).for_each(|(row, node)| row.push(*node));
        }
        for (root, mut row) in roots.iter_mut().zip(rows) {
            *root = hasher.root(&mut row);
        }
    });
    roots
}

/// The working space of one thread.
struct Worker<'a> {
    job: &'a Job<'a>,
    pieces: PieceSize,
    encoder: LineEncoder,
    hasher: TreeHasher,
    /// The first `n_rows` rows of a unit, unless they are in memory anyway.
    source: Vec<u8>,
    /// The other rows of a unit.
    recovery: Vec<u8>,
    /// A secondary sliver.
    sliver: Vec<u8>,
    /// The leaves of a task, row by row.
    leaves: Vec<Node>,
    column: Vec<Node>,
}

impl<'a> Worker<'a> {
    fn new(job: &'a Job<'a>) -> Self {
        let code = LineCode::columns(&job.shape);
        Self {
            job,
            pieces: PieceSize::for_code(code),
            encoder: LineEncoder::new(code),
            hasher: TreeHasher::fastest(),
            source: Vec::new(),
            recovery: Vec::new(),
            sliver: Vec::new(),
            leaves: Vec::new(),
            column: Vec::new(),
        }
    }

    fn process(&mut self, parity: &RowParity, task: Task<'_>) -> io::Result<()> {
        let Job { shape, plan, .. } = self.job;
        let Task { columns, nodes, secondary } = task;
        self.leaves.resize(shape.n * columns.len(), Node::default());
        for unit in plan.units_of(columns.clone()) {
            self.unit(parity, &columns, &unit)?;
        }
        for (column, hash) in secondary.iter_mut().enumerate() {
            self.column.clear();
            self.column.extend(self.leaves.iter().skip(column).step_by(columns.len()));
            *hash = self.hasher.root(&mut self.column);
        }
        let mut width = columns.len();
        for _ in 0..plan.task_columns.ilog2() {
            width = self.hasher.fold_rows(&mut self.leaves, width);
        }
        nodes.copy_from_slice(&self.leaves);
        Ok(())
    }

    /// Extends and hashes the columns of `unit`, some of the task's `columns`.
    fn unit(&mut self, parity: &RowParity, columns: &Range<usize>, unit: &Range<usize>) -> io::Result<()> {
        let Self { job, pieces, encoder, hasher, source, recovery, sliver, leaves, .. } = self;
        let Job { shape, matrix, sink, .. } = job;
        let symbols = if unit.start >= shape.n_columns {
            parity.symbols()
        } else if let Some(symbols) = matrix.in_memory() {
            symbols
        } else {
            load(shape, matrix, unit, source)?
        };
        let upper =
            (0..shape.n_rows).flat_map(|row| unit.clone().map(move |column| symbols.get(row, column)));
        let leaf_of = |index: usize| {
            let (row, column) = (index / unit.len(), index % unit.len());
            row * columns.len() + unit.start - columns.start + column
        };
        if let Some(sink) = sink {
            give_secondary(*sink, shape, symbols, unit, sliver)?;
        }
        if unit.len() == 1 && pieces.fits(shape.symbol_size) {
            // The code's result is the column as it is: no need to put it together first.
            let whole = Lanes::of_one(shape.symbol_size);
            let encoded = encoder.encode(&whole, |row, _| symbols.get(row, unit.start));
            hasher.leaves(upper.chain(encoded.recovery_iter()), |index, leaf| leaves[leaf_of(index)] = leaf);
            return match sink {
                Some(sink) => give_primary(*sink, shape, encoded.recovery_iter(), unit),
                None => Ok(()),
            };
        }
        extend(shape, symbols, unit, (*pieces, encoder), recovery);
        let lower = recovery.chunks(shape.symbol_size);
        hasher.leaves(upper.chain(lower), |index, leaf| leaves[leaf_of(index)] = leaf);
        match sink {
            Some(sink) => give_primary(*sink, shape, recovery.chunks(unit.len() * shape.symbol_size), unit),
            None => Ok(()),
        }
    }
}

/// Reads the first `n_rows` rows of a unit.
fn load<'a>(
    shape: &Shape,
    matrix: &Matrix<'_>,
    unit: &Range<usize>,
    buffer: &'a mut Vec<u8>,
) -> io::Result<Symbols<'a>> {
    let row_bytes = unit.len() * shape.symbol_size;
    buffer.resize(shape.n_rows * row_bytes, 0);
    let mut rows = buffer.chunks_mut(row_bytes).enumerate();
    rows.try_for_each(|(row, symbols)| matrix.read(row, unit.start, symbols))?;
    Ok(Symbols::new(shape, unit, buffer))
}

/// Computes the other rows of a unit.
fn extend(
    shape: &Shape,
    symbols: Symbols<'_>,
    unit: &Range<usize>,
    (pieces, encoder): (PieceSize, &mut LineEncoder),
    recovery: &mut Vec<u8>,
) {
    let row_bytes = unit.len() * shape.symbol_size;
    recovery.resize((shape.n - shape.n_rows) * row_bytes, 0);
    let together = pieces.lines(shape.symbol_size);
    for first in unit.clone().step_by(together) {
        let columns = first..unit.end.min(first + together);
        for piece in pieces.cut(shape.symbol_size) {
            let lanes = piece.lanes(columns.len());
            let symbol = |row, column| &symbols.get(row, first + column)[piece.bytes.clone()];
            let encoded = encoder.encode(&lanes, symbol);
            for (row, packed) in recovery.chunks_mut(row_bytes).zip(encoded.recovery_iter()) {
                let symbols = row.chunks_mut(shape.symbol_size).skip(first - unit.start).take(columns.len());
                for (column, symbol) in symbols.enumerate() {
                    lanes.unpack(packed, column, &mut symbol[piece.bytes.clone()]);
                }
            }
        }
    }
}

fn give_secondary(
    sink: &dyn SliverSink,
    shape: &Shape,
    symbols: Symbols<'_>,
    unit: &Range<usize>,
    sliver: &mut Vec<u8>,
) -> io::Result<()> {
    for column in unit.clone() {
        sliver.clear();
        sliver.reserve_exact(shape.secondary_bytes());
        (0..shape.n_rows).for_each(|row| sliver.extend_from_slice(symbols.get(row, column)));
        sink.write_all_at(Axis::Secondary, sliver_index(column), sliver, 0)?;
    }
    Ok(())
}

/// Gives the symbols of `rows`, which are those of the unit from row `n_rows` on.
fn give_primary<'a>(
    sink: &dyn SliverSink,
    shape: &Shape,
    rows: impl Iterator<Item = &'a [u8]>,
    unit: &Range<usize>,
) -> io::Result<()> {
    if unit.start >= shape.n_columns {
        return Ok(()); // In no primary sliver.
    }
    let offset = u64::try_from(unit.start * shape.symbol_size).expect("memory is shorter than 2^64 bytes");
    let mut rows = rows.zip(shape.n_rows..);
    rows.try_for_each(|(symbols, row)| sink.write_all_at(Axis::Primary, sliver_index(row), symbols, offset))
}

fn sliver_index(index: usize) -> SliverIndex {
    SliverIndex(u16::try_from(index).expect("there are at most 1000 shards"))
}
