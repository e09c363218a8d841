//! What clients upload: a tree of many small files with awkward names, and one large file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use aws_lc_rs::digest;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use tempfile::TempDir;

use crate::environment;

const MIB: usize = 1024 * 1024;
/// Any fixed number: every run and every client sees the same files.
const TREE_SEED: u64 = 0x7ea5_0de5;
const BIG_FILE_SEED: u64 = 0xb16_f11e;
/// Files of ordinary names, beside [`ODD_NAMES`].
const PLAIN_FILES: usize = 288;
const PLAIN_FILES_PER_FOLDER: usize = 12;
/// 13 parts of 8 MiB but one byte, so that no client's last part is full.
const BIG_FILE_BYTES: usize = 96 * MIB + 1;
const BIG_FILE_BYTES_FULL: usize = 2048 * MIB;
/// "Thousands of files", and a bound on what the full test copies.
const REGISTRY_FILES_MAX: usize = 4000;

/// Names that clients and servers get wrong: spaces, `+` and `%` (decoded twice or not at all), XML's and
/// the query's own characters, both Unicode normal forms, leading dots, and depth.
///
/// No `*` and `?`, which s5cmd takes for wildcards, and no two names that differ by normal form alone, which
/// rclone takes for one file.
const ODD_NAMES: [&str; 18] = [
    "space in name.txt",
    "two  spaces ",
    "plus+sign.rs",
    "percent%2Fslash.txt",
    "percent%25 and 100%.txt",
    "ampersand&equals=hash#.txt",
    "quotes'\"<angle>.xml",
    "semi;colon,comma:colon@at.txt",
    "tilde~dollar$bang!.txt",
    "composed-caf\u{e9}.txt",
    "decomposed-nai\u{308}ve.txt",
    "\u{65e5}\u{672c}\u{8a9e}/\u{30d5}\u{30a1}\u{30a4}\u{30eb}.txt",
    "emoji-\u{1f9ad}.bin",
    ".hidden",
    ".config/.nested/.leading-dots",
    "dots../..almost.parent",
    "deep/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/leaf",
    "(parentheses) and [brackets]/{braces}.txt",
];

/// Files on disk that every client test reads; gone with the last test that uses them.
pub struct Dataset {
    directory: TempDir,
    /// SHA-256 by path relative to [`Dataset::tree`].
    tree_digests: Digests,
    big_digest: Sha256,
}

/// A SHA-256.
pub type Sha256 = [u8; 32];
/// The files of a tree: SHA-256 by relative path.
pub type Digests = BTreeMap<PathBuf, Sha256>;

impl Dataset {
    /// A file of 2 MiB, the most any in the tree has: more than curl sends without asking for `100 Continue`.
    pub const LARGEST_IN_TREE: &'static str = "src/module_00/file_002.rs";

    /// The data set of this run; tests that run at the same time share it.
    ///
    /// # Panics
    /// If it cannot be written.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Dataset>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let dataset = Arc::new(Self::write());
            *shared = Arc::downgrade(&dataset);
            dataset
        })
    }

    /// The folder of small files.
    #[must_use]
    pub fn tree(&self) -> PathBuf {
        self.directory.path().join("tree")
    }

    /// How many files the tree has.
    #[must_use]
    pub fn n_files(&self) -> usize {
        self.tree_digests.len()
    }

    /// The keys the tree's files get, in byte order.
    ///
    /// # Panics
    /// If a path is not UTF-8.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let key = |path: &PathBuf| path.to_str().expect("the tree's names are UTF-8").to_owned();
        let mut keys: Vec<String> = self.tree_digests.keys().map(key).collect();
        keys.sort();
        keys
    }

    /// The large file, beside the tree.
    #[must_use]
    pub fn big_file(&self) -> PathBuf {
        self.directory.path().join("big.bin")
    }

    /// Checks that `copy` holds exactly the tree.
    ///
    /// # Panics
    /// With the paths that are missing, added or different.
    pub fn assert_same_tree(&self, copy: &Path) {
        let found = digests(copy);
        let wrong: Vec<_> =
            self.tree_digests.iter().filter(|(path, digest)| found.get(*path) != Some(*digest)).collect();
        let added: Vec<_> = found.keys().filter(|path| !self.tree_digests.contains_key(*path)).collect();
        let wrong: Vec<_> = wrong.into_iter().map(|(path, _)| path).collect();
        assert!(wrong.is_empty() && added.is_empty(), "missing or different: {wrong:?}, added: {added:?}");
    }

    /// Checks that `copy` equals the large file.
    ///
    /// # Panics
    /// If it does not.
    pub fn assert_same_big_file(&self, copy: &Path) {
        assert_eq!(
            hex::encode(file_digest(copy)),
            hex::encode(self.big_digest),
            "{} differs",
            copy.display()
        );
    }

    /// SHA-256 of the large file, in hex.
    #[must_use]
    pub fn big_digest_hex(&self) -> String {
        hex::encode(self.big_digest)
    }

    fn write() -> Self {
        let directory = TempDir::with_prefix("haulout-data-").expect("a temporary directory is made");
        let tree = directory.path().join("tree");
        fs::create_dir(&tree).expect("the tree's folder is made");
        write_tree(&tree);
        let mut big_file_bytes = BIG_FILE_BYTES;
        if environment::is_full() {
            copy_registry_sources(&tree.join("registry"));
            big_file_bytes = BIG_FILE_BYTES_FULL;
        }
        let big_file = directory.path().join("big.bin");
        write_random_file(&big_file, BIG_FILE_SEED, big_file_bytes);
        Self { tree_digests: digests(&tree), big_digest: file_digest(&big_file), directory }
    }
}

