//! Packing pieces of symbols for the code, and cutting symbols into pieces.

use std::ops::Range;

use super::LineCode;

/// The code's unit: 32 elements, first all their low bytes, then all their high bytes.
pub(super) const BLOCK_BYTES: usize = 64;
const HALF_BLOCK: usize = BLOCK_BYTES / 2;

/// What one run of the code works on at most: a core's second-level cache. Half as much and twice as much measured
/// slower on 1000 shards.
const WORKING_SET_BYTES: usize = 1024 * 1024;

/// Equal-length pieces of the same position in several lines, packed into one input of the code.
///
/// A piece's whole blocks are kept. Its tail of `t` bytes is `t / 2` low bytes followed by as many high ones; the
/// tails of all pieces share blocks, densely, or else symbols of two bytes would each occupy a block of 64.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lanes {
    pieces: usize,
    piece_bytes: usize,
}

impl Lanes {
    /// A single whole symbol.
    pub(crate) fn of_one(symbol_size: usize) -> Self {
        Self { pieces: 1, piece_bytes: symbol_size }
    }

    fn whole_bytes(&self) -> usize {
        self.piece_bytes - self.piece_bytes % BLOCK_BYTES
    }

    fn tail_elements(&self) -> usize {
        self.piece_bytes % BLOCK_BYTES / 2
    }

    pub(crate) fn packed_bytes(&self) -> usize {
        if self.pieces == 1 {
            // The code treats the tail of a lone piece as we treat many.
            return self.piece_bytes;
        }
        let tail_blocks = (self.pieces * self.tail_elements()).div_ceil(HALF_BLOCK);
        self.pieces * self.whole_bytes() + tail_blocks * BLOCK_BYTES
    }

    /// The packed form of the pieces that `piece` yields; `buffer` is used when they must be copied.
    pub(crate) fn pack<'a>(&self, piece: impl Fn(usize) -> &'a [u8], buffer: &'a mut Vec<u8>) -> &'a [u8] {
        if self.pieces == 1 {
            return piece(0);
        }
        buffer.resize(self.packed_bytes(), 0);
        let whole = self.whole_bytes();
        for index in 0..self.pieces {
            let (blocks, tail) = piece(index).split_at(whole);
            buffer[index * whole..][..whole].copy_from_slice(blocks);
            let (low, high) = tail.split_at(self.tail_elements());
            self.for_tail_runs(index, |packed, within| {
                buffer[packed..][..within.len()].copy_from_slice(&low[within.clone()]);
                buffer[packed + HALF_BLOCK..][..within.len()].copy_from_slice(&high[within]);
            });
        }
        buffer
    }

    /// Copies piece `index` out of its packed form.
    pub(crate) fn unpack(&self, packed: &[u8], index: usize, piece: &mut [u8]) {
        if self.pieces == 1 {
            return piece.copy_from_slice(packed);
        }
        let whole = self.whole_bytes();
        let (blocks, tail) = piece.split_at_mut(whole);
        blocks.copy_from_slice(&packed[index * whole..][..whole]);
        let (low, high) = tail.split_at_mut(self.tail_elements());
        self.for_tail_runs(index, |start, within| {
            low[within.clone()].copy_from_slice(&packed[start..][..within.len()]);
            high[within.clone()].copy_from_slice(&packed[start + HALF_BLOCK..][..within.len()]);
        });
    }

    /// Visits the tail of piece `index` in runs that stay inside one block: where the low bytes of the run lie in
    /// the packed form, and which elements of the tail they are.
    fn for_tail_runs(&self, index: usize, mut visit: impl FnMut(usize, Range<usize>)) {
        let elements = self.tail_elements();
        let tails_start = self.pieces * self.whole_bytes();
        let mut done = 0;
        while done < elements {
            let element = index * elements + done;
            let (block, lane) = (element / HALF_BLOCK, element % HALF_BLOCK);
            let run = (HALF_BLOCK - lane).min(elements - done);
            visit(tails_start + block * BLOCK_BYTES + lane, done..done + run);
            done += run;
        }
    }
}

