//! The first `n_rows` rows of the extended matrix: the blob, padded, and the parity of its rows.

use std::io;
use std::ops::Range;

use crate::code::{LineCode, LineEncoder, PieceSize};
use crate::layout::Shape;
use crate::memory::Memory;
use crate::stream::BlobSource;
use crate::threads::for_each_task;

/// The blob as a matrix of symbols, padded with zeros.
pub(super) struct Matrix<'a> {
    shape: Shape,
    source: &'a dyn BlobSource,
    /// The rows that are not wholly inside a blob in memory.
    padded: Vec<u8>,
}

impl<'a> Matrix<'a> {
    pub(super) fn new(shape: Shape, source: &'a dyn BlobSource) -> Self {
        let row_bytes = shape.primary_bytes();
        let padded = source.in_memory().map(|blob| {
            let whole_bytes = blob.len() / row_bytes * row_bytes;
            let mut padded = vec![0; shape.source_bytes() - whole_bytes];
            padded[..blob.len() - whole_bytes].copy_from_slice(&blob[whole_bytes..]);
            padded
        });
        Self { shape, source, padded: padded.unwrap_or_default() }
    }

    /// All symbols, if the blob is in memory.
    pub(super) fn in_memory(&self) -> Option<Symbols<'_>> {
        let Shape { symbol_size, .. } = self.shape;
        let row_bytes = self.shape.primary_bytes();
        let blob = self.source.in_memory()?;
        let [rows, padded] = [blob, &self.padded];
        Some(Symbols {
            symbol_size,
            first_column: 0,
            row_bytes,
            rows,
            n_whole: blob.len() / row_bytes,
            padded,
        })
    }

    /// Fills `symbols` with those of a row from column `first` on.
    pub(super) fn read(&self, row: usize, first: usize, symbols: &mut [u8]) -> io::Result<()> {
        let start = row * self.shape.primary_bytes() + first * self.shape.symbol_size;
        let start = u64::try_from(start).expect("memory is shorter than 2^64 bytes");
        let inside = self.source.blob_bytes().saturating_sub(start);
        let inside = usize::try_from(inside).unwrap_or(usize::MAX).min(symbols.len());
        let (inside, padding) = symbols.split_at_mut(inside);
        padding.fill(0);
        if inside.is_empty() { Ok(()) } else { self.source.read_exact_at(inside, start) }
    }

    /// A whole row; `buffer` is used unless the blob is in memory.
    fn row<'b>(&'b self, row: usize, buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
        if let Some(symbols) = self.in_memory() {
            return Ok(symbols.row(row));
        }
        buffer.resize(self.shape.primary_bytes(), 0);
        self.read(row, 0, buffer)?;
        Ok(buffer)
    }
}

/// Symbols of the first `n_rows` rows in memory, in a run of columns.
#[derive(Clone, Copy)]
pub(super) struct Symbols<'a> {
    symbol_size: usize,
    first_column: usize,
    row_bytes: usize,
    /// The first `n_whole` rows.
    rows: &'a [u8],
    n_whole: usize,
    /// The others.
    padded: &'a [u8],
}

impl<'a> Symbols<'a> {
    /// Symbols that lie row by row, each row with those of `columns`.
    pub(super) fn new(shape: &Shape, columns: &Range<usize>, rows: &'a [u8]) -> Self {
        Self {
            symbol_size: shape.symbol_size,
            first_column: columns.start,
            row_bytes: columns.len() * shape.symbol_size,
            rows,
            n_whole: shape.n_rows,
            padded: &[],
        }
    }

    pub(super) fn get(&self, row: usize, column: usize) -> &'a [u8] {
        &self.row(row)[(column - self.first_column) * self.symbol_size..][..self.symbol_size]
    }

    fn row(&self, row: usize) -> &'a [u8] {
        let (rows, position) = match row.checked_sub(self.n_whole) {
            None => (self.rows, row),
            Some(position) => (self.padded, position),
        };
        &rows[position * self.row_bytes..][..self.row_bytes]
    }
}

/// The recovery symbols of all rows in a run of columns.
pub(super) struct RowParity {
    shape: Shape,
    columns: Range<usize>,
    /// Row by row.
    symbols: Memory,
}

/// Rows that go through the code together, and where their recovery symbols belong.
struct RowGroup<'a> {
    first: usize,
    parity: &'a mut [u8],
}

impl RowParity {
    /// Extends all rows of `matrix` and keeps the symbols of `columns`, which are `n_columns` or above.
    pub(super) fn compute(matrix: &Matrix<'_>, columns: Range<usize>, workers: usize) -> io::Result<Self> {
        let shape = matrix.shape;
        let code = LineCode::rows(&shape);
        let pieces = PieceSize::for_code(code);
        let row_parity_bytes = columns.len() * shape.symbol_size;
        let mut symbols = Memory::zeroed(shape.n_rows * row_parity_bytes);
        let rows_together = pieces.lines_together(shape.symbol_size, shape.n_rows);
        let group = |(group, parity)| RowGroup { first: group * rows_together, parity };
        let groups = symbols.chunks_mut(rows_together * row_parity_bytes).enumerate().map(group);
        let kept = columns.start - shape.n_columns..columns.end - shape.n_columns;
        for_each_task(
            workers,
            groups.collect(),
            || RowWorker::new(&shape),
            |worker, group| worker.extend(matrix, &kept, group),
        )?;
        Ok(Self { shape, columns, symbols })
    }

    pub(super) fn symbols(&self) -> Symbols<'_> {
        Symbols::new(&self.shape, &self.columns, &self.symbols)
    }
}

/// The working space of one thread.
struct RowWorker {
    encoder: LineEncoder,
    rows: Vec<Vec<u8>>,
}

impl RowWorker {
    fn new(shape: &Shape) -> Self {
        Self { encoder: LineEncoder::new(LineCode::rows(shape)), rows: Vec::new() }
    }

    fn extend(&mut self, matrix: &Matrix<'_>, kept: &Range<usize>, group: RowGroup<'_>) -> io::Result<()> {
        let Shape { symbol_size, .. } = matrix.shape;
        let RowGroup { first, parity } = group;
        let parity_bytes = kept.len() * symbol_size;
        let n_rows = parity.len() / parity_bytes;
        self.rows.resize_with(n_rows.max(self.rows.len()), Vec::new);
        let rows = self.rows.iter_mut().take(n_rows).enumerate();
        let rows =
            rows.map(|(row, buffer)| matrix.row(first + row, buffer)).collect::<io::Result<Vec<_>>>()?;
        self.encoder.extend(&rows, symbol_size, kept, parity);
        Ok(())
    }
}
