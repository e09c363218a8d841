//! The ledger's tables and the byte forms of what they hold.

use haulout_encoder::BlobId;
use redb::TableDefinition;
use serde::{Deserialize, Serialize};

use crate::ids::{Epoch, ObjectId, RegistrationKey};
use crate::ledger::{BlobObject, Storage};

/// Blob objects in BCS by object ID.
pub(super) const OBJECTS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("objects");
/// Blob ID ‖ object ID, so that a blob's objects are neighbours.
pub(super) const OBJECTS_OF_BLOB: TableDefinition<'_, &[u8; 64], ()> =
    TableDefinition::new("objects_of_blob");
/// End epoch, big-endian, ‖ object ID, so that what expires next comes first.
pub(super) const OBJECTS_BY_END: TableDefinition<'_, &[u8; 36], ()> = TableDefinition::new("objects_by_end");
/// Blob IDs that lost an object. Their data may be of no further use; the sweeper finds out.
pub(super) const REMOVALS: TableDefinition<'_, &[u8; 32], ()> = TableDefinition::new("removals");
/// Single numbers, see the keys below.
pub(super) const META: TableDefinition<'_, &str, u128> = TableDefinition::new("meta");

/// Version of the tables. Another version is refused.
pub(super) const FORMAT_VERSION: u128 = 1;
/// Key in [`META`]: [`FORMAT_VERSION`].
pub(super) const META_FORMAT: &str = "format_version";
/// Key in [`META`]: when epoch 1 began, in milliseconds since the Unix epoch.
pub(super) const META_GENESIS_MS: &str = "genesis_ms";
/// Key in [`META`]: length of an epoch in milliseconds, fixed for the life of the ledger.
pub(super) const META_EPOCH_MS: &str = "epoch_ms";
/// Key in [`META`]: the highest epoch ever seen, lest a clock set back undo expiries.
pub(super) const META_EPOCH: &str = "epoch";
/// Key in [`META`]: FROST left to spend.
pub(super) const META_BALANCE: &str = "balance_frost";
/// Key in [`META`]: FROST spent on storage so far.
pub(super) const META_STORAGE_PAID: &str = "storage_paid_frost";
/// Key in [`META`]: FROST spent on writes so far.
pub(super) const META_WRITE_PAID: &str = "write_paid_frost";
/// Key in [`META`]: objects that ended in this epoch or before have been queued in [`REMOVALS`].
pub(super) const META_EXPIRED_THROUGH: &str = "expired_through_epoch";

/// A table holds bytes that this version did not write.
#[derive(Debug, thiserror::Error)]
#[error("ledger record is damaged")]
pub struct DamagedRecord(#[from] bcs::Error);

/// [`BlobObject`] as stored. Fields are only ever added under a new [`FORMAT_VERSION`].
#[derive(Serialize, Deserialize)]
struct BlobRecord {
    object_id: [u8; 32],
    key: Option<[u8; 16]>,
    blob_id: [u8; 32],
    unencoded_length: u64,
    registered_epoch: u32,
    certified_epoch: Option<u32>,
    storage_start: u32,
    storage_end: u32,
    storage_bytes: u64,
    deletable: bool,
}

/// The bytes to store for `object`.
pub(super) fn encode_object(object: &BlobObject) -> Vec<u8> {
    let record = BlobRecord {
        object_id: object.object_id.0,
        key: object.key.map(|key| key.0),
        blob_id: object.blob_id.0,
        unencoded_length: object.unencoded_length,
        registered_epoch: object.registered_epoch.0,
        certified_epoch: object.certified_epoch.map(|epoch| epoch.0),
        storage_start: object.storage.start_epoch.0,
        storage_end: object.storage.end_epoch.0,
        storage_bytes: object.storage.size_bytes,
        deletable: object.deletable,
    };
    bcs::to_bytes(&record).expect("a record of fixed-size fields always has a BCS form")
}

/// Reads stored bytes back.
pub(super) fn decode_object(bytes: &[u8]) -> Result<BlobObject, DamagedRecord> {
    let record: BlobRecord = bcs::from_bytes(bytes)?;
    Ok(BlobObject {
        object_id: ObjectId(record.object_id),
        key: record.key.map(RegistrationKey),
        blob_id: BlobId(record.blob_id),
        unencoded_length: record.unencoded_length,
        registered_epoch: Epoch(record.registered_epoch),
        certified_epoch: record.certified_epoch.map(Epoch),
        storage: Storage {
            start_epoch: Epoch(record.storage_start),
            end_epoch: Epoch(record.storage_end),
            size_bytes: record.storage_bytes,
        },
        deletable: record.deletable,
    })
}

/// Key in [`OBJECTS_OF_BLOB`].
pub(super) fn of_blob_key(blob_id: &BlobId, object_id: ObjectId) -> [u8; 64] {
    let mut key = [0; 64];
    key[..32].copy_from_slice(&blob_id.0);
    key[32..].copy_from_slice(&object_id.0);
    key
}

/// The object that a key of [`OBJECTS_OF_BLOB`] names.
pub(super) fn object_of_blob_key(key: &[u8; 64]) -> ObjectId {
    ObjectId(*key.last_chunk().expect("64 bytes end in 32"))
}

/// Key in [`OBJECTS_BY_END`].
pub(super) fn by_end_key(end: Epoch, object_id: ObjectId) -> [u8; 36] {
    let mut key = [0; 36];
    key[..4].copy_from_slice(&end.0.to_be_bytes());
    key[4..].copy_from_slice(&object_id.0);
    key
}

/// The object that a key of [`OBJECTS_BY_END`] names.
pub(super) fn object_of_end_key(key: &[u8; 36]) -> ObjectId {
    ObjectId(*key.last_chunk().expect("36 bytes end in 32"))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn object(certified_epoch: Option<Epoch>) -> BlobObject {
        BlobObject {
            object_id: ObjectId([1; 32]),
            key: Some(RegistrationKey([2; 16])),
            blob_id: BlobId([3; 32]),
            unencoded_length: 4,
            registered_epoch: Epoch(5),
            certified_epoch,
            storage: Storage { start_epoch: Epoch(5), end_epoch: Epoch(8), size_bytes: 9 },
            deletable: true,
        }
    }

    #[test]
    fn objects_come_back_and_cut_ones_are_damaged() {
        for object in [object(None), object(Some(Epoch(6)))] {
            let bytes = encode_object(&object);
            assert_eq!(decode_object(&bytes).unwrap(), object);
            assert!((0..bytes.len()).all(|length| decode_object(&bytes[..length]).is_err()));
            assert!(decode_object(&[&bytes[..], &[0]].concat()).is_err());
        }
    }

    proptest! {
        /// Whatever is in the table, reading it answers; what reads as an object is stored as the same bytes.
        #[test]
        fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..200)) {
            if let Ok(object) = decode_object(&bytes) {
                prop_assert_eq!(encode_object(&object), bytes);
            }
        }
    }
}