/// Which bytes of a symbol one run of the code works on.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) bytes: Range<usize>,
}

impl Piece {
    /// The packing of this piece of `lines` lines.
    pub(crate) fn lanes(&self, lines: usize) -> Lanes {
        Lanes { pieces: lines, piece_bytes: self.bytes.len() }
    }
}

/// How much of each symbol of a line fits the working set, in bytes: a multiple of [`BLOCK_BYTES`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct PieceSize(usize);

impl PieceSize {
    pub(crate) fn for_code(code: LineCode) -> Self {
        // The code rounds both counts up to powers of two in its working space.
        let symbols = (code.source + code.recovery).next_power_of_two();
        Self((WORKING_SET_BYTES / symbols / BLOCK_BYTES).max(1) * BLOCK_BYTES)
    }

    /// How many lines of symbols of this size go through the code together.
    pub(crate) fn lines(self, symbol_size: usize) -> usize {
        (self.0 / symbol_size).max(1)
    }

    /// How many of `lines` lines one thread should encode together: as many as fit, but leaving work for the others.
    pub(crate) fn lines_together(self, symbol_size: usize, lines: usize) -> usize {
        /// Enough groups per thread that one slow thread does not keep the others waiting for long.
        const GROUPS_PER_THREAD: usize = 4;
        let share = lines.div_ceil(GROUPS_PER_THREAD * rayon::current_num_threads());
        self.lines(symbol_size).min(share.max(1))
    }

    /// Whether symbols of this size are not worth cutting: a little too large for the cache costs less than
    /// putting pieces together again.
    pub(crate) fn fits(self, symbol_size: usize) -> bool {
        symbol_size <= 2 * self.0
    }

    /// Cuts a symbol into pieces; all but the last are whole blocks, as the code requires.
    pub(crate) fn cut(self, symbol_size: usize) -> impl Iterator<Item = Piece> {
        let piece_bytes = if self.fits(symbol_size) { symbol_size } else { self.0 };
        let piece = move |start| Piece { bytes: start..symbol_size.min(start + piece_bytes) };
        (0..symbol_size).step_by(piece_bytes).map(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever their size and number, pieces come back as they were packed.
        #[test]
        fn unpacking_undoes_packing(half in 1_usize..150, pieces in 1_usize..40, seed in any::<u8>()) {
            let piece_bytes = half * 2;
            let lanes = Lanes { pieces, piece_bytes };
            let data: Vec<u8> = (0..251).map(|byte| byte ^ seed).cycle().take(pieces * piece_bytes).collect();
            let mut buffer = Vec::new();
            let packed = lanes.pack(|index| &data[index * piece_bytes..][..piece_bytes], &mut buffer);
            prop_assert_eq!(packed.len(), lanes.packed_bytes());
            for (index, expected) in data.chunks(piece_bytes).enumerate() {
                let mut piece = vec![0; piece_bytes];
                lanes.unpack(packed, index, &mut piece);
                prop_assert_eq!(&piece, expected);
            }
        }
    }

    #[test]
    fn tails_of_many_symbols_share_blocks() {
        assert_eq!(Lanes { pieces: 32, piece_bytes: 2 }.packed_bytes(), 64);
        assert_eq!(Lanes { pieces: 33, piece_bytes: 2 }.packed_bytes(), 128);
        assert_eq!(Lanes { pieces: 3, piece_bytes: 66 }.packed_bytes(), 3 * 64 + 64);
    }

    #[test]
    fn a_symbol_is_cut_on_block_boundaries_only() {
        let cuts: Vec<_> = PieceSize(128).cut(300).map(|piece| piece.bytes).collect();
        assert_eq!(cuts, [0..128, 128..256, 256..300]);
        assert_eq!(PieceSize(128).cut(256).count(), 1);
    }
}
