//! Small files that only their owner may read, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tracing::warn;
use zeroize::Zeroizing;

/// No key file is larger; a file that is was named by mistake.
const FILE_BYTES_MAX: u64 = 64 * 1024;
const OTHERS_CAN_READ: u32 = 0o077;

/// A key file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Far larger than any key file.
    #[error("{} is larger than {FILE_BYTES_MAX} bytes, so it is no key file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Keys are text.
    #[error("{} is not UTF-8 text, so it is no key file", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
}

/// Writes `contents` to `path` with mode 0600, replacing what was there. After a crash at any moment `path`
/// has the old contents or the new, never a part; after the return it has the new.
///
/// # Errors
/// [`PrivateFileError::Io`]; then `path` is as it was.
pub fn write_private_file(path: &Path, contents: &str) -> Result<(), PrivateFileError> {
    replace(path, contents.as_bytes()).map_err(|source| PrivateFileError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

/// Reads the key file at `path`; `None` if there is none. Warns if others than its owner may read it.
///
/// # Errors
/// [`PrivateFileError`] if it is there but no readable text file of a sane size.
pub fn read_private_file(path: &Path) -> Result<Option<Zeroizing<String>>, PrivateFileError> {
    let failed = |source| PrivateFileError::Io { action: "read", path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().map_err(failed)?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(PrivateFileError::TooLarge { path: path.to_owned() });
    }
    if metadata.mode() & OTHERS_CAN_READ != 0 {
        warn!(path = %path.display(), "others can read this key file, run chmod 600 on it");
    }
    let mut contents = Zeroizing::new(String::new());
    // The limit again, for what is no regular file and has no length.
    match file.take(FILE_BYTES_MAX).read_to_string(&mut contents) {
        Ok(_) => Ok(Some(contents)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(PrivateFileError::NotUtf8 { path: path.to_owned() })
        }
        Err(error) => Err(failed(error)),
    }
}

/// Makes names made, changed or removed in `directory` durable.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    // The parent of a bare file name is the empty path, which means the working directory.
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    File::open(directory)?.sync_all()
}

fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let temporary = path.with_added_extension("new");
    // Left over from a crash: its mode and contents are unknown, so it is not reused.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(folder.path().join("key.new"), "left by a crash").unwrap();
        write_private_file(&path, "one").unwrap();
        write_private_file(&path, "two").unwrap();
        assert_eq!(read_private_file(&path).unwrap().unwrap().as_str(), "two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_key_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(read_private_file(&path).unwrap().is_none());
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(read_private_file(&path), Err(PrivateFileError::NotUtf8 { .. })));
        fs::write(&path, vec![b'a'; 70_000]).unwrap();
        assert!(matches!(read_private_file(&path), Err(PrivateFileError::TooLarge { .. })));
        assert!(matches!(read_private_file(folder.path()), Err(PrivateFileError::Io { .. })));
    }
}
