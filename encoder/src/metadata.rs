//! A blob's metadata: its length and the hashes of all its slivers, from which the blob ID follows.

use std::fmt;
use std::sync::Arc;

use crate::ids::{Axis, BlobId, SliverIndex, SliverPairIndex};
use crate::layout::{BlobTooLarge, EncodingConfig, Shape};
use crate::merkle::{self, Digest, TreeHasher, put_node, read_node};
use crate::wire::{self, Reader, WireError};

/// RS2, the only encoding type in use; it enters the blob ID.
const ENCODING_TYPE_RS2: u8 = 1;
/// The only version of the metadata's byte form.
const METADATA_V1: u8 = 0;
/// Two nodes, each a tag and a digest.
const PAIR_BYTES: usize = 2 * 33;

/// The hashes of one sliver pair: each the Merkle root over all `n_shards` symbols of the extended sliver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SliverPairHashes {
    /// Hash of the pair's primary sliver.
    pub primary: Digest,
    /// Hash of the pair's secondary sliver.
    pub secondary: Digest,
}

impl SliverPairHashes {
    /// The hash of the pair's sliver on one axis.
    pub fn on(&self, axis: Axis) -> Digest {
        match axis {
            Axis::Primary => self.primary,
            Axis::Secondary => self.secondary,
        }
    }
}

/// Metadata as somebody claims it, not yet known to belong to any blob ID. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct BlobMetadata {
    unencoded_length: u64,
    hashes: Arc<[SliverPairHashes]>,
}

/// Without the hashes, of which there may be thousands.
impl fmt::Debug for BlobMetadata {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BlobMetadata")
            .field("unencoded_length", &self.unencoded_length)
            .field("pairs", &self.hashes.len())
            .finish()
    }
}

/// The bytes are not metadata for this number of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetadata {
    /// Not the byte form of metadata.
    #[error("not the byte form of blob metadata")]
    Wire(#[from] WireError),
    /// Not one pair of hashes per shard.
    #[error("hashes of {expected} sliver pairs were expected, {found} came")]
    HashCount {
        /// Number of shards.
        expected: usize,
        /// Pairs that came.
        found: usize,
    },
    /// A sliver without a hash, which no encoding of a blob has.
    #[error("a sliver of pair {} has no hash", pair.0)]
    EmptyHash {
        /// The pair in question.
        pair: SliverPairIndex,
    },
    /// A length that cannot be encoded.
    #[error("the blob's length cannot be encoded")]
    UnencodedLength(#[from] BlobTooLarge),
    /// The hashes and length lead to another blob ID.
    #[error("the metadata belongs to blob {found}, not to {expected}")]
    BlobIdMismatch {
        /// The blob ID asked for.
        expected: BlobId,
        /// The blob ID that follows from the metadata.
        found: BlobId,
    },
}

impl BlobMetadata {
    pub(crate) fn new(unencoded_length: u64, hashes: Vec<SliverPairHashes>) -> Self {
        Self { unencoded_length, hashes: hashes.into() }
    }

    /// Length of the blob in bytes, without padding.
    pub fn unencoded_length(&self) -> u64 {
        self.unencoded_length
    }

    /// The hashes of all slivers, in pair order.
    pub fn hashes(&self) -> &[SliverPairHashes] {
        &self.hashes
    }

    /// The Merkle root over the sliver pairs. Hashes them all on each call.
    pub fn root_hash(&self) -> Digest {
        let both = |pair: &SliverPairHashes| [pair.primary.0, pair.secondary.0];
        let pairs: Vec<_> = self.hashes.iter().map(both).collect();
        let mut leaves = vec![[0; 32]; pairs.len()];
        let hasher = TreeHasher::fastest();
        hasher.leaves(pairs.iter().map(|pair| pair.as_flattened()), |pair, leaf| leaves[pair] = leaf);
        Digest(hasher.root(&mut leaves))
    }

    /// The blob ID that follows from this metadata. Hashes all pairs on each call.
    pub fn blob_id(&self) -> BlobId {
        blob_id(self.unencoded_length, &self.root_hash())
    }

    /// The body with which metadata is stored: `BlobMetadata` in BCS.
    pub fn to_bcs(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(bcs_bytes(self.hashes.len()));
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[METADATA_V1, ENCODING_TYPE_RS2]);
        out.extend_from_slice(&self.unencoded_length.to_le_bytes());
        wire::put_length(out, self.hashes.len());
        for pair in self.hashes.iter() {
            put_node(out, Some(&pair.primary));
            put_node(out, Some(&pair.secondary));
        }
    }

    /// Reads [`Self::to_bcs`]. Says nothing of whether the hashes are right.
    ///
    /// # Errors
    /// [`InvalidMetadata`] unless `bytes` is exactly one canonical metadata for `config`.
    pub fn from_bcs(config: EncodingConfig, bytes: &[u8]) -> Result<Self, InvalidMetadata> {
        let mut reader = Reader::new(bytes);
        expect_tag(&mut reader, METADATA_V1, "the versions of blob metadata")?;
        expect_tag(&mut reader, ENCODING_TYPE_RS2, "the encoding types")?;
        let unencoded_length = reader.u64()?;
        config.symbol_size_bytes(unencoded_length)?;
        let found = reader.length()?;
        let expected = usize::from(config.n_shards());
        if found != expected {
            return Err(InvalidMetadata::HashCount { expected, found });
        }
        let hashes = (0..config.n_shards()).map(|pair| read_pair(&mut reader, SliverPairIndex(pair)));
        let hashes = hashes.collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { unencoded_length, hashes })
    }
}

