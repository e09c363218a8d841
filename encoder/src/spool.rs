//! Blobs and slivers in files, for those too large for memory. The only file access of this crate.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;

use crate::encoded::SliverSource;
use crate::ids::{Axis, SliverIndex};
use crate::layout::{BlobTooLarge, EncodingConfig, Shape};
use crate::stream::{BlobSource, SliverSink};

/// A blob in a file, or the first bytes of a file.
#[derive(Debug)]
pub struct FileBlob {
    file: File,
    blob_bytes: u64,
}

impl FileBlob {
    /// The whole of `file`, which must not change afterwards, see [`BlobSource`].
    ///
    /// # Errors
    /// Whatever keeps the file's length from being found out.
    pub fn new(file: File) -> io::Result<Self> {
        let blob_bytes = file.metadata()?.len();
        Ok(Self { file, blob_bytes })
    }
}

impl BlobSource for FileBlob {
    fn blob_bytes(&self) -> u64 {
        self.blob_bytes
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

/// Files with all slivers of a blob but the first `n_rows` primary ones, which are the blob itself.
///
/// They take about 3.5 times the blob. Their layout is their own business: a spool is read by the process that wrote
/// it. Several files let threads write at the same time, which the system does not allow them to do to one.
#[derive(Debug)]
pub struct SliverSpool {
    shape: Shape,
    files: Vec<File>,
}

/// Where a sliver's data lies.
struct Place<'a> {
    file: &'a File,
    start: u64,
    sliver_bytes: usize,
}

impl SliverSpool {
    /// A spool for a blob of `blob_bytes` in `files`, open for reading and writing, which are overwritten.
    ///
    /// # Errors
    /// [`BlobTooLarge`] beyond [`EncodingConfig::max_blob_bytes`].
    ///
    /// # Panics
    /// Without files.
    pub fn new(files: Vec<File>, config: EncodingConfig, blob_bytes: u64) -> Result<Self, BlobTooLarge> {
        assert!(!files.is_empty(), "a spool needs a file");
        Ok(Self { shape: config.shape(blob_bytes)?, files })
    }

    /// Slivers are dealt out to the files in turn: primary ones from `n_rows` on, then the secondary ones.
    fn place(&self, axis: Axis, index: SliverIndex) -> Place<'_> {
        let Shape { n, n_rows, .. } = self.shape;
        let [primary, secondary] = [self.shape.primary_bytes(), self.shape.secondary_bytes()];
        let (n_files, index) = (self.files.len(), usize::from(index.0));
        let primary_end = (n - n_rows).div_ceil(n_files) * primary;
        let (position, first, sliver_bytes) = match axis {
            Axis::Primary => (index - n_rows, 0, primary),
            Axis::Secondary => (index, primary_end, secondary),
        };
        let start = first + position / n_files * sliver_bytes;
        let start = u64::try_from(start).expect("a file is shorter than 2^64 bytes");
        Place { file: &self.files[position % n_files], start, sliver_bytes }
    }
}

impl SliverSink for SliverSpool {
    fn write_all_at(&self, axis: Axis, index: SliverIndex, symbols: &[u8], offset: u64) -> io::Result<()> {
        let Place { file, start, .. } = self.place(axis, index);
        file.write_all_at(symbols, start + offset)
    }
}

impl SliverSource for SliverSpool {
    fn sliver_data(&self, axis: Axis, index: SliverIndex) -> io::Result<Bytes> {
        let Place { file, start, sliver_bytes } = self.place(axis, index);
        let mut data = vec![0; sliver_bytes];
        file.read_exact_at(&mut data, start)?;
        Ok(data.into())
    }
}
