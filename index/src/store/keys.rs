//! Keys as bytes whose order is the order we list in.

use crate::{BlobKey, BucketId, BucketName, ExtentId, ObjectKey, UploadId, VersionId};

/// A key of a table.
pub(crate) trait Key: Sized {
    /// Appends its bytes: no key is a prefix of another in the same table, bucket names aside.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads them back; `None` if they are not a key.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

impl Key for BucketName {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_str().as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::parse(std::str::from_utf8(bytes).ok()?).ok()
    }
}

macro_rules! id_key {
    ($($id:ty),*) => {$(
        impl Key for $id {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.as_bytes());
            }

            fn decode(bytes: &[u8]) -> Option<Self> {
                Some(Self::from_bytes(bytes.try_into().ok()?))
            }
        }
    )*};
}

id_key!(VersionId, ExtentId, BlobKey);

/// The last component of a row of an object key: 16 bytes in the order that rows of one key have.
pub(crate) trait RowId: Copy + Ord {
    fn to_ordered(self) -> [u8; 16];
    fn from_ordered(bytes: [u8; 16]) -> Self;
}

impl RowId for VersionId {
    /// Inverted: the newest version comes first.
    fn to_ordered(self) -> [u8; 16] {
        self.as_bytes().map(|byte| !byte)
    }

    fn from_ordered(bytes: [u8; 16]) -> Self {
        Self::from_bytes(bytes.map(|byte| !byte))
    }
}

impl RowId for UploadId {
    fn to_ordered(self) -> [u8; 16] {
        *self.as_bytes()
    }

    fn from_ordered(bytes: [u8; 16]) -> Self {
        Self::from_bytes(bytes)
    }
}

/// A row of an object key: 16 bytes of bucket id, the key escaped, a terminator, 16 bytes of row id.
///
/// A NUL in the key is followed by `0xff`, the terminator is NUL and `0x01`. So a key sorts before those it is
/// a prefix of, NULs inside notwithstanding, and the bytes of a prefix of a key are a prefix of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InBucket<I> {
    pub(crate) bucket: BucketId,
    pub(crate) key: ObjectKey,
    pub(crate) id: I,
}

const NUL_IN_KEY: [u8; 2] = [0, 0xff];
const END_OF_KEY: [u8; 2] = [0, 0x01];

impl InBucket<()> {
    /// Begins all rows of the bucket.
    pub(crate) fn prefix(bucket: BucketId) -> Vec<u8> {
        bucket.as_bytes().to_vec()
    }

    /// Begins all rows of the keys that begin with `key_prefix`.
    pub(crate) fn key_prefix(bucket: BucketId, key_prefix: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + key_prefix.len() + 2);
        out.extend_from_slice(bucket.as_bytes());
        for byte in key_prefix.bytes() {
            match byte {
                0 => out.extend_from_slice(&NUL_IN_KEY),
                _ => out.push(byte),
            }
        }
        out
    }

    /// Begins all rows of `key`, and is itself no row.
    pub(crate) fn key_rows(bucket: BucketId, key: &str) -> Vec<u8> {
        let mut out = Self::key_prefix(bucket, key);
        out.extend_from_slice(&END_OF_KEY);
        out
    }
}

impl<I: RowId> Key for InBucket<I> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&InBucket::key_rows(self.bucket, self.key.as_str()));
        out.extend_from_slice(&self.id.to_ordered());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (bucket, rest) = bytes.split_first_chunk::<16>()?;
        let (escaped, id) = rest.split_last_chunk::<16>()?;
        let key = unescape(escaped.strip_suffix(&END_OF_KEY)?)?;
        Some(Self {
            bucket: BucketId::from_bytes(*bucket),
            key: ObjectKey::parse(key).ok()?,
            id: I::from_ordered(*id),
        })
    }
}

fn unescape(escaped: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.iter();
    while let Some(&byte) = rest.next() {
        if byte == 0 && rest.next() != Some(&NUL_IN_KEY[1]) {
            return None;
        }
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

/// The first bytes after everything that begins with `prefix`; `None` if there is no such.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// A part of an upload, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartRowKey {
    pub(crate) upload: UploadId,
    pub(crate) number: u16,
}

impl Key for PartRowKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.upload.as_bytes());
        out.extend_from_slice(&self.number.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (upload, number) = bytes.split_first_chunk::<16>()?;
        let number = u16::from_be_bytes(number.try_into().ok()?);
        Some(Self { upload: UploadId::from_bytes(*upload), number })
    }
}

