//! Frames: how an extent's bytes are kept, and proven when they come back.
//!
//! An extent is cut into frames of [`FRAME_BYTES`]; the last one may be shorter. In a sealed bucket each frame is
//! followed by its AES-256-GCM tag; in a public one the bytes stay plain and the index keeps a BLAKE3 digest per
//! frame. Either way a range costs only the frames it touches, and no byte leaves before its frame was checked.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use haulout_index::{ExtentId, FrameCheck, Protection, WrappedKey};
use zeroize::Zeroizing;

use crate::clock::random;
use crate::first_start::MasterKey;

/// Plaintext bytes in a frame. Smaller costs more tags and calls, larger makes a small range read more.
pub const FRAME_BYTES: usize = 64 * 1024;
/// Bytes of an AES-256-GCM tag.
pub const TAG_BYTES: usize = 16;

const WRAP_FORMAT: u8 = 1;
const WRAP_SALT_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
const WRAP_CONTEXT: &str = "haulout 2026 wrapping of a data key under the master key";
const EXTENT_CONTEXT: &str = "haulout 2026 key of one extent from a data key";

/// A frame's bytes are not the ones that were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("frame {frame} of extent {extent} is damaged")]
pub(super) struct FrameDamaged {
    /// The extent.
    pub(super) extent: ExtentId,
    /// The frame's position in it.
    pub(super) frame: u64,
}

/// A wrapped data key does not open: it was made under another master key, or is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data key does not open under this master key")]
pub struct UnwrapError;

/// The key of one object or multipart upload.
pub(super) struct DataKey(Zeroizing<[u8; KEY_BYTES]>);

impl DataKey {
    /// A new random key.
    #[must_use]
    pub(super) fn generate() -> Self {
        Self(Zeroizing::new(random()))
    }

    /// Encrypts the key under `master`.
    ///
    /// Every wrapping derives a key of its own from a random salt, so the all-zero nonce is used once per key.
    #[must_use]
    pub(super) fn wrap(&self, master: &MasterKey) -> WrappedKey {
        let salt: [u8; WRAP_SALT_BYTES] = random();
        let mut sealed = self.0.to_vec();
        wrapping_key(master, &salt)
            .seal_in_place_append_tag(zero_nonce(), Aad::from([WRAP_FORMAT]), &mut sealed)
            .expect("32 bytes are within AES-GCM's limit");
        WrappedKey([&[WRAP_FORMAT], salt.as_slice(), &sealed].concat())
    }

    /// Decrypts a key that [`DataKey::wrap`] made.
    ///
    /// # Errors
    /// [`UnwrapError`] under another master key.
    pub(super) fn unwrap(wrapped: &WrappedKey, master: &MasterKey) -> Result<Self, UnwrapError> {
        let (&format, rest) = wrapped.0.split_first().ok_or(UnwrapError)?;
        if format != WRAP_FORMAT || rest.len() != WRAP_SALT_BYTES + KEY_BYTES + TAG_BYTES {
            return Err(UnwrapError);
        }
        let (salt, sealed) = rest.split_at(WRAP_SALT_BYTES);
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let key = wrapping_key(master, salt)
            .open_in_place(zero_nonce(), Aad::from([WRAP_FORMAT]), &mut sealed)
            .map_err(|_| UnwrapError)?;
        let mut data_key = Zeroizing::new([0; KEY_BYTES]);
        data_key.copy_from_slice(key);
        Ok(Self(data_key))
    }
}

/// How the extents of one object are protected.
pub(super) enum Seal {
    /// Encrypted under the object's data key.
    Sealed(DataKey),
    /// Plain bytes, checked by digests.
    Plain,
}

impl Seal {
    /// The way of a bucket with this protection; a fresh data key if it needs one.
    #[must_use]
    pub(super) fn for_new_object(protection: Protection) -> Self {
        match protection {
            Protection::Sealed => Self::Sealed(DataKey::generate()),
            Protection::Public => Self::Plain,
        }
    }

    /// The way of an object that is stored with this wrapped key, or none.
    ///
    /// # Errors
    /// [`UnwrapError`] under another master key.
    pub(super) fn of_stored(wrapped: Option<&WrappedKey>, master: &MasterKey) -> Result<Self, UnwrapError> {
        wrapped.map_or(Ok(Self::Plain), |wrapped| DataKey::unwrap(wrapped, master).map(Self::Sealed))
    }

    /// The data key as the index keeps it.
    #[must_use]
    pub(super) fn wrapped(&self, master: &MasterKey) -> Option<WrappedKey> {
        match self {
            Self::Sealed(key) => Some(key.wrap(master)),
            Self::Plain => None,
        }
    }

    /// The cipher of one extent. Every extent has a key of its own, because frame numbers are the nonces.
    #[must_use]
    pub(super) fn extent(&self, extent: ExtentId) -> ExtentSeal {
        let key = match self {
            Self::Sealed(data_key) => {
                let material = [data_key.0.as_slice(), extent.as_bytes()].concat();
                Some(aes_key(&blake3::derive_key(EXTENT_CONTEXT, &Zeroizing::new(material))))
            }
            Self::Plain => None,
        };
        ExtentSeal { extent, key }
    }

    /// Stored bytes of an extent of `length` plaintext bytes.
    #[must_use]
    pub(super) fn stored_length(&self, length: u64) -> u64 {
        match self {
            Self::Sealed(_) => length + length.div_ceil(FRAME_BYTES as u64) * TAG_BYTES as u64,
            Self::Plain => length,
        }
    }
}

