//! Identities: one type per noun, so that two never swap.
//!
//! Every id is a UUID of version 7: ids made later sort later, which keeps queues in order of age and new
//! rows beside each other on disk. Text form: 32 lower-case hexadecimal digits, no dashes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

/// Text that is not an id: anything but 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 lower-case hexadecimal digits")]
pub struct InvalidId;

macro_rules! id {
    ($(#[$attribute:meta])* $name:ident) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id of the moment `unix_ms` (milliseconds since 1970), unique by `entropy`: 74 of its 80
            /// bits are used. Ids of the same millisecond sort by their entropy.
            #[must_use]
            pub fn at(unix_ms: u64, entropy: [u8; 10]) -> Self {
                Self(Builder::from_unix_timestamp_millis(unix_ms, &entropy).into_uuid())
            }

            /// The 16 bytes, most significant first: their order is the order of ids.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id of 16 bytes that [`Self::as_bytes`] gave.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_simple().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_simple(text).map(Self)
            }
        }
    };
}

id! {
    /// A bucket's identity. A bucket that is deleted and made again under its old name has another one.
    BucketId
}
id! {
    /// One version of one object.
    VersionId
}
id! {
    /// One multipart upload. Uploads of one key list in the order of their ids, hence of their initiation.
    UploadId
}
id! {
    /// One upload of one part: uploading a part number again makes another.
    PartId
}
id! {
    /// A run of stored bytes that moves as a whole from staging to a blob.
    ExtentId
}
id! {
    /// A blob in the index. Chosen before the blob is encoded, so before its Walrus blob ID is known.
    BlobKey
}
id! {
    /// A file in the staging area.
    StagingFileId
}

fn parse_simple(text: &str) -> Result<Uuid, InvalidId> {
    // `Uuid` reads dashes, braces and capitals too; one id has one text.
    if text.len() != 32 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(InvalidId);
    }
    Uuid::try_parse(text).map_err(|_| InvalidId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_and_is_unique() {
        let id = ExtentId::at(1_700_000_000_000, [0xab; 10]);
        let text = id.to_string();
        assert_eq!(text.len(), 32);
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.to_uppercase().parse::<ExtentId>(), Err(InvalidId));
        assert_eq!(id.0.hyphenated().to_string().parse::<ExtentId>(), Err(InvalidId));
        assert_eq!("g".repeat(32).parse::<ExtentId>(), Err(InvalidId));
    }

    #[test]
    fn later_ids_sort_later() {
        assert!(UploadId::at(1, [0xff; 10]) < UploadId::at(2, [0; 10]));
        assert!(UploadId::at(255, [0; 10]).as_bytes() < UploadId::at(256, [0; 10]).as_bytes());
    }
}
