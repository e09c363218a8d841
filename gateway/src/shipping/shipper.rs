//! The shipper: staged extents in, certified blobs out.

use std::sync::Arc;
use std::time::Duration;

use haulout_encoder::{EncodeRequest, EncodedBlob, ServiceError};
use haulout_index::{BlobError, BlobKey, BlobMember, BlobRecord, ExtentId, IndexError, NewExtent};
use haulout_network::{BlobRegistration, LedgerError, RegistrationKey, StoreError};
use metrics::{counter, histogram};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tower::{Service, ServiceExt};
use tracing::{debug, info, instrument, warn};

use super::Parts;
use super::pack::{MEMBERS_MAX, PackFooter, lay_out};
use crate::clock::{fresh, now_ms};
use crate::staging::{StagingArea, StagingReadError};

/// First wait after a failure; doubles up to [`RETRY_DELAY_MAX`].
const RETRY_DELAY_MIN: Duration = Duration::from_millis(200);
/// A network that is down is asked again at least this often: staged bytes are safe meanwhile.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(30);

/// One attempt to ship a blob failed; another follows.
#[derive(Debug, thiserror::Error)]
enum ShipError {
    #[error("the index failed")]
    Index(#[from] IndexError),
    #[error("the index refused the blob's next state")]
    Blob(#[from] BlobError),
    #[error("staged bytes could not be read")]
    Staging(#[from] StagingReadError),
    #[error("the blob could not be encoded")]
    Encode(#[from] ServiceError),
    #[error("the blob could not be registered")]
    Register(#[from] LedgerError),
    #[error("the ledger did not answer for the blob")]
    Unregistered,
    #[error("the blob could not be stored")]
    Store(#[from] StoreError),
    #[error("a job panicked")]
    Job(#[from] JoinError),
}

/// Ships until told to stop.
pub(super) async fn run(parts: Parts) {
    let places = Arc::new(Semaphore::new(parts.limits.parallel_blobs));
    let mut under_way = JoinSet::new();
    let mut delay = Backoff::default();
    let mut resumed = false;
    loop {
        let round = async {
            if !resumed {
                resume(&parts, &places, &mut under_way).await?;
                resumed = true;
            }
            plan_and_ship(&parts, &places, &mut under_way).await
        };
        let pause = tokio::select! {
            () = parts.stop.cancelled() => break,
            outcome = round => match outcome {
                Ok(next_due) => {
                    delay = Backoff::default();
                    next_due
                }
                Err(error) => {
                    warn!(error = &error as &dyn std::error::Error, "planning blobs failed, trying again");
                    delay.next()
                }
            },
        };
        while under_way.try_join_next().is_some() {}
        tokio::select! {
            () = parts.stop.cancelled() => break,
            () = parts.handle.wait_for_staged() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// Takes up the blobs that an earlier run planned or registered.
async fn resume(
    parts: &Parts,
    places: &Arc<Semaphore>,
    under_way: &mut JoinSet<()>,
) -> Result<(), ShipError> {
    let unfinished = parts.index.unfinished_blobs().await?;
    if !unfinished.is_empty() {
        info!(blobs = unfinished.len(), "taking up blobs that were under way");
    }
    for (key, record) in unfinished {
        let place = place(places).await;
        under_way.spawn(ship_until_done(parts.clone(), key, record, place));
    }
    Ok(())
}

/// Ships what is due; returns how long nothing more will be, unless something is staged.
async fn plan_and_ship(
    parts: &Parts,
    places: &Arc<Semaphore>,
    under_way: &mut JoinSet<()>,
) -> Result<Duration, ShipError> {
    loop {
        let place = place(places).await;
        let waiting = parts.index.staged_extents(None, MEMBERS_MAX).await?;
        let laid = lay_out(
            waiting.iter().map(|extent| (extent.id, extent.record.stored_length)),
            parts.limits.blob_bytes_max,
        );
        let full = laid.len() < waiting.len() || waiting.len() == MEMBERS_MAX;
        match waiting.first() {
            None => return Ok(parts.limits.keeping_interval),
            Some(oldest) if !full && !parts.handle.is_urgent() => {
                let left = parts.limits.max_wait.saturating_sub(age(oldest.id));
                if !left.is_zero() {
                    return Ok(left);
                }
            }
            Some(_) => {}
        }
        if let Some((key, record)) = plan(parts, &waiting, &laid).await? {
            under_way.spawn(ship_until_done(parts.clone(), key, record, place));
        }
    }
}

async fn place(places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed")
}

/// Fixes which extents make up the next blob; `None` when all of them went away meanwhile.
async fn plan(
    parts: &Parts,
    waiting: &[NewExtent],
    laid: &[(ExtentId, u64)],
) -> Result<Option<(BlobKey, BlobRecord)>, ShipError> {
    let members: Vec<BlobMember> =
        waiting.iter().zip(laid).filter_map(|(extent, &(_, offset))| member(extent, offset)).collect();
    let data: u64 = members.iter().map(|member| member.stored_length).sum();
    let length = data + PackFooter::length(members.len()) as u64;
    let key = fresh(BlobKey::at);
    let record = parts.index.plan_blob(key, members, length).await?;
    Ok((!record.members.is_empty()).then_some((key, record)))
}

fn member(extent: &NewExtent, offset: u64) -> Option<BlobMember> {
    let span = extent.record.staging_span()?;
    let source = (span.file, span.offset);
    Some(BlobMember { extent: extent.id, offset, stored_length: span.length, source })
}

/// How long ago an extent was staged: its id begins with the time, in milliseconds.
fn age(extent: ExtentId) -> Duration {
    let since_1970 = extent.as_bytes()[..6].iter().fold(0, |ms, &byte| (ms << 8) | u64::from(byte));
    Duration::from_millis(now_ms().saturating_sub(since_1970))
}

/// Ships one blob, however often it takes. Its extents stay readable from staging until it is done.
#[instrument(skip_all, fields(blob = %key))]
async fn ship_until_done(parts: Parts, key: BlobKey, record: BlobRecord, _place: OwnedSemaphorePermit) {
    let mut delay = Backoff::default();
    loop {
        let begun = Instant::now();
        match ship(&parts, key, &record).await {
            Ok(()) => {
                counter!("gateway_shipped_blobs_total").increment(1);
                counter!("gateway_shipped_bytes_total").increment(record.length);
                histogram!("gateway_ship_duration_seconds").record(begun.elapsed());
                parts.handle.announce_certified();
                return parts.handle.garbage(); // Members that died on the way can be collected now.
            }
            Err(error) => {
                counter!("gateway_ship_failures_total").increment(1);
                warn!(error = &error as &dyn std::error::Error, "shipping failed, trying again");
            }
        }
        tokio::select! {
            () = parts.stop.cancelled() => return,
            () = tokio::time::sleep(delay.next()) => {}
        }
    }
}

/// From any state to certified. Every step may have been done before: encoding is deterministic, registration is
/// recognised by its key, nodes and ledger accept what they already have.
async fn ship(parts: &Parts, key: BlobKey, record: &BlobRecord) -> Result<(), ShipError> {
    let encoded = encode(parts, record).await?;
    let registration = BlobRegistration {
        key: RegistrationKey(*key.as_bytes()),
        metadata: encoded.metadata.clone(),
        epochs_ahead: parts.limits.epochs_ahead,
    };
    let registered = parts.network.register(vec![registration]).await?;
    let [registered] = registered.as_slice() else { return Err(ShipError::Unregistered) };
    let blob_id = *encoded.metadata.blob_id();
    parts.index.register_blob(key, registered.object_id.0, blob_id.0, registered.end_epoch.0).await?;
    let certified = parts.network.store(&encoded, registered).await?;
    let freed = parts.index.certify_blob(key, certified.certified_epoch.0, certified.end_epoch.0).await?;
    let staging = parts.staging.clone();
    tokio::task::spawn_blocking(move || staging.free(&freed)).await?;
    debug!(%blob_id, bytes = record.length, extents = record.members.len(), "blob certified");
    Ok(())
}

async fn encode(parts: &Parts, record: &BlobRecord) -> Result<EncodedBlob, ShipError> {
    // A place in the encoder first: its memory covers the blob as well.
    let mut encoder = parts.encoder.clone();
    let encoder = encoder.ready().await?;
    let (staging, members, length) = (parts.staging.clone(), record.members.clone(), record.length);
    let assemble = move || assemble(&staging, &members, length);
    let blob = tokio::task::spawn_blocking(assemble).await??;
    let config = parts.network.encoding();
    Ok(encoder.call(EncodeRequest::InMemory { config, blob: blob.into() }).await?)
}

/// The pack's bytes. Members that went away before the plan was fixed left gaps, which stay zero.
fn assemble(staging: &StagingArea, members: &[BlobMember], length: u64) -> Result<Vec<u8>, StagingReadError> {
    let memory = |bytes: u64| usize::try_from(bytes).expect("a blob fits in memory");
    let mut blob = Vec::with_capacity(memory(length));
    for member in members {
        blob.resize(memory(member.offset), 0);
        let (file, offset) = member.source;
        blob.extend_from_slice(&staging.read(file, offset, memory(member.stored_length))?);
    }
    blob.resize(memory(length) - PackFooter::length(members.len()), 0);
    PackFooter::of(members).append_to(&mut blob);
    Ok(blob)
}

/// Waits that double from [`RETRY_DELAY_MIN`] to [`RETRY_DELAY_MAX`].
#[derive(Default)]
struct Backoff {
    failures: u32,
}

impl Backoff {
    fn next(&mut self) -> Duration {
        let delay = RETRY_DELAY_MIN.saturating_mul(1 << self.failures.min(16));
        self.failures += 1;
        delay.min(RETRY_DELAY_MAX)
    }
}
