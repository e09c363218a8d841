//! Reading a quilt's index and patches from its secondary slivers.

use bytes::Bytes;

use super::{
    HAS_TAGS, INDEX_PREFIX_BYTES, MAX_INDEX_COLUMNS, PATCH_HEADER_BYTES, PatchColumns, QUILT_V1, QuiltIndex,
    Tags, read_tags,
};
use crate::ids::{Axis, SliverIndex};
use crate::metadata::VerifiedMetadata;
use crate::sliver::Sliver;
use crate::wire::{Reader, WireError};

/// A patch as read back. Everything in it was chosen by whoever packed the quilt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPatch {
    /// The name as stored. Other packers check less than [`PatchIdentifier`](super::PatchIdentifier) does.
    pub identifier: String,
    /// The properties.
    pub tags: Tags,
    /// The bytes.
    pub data: Bytes,
}

/// A blob is not a quilt, or one that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadQuiltError {
    /// Its length is not that of a full matrix.
    #[error("a blob of {blob_bytes} bytes is no quilt: it does not fill its matrix")]
    NotAQuilt {
        /// Length of the blob.
        blob_bytes: u64,
    },
    /// Written by another version of the format.
    #[error("version {found} of the quilt format is unknown")]
    UnknownVersion {
        /// The version found.
        found: u8,
    },
    /// Not the slivers that were asked for: these columns, in this order, of this blob's size.
    #[error("secondary sliver {} was expected", expected.0)]
    UnexpectedSliver {
        /// The first sliver that is missing or different.
        expected: SliverIndex,
    },
    /// An index that claims more columns than the format allows.
    #[error("an index of {index_bytes} bytes exceeds the {max_bytes} that this quilt allows")]
    IndexTooLarge {
        /// Length claimed, without its prefix.
        index_bytes: usize,
        /// Longest index.
        max_bytes: usize,
    },
    /// Columns that the matrix does not have, or none.
    #[error("columns {start} to {end} are not among the {n_columns}")]
    InvalidColumns {
        /// First column.
        start: u16,
        /// Column after the last.
        end: u16,
        /// Columns of the matrix.
        n_columns: u16,
    },
    /// A patch that claims more bytes than its columns hold.
    #[error("a patch of {patch_bytes} bytes exceeds the {column_bytes} of its columns")]
    PatchTooLarge {
        /// Length claimed, header included.
        patch_bytes: usize,
        /// What its columns hold.
        column_bytes: usize,
    },
    /// Bits of a patch's mask that no version defines.
    #[error("the patch mask {mask:#04x} has unknown bits")]
    UnknownMask {
        /// The mask.
        mask: u8,
    },
    /// Bytes that are no index or patch.
    #[error("malformed bytes in a quilt")]
    Wire(#[from] WireError),
}

/// The columns of one quilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuiltLayout {
    n_columns: u16,
    column_bytes: usize,
    symbol_size: u16,
}

impl QuiltLayout {
    /// The layout of a quilt with this metadata.
    ///
    /// # Errors
    /// [`ReadQuiltError::NotAQuilt`] if the blob's length shows that it is none.
    pub fn of(metadata: &VerifiedMetadata) -> Result<Self, ReadQuiltError> {
        let n_columns = metadata.config().n_columns();
        let matrix_bytes = u64::from(metadata.config().n_rows())
            * u64::from(n_columns)
            * u64::from(metadata.symbol_size_bytes());
        let blob_bytes = metadata.unencoded_length();
        if blob_bytes != matrix_bytes {
            return Err(ReadQuiltError::NotAQuilt { blob_bytes });
        }
        let column_bytes = metadata.sliver_bytes(Axis::Secondary);
        Ok(Self { n_columns, column_bytes, symbol_size: metadata.symbol_size_bytes() })
    }

    /// How many columns the index takes, 1 to 10, from the first column.
    ///
    /// # Errors
    /// [`ReadQuiltError`] if this is no first column of a quilt.
    pub fn index_columns(&self, first: &Sliver) -> Result<u16, ReadQuiltError> {
        let stream = self.join(0..1, std::slice::from_ref(first))?;
        let index_bytes = self.index_bytes(&mut Reader::new(&stream))?;
        Ok(self.columns_of(index_bytes))
    }

