//! The blob as a matrix whose rows are extended by the row code.

use rayon::prelude::*;

use crate::code::{LineCode, LineEncoder, PieceSize};
use crate::layout::Shape;

/// The first `n_rows` rows of the extended matrix.
pub(super) struct Source<'a> {
    pub(super) shape: Shape,
    /// The unencoded part of each row.
    rows: Vec<std::borrow::Cow<'a, [u8]>>,
    /// The recovery symbols of all rows, row by row.
    parity: Vec<u8>,
}

impl<'a> Source<'a> {
    /// Extends the rows of `blob`, which is padded as needed without copying its whole rows.
    pub(super) fn new(shape: Shape, blob: &'a [u8]) -> Self {
        let row_bytes = shape.primary_bytes();
        let padded = |row: &'a [u8]| {
            if row.len() == row_bytes {
                return row.into();
            }
            let mut padded = vec![0; row_bytes];
            padded[..row.len()].copy_from_slice(row);
            padded.into()
        };
        let rows = (0..shape.n_rows).map(|row| {
            let start = blob.len().min(row * row_bytes);
            padded(&blob[start..blob.len().min(start + row_bytes)])
        });
        let mut source = Self { shape, rows: rows.collect(), parity: Vec::new() };
        source.parity = source.row_parity();
        source
    }

    /// A symbol in one of the first `n_rows` rows and any column.
    pub(super) fn symbol(&self, row: usize, column: usize) -> &[u8] {
        match column.checked_sub(self.shape.n_columns) {
            None => &self.rows[row][self.shape.symbol_range(column)],
            Some(parity) => &self.parity[self.shape.symbol_range(row * self.parity_columns() + parity)],
        }
    }

    fn parity_columns(&self) -> usize {
        self.shape.n - self.shape.n_columns
    }

    fn row_parity(&self) -> Vec<u8> {
        let code = LineCode::rows(&self.shape);
        let pieces = PieceSize::for_code(code);
        let symbol_size = self.shape.symbol_size;
        let rows_together = lines_together(pieces, symbol_size, self.shape.n_rows);
        let parity_bytes = code.recovery * symbol_size;
        let mut parity = vec![0; self.shape.n_rows * parity_bytes];
        parity.par_chunks_mut(rows_together * parity_bytes).enumerate().for_each_init(
            || LineEncoder::new(code),
            |encoder, (group, parity)| {
                let first_row = group * rows_together;
                for piece in pieces.cut(symbol_size) {
                    let lanes = piece.lanes(parity.len() / parity_bytes);
                    let symbol = |column, row| &self.symbol(first_row + row, column)[piece.bytes.clone()];
                    encoder.encode(&lanes, symbol, |recovery, packed| {
                        for (row, parity) in parity.chunks_mut(parity_bytes).enumerate() {
                            let symbol = &mut parity[self.shape.symbol_range(recovery)];
                            lanes.unpack(packed, row, &mut symbol[piece.bytes.clone()]);
                        }
                    });
                }
            },
        );
        parity
    }
}

/// How many lines to encode together: as many as fit the cache, but leaving work for every thread.
pub(super) fn lines_together(pieces: PieceSize, symbol_size: usize, lines: usize) -> usize {
    /// Enough groups per thread that one slow thread does not keep the others waiting for long.
    const GROUPS_PER_THREAD: usize = 4;
    let share = lines.div_ceil(GROUPS_PER_THREAD * rayon::current_num_threads());
    pieces.lines(symbol_size).min(share)
}
