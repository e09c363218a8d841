//! The index: which buckets and objects exist, where their bytes are, and what is still to be done about them.
//!
//! RocksDB inside, `async fn` outside: blocking calls run on Tokio's blocking threads, at most
//! [`IndexConfig::max_in_flight`] at a time. It knows neither HTTP nor S3's wire format, and it never sees
//! the bytes of an object: an extent is an id, a length and a location here.
//! Start at [`Index`], then [`ObjectRecord`] and [`Layout`] (what a key means), then [`ExtentRecord`] and
//! [`BlobRecord`] (how staged bytes become blobs on the network).
//!
//! What always holds, at every instant and after a crash:
//! - A method that returned `Ok` has its change on disk. One transaction each: all of it or nothing.
//! - An extent belongs to exactly one object version or part, or is queued as garbage, or died inside an
//!   unfinished blob and will be queued when that is certified, or is gone.
//! - A blob's `live_bytes` is the sum of its members whose extents are not gone.
//! - Staging bytes are given back exactly once, by [`Index::certify_blob`] or [`Index::collect_garbage`].
//!
//! Transactions take their locks in one order, so that two never wait for each other in a circle:
//! bucket, upload, part, object, blob, extent, each by ascending key; rows of the queues last.

mod ids;
mod names;

mod bucket;
mod object;
mod upload;

mod blob;
mod extent;
mod stats;

mod config;
mod error;
mod index;
mod store;

pub use blob::{BlobError, BlobMember, BlobRecord, BlobState};
pub use bucket::{
    BucketPage, BucketQuery, BucketRecord, CreateBucketError, DeleteBucketError, Durability, Protection,
};
pub use config::IndexConfig;
pub use error::{IndexError, OpenError, RowError, StorageError};
pub use extent::{Collected, ExtentLocation, ExtentRecord, ExtentRef, FrameCheck, NewExtent, StagingSpan};
pub use ids::{BlobKey, BucketId, ExtentId, InvalidId, PartId, StagingFileId, UploadId, VersionId};
pub use index::Index;
pub use names::{BucketName, InvalidBucketName, InvalidObjectKey, ObjectKey};
pub use object::{
    Checksum, ChecksumAlgorithm, ChecksumKind, CommitError, CommitObject, CompletedUpload, DeleteCondition,
    DeleteError, DeleteRefused, Deleted, ETag, ETagMatch, Layout, ListEntry, ListPage, ListQuery, ListStart,
    ObjectError, ObjectRecord, PartSummary, SystemMetadata, WrappedKey, WriteCondition,
};
pub use stats::IndexStats;
pub use upload::{
    AbortError, PartPage, PartRecord, PutPartError, UploadEntry, UploadError, UploadPage, UploadQuery,
    UploadRecord,
};
