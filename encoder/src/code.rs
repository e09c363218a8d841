//! The two erasure codes: along rows and down columns.
//!
//! Both are the systematic Reed–Solomon code over GF(2^16) of `reed-solomon-simd`, which works element by element:
//! what happens to one 16-bit element does not depend on its neighbours. Hence many small symbols can go through
//! the code as one long one, and one large symbol in several pieces that fit the processor's cache. [`lanes`] knows
//! how the crate lays elements out in bytes.

mod engine;
mod lanes;
mod restore;

use std::ops::Range;

use reed_solomon_simd::EncoderResult;
use reed_solomon_simd::rate::{DefaultRateEncoder, RateEncoder as _};

pub(crate) use lanes::{Lanes, Piece, PieceSize};
pub(crate) use restore::{LineDecoder, LinePart, MissingPart, source_line};

use crate::ids::Axis;
use crate::layout::{EncodingConfig, Shape};
use engine::FastEngine;

/// How many symbols a line starts with and how many the code appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineCode {
    pub(crate) source: usize,
    pub(crate) recovery: usize,
}

impl LineCode {
    /// The code that extends a sliver of this axis: rows for primary slivers, columns for secondary ones.
    pub(crate) fn extending(axis: Axis, config: EncodingConfig) -> Self {
        let source = usize::from(match axis {
            Axis::Primary => config.n_columns(),
            Axis::Secondary => config.n_rows(),
        });
        Self { source, recovery: usize::from(config.n_shards()) - source }
    }

    pub(crate) fn rows(shape: &Shape) -> Self {
        Self { source: shape.n_columns, recovery: shape.n - shape.n_columns }
    }

    pub(crate) fn columns(shape: &Shape) -> Self {
        Self { source: shape.n_rows, recovery: shape.n - shape.n_rows }
    }

    /// Bytes that a [`LineEncoder`] needs for symbols of this size in up to `lines` lines at a time. A [`LineDecoder`]
    /// needs up to twice as much.
    pub(crate) fn working_bytes(self, symbol_size: usize, lines: usize) -> usize {
        let pieces = PieceSize::for_code(self);
        let piece_bytes = pieces.cut(symbol_size).next().map_or(0, |piece| piece.bytes.len());
        let lines = lines.min(pieces.lines(symbol_size));
        // One more than the code's own, which are a power of two, for packing.
        (lines * piece_bytes).next_multiple_of(64) * ((self.source + self.recovery).next_power_of_two() + 1)
    }
}

/// An encoder for one code that keeps its working space between calls.
pub(crate) struct LineEncoder {
    code: LineCode,
    lane_bytes: usize,
    encoder: DefaultRateEncoder<FastEngine>,
    packed: Vec<u8>,
}

impl LineEncoder {
    pub(crate) fn new(code: LineCode) -> Self {
        let lane_bytes = lanes::BLOCK_BYTES;
        let encoder =
            DefaultRateEncoder::new(code.source, code.recovery, lane_bytes, FastEngine::fastest(), None)
                .expect("an EncodingConfig has counts that the code supports");
        Self { code, lane_bytes, encoder, packed: Vec::new() }
    }

    /// Encodes several lines at once: `source(s, line)` is the piece of the `s`-th source symbol of a line. The result
    /// has the pieces of the recovery symbols, to be taken apart by `lanes`; those of a single line are as they are.
    pub(crate) fn encode<'a>(
        &mut self,
        lanes: &Lanes,
        source: impl Fn(usize, usize) -> &'a [u8],
    ) -> EncoderResult<'_> {
        self.fit(lanes.packed_bytes());
        for symbol in 0..self.code.source {
            let packed = lanes.pack(|line| source(symbol, line), &mut self.packed);
            self.encoder.add_original_shard(packed).expect("as many pieces as announced, of one length");
        }
        self.encoder.encode().expect("every source symbol was added")
    }

    /// Extends whole lines, and copies the recovery symbols at positions `kept` to `recovery`: line after line, each
    /// line's in order.
    pub(crate) fn extend(
        &mut self,
        lines: &[&[u8]],
        symbol_size: usize,
        kept: &Range<usize>,
        recovery: &mut [u8],
    ) {
        let line_bytes = kept.len() * symbol_size;
        for piece in PieceSize::for_code(self.code).cut(symbol_size) {
            let lanes = piece.lanes(lines.len());
            let start = |position: usize| position * symbol_size + piece.bytes.start;
            let symbol = |symbol: usize, line: usize| &lines[line][start(symbol)..][..piece.bytes.len()];
            let encoded = self.encode(&lanes, symbol);
            for (position, packed) in encoded.recovery_iter().skip(kept.start).take(kept.len()).enumerate() {
                for (line, recovery) in recovery.chunks_mut(line_bytes).enumerate() {
                    lanes.unpack(packed, line, &mut recovery[start(position)..][..piece.bytes.len()]);
                }
            }
        }
    }

    fn fit(&mut self, lane_bytes: usize) {
        if self.lane_bytes != lane_bytes {
            self.lane_bytes = lane_bytes;
            self.encoder
                .reset(self.code.source, self.code.recovery, lane_bytes)
                .expect("packed pieces have an even, positive length");
        }
    }
}
