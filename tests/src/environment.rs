//! Where `tests/setup.sh` put the clients, and how large the tests are to be.

use std::path::{Path, PathBuf};

/// Whether the full, slow data set was asked for (`make test-full`).
#[must_use]
pub fn is_full() -> bool {
    std::env::var("HAULOUT_TEST_FULL").is_ok_and(|value| value == "1")
}

/// A program of the current Python environment, such as `aws`.
#[must_use]
pub fn python_program(name: &str) -> PathBuf {
    installed(&format!("python/bin/{name}"))
}

/// The Python interpreter that has boto3 as it was before default checksums.
#[must_use]
pub fn old_python() -> PathBuf {
    installed("python-old/bin/python")
}

/// The folder that holds `node_modules`.
#[must_use]
pub fn node_folder() -> PathBuf {
    installed("node")
}

/// Debian's rclone, which is older than the one of the Python environment.
#[must_use]
pub fn debian_rclone() -> PathBuf {
    existing(PathBuf::from("/usr/bin/rclone"))
}

/// A file of this crate's source folder, such as a client script.
#[must_use]
pub fn source_file(relative: &str) -> PathBuf {
    source_folder().join(relative)
}

/// This crate's source folder, as Cargo tells it when it runs a test: checkouts that share a target directory share
/// what was compiled, so the folder it was compiled in may be another one, or gone.
#[must_use]
pub fn source_folder() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).to_owned(), PathBuf::from)
}

fn installed(relative: &str) -> PathBuf {
    let root = match std::env::var_os("HAULOUT_TEST_ENV") {
        Some(root) => PathBuf::from(root),
        None => home().join(".cache/haulout/test-env"),
    };
    existing(root.join(relative))
}

/// A missing client fails the test: a suite that skips what it cannot find proves nothing.
fn existing(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is missing: run tests/setup.sh", path.display());
    path
}

pub(crate) fn home() -> PathBuf {
    std::env::home_dir().expect("the user has a home directory")
}
