//! The storage network: who keeps slivers, who vouches for them, and how blobs get there and back.
//!
//! Start at [`NetworkClient`], which registers, stores, reads, extends and deletes blobs. It works over two
//! traits, [`Ledger`] (the chain) and [`StorageNode`], and knows nothing of what is behind them.
//! [`EmbeddedNetwork`] is a whole network in this process: nodes on local directories and a [`LocalLedger`].
//!
//! This crate knows nothing of S3, of encryption or of the gateway's index: it moves blobs, which are opaque.
//!
//! Invariants: a blob is certified only after a quorum has durably stored it; what a node answers is believed
//! only once verified, here or (when the caller asks for it, [`Verification::ByCaller`]) by the caller.

pub mod bls;
mod certificate;
mod client;
mod clock;
mod committee;
mod confirmation;
mod embedded;
mod ids;
mod ledger;
mod local_ledger;
mod metrics;
mod node;

pub use certificate::{Certificate, CertificateError, SignerBitmap};
pub use client::{
    Certified, ClientConfig, Damage, DamagedPart, NetworkClient, NetworkHealth, NodeHealth, ReadError,
    RegisteredBlob, StoreError, Verification,
};
pub use clock::{Clock, ManualClock, SystemClock};
pub use committee::{Committee, InvalidCommittee, Member, MemberIndex};
pub use confirmation::{
    Confirmation, ConfirmationError, MessageError, Persistence, SignedConfirmation, confirmation_message,
};
pub use embedded::{EmbeddedConfig, EmbeddedNetwork, InvalidIdentities, OpenError};
pub use ids::{Epoch, NodeId, ObjectId, RegistrationKey};
pub use ledger::{
    BlobObject, BlobRegistration, Ledger, LedgerError, LedgerState, Prices, STORAGE_UNIT_BYTES, Storage,
};
pub use local_ledger::{
    Account, DamagedRecord, LocalLedger, LocalLedgerConfig, NotAcknowledged, OpenLedgerError,
};
pub use node::{BlobStatus, NodeCondition, NodeError, PairSliver, SourceSymbol, StorageNode, Trust};
