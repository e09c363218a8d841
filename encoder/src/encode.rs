//! Encoding: a blob in, its slivers and metadata out.
//!
//! The blob's rows are extended first, which gives all `n_shards` columns their first `n_rows` symbols. Then each
//! column is on its own: extended, hashed, its sliver handed on. Hence the extended matrix never exists as a whole,
//! each symbol is hashed once for the two trees it is in, and columns run in parallel on the caller's rayon pool.
//! A run of columns is also a whole subtree of every row's tree, of which only one node needs to be kept.

mod columns;
mod matrix;
mod plan;

use std::io;
use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::encoded::{EncodedBlob, SliverMemory};
use crate::ids::{Axis, SliverIndex, SliverPairIndex};
use crate::layout::{BlobTooLarge, EncodingConfig, Shape};
use crate::merkle::{Digest, Node};
use crate::metadata::{BlobMetadata, SliverPairHashes, VerifiedMetadata};
use crate::stream::{BlobSource, SliverSink};

use columns::SliverHashes;
use matrix::Matrix;
use plan::Plan;

/// A blob cannot be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Longer than [`EncodingConfig::max_blob_bytes`].
    #[error("the blob is too large for this number of shards")]
    BlobTooLarge(#[from] BlobTooLarge),
}

/// A blob was not encoded from its source to its sink.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// Nobody can encode it.
    #[error("the blob cannot be encoded")]
    Encode(#[from] EncodeError),
    /// The blob could not be read, or a sliver not be written.
    #[error("the blob could not be read or its slivers not be written")]
    Io(#[from] io::Error),
}

/// Encodes `blob` into one sliver pair per shard, in memory.
///
/// The result shares the blob's memory and takes about 3.5 times as much besides, and never less than
/// `n_shards × n_rows + 2f × n_columns` symbols of two bytes; [`EncodingConfig::encode_memory_bytes`] bounds what is
/// needed meanwhile. CPU-bound, seconds for a large blob; parallel on the rayon pool it is called from.
/// Source: Walrus documentation, "RedStuff", encoding type RS2.
///
/// # Errors
/// [`EncodeError::BlobTooLarge`] if a symbol would exceed [`MAX_SYMBOL_BYTES`](crate::MAX_SYMBOL_BYTES).
pub fn encode(config: EncodingConfig, blob: impl Into<Bytes>) -> Result<EncodedBlob, EncodeError> {
    let blob: Bytes = blob.into();
    let shape = config.shape(blob.blob_bytes())?;
    let mut slivers = SliverMemory::for_shape(shape);
    let plan = Plan::in_memory(shape, rayon::current_num_threads());
    let metadata = run(config, plan, shape, &blob, Some(&slivers.sink()));
    let metadata = metadata.expect("memory can always be read and written");
    Ok(EncodedBlob::in_memory(metadata, blob, slivers))
}

/// Encodes a blob of any size within `memory_bytes`, or the least that [`EncodingConfig::stream_memory_bytes`] says it
/// takes.
///
/// Reads the blob from `source` once by columns, and by rows as often as the row parity, half the blob's length, has to
/// be computed in stripes for want of memory. Parallel on the rayon pool it is called from, whose threads wait for
/// both `source` and `slivers`.
///
/// # Errors
/// [`StreamError`]; slivers may have been given by then.
pub fn encode_to(
    config: EncodingConfig,
    source: &dyn BlobSource,
    slivers: &dyn SliverSink,
    memory_bytes: u64,
) -> Result<VerifiedMetadata, StreamError> {
    run_within(config, source, Some(slivers), memory_bytes)
}

/// Computes the metadata and blob ID of `blob` without keeping its slivers, in half as much memory again as the blob.
///
/// # Errors
/// [`EncodeError::BlobTooLarge`] if a symbol would exceed [`MAX_SYMBOL_BYTES`](crate::MAX_SYMBOL_BYTES).
pub fn compute_metadata(config: EncodingConfig, blob: &[u8]) -> Result<VerifiedMetadata, EncodeError> {
    let shape = config.shape(blob.blob_bytes())?;
    let plan = Plan::in_memory(shape, rayon::current_num_threads());
    Ok(run(config, plan, shape, &blob, None).expect("memory can always be read"))
}

/// Computes the metadata and blob ID of a blob of any size within the memory that [`encode_to`] takes.
///
/// # Errors
/// [`StreamError`].
pub fn compute_metadata_of(
    config: EncodingConfig,
    source: &dyn BlobSource,
    memory_bytes: u64,
) -> Result<VerifiedMetadata, StreamError> {
    run_within(config, source, None, memory_bytes)
}

impl EncodingConfig {
    /// Memory that [`encode`] may need at once on a pool of `threads`, its result included, in bytes. The blob is not
    /// counted.
    ///
    /// # Errors
    /// [`BlobTooLarge`] beyond [`Self::max_blob_bytes`].
    pub fn encode_memory_bytes(&self, blob_bytes: u64, threads: usize) -> Result<u64, BlobTooLarge> {
        let shape = self.shape(blob_bytes)?;
        let slivers = (shape.n - shape.n_rows) * shape.primary_bytes() + shape.n * shape.secondary_bytes();
        let slivers = u64::try_from(slivers).expect("memory is shorter than 2^64 bytes");
        Ok(slivers + fastest_memory_bytes(shape, threads))
    }

    /// Memory with which [`encode_to`] can encode a blob from a file on a pool of `threads`, in bytes: from the least
    /// that it can do with, one thread's space and a column of row parity, at most 160 MiB, to what it can make use of.
    ///
    /// # Errors
    /// [`BlobTooLarge`] beyond [`Self::max_blob_bytes`].
    pub fn stream_memory_bytes(
        &self,
        blob_bytes: u64,
        threads: usize,
    ) -> Result<RangeInclusive<u64>, BlobTooLarge> {
        let fastest = Plan::in_files(self.shape(blob_bytes)?, threads);
        Ok(fastest.within(0).memory_bytes()..=fastest.memory_bytes())
    }
}

/// The memory of the fastest way, without the blob and its slivers.
pub(crate) fn fastest_memory_bytes(shape: Shape, threads: usize) -> u64 {
    Plan::in_memory(shape, threads).memory_bytes()
}

/// One blob to be encoded.
struct Job<'a> {
    shape: Shape,
    plan: Plan,
    matrix: Matrix<'a>,
    sink: Option<&'a dyn SliverSink>,
}

