//! Byte ranges of a blob: which primary slivers hold them.

use std::ops::Range;

use crate::ids::{Axis, SliverIndex, SliverPairIndex};
use crate::layout::EncodingConfig;
use crate::metadata::VerifiedMetadata;

/// A run of blob bytes inside one primary sliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliverPart {
    /// The primary sliver, below `n_rows`.
    pub index: SliverIndex,
    /// The bytes of its data, never padding and never empty.
    pub bytes: Range<usize>,
}

impl SliverPart {
    /// The pair whose primary sliver this is.
    pub fn pair(&self) -> SliverPairIndex {
        SliverPairIndex(self.index.0)
    }
}

/// The range is not one of the blob's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// It begins after its end.
    #[error("the range begins at {start}, after its end at {end}")]
    Reversed {
        /// First byte.
        start: u64,
        /// Byte after the last.
        end: u64,
    },
    /// It ends after the blob does.
    #[error("the range ends at {end}, after the blob's {blob_bytes} bytes")]
    OutOfBounds {
        /// Byte after the last.
        end: u64,
        /// Length of the blob.
        blob_bytes: u64,
    },
}

/// The parts of primary slivers whose concatenation is `range` of the blob, in order; none for an empty range.
///
/// The blob is cut into rows of `n_columns` symbols, each the data of a primary sliver, so no decoding is needed.
///
/// # Errors
/// [`RangeError`] unless `range` lies within the blob; ranges are not clamped.
///
/// # Panics
/// If `metadata` was verified for another `config`.
pub fn sliver_range(
    config: EncodingConfig,
    metadata: &VerifiedMetadata,
    range: Range<u64>,
) -> Result<Vec<SliverPart>, RangeError> {
    metadata.assert_config(config);
    let Range { start, end } = range;
    let blob_bytes = metadata.unencoded_length();
    if start > end {
        return Err(RangeError::Reversed { start, end });
    }
    if end > blob_bytes {
        return Err(RangeError::OutOfBounds { end, blob_bytes });
    }
    if start == end {
        return Ok(Vec::new());
    }
    let row_bytes =
        u64::try_from(metadata.sliver_bytes(Axis::Primary)).expect("a sliver is shorter than 2^64");
    let part = |row: u64| {
        let row_start = row * row_bytes;
        let bytes = start.max(row_start) - row_start..end.min(row_start + row_bytes) - row_start;
        SliverPart { index: sliver_index(row), bytes: within_sliver(bytes.start)..within_sliver(bytes.end) }
    };
    Ok((start / row_bytes..=(end - 1) / row_bytes).map(part).collect())
}

fn sliver_index(row: u64) -> SliverIndex {
    SliverIndex(u16::try_from(row).expect("a blob of verified length has fewer rows than shards"))
}

fn within_sliver(offset: u64) -> usize {
    usize::try_from(offset).expect("an offset within a sliver fits the memory that holds it")
}