fn expect_tag(reader: &mut Reader<'_>, tag: u8, expected: &'static str) -> Result<(), WireError> {
    let found = reader.u8()?;
    if found == tag { Ok(()) } else { Err(WireError::UnknownVariant { expected, found }) }
}

fn read_pair(reader: &mut Reader<'_>, pair: SliverPairIndex) -> Result<SliverPairHashes, InvalidMetadata> {
    let empty = InvalidMetadata::EmptyHash { pair };
    let primary = read_node(reader)?.ok_or(empty)?;
    let secondary = read_node(reader)?.ok_or(empty)?;
    Ok(SliverPairHashes { primary, secondary })
}

fn bcs_bytes(n_pairs: usize) -> usize {
    2 + 8 + wire::length_bytes(n_pairs) + n_pairs * PAIR_BYTES
}

fn blob_id(unencoded_length: u64, root_hash: &Digest) -> BlobId {
    BlobId(merkle::hash(&[&[ENCODING_TYPE_RS2], &unencoded_length.to_le_bytes(), &root_hash.0]).0)
}

/// A blob ID and the metadata proven to belong to it, for one [`EncodingConfig`]. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedMetadata {
    config: EncodingConfig,
    blob_id: BlobId,
    root_hash: Digest,
    symbol_size: u16,
    metadata: BlobMetadata,
}

impl VerifiedMetadata {
    /// Proves that `metadata` belongs to `blob_id`.
    ///
    /// # Errors
    /// [`InvalidMetadata`] for hashes of another number of shards, an impossible length, or another blob ID.
    pub fn verify(
        config: EncodingConfig,
        blob_id: &BlobId,
        metadata: BlobMetadata,
    ) -> Result<Self, InvalidMetadata> {
        let [expected, found] = [usize::from(config.n_shards()), metadata.hashes.len()];
        if found != expected {
            return Err(InvalidMetadata::HashCount { expected, found });
        }
        let verified = Self::from_own(config, metadata)?;
        if verified.blob_id == *blob_id {
            Ok(verified)
        } else {
            Err(InvalidMetadata::BlobIdMismatch { expected: *blob_id, found: verified.blob_id })
        }
    }

    /// The metadata of a blob that was encoded here, which therefore needs no proof.
    pub(crate) fn from_own(config: EncodingConfig, metadata: BlobMetadata) -> Result<Self, BlobTooLarge> {
        let symbol_size = config.symbol_size_bytes(metadata.unencoded_length)?;
        let root_hash = metadata.root_hash();
        let blob_id = blob_id(metadata.unencoded_length, &root_hash);
        Ok(Self { config, blob_id, root_hash, symbol_size, metadata })
    }

    /// The blob's ID.
    pub fn blob_id(&self) -> &BlobId {
        &self.blob_id
    }

    /// The parameters that this metadata was verified for.
    pub fn config(&self) -> EncodingConfig {
        self.config
    }

    /// The metadata itself.
    pub fn metadata(&self) -> &BlobMetadata {
        &self.metadata
    }

    /// Length of the blob in bytes, without padding.
    pub fn unencoded_length(&self) -> u64 {
        self.metadata.unencoded_length
    }

    /// The Merkle root over the sliver pairs, which the ledger records.
    pub fn root_hash(&self) -> Digest {
        self.root_hash
    }

    /// Bytes of each symbol of the blob.
    pub fn symbol_size_bytes(&self) -> u16 {
        self.symbol_size
    }

    /// Bytes of data in each sliver of an axis.
    pub fn sliver_bytes(&self, axis: Axis) -> usize {
        match axis {
            Axis::Primary => self.config.primary_sliver_bytes(self.symbol_size),
            Axis::Secondary => self.config.secondary_sliver_bytes(self.symbol_size),
        }
    }

    /// The hash that sliver `index` of an axis must have.
    ///
    /// # Panics
    /// If the index is not below `n_shards`.
    pub fn sliver_hash(&self, axis: Axis, index: SliverIndex) -> Digest {
        let pair = axis.pair_index(index, self.config.n_shards());
        self.metadata.hashes[usize::from(pair.0)].on(axis)
    }

    /// The body with which storage nodes answer: the blob ID, then [`BlobMetadata::to_bcs`].
    pub fn to_bcs_with_id(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.blob_id.0.len() + bcs_bytes(self.metadata.hashes.len()));
        out.extend_from_slice(&self.blob_id.0);
        self.metadata.write(&mut out);
        out
    }

    /// Reads [`Self::to_bcs_with_id`] and proves that the metadata belongs to the ID it comes with.
    /// A caller that asked for a certain blob compares [`Self::blob_id`] with it.
    ///
    /// # Errors
    /// [`InvalidMetadata`] unless `bytes` is exactly one canonical pair of ID and metadata that belong together.
    pub fn from_bcs_with_id(config: EncodingConfig, bytes: &[u8]) -> Result<Self, InvalidMetadata> {
        let mut reader = Reader::new(bytes);
        let blob_id = BlobId(reader.array()?);
        Self::verify(config, &blob_id, BlobMetadata::from_bcs(config, &bytes[reader.position()..])?)
    }

    /// The shape of the blob in memory.
    pub(crate) fn shape(&self) -> Shape {
        self.config
            .shape(self.metadata.unencoded_length)
            .expect("verified metadata has a length that encodes")
    }

    /// Guards functions that are told both a configuration and metadata.
    pub(crate) fn assert_config(&self, config: EncodingConfig) {
        assert_eq!(self.config, config, "metadata was verified for another number of shards");
    }
}
