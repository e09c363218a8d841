//! Rows as bytes: one byte of format version, then postcard.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{
    BlobKey, BlobRecord, BucketRecord, ExtentRecord, Layout, ObjectRecord, PartRecord, RowError, UploadRecord,
};

/// A type that is stored as a row. A change to what it serializes to takes the next format version, and
/// reading the one before.
pub(crate) trait Row: Serialize + DeserializeOwned {
    const FORMAT_VERSION: u8;

    fn to_bytes(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![Self::FORMAT_VERSION])
            .expect("a vector takes any length, and rows have no type that postcard refuses")
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, RowError> {
        let (&found, value) = bytes.split_first().ok_or(RowError::Empty)?;
        if found != Self::FORMAT_VERSION {
            return Err(RowError::FormatVersion { found, expected: Self::FORMAT_VERSION });
        }
        postcard::from_bytes(value).map_err(RowError::Value)
    }
}

/// An extent and what will become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExtentRow {
    pub(crate) record: ExtentRecord,
    /// Whether an object or part has it. If not, it is queued as garbage once it is in no unfinished blob.
    pub(crate) owned: bool,
    /// The planned or registered blob that has it as a member. Its staging bytes must stay until then.
    pub(crate) shipping_in: Option<BlobKey>,
}

impl Row for BucketRecord {
    const FORMAT_VERSION: u8 = 1;
}
impl Row for ObjectRecord {
    const FORMAT_VERSION: u8 = 1;
}
impl Row for Layout {
    const FORMAT_VERSION: u8 = 1;
}
impl Row for UploadRecord {
    const FORMAT_VERSION: u8 = 1;
}
impl Row for PartRecord {
    const FORMAT_VERSION: u8 = 1;
}
impl Row for ExtentRow {
    const FORMAT_VERSION: u8 = 1;
}
impl Row for BlobRecord {
    const FORMAT_VERSION: u8 = 1;
}
/// A place in a queue: all of it is in its key.
impl Row for () {
    const FORMAT_VERSION: u8 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BucketId, Durability, Protection};

    fn bucket() -> BucketRecord {
        BucketRecord {
            id: BucketId::at(1, [2; 10]),
            created_at_ms: 300,
            durability: Durability::Certified,
            protection: Protection::Public,
        }
    }

    /// The bytes on disk: what this test does not expect, an older index does not have.
    #[test]
    fn a_bucket_has_its_bytes() {
        let mut expected = vec![1, 16];
        expected.extend_from_slice(bucket().id.as_bytes());
        expected.extend_from_slice(&[0xac, 0x02, 1, 1]);
        assert_eq!(bucket().to_bytes(), expected);
        assert_eq!(BucketRecord::from_bytes(&expected).unwrap(), bucket());
    }

    #[test]
    fn unreadable_rows_say_why() {
        let mut bytes = bucket().to_bytes();
        bytes[0] = 2;
        let error = BucketRecord::from_bytes(&bytes).unwrap_err();
        assert!(matches!(error, RowError::FormatVersion { found: 2, expected: 1 }), "{error:?}");
        assert!(matches!(BucketRecord::from_bytes(&[]), Err(RowError::Empty)));
        assert!(matches!(BucketRecord::from_bytes(&[1, 16, 0]), Err(RowError::Value(_))));
    }
}
