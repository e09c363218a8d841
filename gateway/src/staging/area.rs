//! The staging directory: which files exist, how many live bytes each has, reading spans back.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use haulout_index::{StagingFileId, StagingSpan};
use tracing::{info, warn};

use crate::clock::fresh;

use super::budget::{Budget, Reservation, StagingFull};
use super::extent_file::ExtentFile;
use super::segment::SegmentWriter;
use super::{StagingLimits, StagingWriteError};

/// The staging directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StagingOpenError {
    /// The directory cannot be read or written.
    #[error("staging directory {path} cannot be opened")]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Acknowledged bytes that the index expects are not there: the directory was emptied or replaced.
    #[error(
        "staging file {file} should hold {needed_bytes} bytes of acknowledged objects but has {found_bytes}; put the staging directory back"
    )]
    Missing {
        /// The file the index names.
        file: StagingFileId,
        /// Size it must have at least.
        needed_bytes: u64,
        /// Size it has, 0 when it is absent.
        found_bytes: u64,
    },
}

/// A span could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum StagingReadError {
    /// The file is gone, usually because its bytes were shipped meanwhile: look the extent up again.
    #[error("staging file {0} is gone")]
    Gone(StagingFileId),
    /// The disk refused.
    #[error("staging read failed")]
    Io(#[source] io::Error),
}

/// The staging directory. Cheap to clone.
#[derive(Clone)]
pub struct StagingArea {
    shared: Arc<Shared>,
    segments: SegmentWriter,
}

pub(super) struct Shared {
    dir: PathBuf,
    files: Mutex<HashMap<StagingFileId, FileUse>>,
    budget: Budget,
}

#[derive(Default)]
struct FileUse {
    live_bytes: u64,
    /// Still being appended to, so it stays even when nothing in it is live.
    open: bool,
}

impl StagingArea {
    /// Opens `dir`, keeping exactly the spans the index still `needed`; one named twice counts once.
    ///
    /// # Errors
    /// [`StagingOpenError`] when the directory is unusable or acknowledged bytes are missing from it.
    pub fn open(
        dir: &Path,
        limits: &StagingLimits,
        needed: &[StagingSpan],
    ) -> Result<Self, StagingOpenError> {
        let at = |source| StagingOpenError::Io { path: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(at)?;
        let mut files: HashMap<StagingFileId, FileUse> = HashMap::new();
        let mut ends: HashMap<StagingFileId, u64> = HashMap::new();
        let needed: BTreeSet<StagingSpan> = needed.iter().copied().collect();
        for StagingSpan { file, offset, length } in needed {
            files.entry(file).or_default().live_bytes += length;
            let end = ends.entry(file).or_default();
            *end = (*end).max(offset + length);
        }
        for (&file, &needed_bytes) in &ends {
            let found_bytes = fs::metadata(file_path(dir, file)).map_or(0, |metadata| metadata.len());
            if found_bytes < needed_bytes {
                return Err(StagingOpenError::Missing { file, needed_bytes, found_bytes });
            }
        }
        remove_unacknowledged(dir, &files).map_err(at)?;
        let used = files.values().map(|file| file.live_bytes).sum();
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            files: Mutex::new(files),
            budget: Budget::new(used, limits.max_bytes),
        });
        let segments = SegmentWriter::start(Arc::clone(&shared), limits);
        Ok(Self { shared, segments })
    }

    /// Promises room for `bytes`.
    ///
    /// # Errors
    /// [`StagingFull`] at once when there is none: nobody queues for disk.
    pub fn reserve(&self, bytes: u64) -> Result<Reservation, StagingFull> {
        self.shared.budget.reserve(bytes)
    }

    /// Appends one small extent to the current segment; returns once it is synced, together with its neighbours.
    ///
    /// # Errors
    /// [`StagingWriteError`] when the disk refused: nothing of it is kept.
    pub async fn append(
        &self,
        bytes: Vec<u8>,
        reservation: Reservation,
    ) -> Result<StagedSpan, StagingWriteError> {
        self.segments.append(bytes, reservation).await
    }

    /// Begins a file of its own for one large extent. Blocking.
    ///
    /// # Errors
    /// What the system said.
    pub fn create_extent_file(&self) -> io::Result<ExtentFile> {
        ExtentFile::create(Arc::clone(&self.shared))
    }

    /// Reads `length` bytes at `offset` of `file`. Blocking.
    ///
    /// # Errors
    /// [`StagingReadError::Gone`] when the file was freed meanwhile.
    pub fn read(&self, file: StagingFileId, offset: u64, length: usize) -> Result<Vec<u8>, StagingReadError> {
        let handle = File::open(self.shared.path(file)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StagingReadError::Gone(file),
            _ => StagingReadError::Io(error),
        })?;
        let mut bytes = vec![0; length];
        handle.read_exact_at(&mut bytes, offset).map_err(StagingReadError::Io)?;
        Ok(bytes)
    }

    /// Gives back spans that were shipped or whose objects are gone. Blocking.
    pub fn free(&self, spans: &[StagingSpan]) {
        for span in spans {
            self.shared.free(span.file, span.length);
        }
    }

    /// Bytes staged or reserved, and the bound.
    pub fn usage(&self) -> (u64, u64) {
        (self.shared.budget.used(), self.shared.budget.max())
    }
}

