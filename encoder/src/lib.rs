//! RedStuff encoding: bytes in, slivers and a [`BlobId`] out.
//!
//! Byte for byte the encoding type RS2 of Walrus, for any network of 4 to 1000 shards. CPU-bound and without a clock. It
//! reads and writes through traits of its own, of which [`FileBlob`] and [`SliverSpool`] are the two for files. Only
//! [`CpuPool`] and [`EncoderService`] are async; the rest runs on the thread, and spreads over the rayon pool, that it is
//! called from. Knows nothing of storage nodes, HTTP or S3.
//!
//! Start at [`EncodingConfig`], which says how a blob becomes a matrix of symbols and how much memory things take, then
//! [`encode`] and [`decode`]; [`encode_to`], [`compute_metadata_of`] and [`decode_to`] do the same for blobs that are
//! not in memory. [`verify_sliver`] checks a single sliver and [`verify_slivers`] many, [`sliver_range`] finds the
//! slivers of a byte range, [`recover_sliver`] rebuilds one sliver without the blob, [`quilt`] packs many small blobs
//! into one.
//!
//! Invariants: any `n_rows` primary or any `n_columns` secondary slivers decode to their blob, and [`decode`] hands
//! out nothing that is not the blob of the given blob ID. A [`VerifiedMetadata`] has proven its blob ID.
//! No bytes from outside make this crate panic or allocate more than a small multiple of their own length.

mod ids;
mod layout;

mod blake2b;
mod merkle;
mod metadata;
mod sliver;
mod wire;

mod code;
mod decode;
mod encode;
mod encoded;
mod memory;
mod range;
mod sliver_hash;
mod spool;
mod stream;
mod threads;

mod recovery;
mod unproven;

pub mod quilt;

mod service;

#[doc(hidden)]
pub mod parts;

pub use decode::{
    BlobSink, DecodeError, GivenSlivers, SliverReader, StreamDecodeError, Verification, decode, decode_to,
    decode_with,
};
pub use encode::{EncodeError, StreamError, compute_metadata, compute_metadata_of, encode, encode_to};
pub use encoded::{EncodedBlob, SliverMemory, SliverSource};
pub use ids::{Axis, BlobId, InvalidBlobId, ShardIndex, SliverIndex, SliverPairIndex};
pub use layout::{BlobTooLarge, EncodingConfig, InvalidShardCount, MAX_SYMBOL_BYTES};
pub use merkle::{Digest, MerkleProof};
pub use metadata::{BlobMetadata, InvalidMetadata, SliverPairHashes, VerifiedMetadata};
pub use range::{RangeError, SliverPart, sliver_range};
pub use recovery::{
    ExtendedSliver, InconsistencyProof, RecoverError, RecoverySymbol, SymbolError, recover_sliver,
};
pub use service::{
    CpuPool, EncodeRequest, EncoderConfig, EncoderService, PoolError, ServiceError, StartPoolError,
};
pub use sliver::{MAX_SLIVER_BCS_BYTES, Sliver, SliverError, verify_sliver, verify_slivers};
pub use spool::{FileBlob, SliverSpool};
pub use stream::{BlobSource, SliverSink};
pub use unproven::{UnprovenError, recover_sliver_unproven};
pub use wire::WireError;
