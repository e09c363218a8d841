//! An encoded blob: its metadata, and its slivers wherever they are.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::ids::{Axis, SliverIndex, SliverPairIndex};
use crate::layout::{BlobTooLarge, EncodingConfig, Shape};
use crate::memory::Memory;
use crate::metadata::VerifiedMetadata;
use crate::sliver::Sliver;
use crate::stream::{BlobSource, SliverSink};

/// Where slivers are read that a [`SliverSink`] was given.
pub trait SliverSource: Send + Sync {
    /// The data of a sliver that is not among the first `n_rows` primary ones. May block.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn sliver_data(&self, axis: Axis, index: SliverIndex) -> io::Result<Bytes>;
}

/// A blob's metadata and all its slivers. Cheap to clone.
#[derive(Clone)]
pub struct EncodedBlob {
    /// Blob ID and the hashes of all slivers.
    pub metadata: VerifiedMetadata,
    /// The first `n_rows` primary slivers, but for their padding.
    blob: Arc<dyn BlobSource>,
    /// All others.
    slivers: Arc<dyn SliverSource>,
}

impl EncodedBlob {
    /// A blob that was encoded from `blob`, the others of whose slivers are in `slivers`.
    pub fn new(
        metadata: VerifiedMetadata,
        blob: Arc<dyn BlobSource>,
        slivers: Arc<dyn SliverSource>,
    ) -> Self {
        Self { metadata, blob, slivers }
    }

    pub(crate) fn in_memory(metadata: VerifiedMetadata, blob: Bytes, slivers: SliverMemory) -> Self {
        Self::new(metadata, Arc::new(blob), Arc::new(slivers.into_slivers()))
    }

    /// One sliver of a pair. If the blob was encoded in memory, it shares that memory; else it is read, which may
    /// block.
    ///
    /// # Errors
    /// Whatever keeps the sliver from being read; never for a blob in memory.
    ///
    /// # Panics
    /// If `pair` is not below `n_shards`.
    pub fn sliver(&self, axis: Axis, pair: SliverPairIndex) -> io::Result<Sliver> {
        let config = self.metadata.config();
        let index = axis.sliver_index(pair, config.n_shards());
        let data = match axis {
            Axis::Primary if index.0 < config.n_rows() => self.row(index)?,
            Axis::Primary | Axis::Secondary => self.slivers.sliver_data(axis, index)?,
        };
        Ok(Sliver { axis, index, symbol_size: self.metadata.symbol_size_bytes(), data })
    }

    /// All sliver pairs, in order.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = SliverPairIndex> + use<> {
        (0..self.metadata.config().n_shards()).map(SliverPairIndex)
    }

    /// A row of the blob, padded.
    fn row(&self, index: SliverIndex) -> io::Result<Bytes> {
        let row_bytes = self.metadata.sliver_bytes(Axis::Primary);
        let row_length = u64::try_from(row_bytes).expect("memory is shorter than 2^64 bytes");
        let start = u64::from(index.0) * row_length;
        let inside = self.blob.blob_bytes().saturating_sub(start).min(row_length);
        if inside == row_length {
            return self.blob.bytes(start, row_bytes);
        }
        let mut row = vec![0; row_bytes];
        let inside = usize::try_from(inside).expect("no longer than a row");
        if inside > 0 {
            self.blob.read_exact_at(&mut row[..inside], start)?;
        }
        Ok(row.into())
    }
}

/// Without the slivers, which may be gigabytes.
impl fmt::Debug for EncodedBlob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EncodedBlob").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

/// Memory for all slivers that a sink is given. [`encode`](crate::encode) makes one for each blob; who encodes many
/// blobs of one length can use it again and spare the system the work of finding memory.
pub struct SliverMemory {
    shape: Shape,
    /// Primary slivers from `n_rows` on, one after the other.
    primary: Memory,
    /// Secondary slivers one after the other.
    secondary: Memory,
}

impl SliverMemory {
    /// Memory for the slivers of a blob of `blob_bytes`, some 3.5 times as much.
    ///
    /// # Errors
    /// [`BlobTooLarge`] beyond [`EncodingConfig::max_blob_bytes`].
    pub fn new(config: EncodingConfig, blob_bytes: u64) -> Result<Self, BlobTooLarge> {
        Ok(Self::for_shape(config.shape(blob_bytes)?))
    }

    pub(crate) fn for_shape(shape: Shape) -> Self {
        Self {
            shape,
            primary: Memory::zeroed((shape.n - shape.n_rows) * shape.primary_bytes()),
            secondary: Memory::zeroed(shape.n * shape.secondary_bytes()),
        }
    }

    /// Where [`encode_to`](crate::encode_to) may write a blob of the length it was made for.
    pub fn sink(&mut self) -> impl SliverSink + '_ {
        let shape = self.shape;
        MemorySink {
            n_rows: shape.n_rows,
            primary: self.primary.chunks_mut(shape.primary_bytes()).map(Mutex::new).collect(),
            secondary: self.secondary.chunks_mut(shape.secondary_bytes()).map(Mutex::new).collect(),
        }
    }

    fn into_slivers(self) -> SliversInMemory {
        let [primary, secondary] = [self.primary, self.secondary].map(Bytes::from_owner);
        SliversInMemory { shape: self.shape, primary, secondary }
    }
}

/// Without the slivers.
impl fmt::Debug for SliverMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SliverMemory").field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// The slivers of a [`SliverMemory`] while they are written. The locks are never waited for: two threads write to
/// the same primary sliver now and then, but hardly ever at once.
struct MemorySink<'a> {
    n_rows: usize,
    primary: Vec<Mutex<&'a mut [u8]>>,
    secondary: Vec<Mutex<&'a mut [u8]>>,
}

impl SliverSink for MemorySink<'_> {
    fn write_all_at(&self, axis: Axis, index: SliverIndex, symbols: &[u8], offset: u64) -> io::Result<()> {
        let index = usize::from(index.0);
        let sliver = match axis {
            Axis::Primary => &self.primary[index - self.n_rows],
            Axis::Secondary => &self.secondary[index],
        };
        let start = usize::try_from(offset).expect("the offset is inside the sliver");
        let mut sliver = sliver.lock().unwrap_or_else(PoisonError::into_inner);
        sliver[start..start + symbols.len()].copy_from_slice(symbols);
        Ok(())
    }
}

struct SliversInMemory {
    shape: Shape,
    primary: Bytes,
    secondary: Bytes,
}

impl SliverSource for SliversInMemory {
    fn sliver_data(&self, axis: Axis, index: SliverIndex) -> io::Result<Bytes> {
        let index = usize::from(index.0);
        let (all, position, sliver_bytes) = match axis {
            Axis::Primary => (&self.primary, index - self.shape.n_rows, self.shape.primary_bytes()),
            Axis::Secondary => (&self.secondary, index, self.shape.secondary_bytes()),
        };
        Ok(all.slice(position * sliver_bytes..(position + 1) * sliver_bytes))
    }
}
