//! The two erasure codes: along rows and down columns.
//!
//! Both are the systematic Reed–Solomon code over GF(2^16) of `reed-solomon-simd`, which works element by element:
//! what happens to one 16-bit element does not depend on its neighbours. Hence many small symbols can go through
//! the code as one long one, and one large symbol in several pieces that fit the processor's cache. [`lanes`] knows
//! how the crate lays elements out in bytes.

mod lanes;
mod restore;

use reed_solomon_simd::ReedSolomonEncoder;

pub(crate) use lanes::{Lanes, Piece, PieceSize};
pub(crate) use restore::{LinePart, source_parts};

use crate::ids::Axis;
use crate::layout::{EncodingConfig, Shape};

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
}

/// An encoder for one code that keeps its working space between calls.
pub(crate) struct LineEncoder {
    code: LineCode,
    lane_bytes: usize,
    encoder: ReedSolomonEncoder,
    packed: Vec<u8>,
}

impl LineEncoder {
    pub(crate) fn new(code: LineCode) -> Self {
        let lane_bytes = lanes::BLOCK_BYTES;
        let encoder = ReedSolomonEncoder::new(code.source, code.recovery, lane_bytes)
            .expect("an EncodingConfig has counts that the code supports");
        Self { code, lane_bytes, encoder, packed: Vec::new() }
    }

    /// Encodes several lines at once: `source(s, line)` is the piece of the `s`-th source symbol of a line, and
    /// `sink(r, packed)` receives the pieces of the `r`-th recovery symbols, to be taken apart by `lanes`.
    pub(crate) fn encode<'a>(
        &mut self,
        lanes: &Lanes,
        source: impl Fn(usize, usize) -> &'a [u8],
        mut sink: impl FnMut(usize, &[u8]),
    ) {
        self.fit(lanes.packed_bytes());
        for symbol in 0..self.code.source {
            let packed = lanes.pack(|line| source(symbol, line), &mut self.packed);
            self.encoder.add_original_shard(packed).expect("as many pieces as announced, of one length");
        }
        let encoded = self.encoder.encode().expect("every source symbol was added");
        for (symbol, packed) in encoded.recovery_iter().enumerate() {
            sink(symbol, packed);
        }
    }

    /// Computes the recovery symbols of a single line into `recovery`, piece by piece.
    pub(crate) fn extend_line(&mut self, line: &[u8], symbol_size: usize, recovery: &mut [u8]) {
        let pieces = PieceSize::for_code(self.code);
        for piece in pieces.cut(symbol_size) {
            let source = |symbol: usize, _| &line[symbol * symbol_size..][piece.bytes.clone()];
            self.encode(&piece.lanes(1), source, |symbol, packed| {
                recovery[symbol * symbol_size..][piece.bytes.clone()].copy_from_slice(packed);
            });
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
