//! A node's directory: whose it is, whether it is there, and where a blob's file lies in it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use haulout_encoder::BlobId;
use serde::{Deserialize, Serialize};

use crate::ids::NodeId;

/// The file that says whose directory it is. It has an ordinary name, so that it goes when everything is removed.
const MARKER: &str = "haulout-node.json";
const MARKER_FORMAT_VERSION: u32 = 1;

/// A fresh file system is not quite empty.
const IGNORED_ENTRY: &str = "lost+found";

/// Begins the names of files that are still being written.
const TEMPORARY_PREFIX: &str = "tmp-";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marker {
    format_version: u32,
    node_id: String,
}

/// What was found where a node's directory should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The node's own directory.
    Own,
    /// Nothing: removed, or its disk is not mounted.
    Nothing,
    /// An empty directory, such as a new disk.
    Empty,
    /// Somebody else's files, or another node's.
    Foreign,
}

/// The place where a node keeps its blobs.
#[derive(Clone, Debug)]
pub(super) struct NodeDirectory {
    path: PathBuf,
    node_id: NodeId,
}

impl NodeDirectory {
    pub(super) fn new(path: PathBuf, node_id: NodeId) -> Self {
        Self { path, node_id }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks what is there.
    pub(super) fn inspect(&self) -> io::Result<Found> {
        match fs::read(self.path.join(MARKER)) {
            Ok(marker) => Ok(if self.is_own(&marker) { Found::Own } else { Found::Foreign }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.inspect_unmarked(),
            Err(error) => Err(error),
        }
    }

    fn is_own(&self, marker: &[u8]) -> bool {
        serde_json::from_slice::<Marker>(marker).is_ok_and(|marker| {
            marker.format_version == MARKER_FORMAT_VERSION && marker.node_id == self.node_id.to_string()
        })
    }

    fn inspect_unmarked(&self) -> io::Result<Found> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let name = entry?.file_name();
            // A marker that was being written when the process ended is not somebody else's file.
            if name != IGNORED_ENTRY && name != OsStr::new(&temporary_name(MARKER)) {
                return Ok(Found::Foreign);
            }
        }
        Ok(Found::Empty)
    }

    /// Whether the node's marker is there, which is how a node knows that its disk has not gone.
    pub(super) fn is_there(&self) -> bool {
        self.path.join(MARKER).exists()
    }

    /// Makes an empty directory the node's own.
    pub(super) fn adopt(&self) -> io::Result<()> {
        let marker = Marker { format_version: MARKER_FORMAT_VERSION, node_id: self.node_id.to_string() };
        let bytes = serde_json::to_vec_pretty(&marker).expect("a struct of plain fields has a JSON form");
        write_durably(&self.path, MARKER, &bytes)
    }

    /// Where a blob's file lies: in one of 256 directories by the first byte of its ID.
    pub(super) fn blob_path(&self, blob_id: &BlobId) -> PathBuf {
        let name = hex::encode(blob_id.0);
        self.path.join(&name[..2]).join(name)
    }

    /// Where to write a blob's file before it is renamed. `number` differs for all that one run writes.
    pub(super) fn temporary_path(&self, blob_id: &BlobId, run: NonZeroU64, number: u64) -> PathBuf {
        let name = temporary_name(&format!("{run:016x}-{number:016x}"));
        self.blob_path(blob_id).with_file_name(name)
    }

    /// Makes sure that the blob's directory exists. Never creates the node's directory itself: without it the disk is
    /// gone, and what lies beneath its mount point must not fill up.
    pub(super) fn create_blob_directory(&self, blob_id: &BlobId) -> io::Result<()> {
        let path = self.blob_path(blob_id);
        match fs::create_dir(path.parent().expect("a blob's file is in a directory")) {
            Ok(()) => sync_directory(&self.path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Brings the name of a blob's file to disk.
    pub(super) fn sync_blob_name(&self, blob_id: &BlobId) -> io::Result<()> {
        sync_directory(self.blob_path(blob_id).parent().expect("a blob's file is in a directory"))
    }

    /// The blobs of the `bucket`-th of the 256 directories. Removes what other runs than `run` left unfinished.
    pub(super) fn list(&self, bucket: u8, run: NonZeroU64) -> io::Result<Vec<BlobId>> {
        let entries = match fs::read_dir(self.path.join(hex::encode([bucket]))) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let of_this_run = temporary_name(&format!("{run:016x}"));
        let mut blobs = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let mut id = [0; 32];
            if hex::decode_to_slice(name, &mut id).is_ok() {
                blobs.push(BlobId(id));
            } else if name.starts_with(TEMPORARY_PREFIX) && !name.starts_with(&of_this_run) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(blobs)
    }
}

/// Replaces a file so that after a crash the old or the new content is there.
pub(super) fn write_durably(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = directory.join(temporary_name(name));
    let mut file = private_file(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, directory.join(name))?;
    sync_directory(directory)
}

/// A file that only its owner may read, as it may hold keys.
fn private_file(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}

pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn temporary_name(name: &str) -> String {
    format!("{TEMPORARY_PREFIX}{name}")
}
