//! Decoding lines: from slivers of one axis to the blob's rows.

use std::io;
use std::ops::Range;

use super::{BlobSink, SliverReader};
use crate::code::{LineCode, LineDecoder, LinePart, MissingPart};
use crate::ids::{Axis, SliverIndex};
use crate::layout::{EncodingConfig, Shape};
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
    axis: Axis,
    shape: Shape,
    code: LineCode,
    blob_bytes: u64,
    slivers: &'a dyn SliverReader,
    /// As many as the code needs, those that need no decoding first.
    given: &'a [SliverIndex],
    /// Source positions that are not given.
    missing: Vec<usize>,
    blob: &'a dyn BlobSink,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        config: EncodingConfig,
        (axis, given): (Axis, &'a [SliverIndex]),
        (shape, blob_bytes): (Shape, u64),
        slivers: &'a dyn SliverReader,
        blob: &'a dyn BlobSink,
    ) -> Self {
        let code = LineCode::extending(axis.orthogonal(), config);
        let is_given = |position: &usize| given.iter().any(|index| usize::from(index.0) == *position);
        let missing = (0..code.source).filter(|position| !is_given(position)).collect();
        Self { axis, shape, code, blob_bytes, slivers, given, missing, blob }
    }

    /// Decodes the whole blob, in parallel on the rayon pool it is called from.
    pub(super) fn run(&self) -> io::Result<()> {
        if self.axis == Axis::Primary && self.missing.is_empty() {
            return for_each_task(self.given.to_vec(), Vec::new, |buffer, index| {
                self.copy_row(index, buffer)
            });
        }
        let n_lines = match self.axis {
            Axis::Primary => self.shape.n_columns,
            Axis::Secondary => self.shape.n_rows,
        };
        let share = n_lines.div_ceil(UNITS_PER_THREAD * rayon::current_num_threads());
        let line_bytes = self.code.source * self.shape.symbol_size;
        let together = (UNIT_BYTES / line_bytes).clamp(1, share);
        let units = (0..n_lines).step_by(together).map(|first| first..n_lines.min(first + together));
        for_each_task(units.collect(), || Worker::new(self), Worker::decode)
    }

    /// Hands on a primary sliver that is a row of the blob.
    fn copy_row(&self, index: SliverIndex, buffer: &mut Vec<u8>) -> io::Result<()> {
        let row_bytes = self.shape.primary_bytes();
        let start = usize::from(index.0) * row_bytes;
        if let Some(row) = self.slivers.in_memory(index) {
            return self.give(row, start);
        }
        buffer.resize(row_bytes, 0);
        self.slivers.read_exact_at(index, buffer, 0)?;
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

/// Memory that a [`Job`] needs at once on a pool of `threads`, in bytes.
pub(super) fn memory_bytes(shape: &Shape, threads: usize) -> u64 {
    /// Working space of the erasure code, twice as many symbols as are encoded.
    const CODE_BYTES_MAX: usize = 4 * 1024 * 1024;
    // The lines of the source, and as many that were given in their stead; then a row of the blob.
    let longest_line = shape.primary_bytes().max(shape.secondary_bytes());
    let thread = 2 * UNIT_BYTES.max(longest_line) + shape.primary_bytes() + CODE_BYTES_MAX;
    u64::try_from(threads * thread).expect("memory is shorter than 2^64 bytes")
}

/// The working space of one thread.
struct Worker<'a> {
    job: &'a Job<'a>,
    decoder: LineDecoder,
    /// The lines of a unit, position by position: first those of the source, then the given others.
    grid: Vec<u8>,
    row: Vec<u8>,
}

impl<'a> Worker<'a> {
    fn new(job: &'a Job<'a>) -> Self {
        let decoder = LineDecoder::new(job.code, job.shape.symbol_size);
        Self { job, decoder, grid: Vec::new(), row: Vec::new() }
    }

    fn decode(&mut self, lines: Range<usize>) -> io::Result<()> {
        let Job { code, shape, given, missing, slivers, .. } = self.job;
        let part_bytes = lines.len() * shape.symbol_size;
        let offset =
            u64::try_from(lines.start * shape.symbol_size).expect("memory is shorter than 2^64 bytes");
        self.grid.resize((code.source + missing.len()) * part_bytes, 0);
        let (source, others) = self.grid.split_at_mut(code.source * part_bytes);
        let mut source: Vec<Option<&mut [u8]>> = source.chunks_mut(part_bytes).map(Some).collect();
        let mut others = others.chunks_mut(part_bytes);
        let mut parts = Vec::with_capacity(code.source);
        for index in *given {
            let position = usize::from(index.0);
            let symbols = source.get_mut(position).and_then(Option::take).or_else(|| others.next());
            let symbols = symbols.expect("no more are given than the code needs");
            slivers.read_exact_at(*index, symbols, offset)?;
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
        let Job { axis, code, shape, .. } = self.job;
        let row_bytes = shape.primary_bytes();
        let source = &self.grid[..code.source * lines.len() * shape.symbol_size];
        match axis {
            Axis::Primary => {
                let mut rows = source.chunks(lines.len() * shape.symbol_size).enumerate();
                let start = lines.start * shape.symbol_size;
                rows.try_for_each(|(row, symbols)| self.job.give(symbols, row * row_bytes + start))
            }
            Axis::Secondary => {
                for (position, row) in lines.clone().enumerate() {
                    self.row.clear();
                    let symbols = source.chunks(shape.symbol_size).skip(position).step_by(lines.len());
                    symbols.for_each(|symbol| self.row.extend_from_slice(symbol));
                    self.job.give(&self.row, row * row_bytes)?;
                }
                Ok(())
            }
        }
    }
}
