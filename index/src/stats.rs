//! Counts for metrics.

use crate::index::Index;
use crate::store::{BlobPhase, PhaseKey, Read, tables};
use crate::{IndexError, StagingSpan};

/// How much is under way. All of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStats {
    /// Extents that wait to be shipped.
    pub staged_extents: u64,
    /// Bytes of staging that are still needed, by whatever.
    pub staged_bytes: u64,
    /// Extents that wait to be collected.
    pub garbage_extents: u64,
    /// Blobs whose members are chosen.
    pub planned_blobs: u64,
    /// Blobs on their way to the network.
    pub registered_blobs: u64,
    /// Blobs on the network with live members.
    pub certified_blobs: u64,
    /// Blobs on the network that can be deleted.
    pub empty_blobs: u64,
}

impl Index {
    /// Counts what is under way.
    ///
    /// Walks the queues and one short row for each blob: milliseconds, but for an index of millions of blobs
    /// a second. Not for the path of a request.
    ///
    /// # Errors
    /// As every read: [`IndexError`].
    pub async fn stats(&self) -> Result<IndexStats, IndexError> {
        self.read(|view| {
            let spans = crate::extent::staging_spans(view)?;
            Ok(IndexStats {
                staged_extents: count(view.scan(tables::STAGED))?,
                staged_bytes: spans.iter().map(|span: &StagingSpan| span.length).sum(),
                garbage_extents: count(view.scan(tables::GARBAGE))?,
                planned_blobs: blobs(view, BlobPhase::Planned)?,
                registered_blobs: blobs(view, BlobPhase::Registered)?,
                certified_blobs: blobs(view, BlobPhase::Certified)?,
                empty_blobs: blobs(view, BlobPhase::Empty)?,
            })
        })
        .await
    }
}

fn blobs(read: &impl Read, phase: BlobPhase) -> Result<u64, IndexError> {
    count(read.scan_prefix(tables::PHASES, &PhaseKey::prefix(phase)))
}

fn count<T>(mut rows: impl Iterator<Item = Result<T, IndexError>>) -> Result<u64, IndexError> {
    rows.try_fold(0, |count, row| row.map(|_| count + 1))
}
