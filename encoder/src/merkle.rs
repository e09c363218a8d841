//! Merkle trees over symbols and over sliver pairs, and proofs that a symbol belongs to a sliver.
//!
//! BLAKE2b-256 throughout, with one prefix byte for leaves and another for inner nodes. A level with an odd number of
//! nodes is completed by the empty node, 32 zero bytes: level by level, not once up to a power of two.

use std::fmt;

use blake2b_simd::Params;

use crate::blake2b::{Blake2b, LANES};
use crate::wire::{self, Reader, WireError};

const LEAF_PREFIX: u8 = 0;
const INNER_PREFIX: u8 = 1;

/// A node of a tree on its way to becoming a [`Digest`]. Bare, so that neighbours lie side by side in memory.
pub(crate) type Node = [u8; 32];

/// What stands for a missing node.
const EMPTY: Node = [0; 32];

/// A BLAKE2b-256 hash.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// What stands for a missing node.
    const EMPTY: Self = Self(EMPTY);
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Digest({self})")
    }
}

/// BLAKE2b-256 of the concatenation of `parts`.
pub(crate) fn hash(parts: &[&[u8]]) -> Digest {
    let mut state = Params::new().hash_length(32).to_state();
    for part in parts {
        state.update(part);
    }
    Digest(state.finalize().as_bytes().try_into().expect("hash_length is 32"))
}

fn leaf(data: &[u8]) -> Digest {
    hash(&[&[LEAF_PREFIX], data])
}

fn inner(left: &Digest, right: &Digest) -> Digest {
    hash(&[&[INNER_PREFIX], &left.0, &right.0])
}

/// Hashes the nodes of trees, many at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TreeHasher {
    blake2b: Blake2b,
}

impl TreeHasher {
    pub(crate) fn fastest() -> Self {
        Self { blake2b: Blake2b::fastest() }
    }

    /// Hashes leaves of equal length, handing `sink` each leaf's position and hash.
    pub(crate) fn leaves<'a>(
        &self,
        mut data: impl Iterator<Item = &'a [u8]>,
        mut sink: impl FnMut(usize, Node),
    ) {
        let mut done = 0;
        while let Some(first) = data.next() {
            // Lanes without a leaf repeat the first one, for nobody.
            let mut inputs = [first; LANES];
            let mut filled = 1;
            for (lane, leaf) in inputs.iter_mut().skip(1).zip(data.by_ref()) {
                *lane = leaf;
                filled += 1;
            }
            let hashes = self.blake2b.hash(LEAF_PREFIX, inputs);
            for (position, hash) in hashes.into_iter().take(filled).enumerate() {
                sink(done + position, hash);
            }
            done += filled;
        }
    }

    /// The next level of a tree in which no node is missing, in place of this one: the first half of `nodes`.
    fn fold(&self, nodes: &mut [Node]) {
        let pairs = nodes.len() / 2;
        for first in (0..pairs).step_by(LANES) {
            let last = pairs.min(first + LANES);
            let pair = |lane| {
                let pair = last.min(first + lane + 1) - 1;
                nodes[2 * pair..2 * pair + 2].as_flattened()
            };
            let parents = self.blake2b.hash(INNER_PREFIX, std::array::from_fn(pair));
            // Parents land on nodes that were read in this round or an earlier one.
            nodes[first..last].copy_from_slice(&parents[..last - first]);
        }
    }

    /// The next level of many trees at once, whose levels of `width` nodes lie one after the other. Answers the
    /// width of the level that takes their place. A level of one node gets a parent, too.
    pub(crate) fn fold_rows(&self, nodes: &mut Vec<Node>, width: usize) -> usize {
        if !width.is_multiple_of(2) {
            let padded = |row: &[Node]| row.iter().copied().chain([EMPTY]).collect::<Vec<_>>();
            *nodes = nodes.chunks(width).flat_map(padded).collect();
        }
        self.fold(nodes);
        nodes.truncate(nodes.len() / 2);
        width.div_ceil(2)
    }

    /// The root over `leaves`, which are used up.
    pub(crate) fn root(&self, leaves: &mut Vec<Node>) -> Node {
        let mut width = leaves.len();
        while width > 1 {
            width = self.fold_rows(leaves, width);
        }
        leaves.first().copied().unwrap_or(EMPTY)
    }
}

/// A tree that can prove its leaves.
pub(crate) struct MerkleTree {
    /// From the leaves to the root; never empty.
    levels: Vec<Vec<Node>>,
}

impl MerkleTree {
    pub(crate) fn new(leaves: Vec<Node>) -> Self {
        let hasher = TreeHasher::fastest();
        let mut levels = vec![leaves];
        loop {
            let mut next = levels[levels.len() - 1].clone();
            if next.len() <= 1 {
                return Self { levels };
            }
            let width = next.len();
            hasher.fold_rows(&mut next, width);
            levels.push(next);
        }
    }

    pub(crate) fn root(&self) -> Digest {
        self.levels.last().and_then(|level| level.first()).copied().map_or(Digest::EMPTY, Digest)
    }

    /// The siblings on the way from leaf `index` to the root.
    pub(crate) fn prove(&self, index: usize) -> MerkleProof {
        let below_root = &self.levels[..self.levels.len() - 1];
        let sibling = |(height, level): (usize, &Vec<Node>)| level.get((index >> height) ^ 1).copied();
        let path = below_root.iter().enumerate().map(sibling).map(|node| node.map(Digest));
        MerkleProof { path: path.collect() }
    }
}

/// The nodes beside the way from a leaf to the root, leaf level first; `None` is the empty node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MerkleProof {
    path: Vec<Option<Digest>>,
}

impl MerkleProof {
    /// More levels than any tree over at most 65,536 leaves has.
    const MAX_PATH: usize = 16;

    /// Whether `leaf_data` is leaf `index` of the tree of `n_leaves` with this `root`.
    pub fn proves(&self, root: &Digest, leaf_data: &[u8], index: u16, n_leaves: u16) -> bool {
        let height = u32::from(n_leaves).next_power_of_two().trailing_zeros();
        if index >= n_leaves || u32::try_from(self.path.len()) != Ok(height) {
            return false;
        }
        let top = self.path.iter().enumerate().fold(leaf(leaf_data), |node, (level, sibling)| {
            let sibling = sibling.unwrap_or(Digest::EMPTY);
            if (index >> level) & 1 == 0 { inner(&node, &sibling) } else { inner(&sibling, &node) }
        });
        top == *root
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        wire::put_length(out, self.path.len());
        for node in &self.path {
            put_node(out, node.as_ref());
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let count = reader.count(1)?;
        if count > Self::MAX_PATH {
            return Err(WireError::TooManyItems { found: count, max: Self::MAX_PATH });
        }
        let path = (0..count).map(|_| read_node(reader)).collect::<Result<_, _>>()?;
        Ok(Self { path })
    }
}

/// Appends a tree node: a tag, then the digest unless it is the empty node.
pub(crate) fn put_node(out: &mut Vec<u8>, node: Option<&Digest>) {
    match node {
        None => out.push(0),
        Some(digest) => {
            out.push(1);
            out.extend_from_slice(&digest.0);
        }
    }
}

/// Reads what [`put_node`] writes.
pub(crate) fn read_node(reader: &mut Reader<'_>) -> Result<Option<Digest>, WireError> {
    match reader.u8()? {
        0 => Ok(None),
        1 => Ok(Some(Digest(reader.array()?))),
        found => Err(WireError::UnknownVariant { expected: "a Merkle tree node", found }),
    }
}
