//! Decoding lines: from slivers of one axis to the blob's rows.

use std::io;
use std::ops::Range;

use super::{BlobSink, GivenSlivers};
use crate::code::{LineCode, LineDecoder, LinePart, MissingPart};
use crate::ids::{Axis, SliverIndex};
use crate::layout::Shape;
use crate::threads::for_each_task;

/// Bytes of lines that one thread aims to work on at a time. Wider units make longer runs to read and write.
const UNIT_BYTES: usize = 4 * 1024 * 1024;

/// Units for each thread, at least, where there are enough lines.
const UNITS_PER_THREAD: usize = 6;

/// One blob to be decoded from slivers of one axis.
///
/// Decoding works on the lines that cross the slivers, each of which is extended by the other axis's code: columns
/// when primary slivers are given.
pub(super) struct Job<'a> {
    pub(super) shape: Shape,
    pub(super) blob_bytes: u64,
    /// The slivers that are to be used, distinct and as many as are needed.
    pub(super) given: GivenSlivers<'a>,
    pub(super) blob: &'a dyn BlobSink,
}

impl Job<'_> {
    /// Decodes the whole blob, in parallel on the rayon pool it is called from.
    pub(super) fn run(&self) -> io::Result<()> {
        let GivenSlivers { axis, indexes, .. } = self.given;
        let code = line_code(&self.shape, axis);
        let is_given = |position: &usize| indexes.iter().any(|index| usize::from(index.0) == *position);
        let missing: Vec<usize> = (0..code.source).filter(|position| !is_given(position)).collect();
        let threads = rayon::current_num_threads();
        if axis == Axis::Primary && missing.is_empty() {
            return for_each_task(threads, indexes.to_vec(), Vec::new, |row, index| {
                self.copy_row(index, row)
            });
        }
        let Units { n_lines, together, workers } = Units::of(&self.shape, axis, threads);
        let units = (0..n_lines).step_by(together).map(|first| first..n_lines.min(first + together));
        for_each_task(workers, units.collect(), || Worker::new(self, code, missing.len()), Worker::decode)
    }

    /// Hands on a primary sliver that is a row of the blob.
    fn copy_row(&self, index: SliverIndex, buffer: &mut Vec<u8>) -> io::Result<()> {
        let row_bytes = self.shape.primary_bytes();
        let start = usize::from(index.0) * row_bytes;
        if let Some(row) = self.given.data.in_memory(index) {
            return self.give(row, start);
        }
        buffer.resize(row_bytes, 0);
        self.given.data.read_exact_at(index, buffer, 0)?;
        self.give(buffer, start)
    }

    /// Gives the sink those of `data` that are not padding.
    fn give(&self, data: &[u8], start: usize) -> io::Result<()> {
        let start = u64::try_from(start).expect("memory is shorter than 2^64 bytes");
        let inside = usize::try_from(self.blob_bytes.saturating_sub(start)).unwrap_or(usize::MAX);
        match &data[..inside.min(data.len())] {
            [] => Ok(()),
            data => self.blob.write_all_at(data, start),
        }
    }
}

/// The code of the lines that cross slivers of this axis.
fn line_code(shape: &Shape, axis: Axis) -> LineCode {
    match axis {
        Axis::Primary => LineCode::columns(shape),
        Axis::Secondary => LineCode::rows(shape),
    }
}

/// How the lines are cut into tasks.
struct Units {
    n_lines: usize,
    /// Lines of a task.
    together: usize,
    /// Threads that take part: half as many as there are tasks at most, as more would only need more memory.
    workers: usize,
}

impl Units {
    fn of(shape: &Shape, axis: Axis, threads: usize) -> Self {
        let n_lines = match axis {
            Axis::Primary => shape.n_columns,
            Axis::Secondary => shape.n_rows,
        };
        let share = n_lines.div_ceil(UNITS_PER_THREAD * threads);
        let line_bytes = line_code(shape, axis).source * shape.symbol_size;
        let together = (UNIT_BYTES / line_bytes).clamp(1, share);
        Self { n_lines, together, workers: threads.min(n_lines.div_ceil(2 * together)) }
    }
}

