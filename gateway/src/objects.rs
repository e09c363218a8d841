//! The object layer: buckets, objects and multipart uploads over the index, the staging area and the storage network.
//!
//! It speaks neither HTTP nor S3's wire format: `s3` translates. Start at [`ObjectStore`]; then `ingest` (how a body
//! becomes staged extents in one pass), `seal` (how they are protected) and `reader` (how they come back).
//!
//! What always holds: an object is visible only after every byte of it is synced, and a byte is handed out only after
//! its frame was checked.

mod checksum;
mod conditions;
mod copy;
mod error;
mod get;
mod ingest;
mod multipart;
mod namespace;
mod part_number;
mod put;
mod reader;
mod readers;
mod seal;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use haulout_index::{ChecksumAlgorithm, Durability, Index, ObjectRecord, Protection, SystemMetadata};
use haulout_network::NetworkClient;
use tokio::sync::Semaphore;

use crate::first_start::MasterKey;
use crate::shipping::ShippingHandle;
use crate::staging::StagingArea;

pub use checksum::{RunningChecksum, default_kind, kind_exists};
pub use conditions::{ETagCondition, IfRange, ReadConditions};
pub use copy::{CopyObject, CopySource};
pub use error::{BoxError, DigestKind, ObjectError};
pub use get::{ObjectView, OpenObject, Placement, RangeRequest, ReadRequest};
pub use multipart::{CompletePart, CompleteUpload, CreateUpload};
pub use part_number::{InvalidPartNumber, PartNumber};
pub use put::PutObject;
pub use readers::Readers;
pub use seal::{FRAME_BYTES, TAG_BYTES};

/// Bytes of a body on their way in or out.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send + Sync>>;

/// The bounds of the object layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectLimits {
    /// Objects up to this many bytes share a staging segment and its sync. At most 1 MiB counts: longer
    /// bodies are never whole in memory.
    pub small_object_bytes_max: usize,
    /// Most plaintext bytes of one extent: what fits into one blob.
    pub extent_bytes_max: u64,
    /// Memory for the bodies of uploads under way; an upload waits for its share before its body is read.
    pub upload_memory_bytes: usize,
    /// How long a write of durability `certified` waits for the network.
    pub certify_timeout: Duration,
}

/// Largest body of one PutObject, UploadPart or copy. Source: Amazon S3 quotas.
pub const UPLOAD_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// Smallest part of a multipart upload but the last. Source: Amazon S3 multipart upload limits.
pub const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;

/// All buckets and objects. Cheap to clone.
#[derive(Clone)]
pub struct ObjectStore {
    shared: Arc<Shared>,
}

struct Shared {
    index: Index,
    staging: StagingArea,
    network: NetworkClient,
    shipping: ShippingHandle,
    master_key: MasterKey,
    limits: ObjectLimits,
    upload_memory: Arc<Semaphore>,
    readers: Readers,
}

impl ObjectStore {
    /// Puts the object layer together.
    #[must_use]
    pub fn new(
        index: Index,
        staging: StagingArea,
        network: NetworkClient,
        shipping: ShippingHandle,
        master_key: MasterKey,
        readers: Readers,
        limits: ObjectLimits,
    ) -> Self {
        let upload_memory = Arc::new(Semaphore::new(limits.upload_memory_bytes));
        let shared = Shared { index, staging, network, shipping, master_key, limits, upload_memory, readers };
        Self { shared: Arc::new(shared) }
    }
}

/// A request body and what it must turn out to be.
pub struct Upload {
    /// The bytes.
    pub stream: ByteStream,
    /// How many the client announced.
    pub length: Option<u64>,
    /// `Content-MD5`.
    pub content_md5: Option<[u8; 16]>,
    /// The checksum to compute, and what it must equal.
    pub checksum: ChecksumExpectation,
}

/// What is known of a body's checksum before it arrives.
pub enum ChecksumExpectation {
    /// Nothing: compute one, to store and return.
    Compute(ChecksumAlgorithm),
    /// It must equal these bytes.
    Match(ChecksumAlgorithm, Vec<u8>),
    /// It must equal what follows the body; asked once the body has ended, `None` if it did not come.
    Trailer(ChecksumAlgorithm, Box<dyn FnOnce() -> Option<Vec<u8>> + Send + Sync>),
}

impl ChecksumExpectation {
    /// The algorithm to compute with.
    #[must_use]
    pub fn algorithm(&self) -> ChecksumAlgorithm {
        match self {
            Self::Compute(algorithm) | Self::Match(algorithm, _) | Self::Trailer(algorithm, _) => *algorithm,
        }
    }
}

/// What a client says about an object besides its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectAttributes {
    /// The headers S3 knows.
    pub system: SystemMetadata,
    /// `x-amz-meta-*`, without the prefix.
    pub user_metadata: Vec<(String, String)>,
}

/// What a write produced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The object as the index has it.
    pub record: ObjectRecord,
}

/// What a bucket is created with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketOptions {
    /// When writes are acknowledged; `None` is the server's default, staged.
    pub durability: Option<Durability>,
    /// Whether bytes are encrypted.
    pub protection: Protection,
}
