//! What the transactions do. Each checks everything before it writes anything, so that a refused one leaves no
//! trace in the commit it shares with others.
//!
//! Source: Walrus contracts, modules `system_state_inner`, `blob` and `storage_resource`.

use haulout_encoder::{BlobId, EncodingConfig};
use rand::RngCore;
use redb::{ReadableTable, StorageError, TableError, WriteTransaction};

use super::records::{
    DamagedRecord, META, META_BALANCE, META_EPOCH, META_EXPIRED_THROUGH, META_STORAGE_PAID, META_WRITE_PAID,
    OBJECTS, OBJECTS_BY_END, OBJECTS_OF_BLOB, REMOVALS, by_end_key, decode_object, encode_object,
    object_of_end_key, of_blob_key,
};
use crate::certificate::Certificate;
use crate::committee::Committee;
use crate::ids::{Epoch, ObjectId};
use crate::ledger::{BlobObject, BlobRegistration, LedgerError, Prices, Storage};

/// Epochs for which an expired object stays, so that a late request is told what happened to it.
const BURN_AFTER_EPOCHS: u32 = 4;

/// Why a transaction does not go through.
#[derive(Debug)]
pub(super) enum Abort {
    /// The request is not allowed; nothing was written.
    Refused(LedgerError),
    /// The disk failed; the whole commit is void.
    Failed(redb::Error),
}

impl From<LedgerError> for Abort {
    fn from(refusal: LedgerError) -> Self {
        Self::Refused(refusal)
    }
}

