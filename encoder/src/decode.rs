//! Decoding: enough slivers of one axis in, the blob out.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::code::{LineCode, LinePart, source_parts};
use crate::encode::{EncodeError, compute_metadata};
use crate::ids::{Axis, BlobId, SliverIndex};
use crate::layout::{EncodingConfig, Shape};
use crate::metadata::VerifiedMetadata;
use crate::sliver::{Sliver, SliverError, check_form, check_root};

/// What a decoded blob is checked for before it is handed out.
///
/// Slivers that were verified one by one decode to what the writer encoded, unless the writer encoded it wrongly on
/// purpose; then readers with different slivers may see different blobs. The checks tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verification {
    /// Encode the blob again and compare blob IDs: it is the one blob that this ID stands for.
    #[default]
    Full,
    /// Compare the hashes of the blob's own rows that did not come as slivers: any two readers that succeed see the
    /// same bytes. Only sound if every sliver was verified. About a third of the cost of `Full`.
    Systematic,
    /// Check nothing. For callers that have their own proof, such as an authentication tag over the bytes.
    Skip,
}

/// Slivers do not decode to the blob.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Fewer distinct slivers than the axis needs.
    #[error("{received} of the {needed} slivers needed are there")]
    NotEnoughSlivers {
        /// Distinct slivers given.
        received: usize,
        /// Slivers needed on this axis.
        needed: usize,
    },
    /// Primary and secondary slivers together.
    #[error("slivers of both axes cannot be decoded together")]
    MixedAxes,
    /// A sliver that cannot belong to the blob, whatever its bytes.
    #[error("sliver {} cannot belong to the blob", index.0)]
    InvalidSliver {
        /// Index of the sliver on its axis.
        index: SliverIndex,
        /// What is wrong with it.
        #[source]
        source: SliverError,
    },
    /// Two slivers of one index with different bytes.
    #[error("two different slivers have index {}", index.0)]
    ConflictingSlivers {
        /// Index of both on their axis.
        index: SliverIndex,
    },
    /// The slivers decode to bytes with another blob ID: one of them is corrupt, or the writer encoded wrongly.
    #[error("the slivers decode to blob {found} instead of {expected}")]
    BlobIdMismatch {
        /// The blob ID of the metadata.
        expected: BlobId,
        /// The blob ID of what was decoded.
        found: BlobId,
    },
    /// A row of the decoded blob is not the primary sliver that the metadata promises.
    #[error("row {} of the decoded blob is not the primary sliver of the metadata", index.0)]
    InconsistentRow {
        /// Index of the primary sliver.
        index: SliverIndex,
        /// The differing hashes.
        #[source]
        source: SliverError,
    },
}

/// Decodes a blob from any `n_rows` primary or any `n_columns` secondary slivers, and checks that it is the blob of
/// this metadata by encoding it again.
///
/// Slivers beyond those needed are ignored, and so are exact repetitions. CPU-bound and parallel, like
/// [`encode`](crate::encode); [`EncodingConfig::decode_memory_bytes`] bounds the memory it takes.
///
/// # Errors
/// [`DecodeError`] if the slivers are too few, do not fit, or decode to something else.
///
/// # Panics
/// If `metadata` was verified for another `config`.
pub fn decode(
    config: EncodingConfig,
    metadata: &VerifiedMetadata,
    slivers: impl IntoIterator<Item = Sliver>,
) -> Result<Vec<u8>, DecodeError> {
    decode_with(config, metadata, slivers, Verification::Full)
}

/// [`decode`] with a choice of the final check.
///
/// # Errors
/// [`DecodeError`] if the slivers are too few, do not fit, or the check fails.
///
/// # Panics
/// If `metadata` was verified for another `config`.
pub fn decode_with(
    config: EncodingConfig,
    metadata: &VerifiedMetadata,
    slivers: impl IntoIterator<Item = Sliver>,
    verification: Verification,
) -> Result<Vec<u8>, DecodeError> {
    metadata.assert_config(config);
    let slivers = collect(config, metadata, slivers)?;
    let shape =
        config.shape(metadata.unencoded_length()).expect("verified metadata has a length that encodes");
    let mut padded = match slivers.axis {
        Axis::Primary => from_primary(config, &shape, &slivers),
        Axis::Secondary => from_secondary(config, &shape, &slivers),
    };
    if verification == Verification::Systematic {
        check_rows(metadata, &shape, &slivers, &padded)?;
    }
    let blob_bytes =
        usize::try_from(metadata.unencoded_length()).expect("the padded blob is in memory and longer");
    padded.truncate(blob_bytes);
    if verification == Verification::Full {
        check_blob_id(config, metadata, &padded)?;
    }
    Ok(padded)
}

