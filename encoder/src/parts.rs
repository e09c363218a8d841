//! The parts that encoding is made of, for the benchmark that compares their cost with that of the whole.
//!
//! Not an interface: it may change or go at any time.

use std::hint::black_box;

use crate::code::{LineCode, LineEncoder, PieceSize};
use crate::merkle::TreeHasher;

/// Hashes `symbols`, which lie one after the other, as leaves.
pub fn hash_leaves(symbols: &[u8], symbol_size: usize) {
    TreeHasher::fastest().leaves(symbols.chunks(symbol_size), |_, leaf| {
        black_box(leaf);
    });
}

/// Runs the code over `lines`, which lie one after the other, each with `source` symbols.
pub fn extend_lines(lines: &[u8], symbol_size: usize, source: usize, recovery: usize) {
    let code = LineCode { source, recovery };
    let pieces = PieceSize::for_code(code);
    let line_bytes = source * symbol_size;
    let mut encoder = LineEncoder::new(code);
    for lines in lines.chunks(pieces.lines(symbol_size) * line_bytes) {
        for piece in pieces.cut(symbol_size) {
            let start =
                |symbol: usize, line: usize| line * line_bytes + symbol * symbol_size + piece.bytes.start;
            let symbol = |symbol, line| &lines[start(symbol, line)..][..piece.bytes.len()];
            let encoded = encoder.encode(&piece.lanes(lines.len() / line_bytes), symbol);
            encoded.recovery_iter().for_each(|packed| {
                black_box(packed);
            });
        }
    }
}
