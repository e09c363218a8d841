//! A staging file that holds one large extent.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use haulout_index::StagingFileId;

use super::area::{Shared, StagedSpan};
use super::budget::Reservation;

/// An extent being written to a file of its own. Dropped before [`ExtentFile::finish`], it leaves nothing behind.
pub struct ExtentFile {
    shared: Arc<Shared>,
    id: StagingFileId,
    file: File,
    length: u64,
}

impl ExtentFile {
    pub(super) fn create(shared: Arc<Shared>) -> io::Result<Self> {
        let (id, file) = shared.create()?;
        Ok(Self { shared, id, file, length: 0 })
    }

    /// Appends `bytes`. Blocking.
    ///
    /// # Errors
    /// What the system said.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.length += u64::try_from(bytes.len()).expect("a buffer's length fits in u64");
        Ok(())
    }

    /// Syncs the bytes and the file's name, and returns them as a span paid from `reservation`. Blocking.
    ///
    /// # Errors
    /// What the system said; nothing is kept then.
    pub fn finish(self, reservation: &mut Reservation) -> io::Result<StagedSpan> {
        self.file.sync_data()?;
        self.shared.sync_dir()?;
        Ok(self.shared.add(self.id, 0, self.length, reservation)) // Counted before `drop` closes the file.
    }
}

impl Drop for ExtentFile {
    fn drop(&mut self) {
        self.shared.close(self.id);
    }
}
