//! The one account that owns every bucket and object.

use s3s::dto::{Initiator, Owner};

/// The account's canonical user id: 64 hexadecimal digits, as tools expect of one.
pub(super) const ID: &str = "68616f756c74000000000000000000000000000000000000000000000000000a";

const DISPLAY_NAME: &str = "haulout";

pub(super) fn owner() -> Owner {
    Owner { id: Some(ID.into()), display_name: Some(DISPLAY_NAME.into()) }
}

pub(super) fn initiator() -> Initiator {
    Initiator { id: Some(ID.into()), display_name: Some(DISPLAY_NAME.into()) }
}
