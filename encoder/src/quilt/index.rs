//! The index of a quilt.

use super::layout::ReadQuiltError;
use super::{PatchColumns, PatchId, Tags, put_tags, read_tags};
use crate::ids::BlobId;
use crate::wire::{self, Reader};

/// What the index says of one patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The patch's name as stored. Other packers check less than [`PatchIdentifier`](super::PatchIdentifier) does.
    pub identifier: String,
    /// The patch's properties.
    pub tags: Tags,
    /// Where the patch lies.
    pub columns: PatchColumns,
}

/// All patches of a quilt, in stored order: by identifier if this crate packed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuiltIndex {
    entries: Vec<IndexEntry>,
}

impl QuiltIndex {
    pub(super) fn new(entries: Vec<IndexEntry>) -> Self {
        Self { entries }
    }

    /// The patches, in stored order.
    pub fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// The first patch of this name.
    pub fn find(&self, identifier: &str) -> Option<&IndexEntry> {
        self.entries.iter().find(|entry| entry.identifier == identifier)
    }

    /// The IDs of all patches in `quilt`, in stored order.
    pub fn patch_ids(&self, quilt: BlobId) -> impl ExactSizeIterator<Item = PatchId> {
        self.entries.iter().map(move |entry| PatchId { quilt, columns: entry.columns })
    }

    /// Reads the index proper, which follows its prefix. Patches lie one after the other from column `first_column`
    /// on, in a matrix of `n_columns`.
    pub(super) fn read(bytes: &[u8], first_column: u16, n_columns: u16) -> Result<Self, ReadQuiltError> {
        /// Column number, empty identifier, no tags.
        const ENTRY_MIN_BYTES: usize = 4;
        let mut reader = Reader::new(bytes);
        let mut start = first_column;
        let mut entries = Vec::new();
        for _ in 0..reader.count(ENTRY_MIN_BYTES)? {
            let end = reader.u16()?;
            let identifier = reader.string()?.to_owned();
            let tags = read_tags(&mut reader)?;
            let columns = PatchColumns::new(start, end)
                .filter(|_| end <= n_columns)
                .ok_or(ReadQuiltError::InvalidColumns { start, end, n_columns })?;
            entries.push(IndexEntry { identifier, tags, columns });
            start = end;
        }
        reader.finish()?;
        Ok(Self { entries })
    }
}

/// Appends the entry of a patch whose last column comes before `end`.
pub(super) fn put_entry(out: &mut Vec<u8>, end: u16, identifier: &str, tags: &Tags) {
    out.extend_from_slice(&end.to_le_bytes());
    wire::put_string(out, identifier);
    put_tags(out, tags);
}
