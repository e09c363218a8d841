//! The master key, under which every object's data key is wrapped.

use std::fmt;
use std::path::{Path, PathBuf};

use tracing::warn;
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use super::{DataDir, PrivateFileError, read_private_file, write_private_file};
use crate::clock::random;
use crate::config::Environment;

const FILE_NAME: &str = "master.key";
/// Beside the data, wherever the key itself is kept.
const FINGERPRINT_FILE_NAME: &str = "master.key.fingerprint";
/// What the fingerprint is a keyed hash of. Changing it makes every existing index refuse its key.
const FINGERPRINT_CONTEXT: &[u8] = b"haulout master key fingerprint, format 1";

/// The key everything else is encrypted under: 256 bits. Wiped from memory when dropped, and never printed.
#[derive(Clone, ZeroizeOnDrop)]
pub struct MasterKey([u8; MasterKey::BYTES]);

/// Tells master keys apart without telling anything about them. Safe to store and to print.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyFingerprint(pub [u8; KeyFingerprint::BYTES]);

/// Where a master key came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterKeyOrigin {
    /// The variable `HAULOUT_MASTER_KEY`.
    Environment,
    /// A file that was there before.
    File(PathBuf),
    /// Made just now and written to this file: its owner has to be told to back it up.
    Created(PathBuf),
}

/// Text that is no master key. Says nothing of the text, which may be nearly right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMasterKey {
    /// Too short or too long.
    #[error("a master key is 64 hexadecimal digits, not {found} characters")]
    Length {
        /// Bytes of the text without surrounding white space.
        found: usize,
    },
    /// The right length, with something else among the digits.
    #[error("a master key is 64 hexadecimal digits, and character {position} is none")]
    Digit {
        /// Position of the first wrong character, from 1.
        position: usize,
    },
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The variable is no key.
    #[error("HAULOUT_MASTER_KEY is not usable")]
    Environment(#[source] InvalidMasterKey),
    /// The file is no key.
    #[error("the master key file {} is not usable", path.display())]
    Contents {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: InvalidMasterKey,
    },
    /// The file named in the settings is not there.
    #[error("encryption.master_key_file names {}, which does not exist", path.display())]
    NamedFileMissing {
        /// The file.
        path: PathBuf,
    },
    /// There is data, and the key it was encrypted under is gone.
    #[error(
        "{} is missing, and without it the data cannot be read; restore it from your backup, or give the key as \
         HAULOUT_MASTER_KEY",
        path.display()
    )]
    Lost {
        /// Where the key was.
        path: PathBuf,
    },
    /// The data was encrypted under another key.
    #[error(transparent)]
    Wrong(#[from] WrongMasterKey),
    /// The note of the key's fingerprint is damaged.
    #[error("{} is damaged; it should hold {} hexadecimal digits", path.display(), 2 * KeyFingerprint::BYTES)]
    Fingerprint {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] PrivateFileError),
}

/// The index was made under another master key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this data was encrypted under master key {expected}, but the key given is {given}; give the right one by \
     HAULOUT_MASTER_KEY or encryption.master_key_file"
)]
pub struct WrongMasterKey {
    /// Fingerprint kept with the data.
    pub expected: KeyFingerprint,
    /// Fingerprint of the key at hand.
    pub given: KeyFingerprint,
}

impl MasterKey {
    /// Length of the key.
    pub const BYTES: usize = 32;
    const HEX_DIGITS: usize = 2 * Self::BYTES;

    /// The master key: from [`Environment::MASTER_KEY`], else from `named_file`, else from `master.key` in
    /// `data_dir`, where it is made if neither it nor any data is there yet. Its fingerprint is kept in
    /// `data_dir`, and another key refused from then on: to be called before any data is written.
    ///
    /// # Errors
    /// [`MasterKeyError`]. A wrong key in one place is an error, not a reason to look into the next.
    pub fn load_or_create(
        data_dir: &DataDir,
        environment: &Environment,
        named_file: Option<&Path>,
    ) -> Result<(Self, MasterKeyOrigin), MasterKeyError> {
        let (key, origin) = Self::find_or_create(data_dir, environment, named_file)?;
        key.check_or_note(data_dir)?;
        Ok((key, origin))
    }

