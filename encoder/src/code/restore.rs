//! Restoring the missing source symbols of lines.

use reed_solomon_simd::rate::{DefaultRateDecoder, RateDecoder as _};

use super::engine::FastEngine;
use super::lanes::BLOCK_BYTES;
use super::{LineCode, Piece, PieceSize};

/// The symbols of one position in some lines, line after line.
#[derive(Clone, Copy)]
pub(crate) struct LinePart<'a> {
    /// Position in the extended line, `0..source + recovery`.
    pub(crate) position: usize,
    pub(crate) symbols: &'a [u8],
}

/// Where the symbols of one missing position belong, line after line.
pub(crate) struct MissingPart<'a> {
    /// Position in the line, `0..source`.
    pub(crate) position: usize,
    pub(crate) symbols: &'a mut [u8],
}

/// A decoder for one code that keeps its working space between calls.
pub(crate) struct LineDecoder {
    code: LineCode,
    symbol_size: usize,
    pieces: PieceSize,
    decoder: DefaultRateDecoder<FastEngine>,
    packed: Vec<u8>,
}

impl LineDecoder {
    pub(crate) fn new(code: LineCode, symbol_size: usize) -> Self {
        let engine = FastEngine::fastest();
        let decoder = DefaultRateDecoder::new(code.source, code.recovery, BLOCK_BYTES, engine, None)
            .expect("an EncodingConfig has counts that the code supports");
        let pieces = PieceSize::for_code(code);
        Self { code, symbol_size, pieces, decoder, packed: Vec::new() }
    }

    /// Restores `missing` from parts of any `code.source` distinct positions, all of the same length.
    pub(crate) fn restore(&mut self, parts: &[LinePart<'_>], missing: &mut [MissingPart<'_>]) {
        let Some(part) = parts.first() else { return };
        // The decoder restores nothing when nothing is missing, but it would still read everything.
        if missing.is_empty() {
            return;
        }
        let n_lines = part.symbols.len() / self.symbol_size;
        let together = self.pieces.lines(self.symbol_size);
        for first in (0..n_lines).step_by(together) {
            for piece in self.pieces.cut(self.symbol_size) {
                self.restore_piece(parts, missing, first, together.min(n_lines - first), &piece);
            }
        }
    }

    /// Restores a piece of each symbol of `n_lines` lines from line `first` on.
    fn restore_piece(
        &mut self,
        parts: &[LinePart<'_>],
        missing: &mut [MissingPart<'_>],
        first: usize,
        n_lines: usize,
        piece: &Piece,
    ) {
        let Self { code, symbol_size, decoder, packed, .. } = self;
        let lanes = piece.lanes(n_lines);
        let start = |line: usize| (first + line) * *symbol_size + piece.bytes.start;
        decoder
            .reset(code.source, code.recovery, lanes.packed_bytes())
            .expect("packed pieces have an even, positive length");
        for part in parts {
            let packed = lanes.pack(|line| &part.symbols[start(line)..][..piece.bytes.len()], packed);
            match part.position.checked_sub(code.source) {
                None => decoder.add_original_shard(part.position, packed),
                Some(recovery) => decoder.add_recovery_shard(recovery, packed),
            }
            .expect("positions are distinct and in range, pieces of one length");
        }
        let restored = decoder.decode().expect("there are as many parts as source symbols");
        for part in missing {
            let packed =
                restored.restored_original(part.position).expect("the decoder restores what was not given");
            for line in 0..n_lines {
                lanes.unpack(packed, line, &mut part.symbols[start(line)..][..piece.bytes.len()]);
            }
        }
    }
}

/// The source symbols of one line, from symbols at any `code.source` distinct positions.
pub(crate) fn source_line(code: LineCode, symbol_size: usize, parts: &[LinePart<'_>]) -> Vec<u8> {
    let mut line = vec![0; code.source * symbol_size];
    let mut missing = Vec::new();
    for (position, symbols) in line.chunks_mut(symbol_size).enumerate() {
        match parts.iter().find(|part| part.position == position) {
            Some(part) => symbols.copy_from_slice(part.symbols),
            None => missing.push(MissingPart { position, symbols }),
        }
    }
    LineDecoder::new(code, symbol_size).restore(parts, &mut missing);
    line
}