/// Memory that a [`Job`] needs at once on a pool of `threads`, in bytes, from slivers of either axis.
pub(super) fn memory_bytes(shape: &Shape, threads: usize) -> u64 {
    let of_axis = |axis| {
        let Units { together, workers, .. } = Units::of(shape, axis, threads);
        let code = line_code(shape, axis);
        // The lines of the source, as many that were given in their stead, and a row of the blob.
        let lines = 2 * together * code.source * shape.symbol_size;
        let worker = lines + shape.primary_bytes() + 2 * code.working_bytes(shape.symbol_size, together);
        workers * worker
    };
    let most = Axis::BOTH.map(of_axis).into_iter().max().unwrap_or_default();
    u64::try_from(most).expect("memory is shorter than 2^64 bytes")
}

/// The working space of one thread.
struct Worker<'a> {
    job: &'a Job<'a>,
    code: LineCode,
    /// Source positions that are not given.
    n_missing: usize,
    decoder: LineDecoder,
    /// The lines of a unit, position by position: first those of the source, then the given others.
    grid: Vec<u8>,
    row: Vec<u8>,
}

impl<'a> Worker<'a> {
    fn new(job: &'a Job<'a>, code: LineCode, n_missing: usize) -> Self {
        let decoder = LineDecoder::new(code, job.shape.symbol_size);
        Self { job, code, n_missing, decoder, grid: Vec::new(), row: Vec::new() }
    }

    fn decode(&mut self, lines: Range<usize>) -> io::Result<()> {
        let Self { code, n_missing, .. } = *self;
        let Job { shape, given, .. } = self.job;
        let part_bytes = lines.len() * shape.symbol_size;
        let offset =
            u64::try_from(lines.start * shape.symbol_size).expect("memory is shorter than 2^64 bytes");
        self.grid.resize((code.source + n_missing) * part_bytes, 0);
        let (source, others) = self.grid.split_at_mut(code.source * part_bytes);
        let mut source: Vec<Option<&mut [u8]>> = source.chunks_mut(part_bytes).map(Some).collect();
        let mut others = others.chunks_mut(part_bytes);
        let mut parts = Vec::with_capacity(code.source);
        for index in given.indexes {
            let position = usize::from(index.0);
            let symbols = source.get_mut(position).and_then(Option::take).or_else(|| others.next());
            let symbols = symbols.expect("no more are given than the code needs");
            given.data.read_exact_at(*index, symbols, offset)?;
            parts.push(LinePart { position, symbols });
        }
        let left = source.into_iter().enumerate();
        let missing =
            left.filter_map(|(position, symbols)| Some(MissingPart { position, symbols: symbols? }));
        self.decoder.restore(&parts, &mut missing.collect::<Vec<_>>());
        self.give(&lines)
    }

    /// Hands on the source part of the grid.
    fn give(&mut self, lines: &Range<usize>) -> io::Result<()> {
        let Self { code, job: Job { shape, given, .. }, .. } = self;
        let row_bytes = shape.primary_bytes();
        let source = &self.grid[..code.source * lines.len() * shape.symbol_size];
        match given.axis {
            Axis::Primary => {
                let mut rows = source.chunks(lines.len() * shape.symbol_size).enumerate();
                let start = lines.start * shape.symbol_size;
                rows.try_for_each(|(row, symbols)| self.job.give(symbols, row * row_bytes + start))
            }
            Axis::Secondary => {
                for (position, row) in lines.clone().enumerate() {
                    self.row.clear();
                    self.row.reserve_exact(row_bytes);
                    let symbols = source.chunks(shape.symbol_size).skip(position).step_by(lines.len());
                    symbols.for_each(|symbol| self.row.extend_from_slice(symbol));
                    self.job.give(&self.row, row * row_bytes)?;
                }
                Ok(())
            }
        }
    }
}