fn run_within(
    config: EncodingConfig,
    source: &dyn BlobSource,
    sink: Option<&dyn SliverSink>,
    memory_bytes: u64,
) -> Result<VerifiedMetadata, StreamError> {
    let shape = config.shape(source.blob_bytes()).map_err(EncodeError::from)?;
    let threads = rayon::current_num_threads();
    let fastest = match source.in_memory() {
        Some(_) => Plan::in_memory(shape, threads),
        None => Plan::in_files(shape, threads),
    };
    let plan = fastest.within(memory_bytes);
    Ok(run(config, plan, shape, source, sink)?)
}

fn run(
    config: EncodingConfig,
    plan: Plan,
    shape: Shape,
    source: &dyn BlobSource,
    sink: Option<&dyn SliverSink>,
) -> io::Result<VerifiedMetadata> {
    let job = Job { shape, plan, matrix: Matrix::new(shape, source), sink };
    let hashes = columns::process(&job)?;
    Ok(metadata(config, source.blob_bytes(), &hashes))
}

fn metadata(config: EncodingConfig, blob_bytes: u64, hashes: &SliverHashes) -> VerifiedMetadata {
    let pair = |pair| {
        let [primary_index, secondary_index] =
            Axis::BOTH.map(|axis| axis.sliver_index(SliverPairIndex(pair), config.n_shards()));
        SliverPairHashes {
            primary: at(&hashes.primary, primary_index),
            secondary: at(&hashes.secondary, secondary_index),
        }
    };
    let pairs = (0..config.n_shards()).map(pair).collect();
    VerifiedMetadata::from_own(config, BlobMetadata::new(blob_bytes, pairs))
        .expect("a blob that has a shape is not too large")
}

fn at(hashes: &[Node], index: SliverIndex) -> Digest {
    Digest(hashes[usize::from(index.0)])
}