fn write_tree(tree: &Path) {
    let mut random = StdRng::seed_from_u64(TREE_SEED);
    let plain = (0..PLAIN_FILES)
        .map(|index| format!("src/module_{:02}/file_{index:03}.rs", index / PLAIN_FILES_PER_FOLDER));
    let names = plain.chain(ODD_NAMES.iter().map(|name| (*name).to_owned()));
    for (index, name) in names.enumerate() {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().expect("every file stands in the tree")).expect("a folder is made");
        // Sizes as in a source tree: many small, some middling, few large; the first three are the edges.
        let length = match index {
            0 => 0,
            1 => 1,
            2 => 2 * MIB,
            _ if index % 29 == 0 => random.random_range(MIB / 2..2 * MIB),
            _ if index % 7 == 0 => random.random_range(16 * 1024..256 * 1024),
            _ => random.random_range(0..16 * 1024),
        };
        write_random_file(&path, random.next_u64(), length);
    }
}

fn write_random_file(path: &Path, seed: u64, length: usize) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut file = BufWriter::new(File::create(path).expect("a test file is created"));
    let mut buffer = vec![0; MIB.min(length)];
    let mut left = length;
    while left > 0 {
        let take = left.min(buffer.len());
        random.fill_bytes(&mut buffer[..take]);
        file.write_all(&buffer[..take]).expect("a test file is written");
        left -= take;
    }
    file.flush().expect("a test file is written");
}

/// Real source files: those of the crates that Cargo has unpacked to build this.
fn copy_registry_sources(destination: &Path) {
    let cargo_home =
        std::env::var_os("CARGO_HOME").map_or_else(|| environment::home().join(".cargo"), PathBuf::from);
    let sources = cargo_home.join("registry/src");
    for path in files_below(&sources).iter().take(REGISTRY_FILES_MAX) {
        let copy = destination.join(path);
        fs::create_dir_all(copy.parent().expect("a file stands in a folder")).expect("a folder is made");
        fs::copy(sources.join(path), copy).expect("a source file is copied");
    }
}

fn digests(root: &Path) -> Digests {
    files_below(root).into_iter().map(|path| (path.clone(), file_digest(&root.join(path)))).collect()
}

/// Relative paths of all regular files below `root`, sorted.
fn files_below(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).expect("a folder is listed") {
            let entry = entry.expect("a folder is listed");
            let relative = folder.join(entry.file_name());
            let kind = entry.file_type().expect("an entry has a type");
            if kind.is_dir() {
                folders.push(relative);
            } else if kind.is_file() {
                files.push(relative);
            }
        }
    }
    files.sort();
    files
}

/// SHA-256 of a file, read in pieces.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn file_digest(path: &Path) -> Sha256 {
    let mut file =
        BufReader::new(File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    let mut context = digest::Context::new(&digest::SHA256);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer).expect("a test file is read") {
            0 => break,
            count => context.update(&buffer[..count]),
        }
    }
    context.finish().as_ref().try_into().expect("a SHA-256 has 32 bytes")
}
