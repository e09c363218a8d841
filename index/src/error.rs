//! What can go wrong in any operation.

use crate::ExtentId;

/// A failure of the index itself; what an operation may refuse stands in its own error.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Retry later: other writers held the same rows through every attempt.
    #[error("rows stayed locked by other writers through {attempts} attempts")]
    Busy {
        /// How often the transaction was tried.
        attempts: u32,
    },
    /// The disk or the storage engine failed. Nothing was acknowledged; the change may yet be on disk.
    #[error("the storage engine failed")]
    Storage(#[source] StorageError),
    /// A stored row cannot be read: wake someone, do not retry.
    #[error("a row of {family} is unreadable")]
    Corrupt {
        /// The column family.
        family: &'static str,
        /// What is wrong with it.
        #[source]
        source: RowError,
    },
    /// A stored row refers to one that is not there: wake someone, do not retry.
    #[error("a row of {family} is missing that another refers to")]
    Dangling {
        /// The column family that lacks it.
        family: &'static str,
    },
    /// The extents handed over are not exactly those that the object or part is made of. The caller's mistake.
    #[error("{extent} is not both handed over and used")]
    ExtentMismatch {
        /// The first that does not fit.
        extent: ExtentId,
    },
    /// The runtime is going down; the operation did not run.
    #[error("the runtime is shutting down")]
    ShuttingDown,
}

impl From<rocksdb::Error> for IndexError {
    fn from(error: rocksdb::Error) -> Self {
        Self::Storage(StorageError(error))
    }
}

/// The storage engine's own account of a failure.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StorageError(rocksdb::Error);

impl From<rocksdb::Error> for StorageError {
    fn from(error: rocksdb::Error) -> Self {
        Self(error)
    }
}

/// Why the bytes of a row do not read.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// Its key has not the shape of its column family.
    #[error("malformed key")]
    Key,
    /// It has no bytes, not even a format version.
    #[error("empty row")]
    Empty,
    /// It was written in a format that this build does not read.
    #[error("format version {found}, expected {expected}")]
    FormatVersion {
        /// The row's.
        found: u8,
        /// The one this build reads.
        expected: u8,
    },
    /// It has a known format version and does not decode.
    #[error("does not decode")]
    Value(#[source] postcard::Error),
}

/// Why the index did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Written by a newer Haulout: upgrade this one. The files were not touched.
    #[error("the index has schema version {found}, this build knows up to {supported}")]
    NewerSchema {
        /// The version stamped in the index.
        found: u32,
        /// The newest version that this build reads.
        supported: u32,
    },
    /// The schema stamp is not a version: these files are not an index, or damaged.
    #[error("the index has no readable schema version")]
    UnreadableSchema,
    /// In use by another process, no access, damaged, or the disk failed.
    #[error("the storage engine did not open")]
    Storage(#[from] StorageError),
    /// The configuration leaves too little memory for writes.
    #[error("write_buffer_bytes is {configured}, and must be at least {least}")]
    WriteBufferTooSmall {
        /// What was configured.
        configured: usize,
        /// [`IndexConfig::MIN_WRITE_BUFFER_BYTES`](crate::IndexConfig::MIN_WRITE_BUFFER_BYTES).
        least: usize,
    },
    /// The runtime is going down.
    #[error("the runtime is shutting down")]
    ShuttingDown,
}

impl From<rocksdb::Error> for OpenError {
    fn from(error: rocksdb::Error) -> Self {
        Self::Storage(StorageError(error))
    }
}
