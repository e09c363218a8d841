//! Objects: what a key means, and the conditions under which it changes.

mod commit;
mod condition;
mod delete;
mod list;
mod read;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Durability, ExtentRef, UploadId, VersionId};

pub use commit::{CommitError, CommitObject, CompletedUpload};
pub use condition::{DeleteCondition, ETagMatch, WriteCondition};
pub use delete::{DeleteError, DeleteRefused, Deleted};
pub use list::{ListEntry, ListPage, ListQuery, ListStart};
pub use read::ObjectError;

/// One version of an object: all of it but where its bytes are, which [`Layout`] says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRecord {
    /// Its identity; also finds its [`Layout`].
    pub version_id: VersionId,
    /// Milliseconds since 1970.
    pub modified_at_ms: u64,
    /// Bytes, before encryption.
    pub size: u64,
    /// What clients compare.
    pub etag: ETag,
    /// BLAKE3 of the whole object, if it was computed in one pass.
    pub digest: Option<[u8; 32]>,
    /// The checksum that clients ask for.
    pub checksum: Option<Checksum>,
    /// The headers that S3 keeps with an object.
    pub system: SystemMetadata,
    /// `x-amz-meta-*`: names without that prefix, in the order received.
    pub user_metadata: Vec<(String, String)>,
    /// The key of its bytes; `None` if they are stored in plain.
    pub wrapped_key: Option<WrappedKey>,
    /// The multipart upload it came from: a repeated completion finds its own result by it.
    pub upload_id: Option<UploadId>,
    /// The number of parts, if it came from a multipart upload.
    pub part_count: Option<u16>,
    /// The durability that was promised for it.
    pub durability: Durability,
}

/// Where an object's bytes are. Apart from [`ObjectRecord`], so that listings do not read it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The object's bytes in order, without gap.
    pub extents: Vec<ExtentRef>,
    /// The parts of a multipart upload by ascending number; empty for other objects.
    pub parts: Vec<PartSummary>,
}

/// What remains of a part once its upload is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartSummary {
    /// `1..=10000`.
    pub number: u16,
    /// Bytes, before encryption.
    pub size: u64,
    /// Of this part alone.
    pub checksum: Option<Checksum>,
}

/// S3's entity tag: the MD5 of the object, or of its parts' MD5s with their count.
///
/// Displays without quotes: `d41d8cd98f00b204e9800998ecf8427e` or `d41d8cd98f00b204e9800998ecf8427e-7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ETag {
    /// MD5.
    pub md5: [u8; 16],
    /// The number of parts, if it came from a multipart upload.
    pub parts: Option<u16>,
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.md5))?;
        self.parts.map_or(Ok(()), |parts| write!(f, "-{parts}"))
    }
}

/// The checksums that S3 knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChecksumAlgorithm {
    /// CRC-32 of ISO-HDLC (zlib), 4 bytes.
    Crc32,
    /// CRC-32 of Castagnoli, 4 bytes.
    Crc32c,
    /// CRC-64 of NVMe, 8 bytes.
    Crc64Nvme,
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
}

/// What a multipart object's checksum was taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChecksumKind {
    /// The object's bytes.
    FullObject,
    /// The checksums of its parts.
    Composite,
}

/// A checksum of an object or part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    /// How it was computed.
    pub algorithm: ChecksumAlgorithm,
    /// Over what.
    pub kind: ChecksumKind,
    /// Its bytes, most significant first.
    pub value: Vec<u8>,
    /// The number of parts, if composite.
    pub parts: Option<u16>,
}

/// The headers that S3 keeps with an object and gives back, as they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemMetadata {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Expires`, as text: S3 does not check that it is a date.
    pub expires: Option<String>,
    /// `x-amz-website-redirect-location`.
    pub website_redirect_location: Option<String>,
}

/// An object's data key, encrypted under the master key. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey(pub Vec<u8>);

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_display_as_s3_writes_them() {
        let md5 = [0x0d, 0x41, 0xd8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7e];
        assert_eq!(ETag { md5, parts: None }.to_string(), "0d41d80000000000000000000000007e");
        assert_eq!(ETag { md5, parts: Some(7) }.to_string(), "0d41d80000000000000000000000007e-7");
    }

    #[test]
    fn debug_does_not_print_keys() {
        assert_eq!(format!("{:?}", WrappedKey(vec![42; 60])), "WrappedKey(60 bytes)");
    }
}
