//! BLS12-381 signatures as Walrus uses them: public keys in G1, signatures in G2, messages hashed as they are.
//!
//! Source: Walrus contracts, module `bls_aggregate`; the variant is called "min-pk".

use blst::BLST_ERROR;
use blst::min_pk;
use rand::CryptoRng;
use zeroize::Zeroizing;

/// Hash-to-curve suite; part of what is signed, so a signature under another suite never verifies here.
pub const SUITE: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_";

/// Bytes that are not a valid point or scalar, or a signature that does not belong to key and message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlsError {
    /// Not the encoding of a key in the right group, or the point at infinity.
    #[error("not a BLS12-381 key")]
    MalformedKey,
    /// Not the encoding of a point of G2.
    #[error("not a BLS12-381 signature")]
    MalformedSignature,
    /// The signature was not made by these keys over this message.
    #[error("signature does not verify")]
    WrongSignature,
}

/// A node's signing key. Erased from memory when dropped.
pub struct SecretKey(min_pk::SecretKey);

impl SecretKey {
    /// A fresh key from `rng`, which must be fit for secrets.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0_u8; 32]);
        rng.fill_bytes(&mut *seed);
        Self(min_pk::SecretKey::key_gen(&*seed, &[]).expect("a 32-byte seed is long enough"))
    }

    /// Reads the 32-byte big-endian scalar.
    ///
    /// # Errors
    /// [`BlsError::MalformedKey`] unless it is in `1..r`.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BlsError> {
        min_pk::SecretKey::from_bytes(bytes).map(Self).map_err(|_| BlsError::MalformedKey)
    }

    /// The 32-byte big-endian scalar.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The key that verifies what this one signs.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.sk_to_pk())
    }

    /// Signs `message`. CPU-bound: about half a millisecond.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message, SUITE, &[]))
    }
}

/// A node's public key: a point of G1, proven to be in the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(min_pk::PublicKey);

impl PublicKey {
    /// Bytes of the compressed form.
    pub const BYTES: usize = 48;

    /// Reads the compressed form (48 bytes) or the uncompressed one (96 bytes, as kept on the chain).
    ///
    /// # Errors
    /// [`BlsError::MalformedKey`] unless it is a point of the group other than infinity.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlsError> {
        min_pk::PublicKey::key_validate(bytes).map(Self).map_err(|_| BlsError::MalformedKey)
    }

    /// The compressed form.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        self.0.to_bytes()
    }
}

/// A signature, or the sum of several: a point of G2, its group not yet checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature(min_pk::Signature);

impl Signature {
    /// Bytes of the compressed form.
    pub const BYTES: usize = 96;

    /// Reads the compressed form.
    ///
    /// # Errors
    /// [`BlsError::MalformedSignature`] unless it is a point of the curve.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlsError> {
        if bytes.len() != Self::BYTES {
            return Err(BlsError::MalformedSignature);
        }
        min_pk::Signature::uncompress(bytes).map(Self).map_err(|_| BlsError::MalformedSignature)
    }

    /// The compressed form.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        self.0.to_bytes()
    }

    /// The sum of `signatures` over one message, verifiable under the sum of their keys.
    ///
    /// # Errors
    /// [`BlsError::MalformedSignature`] if there is none, or one is outside the group.
    pub fn aggregate(signatures: &[Self]) -> Result<Self, BlsError> {
        let points: Vec<_> = signatures.iter().map(|signature| &signature.0).collect();
        min_pk::AggregateSignature::aggregate(&points, true)
            .map(|sum| Self(sum.to_signature()))
            .map_err(|_| BlsError::MalformedSignature)
    }

    /// Checks that every one of `keys` signed `message` and that `self` is the sum of it. CPU-bound: about a
    /// millisecond, whatever the number of keys.
    ///
    /// # Errors
    /// [`BlsError::WrongSignature`] otherwise, also for no keys at all.
    pub fn verify(&self, message: &[u8], keys: &[PublicKey]) -> Result<(), BlsError> {
        let keys: Vec<_> = keys.iter().map(|key| &key.0).collect();
        match self.0.fast_aggregate_verify(true, message, SUITE, &keys) {
            BLST_ERROR::BLST_SUCCESS => Ok(()),
            _ => Err(BlsError::WrongSignature),
        }
    }
}
