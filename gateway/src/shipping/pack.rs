//! Packs: many extents in one blob, with a footer that says what is where.
//!
//! ```text
//! extent ‖ extent ‖ … ‖ entry ‖ entry ‖ … ‖ count: u32le ‖ "HOPACK01"
//! entry = extent id: 16 bytes ‖ offset: u64le ‖ stored length: u64le
//! ```
//! The footer lets a pack be read without the index. Offsets ascend and extents do not overlap.

use haulout_index::{BlobMember, ExtentId};

use crate::objects::FRAME_BYTES;

const MAGIC: &[u8; 8] = b"HOPACK01";
const ENTRY_BYTES: usize = 16 + 8 + 8;
const TAIL_BYTES: usize = 4 + MAGIC.len();

/// Extents in one pack at most: bounds the footer, and the row that describes the pack in the index.
pub(super) const MEMBERS_MAX: usize = 4096;

/// One extent's place in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackEntry {
    /// The 16 bytes of the extent's id.
    pub extent: [u8; 16],
    /// Bytes from the beginning of the blob.
    pub offset: u64,
    /// Its stored bytes.
    pub stored_length: u64,
}

/// The end of a pack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackFooter {
    /// What the pack holds, by ascending offset.
    pub entries: Vec<PackEntry>,
}

/// Bytes that are not the end of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackFooterError {
    /// The last bytes are not a pack's.
    #[error("not a pack")]
    NotAPack,
    /// The footer claims more entries than there is room for, or more than a pack may have.
    #[error("the footer claims {count} entries")]
    TooManyEntries {
        /// As claimed.
        count: u32,
    },
    /// Extents overlap or reach into the footer.
    #[error("entry {position} lies outside its place")]
    Misplaced {
        /// Which entry.
        position: usize,
    },
}

impl PackFooter {
    /// The footer of a pack of these members.
    #[must_use]
    pub fn of(members: &[BlobMember]) -> Self {
        let entry = |member: &BlobMember| PackEntry {
            extent: *member.extent.as_bytes(),
            offset: member.offset,
            stored_length: member.stored_length,
        };
        Self { entries: members.iter().map(entry).collect() }
    }

    /// Bytes of a footer with `entries` entries.
    #[must_use]
    pub fn length(entries: usize) -> usize {
        entries * ENTRY_BYTES + TAIL_BYTES
    }

    /// Appends the footer to a pack.
    pub fn append_to(&self, pack: &mut Vec<u8>) {
        for entry in &self.entries {
            pack.extend_from_slice(&entry.extent);
            pack.extend_from_slice(&entry.offset.to_le_bytes());
            pack.extend_from_slice(&entry.stored_length.to_le_bytes());
        }
        let count = u32::try_from(self.entries.len()).expect("a pack has at most MEMBERS_MAX members");
        pack.extend_from_slice(&count.to_le_bytes());
        pack.extend_from_slice(MAGIC);
    }

    /// Reads the footer of a whole pack. The bytes may come from anywhere.
    ///
    /// # Errors
    /// [`PackFooterError`]; it never allocates more than the bytes at hand justify.
    pub fn parse(pack: &[u8]) -> Result<Self, PackFooterError> {
        let rest = pack.strip_suffix(MAGIC).ok_or(PackFooterError::NotAPack)?;
        let (rest, count) = rest.split_last_chunk::<4>().ok_or(PackFooterError::NotAPack)?;
        let count = u32::from_le_bytes(*count);
        let entries = usize::try_from(count).ok().filter(|&entries| entries <= MEMBERS_MAX);
        let start = entries.and_then(|entries| rest.len().checked_sub(entries * ENTRY_BYTES));
        let (data, entries) = rest.split_at(start.ok_or(PackFooterError::TooManyEntries { count })?);
        let mut end = 0;
        let mut footer = Self::default();
        for (position, bytes) in entries.chunks_exact(ENTRY_BYTES).enumerate() {
            let entry = PackEntry::parse(bytes);
            let entry_end = entry.offset.checked_add(entry.stored_length);
            match entry_end.filter(|&end| usize::try_from(end).is_ok_and(|end| end <= data.len())) {
                Some(entry_end) if entry.offset >= end => end = entry_end,
                _ => return Err(PackFooterError::Misplaced { position }),
            }
            footer.entries.push(entry);
        }
        Ok(footer)
    }
}

