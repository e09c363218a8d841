//! Decoding: enough slivers of one axis in, the blob out.

mod lines;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::encode::{EncodeError, compute_metadata, fastest_memory_bytes};
use crate::ids::{Axis, BlobId, SliverIndex};
use crate::layout::{BlobTooLarge, EncodingConfig, Shape};
use crate::memory::Memory;
use crate::metadata::VerifiedMetadata;
use crate::sliver::{Sliver, SliverError, check_form, check_hash, check_index};
use crate::sliver_hash::SliverHasher;
use crate::threads::for_each_task;

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

/// Random access to the data of some slivers of one axis, from several threads at once. Calls may block.
pub trait SliverReader: Send + Sync {
    /// Fills `buffer` with the bytes of a sliver's data from `offset` on.
    ///
    /// # Errors
    /// Whatever keeps them from being read; decoding stops with it.
    fn read_exact_at(&self, index: SliverIndex, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// All data of a sliver, if it is in memory anyway: spares a copy.
    fn in_memory(&self, _index: SliverIndex) -> Option<&[u8]> {
        None
    }
}

/// Takes the bytes of a blob as they are decoded, from several threads at once, each byte once and in no order.
pub trait BlobSink: Send + Sync {
    /// Takes the blob's bytes from `offset` on.
    ///
    /// # Errors
    /// Whatever keeps them from being written; decoding stops with it.
    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()>;
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
) -> Result<Bytes, DecodeError> {
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
) -> Result<Bytes, DecodeError> {
    metadata.assert_config(config);
    let slivers = collect(config, metadata, slivers)?;
    let shape = metadata.shape();
    let mut blob = Memory::zeroed(shape.source_bytes());
    let memory = BlobMemory {
        row_bytes: shape.primary_bytes(),
        rows: blob.chunks_mut(shape.primary_bytes()).map(Mutex::new).collect(),
    };
    let indexes: Vec<_> = slivers.slivers.keys().copied().take(slivers.needed).collect();
    let given = GivenSlivers { axis: slivers.axis, indexes: &indexes, data: &slivers };
    lines::Job { shape, blob_bytes: metadata.unencoded_length(), given, blob: &memory }
        .run()
        .expect("memory can always be read and written");
    if verification == Verification::Systematic {
        check_rows(metadata, &shape, &slivers, &blob)?;
    }
    let blob_bytes =
        usize::try_from(metadata.unencoded_length()).expect("the padded blob is in memory and longer");
    if verification == Verification::Full {
        check_blob_id(config, metadata, &blob[..blob_bytes])?;
    }
    Ok(Bytes::from_owner(blob).slice(..blob_bytes))
}

/// Slivers of one axis, wherever their data is.
#[derive(Clone, Copy)]
pub struct GivenSlivers<'a> {
    /// The axis of all of them.
    pub axis: Axis,
    /// Which of the axis are there. Repetitions, and those beyond the number needed, are not looked at.
    pub indexes: &'a [SliverIndex],
    /// Their data, of the length that the blob's metadata implies.
    pub data: &'a dyn SliverReader,
}

/// Decodes a blob of any size from slivers that are not in memory, within
/// [`EncodingConfig::decode_to_memory_bytes`].
///
/// Checks nothing: verify the slivers before, or compute the metadata of the result. Parallel on the rayon pool it is
/// called from, whose threads wait for slivers and blob.
///
/// # Errors
/// [`StreamDecodeError`] if the slivers are too few or cannot be read, or the blob cannot be written.
///
/// # Panics
/// If `metadata` was verified for another `config`.
pub fn decode_to(
    config: EncodingConfig,
    metadata: &VerifiedMetadata,
    given: GivenSlivers<'_>,
    blob: &dyn BlobSink,
) -> Result<(), StreamDecodeError> {
    metadata.assert_config(config);
    let distinct: BTreeSet<_> = given.indexes.iter().copied().collect();
    for &index in &distinct {
        check_index(config, index.0).map_err(|source| DecodeError::InvalidSliver { index, source })?;
    }
    let needed = needed(config, given.axis);
    if distinct.len() < needed {
        let received = distinct.len();
        return Err(DecodeError::NotEnoughSlivers { received, needed }.into());
    }
    let indexes: Vec<_> = distinct.into_iter().take(needed).collect();
    let given = GivenSlivers { indexes: &indexes, ..given };
    Ok(lines::Job { shape: metadata.shape(), blob_bytes: metadata.unencoded_length(), given, blob }.run()?)
}

impl EncodingConfig {
    /// Memory that [`decode`] may need at once on a pool of `threads`, its result included, in bytes; the slivers are
    /// not counted.
    ///
    /// # Errors
    /// [`BlobTooLarge`] beyond [`Self::max_blob_bytes`].
    pub fn decode_memory_bytes(&self, blob_bytes: u64, threads: usize) -> Result<u64, BlobTooLarge> {
        let shape = self.shape(blob_bytes)?;
        let blob = u64::try_from(shape.source_bytes()).expect("memory is shorter than 2^64 bytes");
        // First it is decoded, then checked by encoding it.
        let checking = fastest_memory_bytes(shape, threads);
        Ok(blob + lines::memory_bytes(&shape, threads).max(checking))
    }