    fn find_or_create(
        data_dir: &DataDir,
        environment: &Environment,
        named_file: Option<&Path>,
    ) -> Result<(Self, MasterKeyOrigin), MasterKeyError> {
        if let Some(text) = environment.get(Environment::MASTER_KEY) {
            let key = Self::parse(text).map_err(MasterKeyError::Environment)?;
            return Ok((key, MasterKeyOrigin::Environment));
        }
        if let Some(path) = named_file {
            let key = Self::read(path)?
                .ok_or_else(|| MasterKeyError::NamedFileMissing { path: path.to_owned() })?;
            return Ok((key, MasterKeyOrigin::File(path.to_owned())));
        }
        let path = data_dir.path().join(FILE_NAME);
        match Self::read(&path)? {
            Some(key) => Ok((key, MasterKeyOrigin::File(path))),
            None if data_dir.holds_data() => Err(MasterKeyError::Lost { path }),
            None => Ok((Self::create(&path)?, MasterKeyOrigin::Created(path))),
        }
    }

    /// Reads 64 hexadecimal digits of either case, with white space around them.
    ///
    /// # Errors
    /// [`InvalidMasterKey`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidMasterKey> {
        let digits = text.trim();
        if digits.len() != Self::HEX_DIGITS {
            return Err(InvalidMasterKey::Length { found: digits.len() });
        }
        let mut key = Self([0; Self::BYTES]);
        match hex::decode_to_slice(digits, &mut key.0) {
            Ok(()) => Ok(key),
            Err(_) => {
                let wrong = digits.bytes().position(|byte| !byte.is_ascii_hexdigit());
                Err(InvalidMasterKey::Digit { position: wrong.map_or(1, |index| index + 1) })
            }
        }
    }

    /// Takes a key over.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The key itself: for deriving and wrapping keys, and for nothing that leaves the process.
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// A keyed BLAKE3 hash of a constant, cut to 128 bits.
    pub fn fingerprint(&self) -> KeyFingerprint {
        let hash = blake3::keyed_hash(&self.0, FINGERPRINT_CONTEXT);
        let prefix = hash.as_bytes().first_chunk().expect("a BLAKE3 hash has 32 bytes");
        KeyFingerprint(*prefix)
    }

    /// Whether this is the key whose fingerprint was kept with the data.
    ///
    /// # Errors
    /// [`WrongMasterKey`] if not: going on would make an index of two halves that no single key can read.
    pub fn check(&self, expected: KeyFingerprint) -> Result<(), WrongMasterKey> {
        let given = self.fingerprint();
        if given == expected { Ok(()) } else { Err(WrongMasterKey { expected, given }) }
    }

    fn check_or_note(&self, data_dir: &DataDir) -> Result<(), MasterKeyError> {
        let path = data_dir.path().join(FINGERPRINT_FILE_NAME);
        let Some(noted) = read_private_file(&path)? else {
            return Ok(write_private_file(&path, &format!("{}\n", self.fingerprint()))?);
        };
        let expected = KeyFingerprint::parse(&noted).ok_or(MasterKeyError::Fingerprint { path })?;
        Ok(self.check(expected)?)
    }

    fn read(path: &Path) -> Result<Option<Self>, MasterKeyError> {
        let Some(text) = read_private_file(path)? else { return Ok(None) };
        match Self::parse(&text) {
            Ok(key) => Ok(Some(key)),
            Err(source) => Err(MasterKeyError::Contents { path: path.to_owned(), source }),
        }
    }

    fn create(path: &Path) -> Result<Self, PrivateFileError> {
        let mut bytes = random();
        let key = Self(bytes);
        bytes.zeroize();
        let mut text = Zeroizing::new(hex::encode(key.0));
        text.push('\n');
        write_private_file(path, &text)?;
        warn!(
            path = %path.display(),
            "made a new master key, back this file up: without it the data cannot be read"
        );
        Ok(key)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MasterKey(redacted, fingerprint {})", self.fingerprint())
    }
}

