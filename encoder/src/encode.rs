//! Encoding: a blob in, its slivers and metadata out.
//!
//! The blob's rows are extended first, which gives all `n_shards` columns their first `n_rows` symbols. Then each
//! column is on its own: extended, hashed, its sliver written. Hence the extended matrix never exists as a whole,
//! each symbol is hashed once for the two trees it is in, and columns run in parallel on the caller's rayon pool.

mod columns;
mod source;

use std::fmt;

use bytes::Bytes;
use rayon::prelude::*;

use crate::ids::{Axis, SliverIndex, SliverPairIndex};
use crate::layout::{BlobTooLarge, EncodingConfig, Shape};
use crate::merkle::{Digest, root_in_place};
use crate::metadata::{BlobMetadata, SliverPairHashes, VerifiedMetadata};
use crate::sliver::Sliver;

use columns::{ColumnHashes, KeptSlivers};
use source::Source;

/// A blob cannot be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Longer than [`EncodingConfig::max_blob_bytes`].
    #[error("the blob is too large for this number of shards")]
    BlobTooLarge(#[from] BlobTooLarge),
}

/// A blob's metadata and all its slivers. Cheap to clone.
#[derive(Clone)]
pub struct EncodedBlob {
    /// Blob ID and the hashes of all slivers.
    pub metadata: VerifiedMetadata,
    /// Primary slivers one after the other.
    primary: Bytes,
    /// Secondary slivers one after the other, in sliver order, which is the reverse of pair order.
    secondary: Bytes,
}

impl EncodedBlob {
    /// One sliver of a pair, sharing this value's memory. As long as one sliver lives, all memory of its axis does.
    ///
    /// # Panics
    /// If `pair` is not below `n_shards`.
    pub fn sliver(&self, axis: Axis, pair: SliverPairIndex) -> Sliver {
        let index = axis.sliver_index(pair, self.metadata.config().n_shards());
        let sliver_bytes = self.metadata.sliver_bytes(axis);
        let start = usize::from(index.0) * sliver_bytes;
        let all = match axis {
            Axis::Primary => &self.primary,
            Axis::Secondary => &self.secondary,
        };
        let data = all.slice(start..start + sliver_bytes);
        Sliver { axis, index, symbol_size: self.metadata.symbol_size_bytes(), data }
    }

    /// All sliver pairs, in order.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = SliverPairIndex> + use<> {
        (0..self.metadata.config().n_shards()).map(SliverPairIndex)
    }
}

/// Without the slivers, which may be gigabytes.
impl fmt::Debug for EncodedBlob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EncodedBlob").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

/// Encodes `blob` into one sliver pair per shard.
///
/// The result takes about 4.5 × `blob.len()` bytes, and never less than `n_shards × (n_rows + n_columns)` symbols of
/// two bytes; [`EncodingConfig::encode_memory_bytes`] bounds what is needed meanwhile. CPU-bound, seconds for a large
/// blob; parallel on the rayon pool it is called from.
/// Source: Walrus documentation, "RedStuff", encoding type RS2.
///
/// # Errors
/// [`EncodeError::BlobTooLarge`] if a symbol would exceed [`MAX_SYMBOL_BYTES`](crate::MAX_SYMBOL_BYTES).
pub fn encode(config: EncodingConfig, blob: &[u8]) -> Result<EncodedBlob, EncodeError> {
    let shape = config.shape(length_of(blob))?;
    let mut primary = vec![0; shape.n * shape.primary_bytes()];
    let mut secondary = vec![0; shape.n * shape.secondary_bytes()];
    primary[..blob.len()].copy_from_slice(blob);
    let hashes = {
        let (systematic, parity) = primary.split_at_mut(shape.source_bytes());
        let source = Source::new(shape, systematic);
        columns::process(&source, Some(KeptSlivers { primary_parity: parity, secondary: &mut secondary }))
    };
    let metadata = metadata(config, blob, &shape, &hashes)?;
    Ok(EncodedBlob { metadata, primary: primary.into(), secondary: secondary.into() })
}

/// Computes the metadata and blob ID of `blob` without keeping its slivers: a tenth of the memory of [`encode`],
/// most of its time.
///
/// # Errors
/// [`EncodeError::BlobTooLarge`] if a symbol would exceed [`MAX_SYMBOL_BYTES`](crate::MAX_SYMBOL_BYTES).
pub fn compute_metadata(config: EncodingConfig, blob: &[u8]) -> Result<VerifiedMetadata, EncodeError> {
    let shape = config.shape(length_of(blob))?;
    let hashes = columns::process(&Source::new(shape, blob), None);
    Ok(metadata(config, blob, &shape, &hashes)?)
}

fn length_of(blob: &[u8]) -> u64 {
    u64::try_from(blob.len()).expect("memory is shorter than 2^64 bytes")
}

fn metadata(
    config: EncodingConfig,
    blob: &[u8],
    shape: &Shape,
    hashes: &ColumnHashes,
) -> Result<VerifiedMetadata, BlobTooLarge> {
    let primary: Vec<Digest> = (0..shape.n)
        .into_par_iter()
        .map_init(Vec::new, |row: &mut Vec<Digest>, index| {
            row.clear();
            row.extend(hashes.leaves.iter().skip(index).step_by(shape.n));
            root_in_place(row)
        })
        .collect();
    let pair = |pair| {
        let [primary_index, secondary_index] =
            Axis::BOTH.map(|axis| axis.sliver_index(SliverPairIndex(pair), config.n_shards()));
        SliverPairHashes {
            primary: at(&primary, primary_index),
            secondary: at(&hashes.secondary, secondary_index),
        }
    };
    let pairs = (0..config.n_shards()).map(pair).collect();
    VerifiedMetadata::from_own(config, BlobMetadata::new(length_of(blob), pairs))
}

fn at(hashes: &[Digest], index: SliverIndex) -> Digest {
    hashes[usize::from(index.0)]
}
