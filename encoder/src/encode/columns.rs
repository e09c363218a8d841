//! Extending and hashing columns.

use rayon::prelude::*;

use super::source::{Source, lines_together};
use crate::code::{LineCode, LineEncoder, PieceSize};
use crate::layout::Shape;
use crate::merkle::{Digest, LeafHasher, root_in_place};

/// What the columns of the extended matrix hash to.
pub(super) struct ColumnHashes {
    /// The leaf hash of each symbol, column after column, `n × n` of them.
    pub(super) leaves: Vec<Digest>,
    /// The hash of each secondary sliver, in sliver order.
    pub(super) secondary: Vec<Digest>,
}

/// Where slivers are written when they are kept.
pub(super) struct KeptSlivers<'a> {
    /// Primary slivers from `n_rows` on.
    pub(super) primary_parity: &'a mut [u8],
    /// All secondary slivers.
    pub(super) secondary: &'a mut [u8],
}

/// Neighbouring columns that go through the code together.
struct ColumnGroup<'a> {
    first: usize,
    leaves: &'a mut [Digest],
    secondary_hashes: &'a mut [Digest],
    /// Where their secondary slivers go.
    secondary: Option<&'a mut [u8]>,
    /// Where their symbols of each parity row go; `None` if those are in no sliver or not kept.
    parity_rows: Option<Vec<&'a mut [u8]>>,
}

/// Extends and hashes all columns, writing slivers to `kept`.
pub(super) fn process(source: &Source<'_>, kept: Option<KeptSlivers<'_>>) -> ColumnHashes {
    let shape = &source.shape;
    let mut leaves = vec![Digest::default(); shape.n * shape.n];
    let mut secondary = vec![Digest::default(); shape.n];
    let pieces = PieceSize::for_code(LineCode::columns(shape));
    let together = lines_together(pieces, shape.symbol_size, shape.n);
    groups(shape, together, &mut leaves, &mut secondary, kept)
        .into_par_iter()
        .for_each_init(|| ColumnWorker::new(shape, pieces), |worker, group| worker.process(source, group));
    ColumnHashes { leaves, secondary }
}

/// Splits all outputs by columns. No group spans both sides of `n_columns`: symbols of parity rows are in slivers
/// only on its left.
fn groups<'a>(
    shape: &Shape,
    together: usize,
    mut leaves: &'a mut [Digest],
    mut secondary_hashes: &'a mut [Digest],
    kept: Option<KeptSlivers<'a>>,
) -> Vec<ColumnGroup<'a>> {
    let (mut secondary, mut parity_rows) = match kept {
        None => (None, None),
        Some(kept) => {
            let rows = kept.primary_parity.chunks_mut(shape.primary_bytes());
            let chunks = rows.map(|row| row.chunks_mut(together * shape.symbol_size)).collect::<Vec<_>>();
            (Some(kept.secondary), Some(chunks))
        }
    };
    let mut groups = Vec::new();
    let mut first = 0;
    while first < shape.n {
        let side_end = if first < shape.n_columns { shape.n_columns } else { shape.n };
        let columns = together.min(side_end - first);
        groups.push(ColumnGroup {
            first,
            leaves: leaves.split_off_mut(..columns * shape.n).expect("n leaves are left for each column"),
            secondary_hashes: secondary_hashes
                .split_off_mut(..columns)
                .expect("one hash is left for each column"),
            secondary: secondary.as_mut().map(|secondary| {
                secondary
                    .split_off_mut(..columns * shape.secondary_bytes())
                    .expect("one sliver is left for each column")
            }),
            parity_rows: parity_rows
                .as_mut()
                .filter(|_| first < shape.n_columns)
                .map(|rows| rows.iter_mut().filter_map(Iterator::next).collect()),
        });
        first += columns;
    }
    groups
}

/// The working space of one thread.
struct ColumnWorker {
    pieces: PieceSize,
    encoder: LineEncoder,
    hasher: LeafHasher,
    /// Symbols of parity rows that nobody keeps.
    unkept: Vec<u8>,
    nodes: Vec<Digest>,
}

impl ColumnWorker {
    fn new(shape: &Shape, pieces: PieceSize) -> Self {
        Self {
            pieces,
            encoder: LineEncoder::new(LineCode::columns(shape)),
            hasher: LeafHasher::new(shape.symbol_size),
            unkept: Vec::new(),
            nodes: Vec::new(),
        }
    }

    fn process(&mut self, source: &Source<'_>, group: ColumnGroup<'_>) {
        let shape = &source.shape;
        let ColumnGroup { first, leaves, secondary_hashes, secondary, parity_rows } = group;
        let columns = secondary_hashes.len();
        if let Some(secondary) = secondary {
            write_slivers(source, first, secondary);
        }
        let mut parity_rows = parity_rows.unwrap_or_else(|| {
            let row_bytes = columns * shape.symbol_size;
            self.unkept.resize((shape.n - shape.n_rows) * row_bytes, 0);
            self.unkept.chunks_mut(row_bytes).collect()
        });
        for piece in self.pieces.cut(shape.symbol_size) {
            let lanes = piece.lanes(columns);
            let symbol = |row, column| &source.symbol(row, first + column)[piece.bytes.clone()];
            self.encoder.encode(&lanes, symbol, |row, packed| {
                for (column, symbol) in parity_rows[row].chunks_mut(shape.symbol_size).enumerate() {
                    lanes.unpack(packed, column, &mut symbol[piece.bytes.clone()]);
                }
            });
        }
        for (column, (leaves, hash)) in leaves.chunks_mut(shape.n).zip(secondary_hashes).enumerate() {
            let upper = (0..shape.n_rows).map(|row| source.symbol(row, first + column));
            let lower = parity_rows.iter().map(|row| &row[shape.symbol_range(column)]);
            self.hasher.hash(upper.chain(lower), leaves);
            self.nodes.clear();
            self.nodes.extend_from_slice(leaves);
            *hash = root_in_place(&mut self.nodes);
        }
    }
}

/// Copies the secondary slivers from column `first` on.
fn write_slivers(source: &Source<'_>, first: usize, secondary: &mut [u8]) {
    let shape = &source.shape;
    for (column, sliver) in secondary.chunks_mut(shape.secondary_bytes()).enumerate() {
        for (row, symbol) in sliver.chunks_mut(shape.symbol_size).enumerate() {
            symbol.copy_from_slice(source.symbol(row, first + column));
        }
    }
}
