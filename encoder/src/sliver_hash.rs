//! The hashes of slivers: of the `n_shards` symbols of each extended line.

use crate::code::{Lanes, LineCode, LineEncoder, PieceSize};
use crate::ids::Axis;
use crate::merkle::{Digest, Node, TreeHasher};
use crate::metadata::VerifiedMetadata;

/// Hashes slivers of one blob and axis, keeping its working space between calls.
pub(crate) struct SliverHasher {
    code: LineCode,
    symbol_size: usize,
    encoder: LineEncoder,
    hasher: TreeHasher,
    /// The symbols that the code appends, line by line.
    recovery: Vec<u8>,
    leaves: Vec<Node>,
}

impl SliverHasher {
    pub(crate) fn new(metadata: &VerifiedMetadata, axis: Axis) -> Self {
        let code = LineCode::extending(axis, metadata.config());
        Self {
            code,
            symbol_size: usize::from(metadata.symbol_size_bytes()),
            encoder: LineEncoder::new(code),
            hasher: TreeHasher::fastest(),
            recovery: Vec::new(),
            leaves: Vec::new(),
        }
    }

    /// How many of `lines` slivers to hash in one go.
    pub(crate) fn lines_together(metadata: &VerifiedMetadata, axis: Axis, lines: usize) -> usize {
        let pieces = PieceSize::for_code(LineCode::extending(axis, metadata.config()));
        pieces.lines_together(metadata.symbol_size_bytes().into(), lines)
    }

    /// The hash of one sliver of the right length.
    pub(crate) fn root(&mut self, line: &[u8]) -> Digest {
        self.roots(&[line]).pop().expect("one root for each line")
    }

    /// The hashes of some slivers of the right length, in order.
    pub(crate) fn roots(&mut self, lines: &[&[u8]]) -> Vec<Digest> {
        let Self { code, symbol_size, encoder, hasher, .. } = self;
        if let [line] = lines
            && PieceSize::for_code(*code).fits(*symbol_size)
        {
            // The code's result is what is to be hashed: no need to put it together first.
            let symbol = |symbol: usize, _| &line[symbol * *symbol_size..][..*symbol_size];
            let encoded = encoder.encode(&Lanes::of_one(*symbol_size), symbol);
            hash_leaves(*hasher, line.chunks(*symbol_size).chain(encoded.recovery_iter()), &mut self.leaves);
            return vec![Digest(hasher.root(&mut self.leaves))];
        }
        self.extend(lines);
        let Self { code, symbol_size, hasher, recovery, leaves, .. } = self;
        let recovery_bytes = code.recovery * *symbol_size;
        let root = |(line, recovery): (&&[u8], &[u8])| {
            hash_leaves(*hasher, line.chunks(*symbol_size).chain(recovery.chunks(*symbol_size)), leaves);
            Digest(hasher.root(leaves))
        };
        lines.iter().zip(recovery.chunks(recovery_bytes)).map(root).collect()
    }

    /// The symbols that the code appends to a line, and the leaves of the line's tree.
    pub(crate) fn into_extension(mut self, line: &[u8]) -> (Vec<u8>, Vec<Node>) {
        self.extend(&[line]);
        let symbols = line.chunks(self.symbol_size).chain(self.recovery.chunks(self.symbol_size));
        hash_leaves(self.hasher, symbols, &mut self.leaves);
        (self.recovery, self.leaves)
    }

    fn extend(&mut self, lines: &[&[u8]]) {
        let Self { code, symbol_size, encoder, recovery, .. } = self;
        recovery.resize(lines.len() * code.recovery * *symbol_size, 0);
        encoder.extend(lines, *symbol_size, &(0..code.recovery), recovery);
    }
}

fn hash_leaves<'a>(hasher: TreeHasher, symbols: impl Iterator<Item = &'a [u8]>, leaves: &mut Vec<Node>) {
    leaves.clear();
    hasher.leaves(symbols, |_, leaf| leaves.push(leaf));
}
