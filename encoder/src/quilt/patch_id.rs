//! Patch IDs: where in which quilt a patch lies.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::QUILT_V1;
use crate::ids::{BlobId, SliverIndex};

/// The columns of a patch, which are the indexes of its secondary slivers. Never empty; which
/// matrix they are in, and whether it has them, is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PatchColumns {
    start: u16,
    end: u16,
}

impl PatchColumns {
    /// Columns `start` to before `end`; `None` unless there is at least one.
    pub fn new(start: u16, end: u16) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    /// First column.
    pub fn start(self) -> u16 {
        self.start
    }

    /// Column after the last.
    pub fn end(self) -> u16 {
        self.end
    }

    /// Number of columns, at least one.
    pub fn count(self) -> u16 {
        self.end - self.start
    }

    /// The secondary slivers that hold the patch, in order.
    pub fn slivers(self) -> impl ExactSizeIterator<Item = SliverIndex> {
        Range { start: self.start, end: self.end }.map(SliverIndex)
    }
}

/// Names one patch of one quilt, as aggregators know it. Holds only as long as the quilt is not packed anew.
///
/// Its text form is base64url without padding, always 50 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PatchId {
    /// The quilt.
    pub quilt: BlobId,
    /// Where the patch lies in it.
    pub columns: PatchColumns,
}

impl PatchId {
    /// Length of the text form, in characters.
    pub const TEXT_CHARS: usize = 50;
    /// Blob ID, version, and two column numbers.
    const BYTES: usize = 32 + 1 + 2 + 2;
}

impl fmt::Display for PatchId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; Self::BYTES];
        bytes[..32].copy_from_slice(&self.quilt.0);
        bytes[32] = QUILT_V1;
        bytes[33..35].copy_from_slice(&self.columns.start.to_le_bytes());
        bytes[35..].copy_from_slice(&self.columns.end.to_le_bytes());
        formatter.pad(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// The text is not a patch ID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPatchId {
    /// Not 50 characters long; padding counts as characters.
    #[error("a patch ID has 50 characters, not {found}")]
    Length {
        /// Length found, in bytes of UTF-8.
        found: usize,
    },
    /// A character outside base64url, or bits set beyond the 37 bytes.
    #[error("a patch ID is base64url without padding")]
    Encoding(#[source] base64::DecodeSliceError),
    /// A version other than 1.
    #[error("version {found} of patch IDs is unknown")]
    UnknownVersion {
        /// The version found.
        found: u8,
    },
    /// No columns.
    #[error("columns {start} to {end} hold no patch")]
    EmptyRange {
        /// First column.
        start: u16,
        /// Column after the last.
        end: u16,
    },
}

impl FromStr for PatchId {
    type Err = InvalidPatchId;

    fn from_str(text: &str) -> Result<Self, InvalidPatchId> {
        if text.len() != Self::TEXT_CHARS {
            return Err(InvalidPatchId::Length { found: text.len() });
        }
        let mut bytes = [0; Self::BYTES];
        URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).map_err(InvalidPatchId::Encoding)?;
        let (quilt, rest) = bytes.split_first_chunk().expect("37 bytes begin with 32");
        let &[version, start_low, start_high, end_low, end_high] = rest else {
            unreachable!("five bytes follow the blob ID")
        };
        if version != QUILT_V1 {
            return Err(InvalidPatchId::UnknownVersion { found: version });
        }
        let start = u16::from_le_bytes([start_low, start_high]);
        let end = u16::from_le_bytes([end_low, end_high]);
        let columns = PatchColumns::new(start, end).ok_or(InvalidPatchId::EmptyRange { start, end })?;
        Ok(Self { quilt: BlobId(*quilt), columns })
    }
}
