//! What a blob is read from and where its slivers go, so that neither need be in memory.

use std::io;

use bytes::Bytes;

use crate::ids::{Axis, SliverIndex};

/// Random access to the bytes of a blob, from several threads at once.
///
/// Calls come from the threads that encode and may block them, as reading a file does. The blob is read more than once:
/// neither its length nor its bytes may change until the last of its slivers was read, or the slivers would not be
/// those of its blob ID.
pub trait BlobSource: Send + Sync {
    /// Length of the blob in bytes.
    fn blob_bytes(&self) -> u64;

    /// Fills `buffer` with the bytes from `offset` on, all of which are inside the blob.
    ///
    /// # Errors
    /// Whatever keeps the bytes from being read; encoding stops with it.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// The whole blob, if it is in memory anyway: spares copies.
    fn in_memory(&self) -> Option<&[u8]> {
        None
    }

    /// The `length` bytes from `offset` on, all of which are inside the blob.
    ///
    /// # Errors
    /// As [`Self::read_exact_at`].
    fn bytes(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut buffer = vec![0; length];
        self.read_exact_at(&mut buffer, offset)?;
        Ok(buffer.into())
    }
}

/// Takes slivers as they are encoded, from several threads at once.
///
/// It is given all secondary slivers and the primary ones from `n_rows` on. The first `n_rows` primary slivers are
/// the blob's own bytes, padded with zeros, and not given. Slivers come in an order of the encoder's own, primary
/// ones in many runs of symbols; each byte comes once.
pub trait SliverSink: Send + Sync {
    /// Takes `symbols`, the bytes of a sliver's data from `offset` on.
    ///
    /// # Errors
    /// Whatever keeps the bytes from being written; encoding stops with it.
    fn write_all_at(&self, axis: Axis, index: SliverIndex, symbols: &[u8], offset: u64) -> io::Result<()>;
}

/// A borrowed blob in memory.
impl BlobSource for &[u8] {
    fn blob_bytes(&self) -> u64 {
        u64::try_from(self.len()).expect("memory is shorter than 2^64 bytes")
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).expect("the offset is inside the blob");
        buffer.copy_from_slice(&self[start..start + buffer.len()]);
        Ok(())
    }

    fn in_memory(&self) -> Option<&[u8]> {
        Some(self)
    }
}

/// As its slice, but what is read shares its memory.
impl BlobSource for Bytes {
    fn blob_bytes(&self) -> u64 {
        (&self[..]).blob_bytes()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        (&self[..]).read_exact_at(buffer, offset)
    }

    fn in_memory(&self) -> Option<&[u8]> {
        Some(self)
    }

    fn bytes(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let start = usize::try_from(offset).expect("the offset is inside the blob");
        Ok(self.slice(start..start + length))
    }
}
