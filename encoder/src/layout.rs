//! How a blob becomes a matrix of symbols: the numbers that follow from `n_shards` and a length.
//!
//! A blob fills an `n_rows × n_columns` matrix row by row with symbols of `symbol_size_bytes`, padded with zeros.
//! Erasure codes extend it to `n_shards × n_shards` symbols. The first `n_columns` symbols of row *i* are primary
//! sliver *i*, the first `n_rows` symbols of column *j* are secondary sliver *j*; the rest is only hashed.
//! Source: Walrus documentation, "RedStuff"; the numbers are those of encoding type RS2.

/// Largest symbol, in bytes: it must fit a `u16` and be even.
pub const MAX_SYMBOL_BYTES: u16 = 65_534;

/// The code works on 16-bit elements, so a symbol is a whole number of these bytes.
const SYMBOL_ALIGNMENT_BYTES: u64 = 2;

/// What a shard keeps of each blob's metadata, for pricing: two hashes per pair and one root.
const HASH_BYTES: u64 = 32;

/// The parameters of a network's encoding, all derived from its number of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EncodingConfig {
    n_shards: u16,
}

/// The number of shards cannot be encoded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{n_shards} shards cannot be encoded for; supported are {} to {}",
    EncodingConfig::MIN_SHARDS,
    EncodingConfig::MAX_SHARDS
)]
pub struct InvalidShardCount {
    /// The refused number.
    pub n_shards: u16,
}

/// The blob's symbols would exceed [`MAX_SYMBOL_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a blob of {blob_bytes} bytes exceeds the {max_bytes} bytes that {n_shards} shards can encode")]
pub struct BlobTooLarge {
    /// Length of the refused blob.
    pub blob_bytes: u64,
    /// Longest blob for this number of shards.
    pub max_bytes: u64,
    /// The number of shards in question.
    pub n_shards: u16,
}

impl EncodingConfig {
    /// Fewest shards with a recovery symbol on each axis: below four no fault is tolerated.
    pub const MIN_SHARDS: u16 = 4;
    /// Most shards, as many as Walrus has on Mainnet.
    pub const MAX_SHARDS: u16 = 1000;

    /// Parameters for a network of `n_shards`, [`Self::MIN_SHARDS`] to [`Self::MAX_SHARDS`].
    ///
    /// # Errors
    /// [`InvalidShardCount`] outside that range.
    pub fn new(n_shards: u16) -> Result<Self, InvalidShardCount> {
        if (Self::MIN_SHARDS..=Self::MAX_SHARDS).contains(&n_shards) {
            Ok(Self { n_shards })
        } else {
            Err(InvalidShardCount { n_shards })
        }
    }

    /// Number of shards, and of sliver pairs of each blob.
    pub fn n_shards(&self) -> u16 {
        self.n_shards
    }

    /// Most shards that may fail or lie: `f`, the largest number below a third of the shards.
    pub fn max_faulty(&self) -> u16 {
        (self.n_shards - 1) / 3
    }

    /// Rows of the source matrix, `n_shards - 2f`: as many primary slivers decode.
    pub fn n_rows(&self) -> u16 {
        self.n_shards - 2 * self.max_faulty()
    }

    /// Columns of the source matrix, `n_shards - f`: as many secondary slivers decode.
    pub fn n_columns(&self) -> u16 {
        self.n_shards - self.max_faulty()
    }

    /// Shards whose confirmations certify a blob, `n_shards - f`.
    pub fn quorum(&self) -> u16 {
        self.n_shards - self.max_faulty()
    }

    /// Fewest shards of which at least one is honest, `f + 1`.
    pub fn validity(&self) -> u16 {
        self.max_faulty() + 1
    }

    /// Symbols of the source matrix.
    fn source_symbols(&self) -> u64 {
        u64::from(self.n_rows()) * u64::from(self.n_columns())
    }

    /// Longest blob, in bytes.
    pub fn max_blob_bytes(&self) -> u64 {
        self.source_symbols() * u64::from(MAX_SYMBOL_BYTES)
    }

    /// Size in bytes of each symbol of a blob of `blob_bytes`: even, 2 to [`MAX_SYMBOL_BYTES`]; an empty blob has 2.
    ///
    /// # Errors
    /// [`BlobTooLarge`] beyond [`Self::max_blob_bytes`].
    pub fn symbol_size_bytes(&self, blob_bytes: u64) -> Result<u16, BlobTooLarge> {
        let smallest = blob_bytes.max(1).div_ceil(self.source_symbols());
        // Rounding up must not wrap for lengths near `u64::MAX`; with at least six source symbols it cannot.
        let size = smallest.next_multiple_of(SYMBOL_ALIGNMENT_BYTES);
        match u16::try_from(size) {
            Ok(size) if size <= MAX_SYMBOL_BYTES => Ok(size),
            _ => Err(BlobTooLarge { blob_bytes, max_bytes: self.max_blob_bytes(), n_shards: self.n_shards }),
        }
    }

    /// Bytes of data in a primary sliver.
    pub fn primary_sliver_bytes(&self, symbol_size_bytes: u16) -> usize {
        usize::from(self.n_columns()) * usize::from(symbol_size_bytes)
    }

    /// Bytes of data in a secondary sliver.
    pub fn secondary_sliver_bytes(&self, symbol_size_bytes: u16) -> usize {
        usize::from(self.n_rows()) * usize::from(symbol_size_bytes)
    }

    /// Bytes the network charges for: all slivers, and the metadata once per shard.
    ///
    /// # Errors
    /// [`BlobTooLarge`] beyond [`Self::max_blob_bytes`].
    pub fn encoded_length(&self, blob_bytes: u64) -> Result<u64, BlobTooLarge> {
        let symbol_size = u64::from(self.symbol_size_bytes(blob_bytes)?);
        let n_shards = u64::from(self.n_shards);
        let slivers = (u64::from(self.n_rows()) + u64::from(self.n_columns())) * symbol_size;
        let metadata = n_shards * 2 * HASH_BYTES + HASH_BYTES;
        Ok(n_shards * (slivers + metadata))
    }

    /// The shape of a blob of `blob_bytes` in memory.
    pub(crate) fn shape(&self, blob_bytes: u64) -> Result<Shape, BlobTooLarge> {
        Ok(Shape {
            n: usize::from(self.n_shards),
            n_rows: usize::from(self.n_rows()),
            n_columns: usize::from(self.n_columns()),
            symbol_size: usize::from(self.symbol_size_bytes(blob_bytes)?),
        })
    }
}

/// The numbers of one blob's matrix, as `usize` for indexing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Shards; rows and columns of the extended matrix.
    pub(crate) n: usize,
    pub(crate) n_rows: usize,
    pub(crate) n_columns: usize,
    pub(crate) symbol_size: usize,
}

impl Shape {
    pub(crate) fn primary_bytes(&self) -> usize {
        self.n_columns * self.symbol_size
    }

    pub(crate) fn secondary_bytes(&self) -> usize {
        self.n_rows * self.symbol_size
    }

    /// Bytes of the padded blob.
    pub(crate) fn source_bytes(&self) -> usize {
        self.n_rows * self.primary_bytes()
    }
}
