//! The keeper: leases renewed before they end, garbage collected, blobs nobody refers to deleted.

use std::time::Duration;

use haulout_index::{BlobError, BlobKey, BlobRecord, BlobState, IndexError};
use haulout_network::{LedgerError, ObjectId};
use metrics::counter;
use tokio::task::JoinError;
use tracing::{error, info, warn};

use super::Parts;

/// Garbage extents collected in one transaction.
const GARBAGE_BATCH_MAX: usize = 1000;
/// Leases renewed in one round.
const LEASE_BATCH_MAX: usize = 1000;
/// Garbage in blobs that are still under way becomes collectable without a signal: look now and then.
const GARBAGE_INTERVAL: Duration = Duration::from_secs(15);

/// One round of keeping failed; another follows.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("the index failed")]
    Index(#[from] IndexError),
    #[error("the index refused the blob's next state")]
    Blob(#[from] BlobError),
    #[error("the ledger refused")]
    Ledger(#[from] LedgerError),
    #[error("a job panicked")]
    Job(#[from] JoinError),
}

/// Collects garbage until told to stop.
pub(super) async fn collect_garbage(parts: Parts) {
    loop {
        tokio::select! {
            () = parts.stop.cancelled() => return,
            outcome = collect_round(&parts) => if let Err(error) = outcome {
                warn!(error = &error as &dyn std::error::Error, "collecting garbage failed, trying again later");
            },
        }
        tokio::select! {
            () = parts.stop.cancelled() => return,
            () = parts.handle.wait_for_garbage() => {}
            () = tokio::time::sleep(GARBAGE_INTERVAL) => {}
        }
    }
}

async fn collect_round(parts: &Parts) -> Result<(), KeepError> {
    delete_blobs(parts, parts.index.empty_blobs(GARBAGE_BATCH_MAX).await?).await?;
    loop {
        let garbage = parts.index.garbage(GARBAGE_BATCH_MAX).await?;
        if garbage.is_empty() {
            return Ok(());
        }
        // Who looked an object up before it became garbage may still be reading it.
        parts.readers.wait_for_current().await;
        let extents = garbage.iter().map(|(extent, _)| *extent).collect();
        let collected = parts.index.collect_garbage(extents).await?;
        let progress = !collected.freed_staging.is_empty() || !collected.empty_blobs.is_empty();
        let (staging, freed) = (parts.staging.clone(), collected.freed_staging);
        tokio::task::spawn_blocking(move || staging.free(&freed)).await?;
        delete_blobs(parts, collected.empty_blobs).await?;
        if garbage.len() < GARBAGE_BATCH_MAX || !progress {
            return Ok(());
        }
    }
}

/// Deletes blobs without a live extent, on the ledger first: what the index forgets nobody would delete.
async fn delete_blobs(parts: &Parts, blobs: Vec<(BlobKey, BlobRecord)>) -> Result<(), KeepError> {
    for (key, record) in blobs {
        if let BlobState::Certified { object_id, .. } = record.state {
            parts.network.delete(ObjectId(object_id)).await?;
            counter!("gateway_deleted_blobs_total").increment(1);
        }
        parts.index.forget_blob(key).await?;
    }
    Ok(())
}

/// Renews leases until told to stop.
pub(super) async fn renew_leases(parts: Parts) {
    loop {
        tokio::select! {
            () = parts.stop.cancelled() => return,
            outcome = renew_round(&parts) => if let Err(error) = outcome {
                warn!(error = &error as &dyn std::error::Error, "renewing leases failed, trying again later");
            },
        }
        tokio::select! {
            () = parts.stop.cancelled() => return,
            () = tokio::time::sleep(parts.limits.keeping_interval) => {}
        }
    }
}

async fn renew_round(parts: &Parts) -> Result<(), KeepError> {
    let epoch = parts.network.epoch().await?;
    let horizon = epoch.0.saturating_add(parts.limits.renew_before_epochs).saturating_add(1);
    let due = parts.index.leases_ending_before(horizon, LEASE_BATCH_MAX).await?;
    if !due.is_empty() {
        info!(blobs = due.len(), epoch = epoch.0, "renewing leases");
    }
    for (key, record) in due {
        let BlobState::Certified { object_id, end_epoch, .. } = record.state else { continue };
        let more = epoch.0.saturating_add(parts.limits.epochs_ahead).saturating_sub(end_epoch);
        if more == 0 {
            continue;
        }
        match parts.network.extend(ObjectId(object_id), more).await {
            Ok(renewed) => parts.index.renew_lease(key, renewed.end_epoch.0).await?,
            Err(failure) if failure.is_transient() => return Err(failure.into()),
            // One blob that cannot be renewed must not keep the others from it.
            Err(failure) => {
                counter!("gateway_lease_failures_total").increment(1);
                error!(blob = %key, end_epoch, error = &failure as &dyn std::error::Error, "a lease cannot be renewed, its objects will be lost when it ends");
                continue;
            }
        }
        counter!("gateway_renewed_leases_total").increment(1);
    }
    Ok(())
}
