//! The identities and the unit of time that the chain, the nodes and the client share.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Walrus's unit of time. Committees, prices and leases change only when an epoch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u32);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A storage node. On the real chain this is the ID of the node's staking pool object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub [u8; 32]);

/// A chain object, such as one registration of a blob. Several objects may stand for the same blob.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId(pub [u8; 32]);

/// Names the caller's own record of a blob, so that a repeated registration finds the object that was already
/// paid for, while two records of equal content get an object each and can be deleted apart.
///
/// Unique among the caller's records; a UUID serves. It is kept with the object on the ledger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RegistrationKey(pub [u8; 16]);

macro_rules! hex_text {
    ($($name:ident),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "0x{}", hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    )+};
}

hex_text!(NodeId, ObjectId, RegistrationKey);
