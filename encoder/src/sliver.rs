//! Slivers, their byte form, and the check of one sliver against its blob's metadata.

use std::convert::Infallible;
use std::fmt;

use bytes::Bytes;

use crate::ids::{Axis, SliverIndex, SliverPairIndex};
use crate::layout::{EncodingConfig, MAX_SYMBOL_BYTES};
use crate::merkle::Digest;
use crate::metadata::VerifiedMetadata;
use crate::sliver_hash::SliverHasher;
use crate::threads::for_each_task;
use crate::wire::{self, Reader, WireError};

/// Longest byte form of a sliver for any number of shards: what a server must be ready to receive.
pub const MAX_SLIVER_BCS_BYTES: usize = 667 * MAX_SYMBOL_BYTES as usize + 4 + SLIVER_TRAILER_BYTES;

/// Symbol size and index, two bytes each.
const SLIVER_TRAILER_BYTES: usize = 4;

/// A row or column of a blob's matrix: the first symbols of a line, in order, without the code's extension.
#[derive(Clone, PartialEq, Eq)]
pub struct Sliver {
    /// Which way the line lies. Not part of the byte form: there, the address says it.
    pub axis: Axis,
    /// Position on this axis; for a secondary sliver not its pair's index, see [`Axis::sliver_index`].
    pub index: SliverIndex,
    /// Bytes of each symbol.
    pub symbol_size: u16,
    /// All symbols, `n_columns` of a primary and `n_rows` of a secondary sliver.
    pub data: Bytes,
}

impl Sliver {
    /// The byte form that storage nodes exchange: `SliverData` in BCS.
    pub fn to_bcs(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bcs_bytes());
        wire::put_length(&mut out, self.data.len());
        out.extend_from_slice(&self.data);
        out.extend_from_slice(&self.symbol_size.to_le_bytes());
        out.extend_from_slice(&self.index.0.to_le_bytes());
        out
    }

    /// Length of [`Self::to_bcs`].
    pub fn bcs_bytes(&self) -> usize {
        wire::length_bytes(self.data.len()) + self.data.len() + SLIVER_TRAILER_BYTES
    }

    /// Reads the byte form, which says nothing of whether the sliver is genuine; see [`verify_sliver`].
    ///
    /// # Errors
    /// [`WireError`] unless `bytes` is exactly one canonical sliver.
    pub fn from_bcs(axis: Axis, bytes: &[u8]) -> Result<Self, WireError> {
        parse(axis, bytes, |data| Bytes::copy_from_slice(&bytes[data]))
    }

    /// Like [`Self::from_bcs`], but the sliver shares the memory of `bytes`.
    ///
    /// # Errors
    /// [`WireError`] unless `bytes` is exactly one canonical sliver.
    pub fn from_bcs_shared(axis: Axis, bytes: &Bytes) -> Result<Self, WireError> {
        parse(axis, bytes, |data| bytes.slice(data))
    }
}

/// Without the data, which may be megabytes.
impl fmt::Debug for Sliver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sliver")
            .field("axis", &self.axis)
            .field("index", &self.index)
            .field("symbol_size", &self.symbol_size)
            .field("data_bytes", &self.data.len())
            .finish()
    }
}

fn parse(
    axis: Axis,
    bytes: &[u8],
    data: impl FnOnce(std::ops::Range<usize>) -> Bytes,
) -> Result<Sliver, WireError> {
    let mut reader = Reader::new(bytes);
    let data_bytes = reader.length()?;
    let range = reader.range(data_bytes)?;
    let symbol_size = reader.u16()?;
    let index = SliverIndex(reader.u16()?);
    reader.finish()?;
    Ok(Sliver { axis, index, symbol_size, data: data(range) })
}

/// A sliver is not the one that its blob's metadata promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SliverError {
    /// There is no such sliver or pair.
    #[error("index {index} is not below the {n_shards} shards")]
    IndexTooLarge {
        /// The index that came.
        index: u16,
        /// Number of shards.
        n_shards: u16,
    },
    /// Another sliver than the pair holds.
    #[error("the pair holds sliver {}, not sliver {}", expected.0, found.0)]
    WrongPair {
        /// The sliver of this axis in the pair asked for.
        expected: SliverIndex,
        /// The sliver that came.
        found: SliverIndex,
    },
    /// Not as long as every sliver of this axis and blob.
    #[error("a sliver of {expected} bytes was expected, {found} came")]
    SizeMismatch {
        /// Bytes of data for this blob.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// Symbols of another size than the blob has.
    #[error("symbols of {expected} bytes were expected, {found} came")]
    SymbolSizeMismatch {
        /// The blob's symbol size.
        expected: u16,
        /// The symbol size that came.
        found: u16,
    },
    /// Content that does not hash to what the metadata says.
    #[error("the sliver hashes to {found} instead of {expected}")]
    RootMismatch {
        /// Hash from the metadata.
        expected: Digest,
        /// Hash of what came.
        found: Digest,
    },
}

