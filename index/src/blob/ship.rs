//! From staging to the network: plan, register, certify. Each step is on disk before the next begins, and
//! repeating one changes nothing more.

use super::lease::save;
use super::{BlobError, BlobMember, BlobRecord, BlobState};
use crate::index::Index;
use crate::store::{GarbageKey, StagedKey, Txn, tables};
use crate::{BlobKey, ExtentLocation, IndexError, StagingSpan};

impl Index {
    /// Fixes the members of a new blob of `length` unencoded bytes.
    ///
    /// Only those enter whose extents are still owned, staged where `members` says and in no other blob; the
    /// result says which. What the others would have filled is a gap for the caller to fill with zeros. If
    /// none is left, nothing is planned and `members` of the result is empty.
    ///
    /// # Errors
    /// [`BlobError::AlreadyPlanned`] if there is a blob of this key.
    pub async fn plan_blob(
        &self,
        key: BlobKey,
        members: Vec<BlobMember>,
        length: u64,
    ) -> Result<BlobRecord, BlobError> {
        let mut members = members;
        members.sort_by_key(|member| member.extent);
        self.write(move |txn| plan_in(txn, key, &members, length)).await
    }

    /// Notes what the ledger knows the blob by. May be repeated until it is certified; the last one counts.
    ///
    /// # Errors
    /// [`BlobError::NoSuchBlob`], [`BlobError::AlreadyCertified`].
    pub async fn register_blob(
        &self,
        key: BlobKey,
        object_id: [u8; 32],
        blob_id: [u8; 32],
        end_epoch: u32,
    ) -> Result<(), BlobError> {
        self.write(move |txn| {
            let before = txn.lock(tables::BLOBS, &key)?.ok_or(BlobError::NoSuchBlob)?;
            if let BlobState::Certified { .. } = before.state {
                return Err(BlobError::AlreadyCertified);
            }
            let state = BlobState::Registered { object_id, blob_id, end_epoch };
            let after = BlobRecord { state, ..before.clone() };
            Ok(save(txn, key, Some(&before), &after)?)
        })
        .await
    }

    /// Makes the blob the place of all its members, in one transaction, with a lease until `end_epoch`.
    ///
    /// The result is the staging bytes that are free now: those of all members, also of the ones that died
    /// meanwhile, which become garbage in the blob. Repeated, it frees nothing.
    ///
    /// # Errors
    /// [`BlobError::NoSuchBlob`], [`BlobError::NotRegistered`].
    pub async fn certify_blob(
        &self,
        key: BlobKey,
        certified_epoch: u32,
        end_epoch: u32,
    ) -> Result<Vec<StagingSpan>, BlobError> {
        self.write(move |txn| {
            let before = txn.lock(tables::BLOBS, &key)?.ok_or(BlobError::NoSuchBlob)?;
            let state = match before.state {
                BlobState::Planned => return Err(BlobError::NotRegistered),
                BlobState::Certified { .. } => return Ok(Vec::new()),
                BlobState::Registered { object_id, blob_id, .. } => {
                    BlobState::Certified { object_id, blob_id, certified_epoch, end_epoch }
                }
            };
            let after = BlobRecord { state, ..before.clone() };
            save(txn, key, Some(&before), &after)?;
            for member in &after.members {
                land(txn, key, member)?;
            }
            Ok(after.members.iter().map(BlobMember::span).collect())
        })
        .await
    }
}

fn plan_in(
    txn: &Txn<'_>,
    key: BlobKey,
    members: &[BlobMember],
    length: u64,
) -> Result<BlobRecord, BlobError> {
    if txn.lock(tables::BLOBS, &key)?.is_some() {
        return Err(BlobError::AlreadyPlanned);
    }
    let mut entered = Vec::with_capacity(members.len());
    for member in members {
        if embark(txn, key, member)? {
            entered.push(member.clone());
        }
    }
    let live_bytes = entered.iter().map(|member| member.stored_length).sum();
    let live_members = u64::try_from(entered.len()).expect("a vector's length fits 64 bits");
    let blob = BlobRecord { state: BlobState::Planned, members: entered, length, live_bytes, live_members };
    if live_members > 0 {
        save(txn, key, None, &blob)?;
    }
    Ok(blob)
}

/// Takes an extent from the staged queue into a planned blob, if it can be.
fn embark(txn: &Txn<'_>, key: BlobKey, member: &BlobMember) -> Result<bool, IndexError> {
    let Some(mut row) = txn.lock(tables::EXTENTS, &member.extent)? else { return Ok(false) };
    if !row.owned || row.shipping_in.is_some() || row.record.staging_span() != Some(member.span()) {
        return Ok(false);
    }
    row.shipping_in = Some(key);
    txn.put(tables::EXTENTS, &member.extent, &row)?;
    txn.delete(tables::STAGED, &StagedKey(member.extent))?;
    Ok(true)
}

/// Moves a member from staging to its blob.
fn land(txn: &Txn<'_>, key: BlobKey, member: &BlobMember) -> Result<(), IndexError> {
    let mut row = txn.lock_required(tables::EXTENTS, &member.extent)?;
    row.record.location = ExtentLocation::Blob { blob: key, offset: member.offset };
    row.shipping_in = None;
    txn.put(tables::EXTENTS, &member.extent, &row)?;
    if !row.owned {
        txn.put(tables::GARBAGE, &GarbageKey(member.extent), &())?;
    }
    Ok(())
}
