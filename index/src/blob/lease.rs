//! Certified blobs: kept while their lease runs and a member lives, then forgotten.

use super::{BlobError, BlobRecord, BlobState};
use crate::index::Index;
use crate::store::{BlobPhase, LeaseKey, PhaseKey, Read, Txn, tables};
use crate::{BlobKey, IndexError};

impl Index {
    /// Up to `max` certified blobs with live members whose leases end before `epoch`, the earliest first.
    ///
    /// # Errors
    /// As every read: [`IndexError`].
    pub async fn leases_ending_before(
        &self,
        epoch: u32,
        max: usize,
    ) -> Result<Vec<(BlobKey, BlobRecord)>, IndexError> {
        self.read(move |view| {
            let mut ending = Vec::new();
            for entry in view.scan(tables::LEASES).take(max) {
                let (lease, ()) = entry?;
                if lease.end_epoch >= epoch {
                    break;
                }
                ending.push((lease.blob, view.get_required(tables::BLOBS, &lease.blob)?));
            }
            Ok(ending)
        })
        .await
    }

    /// Notes that the blob is now stored until `end_epoch`.
    ///
    /// # Errors
    /// [`BlobError::NoSuchBlob`], [`BlobError::NotCertified`].
    pub async fn renew_lease(&self, key: BlobKey, end_epoch: u32) -> Result<(), BlobError> {
        self.write(move |txn| {
            let before = txn.lock(tables::BLOBS, &key)?.ok_or(BlobError::NoSuchBlob)?;
            let BlobState::Certified { object_id, blob_id, certified_epoch, .. } = before.state else {
                return Err(BlobError::NotCertified);
            };
            let state = BlobState::Certified { object_id, blob_id, certified_epoch, end_epoch };
            let after = BlobRecord { state, ..before.clone() };
            Ok(save(txn, key, Some(&before), &after)?)
        })
        .await
    }

    /// Forgets a blob of which no member is left, after it was deleted on the ledger or left to lapse.
    ///
    /// # Errors
    /// [`BlobError::InUse`], [`BlobError::NotCertified`], [`BlobError::NoSuchBlob`].
    pub async fn forget_blob(&self, key: BlobKey) -> Result<(), BlobError> {
        self.write(move |txn| {
            let blob = txn.lock(tables::BLOBS, &key)?.ok_or(BlobError::NoSuchBlob)?;
            match blob.phase() {
                BlobPhase::Planned | BlobPhase::Registered => Err(BlobError::NotCertified),
                BlobPhase::Certified => Err(BlobError::InUse { live_members: blob.live_members }),
                BlobPhase::Empty => {
                    txn.delete(tables::PHASES, &PhaseKey { phase: BlobPhase::Empty, blob: key })?;
                    Ok(txn.delete(tables::BLOBS, &key)?)
                }
            }
        })
        .await
    }
}

/// Writes a blob that is locked, and keeps its places in the queues in step with it.
pub(super) fn save(
    txn: &Txn<'_>,
    key: BlobKey,
    before: Option<&BlobRecord>,
    after: &BlobRecord,
) -> Result<(), IndexError> {
    if let Some(before) = before {
        txn.delete(tables::PHASES, &PhaseKey { phase: before.phase(), blob: key })?;
        if let Some(lease) = before.lease(key) {
            txn.delete(tables::LEASES, &lease)?;
        }
    }
    txn.put(tables::PHASES, &PhaseKey { phase: after.phase(), blob: key }, &())?;
    if let Some(lease) = after.lease(key) {
        txn.put(tables::LEASES, &lease, &())?;
    }
    txn.put(tables::BLOBS, &key, after)
}

/// Takes members of the lengths `gone` off a certified blob.
pub(crate) fn shrink(txn: &Txn<'_>, key: BlobKey, gone: &[u64]) -> Result<BlobRecord, IndexError> {
    let before = txn.lock_required(tables::BLOBS, &key)?;
    let members_gone = u64::try_from(gone.len()).expect("a slice's length fits 64 bits");
    let mut after = before.clone();
    after.live_bytes -= gone.iter().sum::<u64>();
    after.live_members -= members_gone;
    save(txn, key, Some(&before), &after)?;
    Ok(after)
}

impl BlobRecord {
    /// Its place among the leases: only what is certified and needed has one.
    fn lease(&self, blob: BlobKey) -> Option<LeaseKey> {
        match (self.phase(), &self.state) {
            (BlobPhase::Certified, &BlobState::Certified { end_epoch, .. }) => {
                Some(LeaseKey { end_epoch, blob })
            }
            _ => None,
        }
    }
}