/// Checks that `sliver` is exactly the one that `pair` of this blob holds on the sliver's axis.
///
/// Extends the sliver by the erasure code and hashes all `n_shards` symbols. CPU-bound, single-threaded; many slivers
/// of one blob are faster by [`verify_slivers`].
/// Source: Walrus documentation, "RedStuff", sliver verification.
///
/// # Errors
/// [`SliverError`], a variant for each way to be wrong.
///
/// # Panics
/// If `metadata` was verified for another `config`.
pub fn verify_sliver(
    config: EncodingConfig,
    metadata: &VerifiedMetadata,
    pair: SliverPairIndex,
    sliver: &Sliver,
) -> Result<(), SliverError> {
    check_place(config, metadata, pair, sliver)?;
    check_root(metadata, sliver)
}

/// [`verify_sliver`] for many slivers of one blob, in parallel on the rayon pool it is called from. Answers in the
/// order of `slivers`.
///
/// # Panics
/// If `metadata` was verified for another `config`.
pub fn verify_slivers(
    config: EncodingConfig,
    metadata: &VerifiedMetadata,
    slivers: &[(SliverPairIndex, Sliver)],
) -> Vec<Result<(), SliverError>> {
    let place = |(pair, sliver): &(SliverPairIndex, Sliver)| check_place(config, metadata, *pair, sliver);
    let mut verdicts: Vec<_> = slivers.iter().map(place).collect();
    for axis in Axis::BOTH {
        let lines = slivers
            .iter()
            .zip(&mut verdicts)
            .filter(|((_, sliver), verdict)| verdict.is_ok() && sliver.axis == axis);
        let lines: Vec<_> = lines.map(|((_, sliver), verdict)| (sliver, verdict)).collect();
        check_roots(metadata, axis, lines);
    }
    verdicts
}

/// Writes the verdict on each of `slivers`, which have the right form and are of one axis.
fn check_roots(
    metadata: &VerifiedMetadata,
    axis: Axis,
    mut slivers: Vec<(&Sliver, &mut Result<(), SliverError>)>,
) {
    let together = SliverHasher::lines_together(metadata, axis, slivers.len());
    let Ok(()) = for_each_task::<_, _, Infallible>(
        rayon::current_num_threads(),
        slivers.chunks_mut(together).collect(),
        || SliverHasher::new(metadata, axis),
        |hasher, group| {
            let lines: Vec<&[u8]> = group.iter().map(|(sliver, _)| &sliver.data[..]).collect();
            for ((sliver, verdict), found) in group.iter_mut().zip(hasher.roots(&lines)) {
                **verdict = check_hash(metadata, axis, sliver.index, found);
            }
            Ok(())
        },
    );
}

/// Everything that can be checked without hashing.
fn check_place(
    config: EncodingConfig,
    metadata: &VerifiedMetadata,
    pair: SliverPairIndex,
    sliver: &Sliver,
) -> Result<(), SliverError> {
    check_form(config, metadata, sliver)?;
    check_index(config, pair.0)?;
    let expected = sliver.axis.sliver_index(pair, config.n_shards());
    if sliver.index == expected {
        Ok(())
    } else {
        Err(SliverError::WrongPair { expected, found: sliver.index })
    }
}

pub(crate) fn check_index(config: EncodingConfig, index: u16) -> Result<(), SliverError> {
    let n_shards = config.n_shards();
    if index < n_shards { Ok(()) } else { Err(SliverError::IndexTooLarge { index, n_shards }) }
}

/// Everything that can be checked of a sliver by itself without hashing.
pub(crate) fn check_form(
    config: EncodingConfig,
    metadata: &VerifiedMetadata,
    sliver: &Sliver,
) -> Result<(), SliverError> {
    metadata.assert_config(config);
    check_index(config, sliver.index.0)?;
    let symbol_size = metadata.symbol_size_bytes();
    let expected = metadata.sliver_bytes(sliver.axis);
    if sliver.data.len() != expected {
        return Err(SliverError::SizeMismatch { expected, found: sliver.data.len() });
    }
    if sliver.symbol_size != symbol_size {
        return Err(SliverError::SymbolSizeMismatch { expected: symbol_size, found: sliver.symbol_size });
    }
    Ok(())
}

/// Hashes a sliver of the right form and compares with the metadata.
pub(crate) fn check_root(metadata: &VerifiedMetadata, sliver: &Sliver) -> Result<(), SliverError> {
    let found = SliverHasher::new(metadata, sliver.axis).root(&sliver.data);
    check_hash(metadata, sliver.axis, sliver.index, found)
}

/// Compares the hash of a sliver with the metadata.
pub(crate) fn check_hash(
    metadata: &VerifiedMetadata,
    axis: Axis,
    index: SliverIndex,
    found: Digest,
) -> Result<(), SliverError> {
    let expected = metadata.sliver_hash(axis, index);
    if found == expected { Ok(()) } else { Err(SliverError::RootMismatch { expected, found }) }
}
