//! Proof that a quorum of a committee holds a blob: the contract accepts it, so the client checks it as the
//! contract does before paying for the transaction.
//!
//! Source: Walrus contracts, modules `bls_aggregate` and `blob`.

use haulout_encoder::BlobId;

use crate::bls::{BlsError, Signature};
use crate::committee::{Committee, MemberIndex};
use crate::confirmation::{Confirmation, MessageError, Persistence};
use crate::ids::Epoch;

/// Who signed: member `m` is bit `m mod 8`, least significant first, of byte `m / 8`.
/// Missing bytes at the end mean "did not sign".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerBitmap(Vec<u8>);

impl SignerBitmap {
    /// The shortest bitmap naming these members.
    pub fn of(members: impl IntoIterator<Item = MemberIndex>) -> Self {
        let mut bytes = Vec::new();
        for MemberIndex(index) in members {
            let byte = usize::from(index / 8);
            if bytes.len() <= byte {
                bytes.resize(byte + 1, 0);
            }
            bytes[byte] |= 1 << (index % 8);
        }
        Self(bytes)
    }

    /// Takes bytes from elsewhere; [`Self::members`] finds out whether they make sense.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes as the contract takes them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The members named, ascending.
    ///
    /// # Errors
    /// [`CertificateError::InvalidBitmap`] if it is longer than `committee` needs or names a member beyond it.
    pub fn members(&self, committee: &Committee) -> Result<Vec<MemberIndex>, CertificateError> {
        let n_members = committee.members().len();
        if self.0.len() > n_members.div_ceil(8) {
            return Err(CertificateError::InvalidBitmap);
        }
        (0_u16..)
            .zip(self.0.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)))
            .filter(|(_, signed)| *signed)
            .map(|(index, _)| {
                let index = MemberIndex(index);
                committee.member(index).map(|_| index).ok_or(CertificateError::InvalidBitmap)
            })
            .collect()
    }
}

/// A message, who signed it, and the sum of their signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Positions in the committee of the message's epoch.
    pub signers: SignerBitmap,
    /// The bytes everybody signed, see [`crate::confirmation_message`].
    pub message: Vec<u8>,
    /// The sum of the signatures.
    pub signature: Signature,
}

/// A certificate proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Longer than the committee, or a bit set beyond it.
    #[error("signer bitmap does not fit the committee")]
    InvalidBitmap,
    /// The signers hold too few shards.
    #[error("signers hold {weight} shards, {needed} are needed")]
    NotEnoughWeight {
        /// Shards the signers hold.
        weight: u16,
        /// Shards a quorum holds.
        needed: u16,
    },
    /// The signature is not the sum of what the signers would have signed.
    #[error("aggregate signature does not verify")]
    Signature(#[source] BlsError),
    /// What was signed is not a confirmation.
    #[error("signed message is not a confirmation")]
    Message(#[source] MessageError),
    /// Signed in another epoch: fresh confirmations are needed.
    #[error("certificate is of epoch {found}, it is epoch {current}")]
    WrongEpoch {
        /// The epoch signed.
        found: Epoch,
        /// The epoch the committee serves.
        current: Epoch,
    },
    /// Signed for another blob.
    #[error("certificate is for blob {found}")]
    WrongBlob {
        /// The blob signed for.
        found: BlobId,
    },
    /// Signed for another object, or for a permanent blob instead of a deletable one or the reverse.
    #[error("certificate promises another persistence")]
    WrongPersistence {
        /// The promise signed.
        found: Persistence,
    },
}

impl Certificate {
    /// Sums up the signatures that distinct members made over `message`. Checks none of them: see
    /// [`Self::verify`].
    ///
    /// # Errors
    /// [`CertificateError::Signature`] if there is none, or one is not in the signatures' group.
    pub fn aggregate(
        message: Vec<u8>,
        signatures: &[(MemberIndex, Signature)],
    ) -> Result<Self, CertificateError> {
        let signers = SignerBitmap::of(signatures.iter().map(|(member, _)| *member));
        let signatures: Vec<_> = signatures.iter().map(|(_, signature)| *signature).collect();
        let signature = Signature::aggregate(&signatures).map_err(CertificateError::Signature)?;
        Ok(Self { signers, message, signature })
    }

    /// Checks that a quorum of `committee` signed, in its epoch, that it holds `blob_id` under `persistence`.
    /// The same checks in the same order as on the chain. CPU-bound: about a millisecond.
    ///
    /// # Errors
    /// [`CertificateError`] for the first check that fails.
    pub fn verify(
        &self,
        committee: &Committee,
        blob_id: &BlobId,
        persistence: Persistence,
    ) -> Result<(), CertificateError> {
        self.verify_signature(committee)?;
        let signed = Confirmation::parse(&self.message).map_err(CertificateError::Message)?;
        if signed.epoch != committee.epoch() {
            return Err(CertificateError::WrongEpoch { found: signed.epoch, current: committee.epoch() });
        }
        if signed.blob_id != *blob_id {
            return Err(CertificateError::WrongBlob { found: signed.blob_id });
        }
        if signed.persistence != persistence {
            return Err(CertificateError::WrongPersistence { found: signed.persistence });
        }
        Ok(())
    }

    fn verify_signature(&self, committee: &Committee) -> Result<(), CertificateError> {
        let signers = self.signers.members(committee)?;
        let weight = committee.weight(signers.iter().copied());
        if !committee.is_quorum(weight) {
            return Err(CertificateError::NotEnoughWeight { weight, needed: committee.quorum() });
        }
        let keys: Vec<_> =
            signers.iter().filter_map(|signer| committee.member(*signer)).map(|m| m.public_key).collect();
        self.signature.verify(&self.message, &keys).map_err(CertificateError::Signature)
    }
}

#[cfg(test)]
mod tests;
