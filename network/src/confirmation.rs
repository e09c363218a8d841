//! What a storage node signs to promise that it holds a blob.
//!
//! The bytes are `intent type ‖ intent version ‖ app ID ‖ epoch (u32 LE) ‖ blob ID ‖ persistence`, hashed to
//! the curve as they are. Source: Walrus contracts, module `messages`.

use haulout_encoder::BlobId;
use serde::{Deserialize, Serialize};

use crate::bls::{BlsError, PublicKey, Signature};
use crate::ids::{Epoch, ObjectId};

const INTENT_BLOB_CERTIFICATE: u8 = 1;
const INTENT_VERSION: u8 = 0;
const APP_WALRUS: u8 = 3;
const PERMANENT: u8 = 0;
const DELETABLE: u8 = 1;

/// Whether, and through which object, a blob can be deleted before it expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Persistence {
    /// Nobody can remove it before it expires.
    Permanent,
    /// The owner of this chain object can.
    Deletable(ObjectId),
}

/// The statement "in `epoch`, we hold `blob_id`", as read back from signed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// The signing node's epoch.
    pub epoch: Epoch,
    /// What is held.
    pub blob_id: BlobId,
    /// Under which promise.
    pub persistence: Persistence,
}

/// Signed bytes that are not the confirmation of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Too short, too long, or an unknown persistence.
    #[error("not a confirmation")]
    Malformed,
    /// A signature for another purpose.
    #[error("intent type {found} is not that of a blob certificate")]
    WrongIntentType {
        /// What the message says.
        found: u8,
    },
    /// A message of another protocol version.
    #[error("intent version {found} is unknown")]
    WrongIntentVersion {
        /// What the message says.
        found: u8,
    },
    /// A message of another application on the same chain.
    #[error("app ID {found} is not Walrus")]
    WrongAppId {
        /// What the message says.
        found: u8,
    },
}

/// The bytes every honest node signs: 40 for a permanent blob, 72 for a deletable one.
pub fn confirmation_message(epoch: Epoch, blob_id: &BlobId, persistence: Persistence) -> Vec<u8> {
    let mut message = Vec::with_capacity(72);
    message.extend([INTENT_BLOB_CERTIFICATE, INTENT_VERSION, APP_WALRUS]);
    message.extend(epoch.0.to_le_bytes());
    message.extend(blob_id.0);
    match persistence {
        Persistence::Permanent => message.push(PERMANENT),
        Persistence::Deletable(object_id) => {
            message.push(DELETABLE);
            message.extend(object_id.0);
        }
    }
    message
}

impl Confirmation {
    /// Reads signed bytes back; the inverse of [`confirmation_message`].
    ///
    /// # Errors
    /// [`MessageError`], in the order in which the contract checks.
    pub fn parse(message: &[u8]) -> Result<Self, MessageError> {
        let (&[intent_type, intent_version, app_id], rest) =
            message.split_first_chunk::<3>().ok_or(MessageError::Malformed)?;
        if intent_type != INTENT_BLOB_CERTIFICATE {
            return Err(MessageError::WrongIntentType { found: intent_type });
        }
        if intent_version != INTENT_VERSION {
            return Err(MessageError::WrongIntentVersion { found: intent_version });
        }
        if app_id != APP_WALRUS {
            return Err(MessageError::WrongAppId { found: app_id });
        }
        let (epoch, rest) = rest.split_first_chunk::<4>().ok_or(MessageError::Malformed)?;
        let (blob_id, rest) = rest.split_first_chunk::<32>().ok_or(MessageError::Malformed)?;
        let persistence = match rest.split_first() {
            Some((&PERMANENT, [])) => Persistence::Permanent,
            Some((&DELETABLE, id)) => {
                Persistence::Deletable(ObjectId(id.try_into().map_err(|_| MessageError::Malformed)?))
            }
            _ => return Err(MessageError::Malformed),
        };
        Ok(Self { epoch: Epoch(u32::from_le_bytes(*epoch)), blob_id: BlobId(*blob_id), persistence })
    }
}

/// A node's answer when asked to confirm a blob. Nothing about it is proven until [`Self::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedConfirmation {
    /// The bytes the node signed.
    pub message: Vec<u8>,
    /// Its signature over them.
    pub signature: Signature,
}

/// A node's confirmation is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmationError {
    /// It signed something else: another epoch, blob or persistence.
    #[error("the node confirmed something else")]
    DifferentMessage,
    /// It did not sign at all.
    #[error("confirmation is not signed by this node")]
    Signature(#[source] BlsError),
}

impl SignedConfirmation {
    /// Checks that the node of `key` signed exactly `expected`. CPU-bound: about a millisecond.
    ///
    /// # Errors
    /// [`ConfirmationError`]; the node is faulty or in another epoch.
    pub fn verify(&self, expected: &[u8], key: PublicKey) -> Result<(), ConfirmationError> {
        if self.message != expected {
            return Err(ConfirmationError::DifferentMessage);
        }
        self.signature.verify(&self.message, &[key]).map_err(ConfirmationError::Signature)
    }
}
