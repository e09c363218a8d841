//! Staging: the local disk area where acknowledged bytes wait to be shipped to the storage network.
//!
//! Small extents share append-only *segment* files whose writes are grouped under one `fdatasync`; large extents get
//! a file each. Staging knows bytes and spans, not objects: the index says which spans are needed. Whatever the index
//! does not name at start-up was never acknowledged and is removed.
//!
//! Invariant: a [`StagedSpan`] handed out is on disk and synced; dropping it without [`StagedSpan::keep`] gives its space back.

mod area;
mod budget;
mod extent_file;
mod segment;

pub use area::{StagedSpan, StagingArea, StagingOpenError, StagingReadError};
pub use budget::{Reservation, StagingFull};
pub use extent_file::ExtentFile;

use std::io;

/// How staging uses the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagingLimits {
    /// Most bytes staged at once, reservations included. More lets longer network outages pass unnoticed; when it is
    /// full, writes are answered `SlowDown`.
    pub max_bytes: u64,
    /// A segment file is closed and a new one begun when it reaches this size.
    pub segment_bytes: u64,
    /// Most bytes written under one `fdatasync`.
    pub group_bytes_max: usize,
}

/// A write to staging failed.
#[derive(Debug, thiserror::Error)]
pub enum StagingWriteError {
    /// The disk refused.
    #[error("staging write failed")]
    Io(#[from] io::Error),
    /// The segment writer is gone: the process is stopping.
    #[error("the staging area is shutting down")]
    Closed,
}