impl KeyFingerprint {
    /// Length of a fingerprint.
    pub const BYTES: usize = 16;

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; Self::BYTES];
        hex::decode_to_slice(text.trim(), &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for KeyFingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyFingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyFingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn load(
        folder: &Path,
        environment: &Environment,
        named: Option<&Path>,
    ) -> Result<(MasterKey, MasterKeyOrigin), MasterKeyError> {
        MasterKey::load_or_create(&DataDir::open(folder).unwrap(), environment, named)
    }

    #[test]
    fn the_first_start_makes_a_key_and_the_second_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = Environment::default();
        let (made, origin) = load(folder.path(), &nowhere, None).unwrap();
        let path = folder.path().join("master.key");
        assert_eq!(origin, MasterKeyOrigin::Created(path.clone()));
        assert_eq!(fs::read_to_string(&path).unwrap().trim_end().len(), 64);
        let (read, origin) = load(folder.path(), &nowhere, None).unwrap();
        assert_eq!(origin, MasterKeyOrigin::File(path));
        assert_eq!(read.as_bytes(), made.as_bytes());
    }

    #[test]
    fn no_key_is_invented_where_data_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("index")).unwrap();
        let lost = load(folder.path(), &Environment::default(), None);
        assert!(matches!(lost, Err(MasterKeyError::Lost { .. })));
        assert!(!folder.path().join("master.key").exists());
    }

    #[test]
    fn another_key_than_that_of_the_data_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (made, _) = load(folder.path(), &Environment::default(), None).unwrap();
        let environment = Environment::from([(Environment::MASTER_KEY, HEX)]);
        let Err(MasterKeyError::Wrong(wrong)) = load(folder.path(), &environment, None) else {
            panic!("another key was accepted");
        };
        assert_eq!(wrong.expected, made.fingerprint());
        fs::write(folder.path().join("master.key.fingerprint"), "0123").unwrap();
        let damaged = load(folder.path(), &Environment::default(), None);
        assert!(matches!(damaged, Err(MasterKeyError::Fingerprint { .. })));
    }

    #[test]
    fn environment_goes_before_named_file_before_data_dir() {
        let folder = tempfile::tempdir().unwrap();
        let named = folder.path().join("named");
        let nowhere = Environment::default();
        let missing = load(folder.path(), &nowhere, Some(&named));
        assert!(matches!(missing, Err(MasterKeyError::NamedFileMissing { .. })));
        write_private_file(&named, &"7".repeat(64)).unwrap();
        let (key, _) = load(folder.path(), &nowhere, Some(&named)).unwrap();
        assert_eq!(key.as_bytes(), &[0x77; 32]);
        assert!(!folder.path().join("master.key").exists());

        let other_folder = tempfile::tempdir().unwrap();
        let environment = Environment::from([(Environment::MASTER_KEY, HEX)]);
        let (key, origin) = load(other_folder.path(), &environment, Some(&named)).unwrap();
        assert_eq!((key.as_bytes()[31], origin), (0x1f, MasterKeyOrigin::Environment));
    }

    #[test]
    fn what_is_no_key_says_why_but_not_what() {
        assert_eq!(MasterKey::parse("00").unwrap_err(), InvalidMasterKey::Length { found: 2 });
        let mistyped = HEX.replace("0f", "0x");
        assert_eq!(MasterKey::parse(&mistyped).unwrap_err(), InvalidMasterKey::Digit { position: 32 });
        assert!(MasterKey::parse(&format!(" {}\n", HEX.to_uppercase())).is_ok());
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("master.key"), "").unwrap();
        let emptied = load(folder.path(), &Environment::default(), None);
        assert!(matches!(emptied, Err(MasterKeyError::Contents { .. })));
    }

    #[test]
    fn the_fingerprint_tells_keys_apart_and_stays_what_it_was() {
        let key = MasterKey::parse(HEX).unwrap();
        let other = MasterKey::parse(&"0".repeat(64)).unwrap();
        assert_eq!(key.check(key.fingerprint()), Ok(()));
        assert!(
            other.check(key.fingerprint()).unwrap_err().to_string().contains(&key.fingerprint().to_string())
        );
        assert!(!format!("{key:?}").contains("000102"));
        assert_eq!(key.fingerprint().to_string(), "cf7dec85889c4c7d7d2e87e6e26d2874");
    }
}