impl From<TableError> for Abort {
    fn from(error: TableError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<StorageError> for Abort {
    fn from(error: StorageError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<DamagedRecord> for Abort {
    fn from(error: DamagedRecord) -> Self {
        Self::Refused(LedgerError::Unavailable(Box::new(error)))
    }
}

/// The rules that hold while a transaction runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) epoch: Epoch,
    pub(super) encoding: EncodingConfig,
    pub(super) prices: Prices,
    pub(super) max_epochs_ahead: u32,
}

impl Rules {
    fn end_epoch(&self, from: Epoch, epochs: u32) -> Result<Epoch, LedgerError> {
        let end = Epoch(from.0.saturating_add(epochs));
        let requested = end.0.saturating_sub(self.epoch.0);
        if epochs == 0 || requested > self.max_epochs_ahead {
            return Err(LedgerError::EpochsOutOfRange { requested, max: self.max_epochs_ahead });
        }
        Ok(end)
    }

    fn object(&self, wanted: &BlobRegistration) -> Result<BlobObject, LedgerError> {
        let metadata = &wanted.metadata;
        if metadata.config() != self.encoding {
            let [expected, found] = [self.encoding, metadata.config()].map(|config| config.n_shards());
            return Err(LedgerError::WrongShardCount { expected, found });
        }
        let unencoded_length = metadata.unencoded_length();
        let size_bytes = self
            .encoding
            .encoded_length(unencoded_length)
            .expect("metadata has a length that can be encoded");
        let end_epoch = self.end_epoch(self.epoch, wanted.epochs_ahead)?;
        let mut object_id = [0; 32];
        rand::rng().fill_bytes(&mut object_id);
        Ok(BlobObject {
            object_id: ObjectId(object_id),
            key: Some(wanted.key),
            blob_id: *metadata.blob_id(),
            unencoded_length,
            registered_epoch: self.epoch,
            certified_epoch: None,
            storage: Storage { start_epoch: self.epoch, end_epoch, size_bytes },
            deletable: true,
        })
    }
}

/// Reserves space for all of `wanted` and registers them, or none.
pub(super) fn register(
    write: &WriteTransaction,
    rules: Rules,
    wanted: &[BlobRegistration],
) -> Result<Vec<BlobObject>, Abort> {
    let objects = wanted.iter().map(|wanted| rules.object(wanted)).collect::<Result<Vec<_>, _>>()?;
    let storage_cost = objects
        .iter()
        .zip(wanted)
        .map(|(object, wanted)| rules.prices.storage_cost(object.storage.size_bytes, wanted.epochs_ahead))
        .sum();
    let write_cost = objects.iter().map(|object| rules.prices.write_cost(object.storage.size_bytes)).sum();
    pay(write, storage_cost, write_cost)?;
    for object in &objects {
        put_object(write, object)?;
        write.open_table(OBJECTS_OF_BLOB)?.insert(&of_blob_key(&object.blob_id, object.object_id), ())?;
        insert_end(write, object)?;
    }
    Ok(objects)
}

/// Records the certificate's epoch with the object, once the certificate is proven.
pub(super) fn certify(
    write: &WriteTransaction,
    committee: &Committee,
    object_id: ObjectId,
    certificate: &Certificate,
) -> Result<BlobObject, Abort> {
    let mut object = live_object(write, committee.epoch(), object_id)?;
    if object.certified_epoch.is_some() {
        return Err(LedgerError::AlreadyCertified { object_id }.into());
    }
    certificate.verify(committee, &object.blob_id, object.persistence()).map_err(LedgerError::Certificate)?;
    object.certified_epoch = Some(committee.epoch());
    put_object(write, &object)?;
    Ok(object)
}

/// Pays for more epochs at the end of the object's span.
pub(super) fn extend(
    write: &WriteTransaction,
    rules: Rules,
    object_id: ObjectId,
    epochs: u32,
) -> Result<BlobObject, Abort> {
    let mut object = live_object(write, rules.epoch, object_id)?;
    if object.certified_epoch.is_none() {
        return Err(LedgerError::NotCertified { object_id }.into());
    }
    let end_epoch = rules.end_epoch(object.storage.end_epoch, epochs)?;
    pay(write, rules.prices.storage_cost(object.storage.size_bytes, epochs), 0)?;
    remove_end(write, &object)?;
    object.storage.end_epoch = end_epoch;
    insert_end(write, &object)?;
    put_object(write, &object)?;
    Ok(object)
}

/// Gives the object up and queues its blob for removal. What was paid is not returned: the contract hands back
/// the space, not the money.
pub(super) fn delete(write: &WriteTransaction, epoch: Epoch, object_id: ObjectId) -> Result<Storage, Abort> {
    let object = live_object(write, epoch, object_id)?;
    if !object.deletable {
        return Err(LedgerError::NotDeletable { object_id }.into());
    }
    remove_object(write, &object)?;
    write.open_table(REMOVALS)?.insert(&object.blob_id.0, ())?;
    Ok(Storage { start_epoch: epoch, ..object.storage })
}

/// Queues the blobs of expired objects for removal, and drops objects that expired long ago. Remembers `epoch`,
/// so that a clock set back does not revive them.
pub(super) fn expire(write: &WriteTransaction, epoch: Epoch) -> Result<(), Abort> {
    let through = meta(write, META_EXPIRED_THROUGH)?.and_then(|value| u32::try_from(value).ok()).unwrap_or(0);
    for object in ended(write, Epoch(through.saturating_add(1)), epoch)? {
        write.open_table(REMOVALS)?.insert(&object.blob_id.0, ())?;
    }
    let burnt = Epoch(epoch.0.saturating_sub(BURN_AFTER_EPOCHS));
    for object in ended(write, Epoch(0), burnt)? {
        remove_object(write, &object)?;
    }
    let mut meta = write.open_table(META)?;
    meta.insert(META_EXPIRED_THROUGH, u128::from(epoch.0))?;
    meta.insert(META_EPOCH, u128::from(epoch.0))?;
    Ok(())
}

/// Takes swept blobs off the removal queue.
pub(super) fn forget_removals(write: &WriteTransaction, swept: &[BlobId]) -> Result<(), Abort> {
    let mut removals = write.open_table(REMOVALS)?;
    for blob_id in swept {
        removals.remove(&blob_id.0)?;
    }
    Ok(())
}

/// Objects whose space ended in `from..=to`.
fn ended(write: &WriteTransaction, from: Epoch, to: Epoch) -> Result<Vec<BlobObject>, Abort> {
    let by_end = write.open_table(OBJECTS_BY_END)?;
    let objects = write.open_table(OBJECTS)?;
    let (first, last) = (by_end_key(from, ObjectId([0; 32])), by_end_key(to, ObjectId([0xff; 32])));
    if first > last {
        return Ok(Vec::new());
    }
    let mut ended = Vec::new();
    for entry in by_end.range::<&[u8; 36]>(&first..=&last)? {
        let object_id = object_of_end_key(entry?.0.value());
        if let Some(bytes) = objects.get(&object_id.0)? {
            ended.push(decode_object(bytes.value())?);
        }
    }
    Ok(ended)
}

fn live_object(write: &WriteTransaction, epoch: Epoch, object_id: ObjectId) -> Result<BlobObject, Abort> {
    let objects = write.open_table(OBJECTS)?;
    let bytes = objects.get(&object_id.0)?.ok_or(LedgerError::ObjectNotFound { object_id })?;
    let object = decode_object(bytes.value())?;
    if !object.is_live(epoch) {
        return Err(LedgerError::Expired { object_id, end_epoch: object.storage.end_epoch }.into());
    }
    Ok(object)
}

fn put_object(write: &WriteTransaction, object: &BlobObject) -> Result<(), Abort> {
    write.open_table(OBJECTS)?.insert(&object.object_id.0, encode_object(object).as_slice())?;
    Ok(())
}

fn remove_object(write: &WriteTransaction, object: &BlobObject) -> Result<(), Abort> {
    write.open_table(OBJECTS)?.remove(&object.object_id.0)?;
    write.open_table(OBJECTS_OF_BLOB)?.remove(&of_blob_key(&object.blob_id, object.object_id))?;
    remove_end(write, object)
}

fn insert_end(write: &WriteTransaction, object: &BlobObject) -> Result<(), Abort> {
    write.open_table(OBJECTS_BY_END)?.insert(&by_end_key(object.storage.end_epoch, object.object_id), ())?;
    Ok(())
}

fn remove_end(write: &WriteTransaction, object: &BlobObject) -> Result<(), Abort> {
    write.open_table(OBJECTS_BY_END)?.remove(&by_end_key(object.storage.end_epoch, object.object_id))?;
    Ok(())
}

fn meta(write: &WriteTransaction, key: &str) -> Result<Option<u128>, Abort> {
    Ok(write.open_table(META)?.get(key)?.map(|value| value.value()))
}

fn pay(write: &WriteTransaction, storage_cost: u128, write_cost: u128) -> Result<(), Abort> {
    let available = meta(write, META_BALANCE)?.unwrap_or(0);
    let needed = storage_cost + write_cost;
    let left = available.checked_sub(needed).ok_or(LedgerError::InsufficientBalance { needed, available })?;
    let storage_paid = meta(write, META_STORAGE_PAID)?.unwrap_or(0) + storage_cost;
    let write_paid = meta(write, META_WRITE_PAID)?.unwrap_or(0) + write_cost;
    let mut meta = write.open_table(META)?;
    meta.insert(META_BALANCE, left)?;
    meta.insert(META_STORAGE_PAID, storage_paid)?;
    meta.insert(META_WRITE_PAID, write_paid)?;
    Ok(())
}