impl PackEntry {
    fn parse(bytes: &[u8]) -> Self {
        let (extent, rest) = bytes.split_first_chunk::<16>().expect("an entry has 32 bytes");
        let (offset, rest) = rest.split_first_chunk::<8>().expect("an entry has 32 bytes");
        let (length, _) = rest.split_first_chunk::<8>().expect("an entry has 32 bytes");
        Self {
            extent: *extent,
            offset: u64::from_le_bytes(*offset),
            stored_length: u64::from_le_bytes(*length),
        }
    }
}

/// Lays extents of these stored lengths out one after the other, as many as fit into a blob of `blob_bytes_max`;
/// returns offset and length of each. At least one always fits: extents are cut to [`extent_bytes_max`].
pub(super) fn lay_out(
    extents: impl Iterator<Item = (ExtentId, u64)>,
    blob_bytes_max: u64,
) -> Vec<(ExtentId, u64)> {
    let mut offset = 0;
    let mut laid = Vec::new();
    for (extent, stored_length) in extents.take(MEMBERS_MAX) {
        let footer = PackFooter::length(laid.len() + 1) as u64;
        if offset + stored_length + footer > blob_bytes_max && !laid.is_empty() {
            break;
        }
        laid.push((extent, offset));
        offset += stored_length;
    }
    laid
}

/// Plaintext bytes of the largest extent that fits into a blob of `blob_bytes_max` with its tags and footer: a whole
/// number of frames, at least one.
#[must_use]
pub fn extent_bytes_max(blob_bytes_max: u64) -> u64 {
    let frame = FRAME_BYTES as u64;
    let stored_frame = frame + crate::objects::TAG_BYTES as u64;
    let room = blob_bytes_max.saturating_sub(PackFooter::length(1) as u64);
    (room / stored_frame).max(1) * frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn footer() -> PackFooter {
        let entry = |extent, offset, stored_length| PackEntry { extent: [extent; 16], offset, stored_length };
        PackFooter { entries: vec![entry(1, 0, 10), entry(2, 10, 5)] }
    }

    #[test]
    fn a_footer_reads_back_from_its_pack() {
        let mut pack = vec![7; 15];
        footer().append_to(&mut pack);
        assert_eq!(pack.len(), 15 + PackFooter::length(2));
        assert_eq!(PackFooter::parse(&pack), Ok(footer()));
        assert_eq!(PackFooter::parse(&pack[..20]), Err(PackFooterError::NotAPack));
    }

    #[test]
    fn entries_that_overlap_or_leave_the_data_are_refused() {
        let mut short = vec![7; 14];
        footer().append_to(&mut short);
        assert_eq!(PackFooter::parse(&short), Err(PackFooterError::Misplaced { position: 1 }));
    }

    proptest! {
        /// Hostile bytes give an error, never a panic.
        #[test]
        fn any_bytes_are_safe_to_parse(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), tail in any::<bool>()) {
            if tail {
                bytes.extend_from_slice(MAGIC);
            }
            let _ = PackFooter::parse(&bytes);
        }
    }

    #[test]
    fn the_largest_extent_fills_a_blob() {
        for blob_bytes_max in [1 << 20, 16 << 20, (16 << 20) + 1] {
            let plain = extent_bytes_max(blob_bytes_max);
            let stored = plain + plain / FRAME_BYTES as u64 * crate::objects::TAG_BYTES as u64;
            let frame = FRAME_BYTES as u64;
            assert!(stored + PackFooter::length(1) as u64 <= blob_bytes_max);
            assert!(stored + frame + 16 + PackFooter::length(1) as u64 > blob_bytes_max);
        }
    }
}
