//! How a node keeps a blob: one file with the metadata and a slot for each of its slivers.
//!
//! ```text
//! magic 8 ‖ format version u32 ‖ n_shards u16 ‖ n_pairs u16 ‖ unencoded length u64 ‖ blob ID 32 ‖ seal u64
//! presence u64 of each slot ‖ metadata in BCS ‖ slots: primary, secondary of each pair
//! ```
//!
//! Integers are little-endian. The pairs are in the order of the node's shards, so all offsets follow from the length.
//! A slot's presence is zero, or the number of the process run that filled it. The seal is set once all slots are
//! filled and fsynced: in a sealed file every slot can be believed to be on disk, in another only those filled in the
//! present run, as a power failure may have kept presences and lost slivers.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use haulout_encoder::{
    Axis, BlobId, BlobMetadata, BlobTooLarge, EncodingConfig, InvalidMetadata, SliverIndex, VerifiedMetadata,
};

const MAGIC: [u8; 8] = *b"HAULBLOB";
const FORMAT_VERSION: u32 = 1;
const HEADER_BYTES: usize = 64;
const SEAL_OFFSET: u64 = 56;
const SEALED: u64 = 1;
const PRESENCE_BYTES: usize = 8;

/// Two tagged hashes, as in the metadata's BCS form.
const METADATA_PAIR_BYTES: usize = 66;
/// Version, encoding type, length: what comes before the number of pairs in the metadata's BCS form.
const METADATA_HEAD_BYTES: usize = 10;

/// A blob's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum BlobFileError {
    #[error("blob file cannot be read or written")]
    Io(#[from] io::Error),
    #[error("not a blob file of this node, version and blob")]
    ForeignHeader,
    #[error("blob file claims an impossible length")]
    ImpossibleLength(#[from] BlobTooLarge),
    #[error("blob file holds damaged metadata")]
    Metadata(#[from] InvalidMetadata),
}

/// One of a node's slivers of a blob: the pair by its place among the node's pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) pair: usize,
    pub(super) axis: Axis,
}

/// Where things are in the file.
#[derive(Clone, Copy, Debug)]
struct Layout {
    n_pairs: usize,
    metadata_bytes: usize,
    symbol_size: u16,
    primary_bytes: usize,
    secondary_bytes: usize,
}

impl Layout {
    fn new(config: EncodingConfig, n_pairs: usize, unencoded_length: u64) -> Result<Self, BlobTooLarge> {
        let symbol_size = config.symbol_size_bytes(unencoded_length)?;
        let n_shards = usize::from(config.n_shards());
        let count_bytes = if n_shards < 0x80 { 1 } else { 2 }; // At most 1000 shards.
        Ok(Self {
            n_pairs,
            metadata_bytes: METADATA_HEAD_BYTES + count_bytes + METADATA_PAIR_BYTES * n_shards,
            symbol_size,
            primary_bytes: config.primary_sliver_bytes(symbol_size),
            secondary_bytes: config.secondary_sliver_bytes(symbol_size),
        })
    }

    fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        (0..self.n_pairs).flat_map(|pair| Axis::BOTH.map(|axis| Slot { pair, axis }))
    }

    fn presence_index(slot: Slot) -> usize {
        2 * slot.pair + usize::from(slot.axis == Axis::Secondary)
    }

    fn presence_offset(slot: Slot) -> u64 {
        offset(HEADER_BYTES + PRESENCE_BYTES * Self::presence_index(slot))
    }

    fn metadata_offset(&self) -> usize {
        HEADER_BYTES + PRESENCE_BYTES * 2 * self.n_pairs
    }

    fn sliver_offset(&self, slot: Slot) -> u64 {
        let before = match slot.axis {
            Axis::Primary => 0,
            Axis::Secondary => self.primary_bytes,
        };
        let pairs = slot.pair * (self.primary_bytes + self.secondary_bytes);
        offset(self.metadata_offset() + self.metadata_bytes + pairs + before)
    }

    fn sliver_bytes(&self, axis: Axis) -> usize {
        match axis {
            Axis::Primary => self.primary_bytes,
            Axis::Secondary => self.secondary_bytes,
        }
    }
}

fn offset(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("a usize fits in 64 bits")
}

/// An open file with its slots' presences as they were when it was opened.
pub(super) struct BlobFile {
    file: File,
    layout: Layout,
    config: EncodingConfig,
    blob_id: BlobId,
    sealed: bool,
    presences: Vec<u64>,
}

impl BlobFile {
    /// Creates the file with metadata and empty slots. It appears under `path` whole or not at all; `temporary` is in
    /// the same directory and not in use by anybody else. Not durable until [`Self::seal`].
    pub(super) fn create(
        path: &Path,
        temporary: &Path,
        n_pairs: usize,
        metadata: &VerifiedMetadata,
    ) -> Result<(), BlobFileError> {
        let layout = Layout::new(metadata.config(), n_pairs, metadata.unencoded_length())?;
        let mut head = Vec::with_capacity(layout.metadata_offset() + layout.metadata_bytes);
        head.extend(header(metadata.config(), n_pairs, metadata.unencoded_length(), metadata.blob_id()));
        head.resize(layout.metadata_offset(), 0);
        head.extend(metadata.metadata().to_bcs());
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(temporary)?;
        file.write_all_at(&head, 0)?;
        Ok(fs::rename(temporary, path)?)
    }

