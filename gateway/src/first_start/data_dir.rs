//! The data directory and its lock.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::private_file::sync_directory;

/// Directories and files in it are for their owner only.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// The data directory, locked for this process until dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Holds the lock. The kernel lets go of it when the process ends in any way, so that nothing has to be
    /// cleaned up.
    _lock: File,
}

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It could not be made.
    #[error("cannot create the data directory {}; create it yourself or name another by --data-dir", path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is there, but cannot be written or locked.
    #[error("cannot use the data directory {}; it must be writable by the user this runs as", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Two processes would destroy each other's data.
    #[error("another process is using the data directory {}; stop it first, or name another by --data-dir", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
}

impl DataDir {
    /// Makes the directory at `path` with mode 0700 if it is missing, and locks it. An existing one keeps its
    /// mode.
    ///
    /// # Errors
    /// [`DataDirError::InUse`] at once, without waiting, if another process has it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let path = std::path::absolute(path)
            .map_err(|source| DataDirError::Create { path: path.to_owned(), source })?;
        create(&path).map_err(|source| DataDirError::Create { path: path.clone(), source })?;
        let unusable = |source| DataDirError::Unusable { path: path.clone(), source };
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// Absolute path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the index lives.
    pub fn index_dir(&self) -> PathBuf {
        self.path.join("index")
    }

    /// Where staged bytes live.
    pub fn staging_dir(&self) -> PathBuf {
        self.path.join("staging")
    }

    /// Makes the directory `path`, one of those above, with mode 0700 if it is missing. Whoever lives there
    /// would not mind whether others can read it.
    ///
    /// # Errors
    /// [`DataDirError::Create`].
    pub fn create_private(&self, path: &Path) -> Result<(), DataDirError> {
        create(path).map_err(|source| DataDirError::Create { path: path.to_owned(), source })
    }

    /// Whether data was ever kept here. Then keys are not to be invented: the old ones are needed to read it.
    pub fn holds_data(&self) -> bool {
        self.index_dir().exists()
    }
}

/// Makes the directory, and its parents with the default mode, durably.
fn create(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
        DirBuilder::new().mode(DIRECTORY_MODE).create(path)?;
        sync_directory(parent)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_new_directory_is_for_its_owner_only() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let data_dir = DataDir::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(!data_dir.holds_data());
        data_dir.create_private(&data_dir.index_dir()).unwrap();
        assert_eq!(fs::metadata(data_dir.index_dir()).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(data_dir.holds_data());
    }

    #[test]
    fn a_second_opener_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDir::open(folder.path()).unwrap();
        assert!(matches!(DataDir::open(folder.path()), Err(DataDirError::InUse { .. })));
        drop(first);
        assert!(DataDir::open(folder.path()).is_ok());
    }

    #[test]
    fn a_file_in_its_place_is_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DataDir::open(file.path()).unwrap_err();
        assert!(error.to_string().contains(file.path().to_str().unwrap()), "{error}");
    }
}