/// Seals and opens the frames of one extent.
pub(super) struct ExtentSeal {
    extent: ExtentId,
    key: Option<LessSafeKey>,
}

impl ExtentSeal {
    /// Appends frame number `frame` in stored form to `stored`; returns its digest if it stays plain.
    pub(super) fn seal(&self, frame: u64, plain: &[u8], stored: &mut Vec<u8>) -> Option<[u8; 32]> {
        let start = stored.len();
        stored.extend_from_slice(plain);
        let Some(key) = &self.key else { return Some(*blake3::hash(plain).as_bytes()) };
        let tag = key
            .seal_in_place_separate_tag(nonce(frame), Aad::empty(), &mut stored[start..])
            .expect("a frame is within AES-GCM's limit");
        stored.extend_from_slice(tag.as_ref());
        None
    }

    /// Checks consecutive frames, the first of which is number `first_frame`, and leaves their plaintext in `stored`.
    ///
    /// # Errors
    /// [`FrameDamaged`] names the first frame that is not what was written.
    pub(super) fn open(
        &self,
        first_frame: u64,
        check: &FrameCheck,
        stored: &mut Vec<u8>,
    ) -> Result<(), FrameDamaged> {
        let stored_frame_bytes = self.stored_frame_bytes();
        let mut plain_end = 0;
        for (frame, start) in (first_frame..).zip((0..stored.len()).step_by(stored_frame_bytes)) {
            let end = stored.len().min(start + stored_frame_bytes);
            let plain = self.open_frame(frame, check, &mut stored[start..end])?;
            stored.copy_within(start..start + plain, plain_end);
            plain_end += plain;
        }
        stored.truncate(plain_end);
        Ok(())
    }

    /// Stored bytes of a full frame.
    #[must_use]
    pub(super) fn stored_frame_bytes(&self) -> usize {
        if self.key.is_some() { FRAME_BYTES + TAG_BYTES } else { FRAME_BYTES }
    }

    fn open_frame(&self, frame: u64, check: &FrameCheck, stored: &mut [u8]) -> Result<usize, FrameDamaged> {
        let damaged = FrameDamaged { extent: self.extent, frame };
        match (&self.key, check) {
            (Some(key), FrameCheck::Sealed) => {
                let plain = key.open_in_place(nonce(frame), Aad::empty(), stored).map_err(|_| damaged)?;
                Ok(plain.len())
            }
            (None, FrameCheck::Digests(digests)) => {
                let digest = usize::try_from(frame).ok().and_then(|frame| digests.get(frame));
                let right = digest.is_some_and(|digest| blake3::hash(stored) == *digest);
                if right { Ok(stored.len()) } else { Err(damaged) }
            }
            (Some(_), FrameCheck::Digests(_)) | (None, FrameCheck::Sealed) => Err(damaged),
        }
    }
}

fn wrapping_key(master: &MasterKey, salt: &[u8]) -> LessSafeKey {
    let material = Zeroizing::new([master.as_bytes().as_slice(), salt].concat());
    aes_key(&blake3::derive_key(WRAP_CONTEXT, &material))
}

fn aes_key(bytes: &[u8; KEY_BYTES]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).expect("AES-256 keys have 32 bytes"))
}

fn nonce(frame: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[NONCE_LEN - 8..].copy_from_slice(&frame.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::fresh;

    fn master(byte: u8) -> MasterKey {
        MasterKey::from_bytes([byte; 32])
    }

    fn stored(seal: &ExtentSeal, plain: &[u8]) -> (Vec<u8>, FrameCheck) {
        let mut bytes = Vec::new();
        let digests: Vec<_> = plain
            .chunks(FRAME_BYTES)
            .enumerate()
            .filter_map(|(frame, chunk)| seal.seal(frame as u64, chunk, &mut bytes))
            .collect();
        let check = if seal.key.is_some() { FrameCheck::Sealed } else { FrameCheck::Digests(digests) };
        (bytes, check)
    }

    #[test]
    fn any_run_of_frames_opens_alone_and_every_damaged_byte_is_noticed() {
        let plain: Vec<u8> = (0..=250).cycle().take(FRAME_BYTES * 2 + 100).collect();
        for way in [Seal::Sealed(DataKey::generate()), Seal::Plain] {
            let seal = way.extent(fresh(ExtentId::at));
            let (bytes, check) = stored(&seal, &plain);
            assert_eq!(bytes.len() as u64, way.stored_length(plain.len() as u64));
            let mut tail = bytes[seal.stored_frame_bytes()..].to_vec();
            seal.open(1, &check, &mut tail).unwrap();
            assert_eq!(tail, plain[FRAME_BYTES..]);
            for position in [0, bytes.len() / 2, bytes.len() - 1] {
                let mut damaged = bytes.clone();
                damaged[position] ^= 1;
                seal.open(0, &check, &mut damaged).unwrap_err();
            }
            let mut shifted = bytes[..seal.stored_frame_bytes()].to_vec();
            assert_eq!(seal.open(1, &check, &mut shifted).unwrap_err().frame, 1, "frames cannot swap places");
        }
    }

    #[test]
    fn a_data_key_opens_only_under_its_master_key() {
        let key = DataKey::generate();
        let wrapped = key.wrap(&master(1));
        assert_eq!(*DataKey::unwrap(&wrapped, &master(1)).unwrap().0, *key.0);
        assert!(DataKey::unwrap(&wrapped, &master(2)).is_err());
        assert!(DataKey::unwrap(&WrappedKey(vec![]), &master(1)).is_err());
        assert_ne!(wrapped.0, key.wrap(&master(1)).0, "wrapping is salted");
    }
}