    /// Opens the file of a blob; `None` if there is none.
    pub(super) fn open(
        path: &Path,
        config: EncodingConfig,
        n_pairs: usize,
        blob_id: &BlobId,
    ) -> Result<Option<Self>, BlobFileError> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut head = vec![0; HEADER_BYTES + PRESENCE_BYTES * 2 * n_pairs];
        match file.read_exact_at(&mut head, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(BlobFileError::ForeignHeader);
            }
            read => read?,
        }
        let (header_bytes, presences) = head.split_at(HEADER_BYTES);
        let length = u64::from_le_bytes(header_bytes[16..24].try_into().expect("eight bytes"));
        let seal = u64::from_le_bytes(header_bytes[56..64].try_into().expect("eight bytes"));
        if header_bytes[..56] != header(config, n_pairs, length, blob_id)[..56] {
            return Err(BlobFileError::ForeignHeader);
        }
        let presences = presences
            .chunks_exact(PRESENCE_BYTES)
            .map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
            .collect();
        let layout = Layout::new(config, n_pairs, length)?;
        Ok(Some(Self { file, layout, config, blob_id: *blob_id, sealed: seal == SEALED, presences }))
    }

    /// The blob's metadata, proven to belong to its ID.
    pub(super) fn metadata(&self) -> Result<VerifiedMetadata, BlobFileError> {
        let bytes = self.read(offset(self.layout.metadata_offset()), self.layout.metadata_bytes)?;
        let metadata = BlobMetadata::from_bcs(self.config, &bytes)?;
        let metadata = VerifiedMetadata::verify(self.config, &self.blob_id, metadata)?;
        if metadata.symbol_size_bytes() != self.layout.symbol_size {
            return Err(BlobFileError::ForeignHeader);
        }
        Ok(metadata)
    }

    /// Whether everything is in the file and on disk.
    pub(super) fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// The slots that were never filled.
    pub(super) fn missing(&self) -> Vec<Slot> {
        self.layout.slots().filter(|slot| self.presence(*slot) == 0).collect()
    }

    /// The slots that an earlier run filled but may not have brought to disk.
    pub(super) fn doubtful(&self, run: NonZeroU64) -> Vec<Slot> {
        let doubtful = |slot: &Slot| !self.sealed && ![0, run.get()].contains(&self.presence(*slot));
        self.layout.slots().filter(doubtful).collect()
    }

    /// The sliver in a slot, if it was filled.
    pub(super) fn sliver(&self, slot: Slot) -> io::Result<Option<Bytes>> {
        if self.presence(slot) == 0 {
            return Ok(None);
        }
        self.read(self.layout.sliver_offset(slot), self.layout.sliver_bytes(slot.axis)).map(Some)
    }

    /// One symbol of the sliver in a slot, if it was filled. `index` is below the number of the sliver's symbols.
    pub(super) fn symbol(&self, slot: Slot, index: SliverIndex) -> io::Result<Option<Bytes>> {
        if self.presence(slot) == 0 {
            return Ok(None);
        }
        let symbol_size = usize::from(self.layout.symbol_size);
        let start = self.layout.sliver_offset(slot) + offset(usize::from(index.0) * symbol_size);
        self.read(start, symbol_size).map(Some)
    }

    /// Bytes of each symbol.
    pub(super) fn symbol_size(&self) -> u16 {
        self.layout.symbol_size
    }

    /// Fills slots, each with a sliver of the right size.
    pub(super) fn fill<'a>(
        &mut self,
        slivers: impl Iterator<Item = (Slot, &'a [u8])> + Clone,
        run: NonZeroU64,
    ) -> io::Result<()> {
        for (slot, data) in slivers.clone() {
            assert_eq!(data.len(), self.layout.sliver_bytes(slot.axis), "slivers are checked before");
            self.file.write_all_at(data, self.layout.sliver_offset(slot))?;
        }
        if self.sealed {
            // A sealed file claims to be on disk, and a presence must not get there before its sliver.
            self.file.sync_data()?;
        }
        for (slot, _) in slivers {
            self.file.write_all_at(&run.get().to_le_bytes(), Layout::presence_offset(slot))?;
            self.presences[Layout::presence_index(slot)] = run.get();
        }
        Ok(())
    }

    /// Brings everything to disk and says so in the file. All slots are filled and none is doubtful.
    pub(super) fn seal(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        // It matters little when this gets to disk: without it, the slivers are checked again.
        self.file.write_all_at(&SEALED.to_le_bytes(), SEAL_OFFSET)?;
        self.sealed = true;
        Ok(())
    }

    fn presence(&self, slot: Slot) -> u64 {
        self.presences[Layout::presence_index(slot)]
    }

    fn read(&self, start: u64, len: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

fn header(config: EncodingConfig, n_pairs: usize, length: u64, blob_id: &BlobId) -> [u8; HEADER_BYTES] {
    let n_pairs = u16::try_from(n_pairs).expect("a node holds at most all of the u16 shards");
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    header[12..14].copy_from_slice(&config.n_shards().to_le_bytes());
    header[14..16].copy_from_slice(&n_pairs.to_le_bytes());
    header[16..24].copy_from_slice(&length.to_le_bytes());
    header[24..56].copy_from_slice(&blob_id.0);
    header
}

#[cfg(test)]
mod tests;
