//! Merkle trees over symbols and over sliver pairs, and proofs that a symbol belongs to a sliver.
//!
//! BLAKE2b-256 throughout, with one prefix byte for leaves and another for inner nodes. A level with an odd number of
//! nodes is completed by the empty node, 32 zero bytes: level by level, not once up to a power of two.

use std::fmt;

use blake2b_simd::many::{HashManyJob, hash_many};
use blake2b_simd::{Params, State};

use crate::wire::{self, Reader, WireError};

/// Hashes computed side by side in vector registers: the widest that `blake2b_simd` knows on x86-64.
const LANES: usize = 4;
const LEAF_PREFIX: u8 = 0;
const INNER_PREFIX: u8 = 1;
const INNER_BYTES: usize = 1 + 2 * 32;

/// A BLAKE2b-256 hash.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// What stands for a missing node.
    const EMPTY: Self = Self([0; 32]);

    fn from_hash(hash: &blake2b_simd::Hash) -> Self {
        Self(hash.as_bytes().try_into().expect("hash_length is 32"))
    }
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

fn params() -> Params {
    let mut params = Params::new();
    params.hash_length(32);
    params
}

/// BLAKE2b-256 of the concatenation of `parts`.
pub(crate) fn hash(parts: &[&[u8]]) -> Digest {
    let mut state: State = params().to_state();
    for part in parts {
        state.update(part);
    }
    Digest::from_hash(&state.finalize())
}

pub(crate) fn leaf(data: &[u8]) -> Digest {
    hash(&[&[LEAF_PREFIX], data])
}

fn inner(left: &Digest, right: &Digest) -> Digest {
    hash(&[&[INNER_PREFIX], &left.0, &right.0])
}

/// Hashes up to [`LANES`] inputs of `input_bytes` each that lie one after the other.
fn hash_lanes(params: &Params, inputs: &[u8], input_bytes: usize, out: &mut [Digest]) {
    let mut chunks = inputs.chunks_exact(input_bytes);
    let mut jobs: [HashManyJob<'_>; LANES] =
        std::array::from_fn(|_| HashManyJob::new(params, chunks.next().unwrap_or_default()));
    let jobs = &mut jobs[..out.len()];
    hash_many(jobs.iter_mut());
    for (digest, job) in out.iter_mut().zip(jobs) {
        *digest = Digest::from_hash(&job.to_hash());
    }
}

/// Hashes many leaves of equal length, keeping its buffer between calls.
pub(crate) struct LeafHasher {
    params: Params,
    inputs: Vec<u8>,
    input_bytes: usize,
}

impl LeafHasher {
    /// A hasher for leaves of `leaf_bytes`.
    pub(crate) fn new(leaf_bytes: usize) -> Self {
        let input_bytes = 1 + leaf_bytes;
        // Only the bytes after each prefix are overwritten later.
        let mut inputs = vec![0; LANES * input_bytes];
        inputs.iter_mut().step_by(input_bytes).for_each(|prefix| *prefix = LEAF_PREFIX);
        Self { params: params(), inputs, input_bytes }
    }

    /// Writes the leaf hash of each of `leaves` to `out`; both have the same length.
    pub(crate) fn hash<'a>(&mut self, mut leaves: impl Iterator<Item = &'a [u8]>, out: &mut [Digest]) {
        for out in out.chunks_mut(LANES) {
            for (input, leaf) in
                self.inputs.chunks_exact_mut(self.input_bytes).zip(leaves.by_ref().take(out.len()))
            {
                input[1..].copy_from_slice(leaf);
            }
            hash_lanes(&self.params, &self.inputs, self.input_bytes, out);
        }
    }
}

/// Replaces a level of the tree by the next one, answering its length.
fn fold_level(params: &Params, nodes: &mut [Digest]) -> usize {
    let pairs = nodes.len().div_ceil(2);
    let mut inputs = [0; LANES * INNER_BYTES];
    for first in (0..pairs).step_by(LANES) {
        let last = pairs.min(first + LANES);
        for (input, pair) in inputs.chunks_exact_mut(INNER_BYTES).zip(first..last) {
            let right = nodes.get(2 * pair + 1).unwrap_or(&Digest::EMPTY);
            input[0] = INNER_PREFIX;
            input[1..33].copy_from_slice(&nodes[2 * pair].0);
            input[33..].copy_from_slice(&right.0);
        }
        // Parents land on nodes that were read in this round or an earlier one.
        hash_lanes(params, &inputs, INNER_BYTES, &mut nodes[first..last]);
    }
    pairs
}

/// The root over `leaves`, which are overwritten.
pub(crate) fn root_in_place(leaves: &mut [Digest]) -> Digest {
    let params = params();
    let mut len = leaves.len();
    while len > 1 {
        len = fold_level(&params, &mut leaves[..len]);
    }
    leaves.first().copied().unwrap_or(Digest::EMPTY)
}

/// A tree that can prove its leaves.
pub(crate) struct MerkleTree {
    /// From the leaves to the root; never empty.
    levels: Vec<Vec<Digest>>,
}

impl MerkleTree {
    pub(crate) fn new(leaves: Vec<Digest>) -> Self {
        let params = params();
        let mut levels = vec![leaves];
        loop {
            let mut next = levels[levels.len() - 1].clone();
            if next.len() <= 1 {
                return Self { levels };
            }
            let len = fold_level(&params, &mut next);
            next.truncate(len);
            levels.push(next);
        }
    }

    pub(crate) fn root(&self) -> Digest {
        self.levels.last().and_then(|level| level.first()).copied().unwrap_or(Digest::EMPTY)
    }

    /// The siblings on the way from leaf `index` to the root.
    pub(crate) fn prove(&self, index: usize) -> MerkleProof {
        let below_root = &self.levels[..self.levels.len() - 1];
        let sibling = |(height, level): (usize, &Vec<Digest>)| level.get((index >> height) ^ 1).copied();
        MerkleProof { path: below_root.iter().enumerate().map(sibling).collect() }
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
