//! Restoring the missing source symbols of many lines at once.

use rayon::prelude::*;
use reed_solomon_simd::ReedSolomonDecoder;

use super::lanes::BLOCK_BYTES;
use super::{LineCode, Piece, PieceSize};

/// What one run of the decoder works on. Larger than the encoder's: each run first solves for the erasures, which
/// takes as long as decoding a few hundred KiB.
const WORKING_SET_BYTES: usize = 4 * 1024 * 1024;

/// The symbols of one position in all lines, line after line.
#[derive(Clone, Copy)]
pub(crate) struct LinePart<'a> {
    /// Position in the extended line, `0..source + recovery`.
    pub(crate) position: usize,
    pub(crate) symbols: &'a [u8],
}

/// The source symbols of all lines, from parts of any `code.source` distinct positions.
///
/// All parts have the same length, a multiple of `symbol_size`; so has each position's share of the result, which
/// lists them in order. Without missing positions this only copies.
pub(crate) fn source_parts(code: LineCode, symbol_size: usize, parts: &[LinePart<'_>]) -> Vec<u8> {
    let part_bytes = parts.first().map_or(0, |part| part.symbols.len());
    let mut source = vec![0; code.source * part_bytes];
    let mut missing = Vec::new();
    for (position, symbols) in source.chunks_mut(part_bytes).enumerate() {
        match parts.iter().find(|part| part.position == position) {
            Some(part) => symbols.copy_from_slice(part.symbols),
            None => missing.push((position, symbols)),
        }
    }
    // The decoder restores nothing when nothing is missing, but it would still read everything.
    if !missing.is_empty() {
        restore(code, symbol_size, parts, missing);
    }
    source
}

/// Restores the symbols of each position of `missing`.
fn restore(code: LineCode, symbol_size: usize, parts: &[LinePart<'_>], missing: Vec<(usize, &mut [u8])>) {
    let pieces = PieceSize::fitting(WORKING_SET_BYTES, code);
    let group_bytes = pieces.lines(symbol_size) * symbol_size;
    let part_bytes = missing.first().map_or(0, |(_, symbols)| symbols.len());
    let mut groups: Vec<LineGroup<'_>> = (0..part_bytes)
        .step_by(group_bytes)
        .map(|start| LineGroup { start, outputs: Vec::with_capacity(missing.len()) })
        .collect();
    for (position, symbols) in missing {
        for (group, output) in groups.iter_mut().zip(symbols.chunks_mut(group_bytes)) {
            group.outputs.push((position, output));
        }
    }
    groups.into_par_iter().for_each_init(
        || LineDecoder::new(code),
        |decoder, mut group| {
            for piece in pieces.cut(symbol_size) {
                decoder.decode(symbol_size, parts, &piece, &mut group);
            }
        },
    );
}

/// Neighbouring lines that are decoded together.
struct LineGroup<'a> {
    /// Where the group begins in each part, in bytes.
    start: usize,
    /// Missing source positions, and where their symbols of these lines belong.
    outputs: Vec<(usize, &'a mut [u8])>,
}

struct LineDecoder {
    code: LineCode,
    decoder: ReedSolomonDecoder,
    packed: Vec<u8>,
}

impl LineDecoder {
    fn new(code: LineCode) -> Self {
        let decoder = ReedSolomonDecoder::new(code.source, code.recovery, BLOCK_BYTES)
            .expect("an EncodingConfig has counts that the code supports");
        Self { code, decoder, packed: Vec::new() }
    }

    fn decode(
        &mut self,
        symbol_size: usize,
        parts: &[LinePart<'_>],
        piece: &Piece,
        group: &mut LineGroup<'_>,
    ) {
        let lines = group.outputs.first().map_or(0, |(_, output)| output.len()) / symbol_size;
        let lanes = piece.lanes(lines);
        let Self { code, decoder, packed } = self;
        decoder
            .reset(code.source, code.recovery, lanes.packed_bytes())
            .expect("packed pieces have an even, positive length");
        for part in parts {
            let symbol = |line: usize| &part.symbols[group.start + line * symbol_size..][piece.bytes.clone()];
            let packed = lanes.pack(symbol, packed);
            match part.position.checked_sub(code.source) {
                None => decoder.add_original_shard(part.position, packed),
                Some(recovery) => decoder.add_recovery_shard(recovery, packed),
            }
            .expect("positions are distinct and in range, pieces of one length");
        }
        let restored = decoder.decode().expect("there are as many parts as source symbols");
        for (position, output) in &mut group.outputs {
            let packed =
                restored.restored_original(*position).expect("the decoder restores what was not given");
            for (line, symbol) in output.chunks_mut(symbol_size).enumerate() {
                lanes.unpack(packed, line, &mut symbol[piece.bytes.clone()]);
            }
        }
    }
}
