//! Extents come and go: taken in with what owns them, discarded with it, collected later.

use std::collections::{BTreeMap, BTreeSet};

use super::{Collected, queued_extent};
use crate::blob::shrink;
use crate::index::Index;
use crate::store::{ExtentRow, GarbageKey, Read, StagedKey, Txn, tables};
use crate::{BlobKey, ExtentId, ExtentLocation, ExtentRecord, ExtentRef, IndexError, NewExtent};

impl Index {
    /// Up to `max` extents that nobody owns, oldest first. One that died inside a planned or registered blob is
    /// not among them until that blob is certified.
    ///
    /// The caller gives readers that still hold an extent's location time to finish, then calls
    /// [`Index::collect_garbage`].
    ///
    /// # Errors
    /// As every read: [`IndexError`].
    pub async fn garbage(&self, max: usize) -> Result<Vec<(ExtentId, ExtentRecord)>, IndexError> {
        self.read(move |view| {
            let queue = view.scan(tables::GARBAGE).take(max);
            queue
                .map(|entry| {
                    let extent = queued_extent(view, entry?.0.0)?;
                    Ok((extent.id, extent.record))
                })
                .collect()
        })
        .await
    }

    /// Forgets garbage, in one transaction; the staging bytes and blobs that nobody needs any more are the
    /// result. Extents that are not queued as garbage are passed over, so a repeated call frees nothing twice.
    ///
    /// # Errors
    /// As every write: [`IndexError`].
    pub async fn collect_garbage(&self, extents: Vec<ExtentId>) -> Result<Collected, IndexError> {
        let extents: BTreeSet<ExtentId> = extents.into_iter().collect();
        self.write(move |txn| collect_in(txn, &extents)).await
    }
}

fn collect_in(txn: &Txn<'_>, extents: &BTreeSet<ExtentId>) -> Result<Collected, IndexError> {
    let mut collected = Collected::default();
    let mut gone_by_blob: BTreeMap<BlobKey, Vec<u64>> = BTreeMap::new();
    // Blobs are locked before extents. Reading which they are without a lock is sound: garbage does not move,
    // it can only be collected by another, which then has removed it from the queue.
    for blob in blobs_of_garbage(txn, extents)? {
        txn.lock(tables::BLOBS, &blob)?;
    }
    for &id in extents {
        let Some(row) = txn.lock(tables::EXTENTS, &id)? else { continue };
        if txn.get(tables::GARBAGE, &GarbageKey(id))?.is_none() {
            continue;
        }
        txn.delete(tables::EXTENTS, &id)?;
        txn.delete(tables::GARBAGE, &GarbageKey(id))?;
        match row.record.location {
            ExtentLocation::Staged { .. } => collected.freed_staging.extend(row.record.staging_span()),
            ExtentLocation::Blob { blob, .. } => {
                gone_by_blob.entry(blob).or_default().push(row.record.stored_length);
            }
        }
    }
    for (key, gone) in gone_by_blob {
        let blob = shrink(txn, key, &gone)?;
        if blob.live_members == 0 {
            collected.empty_blobs.push((key, blob));
        }
    }
    Ok(collected)
}

fn blobs_of_garbage(txn: &Txn<'_>, extents: &BTreeSet<ExtentId>) -> Result<BTreeSet<BlobKey>, IndexError> {
    let mut blobs = BTreeSet::new();
    for id in extents {
        let garbage = txn.get(tables::GARBAGE, &GarbageKey(*id))?.is_some();
        if let Some(row) = txn.get(tables::EXTENTS, id)?.filter(|_| garbage)
            && let ExtentLocation::Blob { blob, .. } = row.record.location
        {
            blobs.insert(blob);
        }
    }
    Ok(blobs)
}

/// Takes in extents that the caller's object or part owns.
pub(crate) fn adopt(txn: &Txn<'_>, extents: &[NewExtent]) -> Result<(), IndexError> {
    for NewExtent { id, record } in extents {
        if txn.lock(tables::EXTENTS, id)?.is_some() {
            return Err(IndexError::ExtentMismatch { extent: *id });
        }
        let row = ExtentRow { record: record.clone(), owned: true, shipping_in: None };
        if row.record.staging_span().is_some() {
            txn.put(tables::STAGED, &StagedKey(*id), &())?;
        }
        txn.put(tables::EXTENTS, id, &row)?;
    }
    Ok(())
}

/// Gives up extents whose owner goes in the same transaction.
pub(crate) fn discard(txn: &Txn<'_>, extents: impl IntoIterator<Item = ExtentId>) -> Result<(), IndexError> {
    let in_lock_order: BTreeSet<ExtentId> = extents.into_iter().collect();
    for id in in_lock_order {
        let mut row = txn.lock_required(tables::EXTENTS, &id)?;
        row.owned = false;
        txn.put(tables::EXTENTS, &id, &row)?;
        // A blob under way still reads the staging bytes: the extent is queued when that is certified.
        if row.shipping_in.is_none() {
            txn.delete(tables::STAGED, &StagedKey(id))?;
            txn.put(tables::GARBAGE, &GarbageKey(id), &())?;
        }
    }
    Ok(())
}

/// Checks that a part is made of exactly the extents that were handed over with it.
pub(crate) fn check_same(extents: &[NewExtent], used: &[ExtentRef]) -> Result<(), IndexError> {
    let handed_over: BTreeSet<ExtentId> = extents.iter().map(|extent| extent.id).collect();
    let used: BTreeSet<ExtentId> = used.iter().map(|extent| extent.id).collect();
    match handed_over.symmetric_difference(&used).next() {
        Some(&extent) => Err(IndexError::ExtentMismatch { extent }),
        None => Ok(()),
    }
}