macro_rules! extent_queue_key {
    ($($(#[$attribute:meta])* $name:ident),*) => {$(
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) ExtentId);

        impl Key for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                self.0.encode(out);
            }

            fn decode(bytes: &[u8]) -> Option<Self> {
                ExtentId::decode(bytes).map(Self)
            }
        }
    )*};
}

extent_queue_key!(
    /// A place in the queue of extents to be shipped.
    StagedKey,
    /// A place in the queue of extents to be collected.
    GarbageKey
);

/// What is to be done about a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlobPhase {
    Planned,
    Registered,
    Certified,
    /// Certified, and no member is left.
    Empty,
}

impl BlobPhase {
    fn to_byte(self) -> u8 {
        match self {
            Self::Planned => 0,
            Self::Registered => 1,
            Self::Certified => 2,
            Self::Empty => 3,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Planned, Self::Registered, Self::Certified, Self::Empty]
            .into_iter()
            .find(|phase| phase.to_byte() == byte)
    }
}

/// A blob by phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PhaseKey {
    pub(crate) phase: BlobPhase,
    pub(crate) blob: BlobKey,
}

impl PhaseKey {
    /// Begins all of one phase.
    pub(crate) fn prefix(phase: BlobPhase) -> [u8; 1] {
        [phase.to_byte()]
    }
}

impl Key for PhaseKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.phase.to_byte());
        self.blob.encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&phase, blob) = bytes.split_first()?;
        Some(Self { phase: BlobPhase::from_byte(phase)?, blob: BlobKey::decode(blob)? })
    }
}

/// A blob by the end of its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseKey {
    pub(crate) end_epoch: u32,
    pub(crate) blob: BlobKey,
}

impl Key for LeaseKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.end_epoch.to_be_bytes());
        self.blob.encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (end_epoch, blob) = bytes.split_first_chunk::<4>()?;
        Some(Self { end_epoch: u32::from_be_bytes(*end_epoch), blob: BlobKey::decode(blob)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bucket() -> BucketId {
        BucketId::from_bytes([0xff; 16])
    }

    fn encoded<K: Key>(key: &K) -> Vec<u8> {
        let mut out = Vec::new();
        key.encode(&mut out);
        out
    }

    fn upload_row(key: &str, id: u8) -> InBucket<UploadId> {
        let id = UploadId::from_bytes([id; 16]);
        InBucket { bucket: bucket(), key: ObjectKey::parse(key).unwrap(), id }
    }

    /// Few characters, so that one key often begins with another.
    fn key() -> impl Strategy<Value = String> {
        proptest::string::string_regex("[\0\u{1}/aé\u{10ffff}]{1,8}").unwrap()
    }

    proptest! {
        #[test]
        fn rows_sort_by_key_then_id(a in key(), b in key(), a_id: u8, b_id: u8) {
            let by_meaning = (&a, a_id).cmp(&(&b, b_id));
            let by_bytes = encoded(&upload_row(&a, a_id)).cmp(&encoded(&upload_row(&b, b_id)));
            prop_assert_eq!(by_meaning, by_bytes);
        }

        #[test]
        fn rows_decode_to_what_was_encoded(key in key(), id: u8) {
            let row = upload_row(&key, id);
            prop_assert_eq!(InBucket::decode(&encoded(&row)), Some(row));
        }

        #[test]
        fn a_prefix_of_a_key_is_a_prefix_of_its_bytes(a in key(), b in key()) {
            let prefix = InBucket::key_prefix(bucket(), &a);
            let row = encoded(&upload_row(&b, 0));
            prop_assert_eq!(b.starts_with(&a), row.starts_with(&prefix));
            let end = after_prefix(&prefix).unwrap();
            prop_assert_eq!(b.starts_with(&a), prefix <= row && row < end);
        }
    }

    #[test]
    fn the_newest_version_comes_first() {
        let row = |id| encoded(&InBucket { bucket: bucket(), key: ObjectKey::parse("k").unwrap(), id });
        assert!(row(VersionId::at(2, [0; 10])) < row(VersionId::at(1, [0; 10])));
    }

    #[test]
    fn nothing_comes_after_a_prefix_of_ones() {
        assert_eq!(after_prefix(&[0xff, 0xff]), None);
        assert_eq!(after_prefix(&[7, 0xff]), Some(vec![8]));
        assert_eq!(after_prefix(&[]), None);
    }

    #[test]
    fn malformed_rows_do_not_decode() {
        let row = encoded(&upload_row("a\0b", 1));
        for length in 0..row.len() {
            assert_eq!(InBucket::<UploadId>::decode(&row[..length]), None, "cut to {length}");
        }
        assert_eq!(PhaseKey::decode(&[9; 17]), None);
    }
}
