//! What must be in place before anything is opened: the data directory, held by this process alone, and the
//! keys in it.
//!
//! The first start makes what is missing; later starts read it. Start at [`DataDir::open`], then
//! [`Credentials::load_or_create`](crate::credentials::Credentials::load_or_create) and
//! [`MasterKey::load_or_create`]. A key file is written whole or not at all and readable by its owner only,
//! see [`write_private_file`].
//!
//! Invariant: while a [`DataDir`] lives, no other process has the same directory open.

mod data_dir;
mod master_key;
mod private_file;

pub use data_dir::{DataDir, DataDirError};
pub use master_key::{
    InvalidMasterKey, KeyFingerprint, MasterKey, MasterKeyError, MasterKeyOrigin, WrongMasterKey,
};
pub use private_file::{PrivateFileError, read_private_file, write_private_file};
