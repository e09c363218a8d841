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
    /// The whole of `file`, which must not shrink afterwards.
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

/// A file with all slivers of a blob but the first `n_rows` primary ones, which are the blob itself.
///
/// It takes about 3.5 times the blob. Its layout is its own business: a spool is read by the process that wrote it.
#[derive(Debug)]
pub struct SliverSpool {
    shape: Shape,
    file: File,
}

impl SliverSpool {
    /// A spool for a blob of `blob_bytes` in `file`, which is overwritten.
    ///
    /// # Errors
    /// [`BlobTooLarge`] beyond [`EncodingConfig::max_blob_bytes`].
    pub fn new(file: File, config: EncodingConfig, blob_bytes: u64) -> Result<Self, BlobTooLarge> {
        Ok(Self { shape: config.shape(blob_bytes)?, file })
    }

    /// Where a sliver's data lies: primary slivers from `n_rows` on, then the secondary ones.
    fn place(&self, axis: Axis, index: SliverIndex) -> (u64, usize) {
        let Shape { n, n_rows, .. } = self.shape;
        let [primary, secondary] = [self.shape.primary_bytes(), self.shape.secondary_bytes()];
        let index = usize::from(index.0);
        let (start, sliver_bytes) = match axis {
            Axis::Primary => ((index - n_rows) * primary, primary),
            Axis::Secondary => ((n - n_rows) * primary + index * secondary, secondary),
        };
        (u64::try_from(start).expect("a file is shorter than 2^64 bytes"), sliver_bytes)
    }
}

impl SliverSink for SliverSpool {
    fn write_all_at(&self, axis: Axis, index: SliverIndex, symbols: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(symbols, self.place(axis, index).0 + offset)
    }
}

impl SliverSource for SliverSpool {
    fn sliver_data(&self, axis: Axis, index: SliverIndex) -> io::Result<Bytes> {
        let (start, sliver_bytes) = self.place(axis, index);
        let mut data = vec![0; sliver_bytes];
        self.file.read_exact_at(&mut data, start)?;
        Ok(data.into())
    }
}