impl Shared {
    pub(super) fn path(&self, file: StagingFileId) -> PathBuf {
        file_path(&self.dir, file)
    }

    /// Creates a file that is open for writing and will survive until it is closed and nothing in it is live.
    pub(super) fn create(&self) -> io::Result<(StagingFileId, File)> {
        let id = fresh(StagingFileId::at);
        let file = File::options().write(true).create_new(true).open(self.path(id))?;
        self.files().insert(id, FileUse { live_bytes: 0, open: true });
        Ok((id, file))
    }

    /// Makes the names of new files durable.
    pub(super) fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    /// Counts a span that is now on disk; from here on it, not the reservation, stands for those bytes.
    pub(super) fn add(
        self: &Arc<Self>,
        file: StagingFileId,
        offset: u64,
        length: u64,
        reservation: &mut Reservation,
    ) -> StagedSpan {
        reservation.spend(length);
        self.files().entry(file).or_default().live_bytes += length;
        StagedSpan { shared: Arc::clone(self), span: StagingSpan { file, offset, length }, kept: false }
    }

    /// Nothing more is appended to `file`.
    pub(super) fn close(&self, file: StagingFileId) {
        self.update(file, |state| state.open = false);
    }

    fn free(&self, file: StagingFileId, length: u64) {
        self.budget.release(length);
        self.update(file, |state| state.live_bytes -= length);
    }

    fn update(&self, file: StagingFileId, change: impl FnOnce(&mut FileUse)) {
        let mut files = self.files();
        let Some(state) = files.get_mut(&file) else { return };
        change(state);
        let done = !state.open && state.live_bytes == 0;
        if done {
            files.remove(&file);
        }
        drop(files);
        if done && let Err(error) = fs::remove_file(self.path(file)) {
            warn!(%file, %error, "staging file could not be removed, it will be at the next start");
        }
    }

    fn files(&self) -> MutexGuard<'_, HashMap<StagingFileId, FileUse>> {
        self.files.lock().expect("no code panics while it counts staged bytes")
    }
}

/// Bytes that are on disk and synced. Freed on drop unless the index took them over.
pub struct StagedSpan {
    shared: Arc<Shared>,
    /// Where they are.
    pub span: StagingSpan,
    kept: bool,
}

impl StagedSpan {
    /// The index names this span now: from here on [`StagingArea::free`] ends it.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for StagedSpan {
    fn drop(&mut self) {
        if !self.kept {
            self.shared.free(self.span.file, self.span.length);
        }
    }
}

fn file_path(dir: &Path, file: StagingFileId) -> PathBuf {
    dir.join(format!("{file}.staged"))
}

fn remove_unacknowledged(dir: &Path, needed: &HashMap<StagingFileId, FileUse>) -> io::Result<()> {
    let needed_names: HashSet<PathBuf> = needed.keys().map(|file| file_path(dir, *file)).collect();
    let mut removed = 0_usize;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        // Only our own files: whatever else an operator put here is not ours to delete.
        if path.extension().is_some_and(|extension| extension == "staged") && !needed_names.contains(&path) {
            fs::remove_file(&path)?;
            removed += 1;
        }
    }
    if removed > 0 {
        info!(removed, "removed staging files of writes that were never acknowledged");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