/// Distinct slivers of one axis and the right form.
struct SliverSet {
    axis: Axis,
    slivers: BTreeMap<usize, Sliver>,
}

impl SliverSet {
    /// As many slivers as the code needs, those that need no decoding first.
    fn parts<'a>(&'a self, needed: usize) -> Vec<LinePart<'a>> {
        let part = |(&position, sliver): (&usize, &'a Sliver)| LinePart { position, symbols: &sliver.data };
        self.slivers.iter().take(needed).map(part).collect()
    }
}

fn collect(
    config: EncodingConfig,
    metadata: &VerifiedMetadata,
    slivers: impl IntoIterator<Item = Sliver>,
) -> Result<SliverSet, DecodeError> {
    let mut set = SliverSet { axis: Axis::Primary, slivers: BTreeMap::new() };
    for sliver in slivers {
        if set.slivers.is_empty() {
            set.axis = sliver.axis;
        } else if set.axis != sliver.axis {
            return Err(DecodeError::MixedAxes);
        }
        let index = sliver.index;
        check_form(config, metadata, &sliver)
            .map_err(|source| DecodeError::InvalidSliver { index, source })?;
        let known = set.slivers.entry(usize::from(index.0)).or_insert_with(|| sliver.clone());
        if *known != sliver {
            return Err(DecodeError::ConflictingSlivers { index });
        }
    }
    let needed = usize::from(match set.axis {
        Axis::Primary => config.n_rows(),
        Axis::Secondary => config.n_columns(),
    });
    match set.slivers.len() {
        received if received < needed => Err(DecodeError::NotEnoughSlivers { received, needed }),
        _ => Ok(set),
    }
}

/// Primary slivers are rows of the blob, or rows that the column code appended.
fn from_primary(config: EncodingConfig, shape: &Shape, set: &SliverSet) -> Vec<u8> {
    let code = LineCode::extending(Axis::Secondary, config);
    source_parts(code, shape.symbol_size, &set.parts(code.source))
}

/// Secondary slivers are columns of the blob, or columns that the row code appended.
fn from_secondary(config: EncodingConfig, shape: &Shape, set: &SliverSet) -> Vec<u8> {
    let code = LineCode::extending(Axis::Primary, config);
    let columns = source_parts(code, shape.symbol_size, &set.parts(code.source));
    let mut blob = vec![0; shape.source_bytes()];
    blob.par_chunks_mut(shape.primary_bytes()).enumerate().for_each(|(row, symbols)| {
        for (symbol, column) in
            symbols.chunks_mut(shape.symbol_size).zip(columns.chunks(shape.secondary_bytes()))
        {
            symbol.copy_from_slice(&column[shape.symbol_range(row)]);
        }
    });
    blob
}

fn check_blob_id(
    config: EncodingConfig,
    metadata: &VerifiedMetadata,
    blob: &[u8],
) -> Result<(), DecodeError> {
    let found = match compute_metadata(config, blob) {
        Ok(computed) => *computed.blob_id(),
        Err(EncodeError::BlobTooLarge(_)) => unreachable!("verified metadata has a length that encodes"),
    };
    let expected = *metadata.blob_id();
    if found == expected { Ok(()) } else { Err(DecodeError::BlobIdMismatch { expected, found }) }
}

/// Checks the rows of the padded blob that were not themselves given as slivers.
fn check_rows(
    metadata: &VerifiedMetadata,
    shape: &Shape,
    set: &SliverSet,
    padded: &[u8],
) -> Result<(), DecodeError> {
    padded.par_chunks(shape.primary_bytes()).enumerate().try_for_each(|(row, data)| {
        if set.axis == Axis::Primary && set.slivers.contains_key(&row) {
            return Ok(());
        }
        let index = SliverIndex(u16::try_from(row).expect("there are fewer rows than shards"));
        let symbol_size = metadata.symbol_size_bytes();
        let sliver = Sliver { axis: Axis::Primary, index, symbol_size, data: data.to_vec().into() };
        check_root(metadata, &sliver).map_err(|source| DecodeError::InconsistentRow { index, source })
    })
}
