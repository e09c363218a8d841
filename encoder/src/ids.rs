//! Identities and positions: blob IDs, shards, sliver pairs, slivers.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Identity of a blob's encoding on the network: BLAKE2b-256 over encoding type, length and root hash.
///
/// Its text form is base64url without padding, always 43 characters.
/// The same content has different blob IDs on networks with different numbers of shards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub [u8; 32]);

impl BlobId {
    /// Length of the text form, in characters.
    pub const TEXT_CHARS: usize = 43;

    /// How far this blob's sliver pairs are rotated around the shards, `0..n_shards`.
    ///
    /// The ID is read as a big-endian integer here, although the ledger reads it little-endian.
    ///
    /// # Panics
    /// If `n_shards` is zero.
    fn rotation(&self, n_shards: u16) -> u32 {
        let modulus = u32::from(n_shards);
        self.0.iter().fold(0, |offset, &byte| (offset * 256 + u32::from(byte)) % modulus)
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; Self::TEXT_CHARS];
        URL_SAFE_NO_PAD.encode_slice(self.0, &mut text).expect("32 bytes are 43 characters");
        formatter.pad(std::str::from_utf8(&text).expect("base64url is ASCII"))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BlobId({self})")
    }
}

/// The text is not a blob ID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBlobId {
    /// Not 43 characters long; padding counts as characters.
    #[error("a blob ID has 43 characters, not {found}")]
    Length {
        /// Length found, in bytes of UTF-8.
        found: usize,
    },
    /// A character outside base64url, or bits set beyond the 32 bytes.
    #[error("a blob ID is base64url without padding")]
    Encoding(#[source] base64::DecodeSliceError),
}

impl FromStr for BlobId {
    type Err = InvalidBlobId;

    fn from_str(text: &str) -> Result<Self, InvalidBlobId> {
        if text.len() != Self::TEXT_CHARS {
            return Err(InvalidBlobId::Length { found: text.len() });
        }
        let mut bytes = [0; 32];
        URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).map_err(InvalidBlobId::Encoding)?;
        Ok(Self(bytes))
    }
}

/// Text for human-readable formats, 32 raw bytes for binary ones.
impl Serialize for BlobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for BlobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            text.parse().map_err(de::Error::custom)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

/// Position of a shard in the committee's assignment, `0..n_shards`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShardIndex(pub u16);

/// Position of a sliver pair in a blob's metadata, `0..n_shards`; the same for every blob, unlike its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SliverPairIndex(pub u16);

/// Position of a sliver on its own axis, `0..n_shards`: the row of a primary, the column of a secondary one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SliverIndex(pub u16);

impl SliverPairIndex {
    /// The shard that keeps this pair of `blob_id`.
    ///
    /// # Panics
    /// If the index is not below `n_shards`.
    pub fn to_shard(self, n_shards: u16, blob_id: &BlobId) -> ShardIndex {
        ShardIndex(rotate(self.0, blob_id.rotation(n_shards), n_shards))
    }
}

impl ShardIndex {
    /// The pair of `blob_id` that this shard keeps; undoes [`SliverPairIndex::to_shard`].
    ///
    /// # Panics
    /// If the index is not below `n_shards`.
    pub fn to_pair(self, n_shards: u16, blob_id: &BlobId) -> SliverPairIndex {
        let backwards = u32::from(n_shards) - blob_id.rotation(n_shards);
        SliverPairIndex(rotate(self.0, backwards, n_shards))
    }
}

fn rotate(index: u16, by: u32, n_shards: u16) -> u16 {
    assert!(index < n_shards, "position {index} on a circle of {n_shards}");
    let rotated = (u32::from(index) + by) % u32::from(n_shards);
    u16::try_from(rotated).expect("smaller than a u16 modulus")
}

/// Which way a sliver lies in the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Axis {
    /// A row: `n_columns` symbols; any `n_rows` primary slivers decode to the blob.
    Primary,
    /// A column: `n_rows` symbols; any `n_columns` secondary slivers decode to the blob.
    Secondary,
}

impl Axis {
    /// Both axes, primary first, in the order metadata lists them.
    pub const BOTH: [Self; 2] = [Self::Primary, Self::Secondary];

    /// The other axis.
    pub fn orthogonal(self) -> Self {
        match self {
            Self::Primary => Self::Secondary,
            Self::Secondary => Self::Primary,
        }
    }

    /// The sliver of this axis in a pair. Secondary slivers run against the pairs: `n_shards - 1 - pair`.
    ///
    /// # Panics
    /// If the index is not below `n_shards`.
    pub fn sliver_index(self, pair: SliverPairIndex, n_shards: u16) -> SliverIndex {
        SliverIndex(self.flip(pair.0, n_shards))
    }

    /// The pair that owns a sliver of this axis; undoes [`Axis::sliver_index`].
    ///
    /// # Panics
    /// If the index is not below `n_shards`.
    pub fn pair_index(self, sliver: SliverIndex, n_shards: u16) -> SliverPairIndex {
        SliverPairIndex(self.flip(sliver.0, n_shards))
    }

    fn flip(self, index: u16, n_shards: u16) -> u16 {
        assert!(index < n_shards, "sliver {index} of {n_shards}");
        match self {
            Self::Primary => index,
            Self::Secondary => n_shards - 1 - index,
        }
    }
}