    /// Memory that [`decode_to`] needs at once on a pool of `threads`, in bytes.
    ///
    /// # Errors
    /// [`BlobTooLarge`] beyond [`Self::max_blob_bytes`].
    pub fn decode_to_memory_bytes(&self, blob_bytes: u64, threads: usize) -> Result<u64, BlobTooLarge> {
        Ok(lines::memory_bytes(&self.shape(blob_bytes)?, threads))
    }
}

/// A blob was not decoded from slivers elsewhere.
#[derive(Debug, thiserror::Error)]
pub enum StreamDecodeError {
    /// Nobody can decode it.
    #[error("the slivers do not decode")]
    Decode(#[from] DecodeError),
    /// A sliver could not be read, or the blob not be written.
    #[error("a sliver could not be read or the blob not be written")]
    Io(#[from] io::Error),
}

/// Distinct slivers of one axis and the right form.
struct SliverSet {
    axis: Axis,
    needed: usize,
    slivers: BTreeMap<SliverIndex, Sliver>,
}

impl SliverReader for SliverSet {
    fn read_exact_at(&self, index: SliverIndex, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).expect("the offset is inside the sliver");
        buffer.copy_from_slice(&self.slivers[&index].data[start..start + buffer.len()]);
        Ok(())
    }

    fn in_memory(&self, index: SliverIndex) -> Option<&[u8]> {
        Some(&self.slivers[&index].data)
    }
}

/// The rows of a padded blob while they are written. The locks are hardly ever waited for.
struct BlobMemory<'a> {
    row_bytes: usize,
    rows: Vec<Mutex<&'a mut [u8]>>,
}

impl BlobSink for BlobMemory<'_> {
    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).expect("the offset is inside the blob");
        // Data that is decoded together never spans rows.
        let mut row = self.rows[offset / self.row_bytes].lock().unwrap_or_else(PoisonError::into_inner);
        row[offset % self.row_bytes..][..data.len()].copy_from_slice(data);
        Ok(())
    }
}

fn needed(config: EncodingConfig, axis: Axis) -> usize {
    usize::from(match axis {
        Axis::Primary => config.n_rows(),
        Axis::Secondary => config.n_columns(),
    })
}

fn collect(
    config: EncodingConfig,
    metadata: &VerifiedMetadata,
    slivers: impl IntoIterator<Item = Sliver>,
) -> Result<SliverSet, DecodeError> {
    let mut set: Option<SliverSet> = None;
    for sliver in slivers {
        let new =
            || SliverSet { axis: sliver.axis, needed: needed(config, sliver.axis), slivers: BTreeMap::new() };
        let set = set.get_or_insert_with(new);
        if set.axis != sliver.axis {
            return Err(DecodeError::MixedAxes);
        }
        let index = sliver.index;
        check_form(config, metadata, &sliver)
            .map_err(|source| DecodeError::InvalidSliver { index, source })?;
        let known = set.slivers.entry(index).or_insert_with(|| sliver.clone());
        if *known != sliver {
            return Err(DecodeError::ConflictingSlivers { index });
        }
    }
    match set {
        Some(set) if set.slivers.len() >= set.needed => Ok(set),
        Some(SliverSet { slivers, needed, .. }) => {
            Err(DecodeError::NotEnoughSlivers { received: slivers.len(), needed })
        }
        // Either axis would do; fewer primary slivers are needed.
        None => Err(DecodeError::NotEnoughSlivers { received: 0, needed: needed(config, Axis::Primary) }),
    }
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
    let rows = padded.chunks(shape.primary_bytes()).enumerate();
    let rows = rows.map(|(row, data)| {
        (SliverIndex(u16::try_from(row).expect("there are fewer rows than shards")), data)
    });
    let unknown = rows.filter(|(row, _)| set.axis == Axis::Secondary || !set.slivers.contains_key(row));
    let together = SliverHasher::lines_together(metadata, Axis::Primary, shape.n_rows);
    for_each_task(
        rayon::current_num_threads(),
        unknown.collect::<Vec<_>>().chunks(together).collect(),
        || SliverHasher::new(metadata, Axis::Primary),
        |hasher, rows| {
            let lines: Vec<&[u8]> = rows.iter().map(|(_, data)| *data).collect();
            for (&(index, _), found) in rows.iter().zip(hasher.roots(&lines)) {
                check_hash(metadata, Axis::Primary, index, found)
                    .map_err(|source| DecodeError::InconsistentRow { index, source })?;
            }
            Ok(())
        },
    )
}