    /// Reads the index from as many columns as [`Self::index_columns`] says, in order, from the first on.
    ///
    /// # Errors
    /// [`ReadQuiltError`] if columns are missing, or are not those of a quilt's index.
    pub fn read_index(&self, columns: &[Sliver]) -> Result<QuiltIndex, ReadQuiltError> {
        let first = columns.first().ok_or(ReadQuiltError::UnexpectedSliver { expected: SliverIndex(0) })?;
        let end = self.index_columns(first)?;
        let stream = self.join(0..end, columns)?;
        let mut reader = Reader::new(&stream);
        let index_bytes = self.index_bytes(&mut reader)?;
        QuiltIndex::read(reader.bytes(index_bytes)?, end, self.n_columns)
    }

    /// Reads one patch from its columns, given in order and without any others.
    ///
    /// # Errors
    /// [`ReadQuiltError`] if columns are missing, or hold no patch.
    pub fn read_patch(
        &self,
        columns: PatchColumns,
        slivers: &[Sliver],
    ) -> Result<StoredPatch, ReadQuiltError> {
        let (start, end) = (columns.start(), columns.end());
        if end > self.n_columns {
            return Err(ReadQuiltError::InvalidColumns { start, end, n_columns: self.n_columns });
        }
        read_stored(self.join(start..end, slivers)?.into())
    }

    /// Reads an index's prefix: the length of what follows.
    fn index_bytes(&self, reader: &mut Reader<'_>) -> Result<usize, ReadQuiltError> {
        expect_version(reader)?;
        let index_bytes = usize::try_from(reader.u32()?).map_err(|_| WireError::InvalidLength)?;
        let index_columns = MAX_INDEX_COLUMNS.min(usize::from(self.n_columns));
        let max_bytes = (index_columns * self.column_bytes).saturating_sub(INDEX_PREFIX_BYTES);
        if index_bytes > max_bytes {
            return Err(ReadQuiltError::IndexTooLarge { index_bytes, max_bytes });
        }
        Ok(index_bytes)
    }

    fn columns_of(&self, index_bytes: usize) -> u16 {
        let columns = (INDEX_PREFIX_BYTES + index_bytes).div_ceil(self.column_bytes);
        u16::try_from(columns).expect("an index of checked length takes at most ten columns")
    }

    /// The column stream of `columns`, of which `slivers` must be exactly the first or more.
    fn join(&self, columns: std::ops::Range<u16>, slivers: &[Sliver]) -> Result<Vec<u8>, ReadQuiltError> {
        // Not for all columns: their number comes from outside, the slivers are there.
        let mut stream = Vec::with_capacity(columns.len().min(slivers.len()) * self.column_bytes);
        for (position, column) in columns.enumerate() {
            let expected = SliverIndex(column);
            let sliver = slivers.get(position).filter(|sliver| {
                sliver.axis == Axis::Secondary
                    && sliver.index == expected
                    && sliver.symbol_size == self.symbol_size
                    && sliver.data.len() == self.column_bytes
            });
            stream.extend_from_slice(&sliver.ok_or(ReadQuiltError::UnexpectedSliver { expected })?.data);
        }
        Ok(stream)
    }
}

fn expect_version(reader: &mut Reader<'_>) -> Result<(), ReadQuiltError> {
    match reader.u8()? {
        QUILT_V1 => Ok(()),
        found => Err(ReadQuiltError::UnknownVersion { found }),
    }
}

fn read_stored(stream: Bytes) -> Result<StoredPatch, ReadQuiltError> {
    let mut reader = Reader::new(&stream);
    expect_version(&mut reader)?;
    let length = usize::try_from(reader.u32()?).map_err(|_| WireError::InvalidLength)?;
    let mask = reader.u8()?;
    if mask & !HAS_TAGS != 0 {
        return Err(ReadQuiltError::UnknownMask { mask });
    }
    let patch_bytes = PATCH_HEADER_BYTES.saturating_add(length);
    if patch_bytes > stream.len() {
        return Err(ReadQuiltError::PatchTooLarge { patch_bytes, column_bytes: stream.len() });
    }
    let mut reader = Reader::new(&stream[PATCH_HEADER_BYTES..patch_bytes]);
    let identifier = read_section(&mut reader, |section| Ok(section.string()?.to_owned()))?;
    let tags = if mask & HAS_TAGS == 0 { Tags::new() } else { read_section(&mut reader, read_tags)? };
    let data = stream.slice(PATCH_HEADER_BYTES + reader.position()..patch_bytes);
    Ok(StoredPatch { identifier, tags, data })
}

/// Reads a value that is preceded by its length in 16 bits, and must have exactly that length.
fn read_section<T>(
    reader: &mut Reader<'_>,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, WireError>,
) -> Result<T, WireError> {
    let section_bytes = usize::from(reader.u16()?);
    let mut section = Reader::new(reader.bytes(section_bytes)?);
    let value = read(&mut section)?;
    section.finish()?;
    Ok(value)
}
