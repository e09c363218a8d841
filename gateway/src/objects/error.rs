//! What can go wrong with an object, in terms of what the caller may do about it.

use haulout_index::{
    AbortError, CommitError, CreateBucketError, DeleteBucketError, DeleteError, DeleteRefused, IndexError,
    ObjectRecord, PutPartError, UploadError,
};

use super::seal::UnwrapError;
use crate::auth::PayloadError;
use crate::shipping::CertifyError;
use crate::staging::{StagingFull, StagingReadError, StagingWriteError};

/// Any error, as streams carry it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Which of the client's claims the bytes did not fulfil.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestKind {
    /// `Content-MD5`.
    Md5,
    /// `x-amz-checksum-*`, in a header or trailer.
    Checksum,
}

/// An operation on buckets, objects or uploads failed. Nothing of it is visible then.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The bucket does not exist.
    #[error("the bucket does not exist")]
    NoSuchBucket,
    /// The bucket exists and is the caller's.
    #[error("the bucket exists already")]
    BucketAlreadyOwnedByYou,
    /// Objects are left in the bucket.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// The key does not exist.
    #[error("the key does not exist")]
    NoSuchKey,
    /// The upload does not exist: completed, aborted, or never begun.
    #[error("the multipart upload does not exist")]
    NoSuchUpload,
    /// A condition of the request does not hold.
    #[error("the condition {condition} does not hold")]
    PreconditionFailed {
        /// The header that states it.
        condition: &'static str,
    },
    /// The client's copy is current.
    #[error("the object was not modified")]
    NotModified {
        /// What it would have been sent.
        record: Box<ObjectRecord>,
    },
    /// Another write to the same key got in between: try again.
    #[error("a conflicting conditional operation is in progress")]
    ConditionalRequestConflict,
    /// The range lies outside the object.
    #[error("the range is not within the {size} bytes of the object")]
    InvalidRange {
        /// Bytes in the object.
        size: u64,
    },
    /// The object has no such part.
    #[error("the object has no such part")]
    InvalidPartNumber,
    /// The bytes are not those the client meant to send.
    #[error("the bytes do not match their {what:?}")]
    BadDigest {
        /// Which claim failed.
        what: DigestKind,
    },
    /// The announced trailing checksum did not come.
    #[error("the announced trailer is missing")]
    MissingTrailer,
    /// The body ended early or went on too long.
    #[error("{received} bytes came where {expected} were announced")]
    IncompleteBody {
        /// Announced bytes.
        expected: u64,
        /// Received bytes.
        received: u64,
    },
    /// One upload may not be that large.
    #[error("the body is larger than {max} bytes")]
    EntityTooLarge {
        /// The bound in bytes.
        max: u64,
    },
    /// A part other than the last is under 5 MiB.
    #[error("part {number} has only {size} bytes")]
    EntityTooSmall {
        /// The part.
        number: u16,
        /// Its bytes.
        size: u64,
    },
    /// A part is not there or is not the one named.
    #[error("part {number} is missing or has another ETag or checksum")]
    InvalidPart {
        /// The part.
        number: u16,
    },
    /// The list of parts does not ascend.
    #[error("the parts are not in ascending order")]
    InvalidPartOrder,
    /// The list of parts is empty.
    #[error("the list of parts is empty")]
    MalformedParts,
    /// The object has another size than the client said.
    #[error("the object has {actual} bytes, not {expected}")]
    SizeMismatch {
        /// What the client said.
        expected: u64,
        /// What the parts add up to.
        actual: u64,
    },
    /// A checksum of another algorithm than the upload's, or of a kind that does not exist.
    #[error("the checksum algorithm or type does not fit the upload")]
    ChecksumTypeMismatch,
    /// A copy onto itself that changes nothing.
    #[error("an object cannot be copied onto itself without a change")]
    CopyOntoItself,
    /// Copies of this size go by parts.
    #[error("the copy source is larger than {max} bytes")]
    CopySourceTooLarge {
        /// The bound in bytes.
        max: u64,
    },
    /// The object is safe in staging, but the network did not certify it in time.
    #[error("the network did not certify the object in time; it is staged")]
    CertifyTimeout,
    /// Staging is full: come back later.
    #[error(transparent)]
    StagingFull(#[from] StagingFull),
    /// The payload layer found the body wanting.
    #[error("the body was refused")]
    Payload(#[source] PayloadError),
    /// The body could not be received.
    #[error("the body could not be received")]
    BodyTransport(#[source] BoxError),
    /// The object's bytes could not be had now.
    #[error("the object cannot be read now")]
    Read(#[source] haulout_network::ReadError),
    /// The object's bytes are damaged beyond what the network can restore.
    #[error("the object is damaged")]
    Corrupt(#[source] BoxError),
    /// The object's key was wrapped under another master key.
    #[error(transparent)]
    Key(#[from] UnwrapError),
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Staging could not be written.
    #[error(transparent)]
    StagingWrite(#[from] StagingWriteError),
    /// Staging could not be read.
    #[error(transparent)]
    StagingRead(#[from] StagingReadError),
    /// A blocking job panicked; its request ends, the server goes on.
    #[error("an internal job failed")]
    Internal(#[source] BoxError),
}

impl From<tokio::task::JoinError> for ObjectError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<std::io::Error> for ObjectError {
    fn from(error: std::io::Error) -> Self {
        Self::StagingWrite(error.into())
    }
}

impl From<CreateBucketError> for ObjectError {
    fn from(error: CreateBucketError) -> Self {
        match error {
            CreateBucketError::AlreadyExists => Self::BucketAlreadyOwnedByYou,
            CreateBucketError::Index(error) => error.into(),
        }
    }
}

impl From<DeleteBucketError> for ObjectError {
    fn from(error: DeleteBucketError) -> Self {
        match error {
            DeleteBucketError::NoSuchBucket => Self::NoSuchBucket,
            DeleteBucketError::NotEmpty => Self::BucketNotEmpty,
            DeleteBucketError::Index(error) => error.into(),
        }
    }
}

impl From<haulout_index::ObjectError> for ObjectError {
    fn from(error: haulout_index::ObjectError) -> Self {
        match error {
            haulout_index::ObjectError::NoSuchBucket => Self::NoSuchBucket,
            haulout_index::ObjectError::Index(error) => error.into(),
        }
    }
}

impl From<CommitError> for ObjectError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::NoSuchBucket => Self::NoSuchBucket,
            CommitError::PreconditionFailed => Self::PreconditionFailed { condition: "If-Match" },
            CommitError::NoSuchKey => Self::NoSuchKey,
            CommitError::NoSuchUpload => Self::NoSuchUpload,
            CommitError::PartChanged { number } => Self::InvalidPart { number },
            CommitError::Index(error) => error.into(),
        }
    }
}

impl From<DeleteRefused> for ObjectError {
    fn from(refused: DeleteRefused) -> Self {
        match refused {
            DeleteRefused::PreconditionFailed => Self::PreconditionFailed { condition: "If-Match" },
            DeleteRefused::NoSuchKey => Self::NoSuchKey,
        }
    }
}

impl From<DeleteError> for ObjectError {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::NoSuchBucket => Self::NoSuchBucket,
            DeleteError::Refused(refused) => refused.into(),
            DeleteError::Index(error) => error.into(),
        }
    }
}

impl From<UploadError> for ObjectError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::NoSuchBucket => Self::NoSuchBucket,
            UploadError::Index(error) => error.into(),
        }
    }
}

impl From<PutPartError> for ObjectError {
    fn from(error: PutPartError) -> Self {
        match error {
            PutPartError::NoSuchBucket => Self::NoSuchBucket,
            PutPartError::NoSuchUpload => Self::NoSuchUpload,
            PutPartError::Index(error) => error.into(),
        }
    }
}

impl From<AbortError> for ObjectError {
    fn from(error: AbortError) -> Self {
        match error {
            AbortError::NoSuchBucket => Self::NoSuchBucket,
            AbortError::NoSuchUpload => Self::NoSuchUpload,
            AbortError::Index(error) => error.into(),
        }
    }
}

impl From<CertifyError> for ObjectError {
    fn from(error: CertifyError) -> Self {
        match error {
            CertifyError::Timeout { .. } => Self::CertifyTimeout,
            CertifyError::Index(error) => error.into(),
        }
    }
}
