//! A body on its way in: hashed, sealed and staged in one pass, never whole in memory.
//!
//! The reactor gathers batches; a blocking thread hashes, seals and writes one batch while the next arrives.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use haulout_index::{
    Checksum, ChecksumAlgorithm, ExtentId, ExtentLocation, ExtentRecord, ExtentRef, FrameCheck, NewExtent,
};
use md5::{Digest, Md5};
use tokio::task::JoinHandle;

use super::checksum::RunningChecksum;
use super::error::{BoxError, DigestKind, ObjectError};
use super::seal::{ExtentSeal, FRAME_BYTES, Seal};
use super::{ByteStream, ChecksumExpectation, ObjectStore, UPLOAD_BYTES_MAX, Upload};
use crate::auth::PayloadError;
use crate::clock::fresh;
use crate::staging::{ExtentFile, Reservation, StagedSpan, StagingArea};

/// Plaintext bytes handled at once; a whole number of frames.
pub(super) const BATCH_BYTES: usize = 16 * FRAME_BYTES;
/// Buffers an upload may hold: one filling, one being hashed, one in sealed form.
const BATCHES_IN_MEMORY: usize = 3;
/// Up to here hashing and sealing take less than handing the job to another thread.
const INLINE_BYTES_MAX: usize = 16 * 1024;

/// A body that is staged and synced, and is what the client claimed.
pub(super) struct Ingested {
    pub(super) size: u64,
    pub(super) md5: [u8; 16],
    pub(super) digest: [u8; 32],
    pub(super) checksum: Checksum,
    pub(super) extents: Vec<NewExtent>,
    pub(super) refs: Vec<ExtentRef>,
    /// Frees the staged bytes unless the index takes them over.
    pub(super) spans: Vec<StagedSpan>,
}

impl ObjectStore {
    /// Receives `upload` into staging, protected by `seal`.
    pub(super) async fn ingest(&self, upload: Upload, seal: &Arc<Seal>) -> Result<Ingested, ObjectError> {
        let Upload { stream, length, content_md5, checksum } = upload;
        if length.is_some_and(|length| length > UPLOAD_BYTES_MAX) {
            return Err(ObjectError::EntityTooLarge { max: UPLOAD_BYTES_MAX });
        }
        let reservation = self.shared.staging.reserve(seal.stored_length(length.unwrap_or_default()))?;
        let _memory = self.upload_memory(length).await;
        let mut batches = Batches { stream, received: 0, length, ended: false };
        let absorber = Absorber::new(self, seal, reservation, checksum.algorithm());

        let first = batches.next().await?;
        let absorbed = if batches.ended && first.len() <= self.shared.limits.small_object_bytes_max {
            self.stage_small(absorber, first).await?
        } else {
            self.stage_large(absorber, first, &mut batches).await?
        };
        batches.check_length()?;
        absorbed.verify(content_md5, checksum)
    }

    /// Waits for this upload's share of the memory for bodies.
    async fn upload_memory(&self, length: Option<u64>) -> tokio::sync::OwnedSemaphorePermit {
        let most = (BATCH_BYTES * BATCHES_IN_MEMORY).min(self.shared.limits.upload_memory_bytes);
        let known = length.and_then(|length| usize::try_from(length).ok()).map_or(most, |length| length * 2);
        let share = u32::try_from(known.clamp(1, most)).expect("three batches fit in u32");
        let memory = Arc::clone(&self.shared.upload_memory);
        memory.acquire_many_owned(share).await.expect("the semaphore is never closed")
    }

    async fn stage_small(&self, mut absorber: Absorber, body: Vec<u8>) -> Result<Absorbed, ObjectError> {
        let sealed = if body.len() <= INLINE_BYTES_MAX {
            absorber.seal_in_memory(&body)
        } else {
            let sealed = tokio::task::spawn_blocking(move || {
                let extent = absorber.seal_in_memory(&body);
                (absorber, extent)
            });
            let (back, extent) = sealed.await?;
            absorber = back;
            extent
        };
        let mut absorbed = Absorbed::new(absorber.size, absorber.hashes);
        if let Some(extent) = sealed {
            let mut reservation = absorber.reservation;
            let stored = length_of(&extent.stored);
            if reservation.bytes() < stored {
                reservation.grow(stored - reservation.bytes())?; // No length was announced.
            }
            let span = self.shared.staging.append(extent.stored, reservation).await?;
            absorbed.push(extent.id, extent.plain_bytes, extent.frames, span);
        }
        Ok(absorbed)
    }

    async fn stage_large(
        &self,
        absorber: Absorber,
        first: Vec<u8>,
        batches: &mut Batches,
    ) -> Result<Absorbed, ObjectError> {
        let mut working = absorber.absorb_in_background(first);
        while !batches.ended {
            let next = batches.next().await?;
            let absorber = working.await??;
            working = absorber.absorb_in_background(next);
        }
        let absorber = working.await??;
        tokio::task::spawn_blocking(move || absorber.finish()).await?
    }
}

/// Cuts the body's stream into batches of exactly [`BATCH_BYTES`], the last one shorter.
struct Batches {
    stream: ByteStream,
    received: u64,
    length: Option<u64>,
    ended: bool,
}

impl Batches {
    async fn next(&mut self) -> Result<Vec<u8>, ObjectError> {
        let mut batch = Vec::with_capacity(self.expected_batch());
        let mut overflow = Bytes::new();
        while batch.len() < BATCH_BYTES {
            let Some(chunk) = self.stream.next().await.transpose().map_err(body_error)? else {
                self.ended = true;
                break;
            };
            self.received += length_of(&chunk);
            self.check_not_too_long()?;
            let take = chunk.len().min(BATCH_BYTES - batch.len());
            batch.extend_from_slice(&chunk[..take]);
            overflow = chunk.slice(take..);
        }
        if !overflow.is_empty() {
            self.push_back(overflow);
        }
        Ok(batch)
    }

    /// Puts bytes that belong to the next batch in front of the stream.
    fn push_back(&mut self, bytes: Bytes) {
        self.received -= length_of(&bytes);
        let rest = std::mem::replace(&mut self.stream, Box::pin(futures::stream::empty()));
        self.stream = Box::pin(futures::stream::once(std::future::ready(Ok(bytes))).chain(rest));
    }

    fn expected_batch(&self) -> usize {
        let left = self.length.map(|length| length.saturating_sub(self.received));
        left.and_then(|left| usize::try_from(left).ok()).map_or(BATCH_BYTES, |left| left.min(BATCH_BYTES))
    }

    fn check_not_too_long(&self) -> Result<(), ObjectError> {
        match self.length {
            Some(expected) if self.received > expected => {
                Err(ObjectError::IncompleteBody { expected, received: self.received })
            }
            None if self.received > UPLOAD_BYTES_MAX => {
                Err(ObjectError::EntityTooLarge { max: UPLOAD_BYTES_MAX })
            }
            _ => Ok(()),
        }
    }

    fn check_length(&self) -> Result<(), ObjectError> {
        match self.length {
            Some(expected) if self.received != expected => {
                Err(ObjectError::IncompleteBody { expected, received: self.received })
            }
            _ => Ok(()),
        }
    }
}

/// Hashes, seals and writes batches. Lives on blocking threads.
struct Absorber {
    seal: Arc<Seal>,
    staging: StagingArea,
    reservation: Reservation,
    extent_bytes_max: u64,
    hashes: Hashes,
    size: u64,
    open: Option<OpenExtent>,
    done: Vec<(ExtentId, u64, FrameCheck, StagedSpan)>,
}

/// Everything that is computed over the plaintext.
struct Hashes {
    md5: Md5,
    digest: blake3::Hasher,
    checksum: RunningChecksum,
}

impl Hashes {
    fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.digest.update(bytes);
        self.checksum.update(bytes);
    }
}

/// An extent that is being written to a file of its own.
struct OpenExtent {
    id: ExtentId,
    seal: ExtentSeal,
    file: ExtentFile,
    frame: u64,
    plain_bytes: u64,
    digests: Vec<[u8; 32]>,
}

/// A small extent in stored form.
struct SealedExtent {
    id: ExtentId,
    plain_bytes: u64,
    frames: FrameCheck,
    stored: Vec<u8>,
}

impl Absorber {
    fn new(
        store: &ObjectStore,
        seal: &Arc<Seal>,
        reservation: Reservation,
        algorithm: ChecksumAlgorithm,
    ) -> Self {
        Self {
            seal: Arc::clone(seal),
            staging: store.shared.staging.clone(),
            reservation,
            extent_bytes_max: store.shared.limits.extent_bytes_max,
            hashes: Hashes {
                md5: Md5::new(),
                digest: blake3::Hasher::new(),
                checksum: RunningChecksum::new(algorithm),
            },
            size: 0,
            open: None,
            done: Vec::new(),
        }
    }

    /// The whole body as one extent; none if it is empty.
    fn seal_in_memory(&mut self, body: &[u8]) -> Option<SealedExtent> {
        self.hashes.update(body);
        self.size = length_of(body);
        if body.is_empty() {
            return None;
        }
        let id = fresh(ExtentId::at);
        let seal = self.seal.extent(id);
        let mut stored = Vec::with_capacity(body.len() + FRAME_BYTES);
        let digests = seal_frames(&seal, 0, body, &mut stored);
        Some(SealedExtent { id, plain_bytes: self.size, frames: frame_check(&self.seal, digests), stored })
    }

    fn absorb_in_background(mut self, batch: Vec<u8>) -> JoinHandle<Result<Self, ObjectError>> {
        tokio::task::spawn_blocking(move || {
            self.absorb(&batch)?;
            Ok(self)
        })
    }

    fn absorb(&mut self, batch: &[u8]) -> Result<(), ObjectError> {
        self.hashes.update(batch);
        self.size += length_of(batch);
        let mut stored = Vec::with_capacity(batch.len() + FRAME_BYTES);
        let mut rest = batch;
        while !rest.is_empty() {
            let mut extent = match self.open.take() {
                Some(extent) => extent,
                None => self.begin_extent()?,
            };
            let room = usize::try_from(self.extent_bytes_max - extent.plain_bytes).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at(rest.len().min(room));
            stored.clear();
            extent.digests.extend(seal_frames(&extent.seal, extent.frame, now, &mut stored));
            extent.frame += length_of(now).div_ceil(FRAME_BYTES as u64);
            extent.plain_bytes += length_of(now);
            extent.file.write(&stored)?;
            if extent.plain_bytes == self.extent_bytes_max {
                self.finish_extent(extent)?;
            } else {
                self.open = Some(extent);
            }
            rest = later;
        }
        Ok(())
    }

    fn begin_extent(&self) -> Result<OpenExtent, ObjectError> {
        let id = fresh(ExtentId::at);
        let file = self.staging.create_extent_file()?;
        Ok(OpenExtent { id, seal: self.seal.extent(id), file, frame: 0, plain_bytes: 0, digests: vec![] })
    }

    fn finish_extent(&mut self, extent: OpenExtent) -> Result<(), ObjectError> {
        let stored = self.seal.stored_length(extent.plain_bytes);
        if self.reservation.bytes() < stored {
            self.reservation.grow(stored - self.reservation.bytes())?; // No length was announced.
        }
        let span = extent.file.finish(&mut self.reservation)?;
        self.done.push((extent.id, extent.plain_bytes, frame_check(&self.seal, extent.digests), span));
        Ok(())
    }

    fn finish(mut self) -> Result<Absorbed, ObjectError> {
        if let Some(extent) = self.open.take() {
            self.finish_extent(extent)?;
        }
        let mut absorbed = Absorbed::new(self.size, self.hashes);
        for (id, plain_bytes, frames, span) in self.done {
            absorbed.push(id, plain_bytes, frames, span);
        }
        Ok(absorbed)
    }
}

/// A body that is staged, but not yet compared with the client's claims.
struct Absorbed {
    size: u64,
    hashes: Hashes,
    extents: Vec<NewExtent>,
    refs: Vec<ExtentRef>,
    spans: Vec<StagedSpan>,
}

impl Absorbed {
    fn new(size: u64, hashes: Hashes) -> Self {
        Self { size, hashes, extents: Vec::new(), refs: Vec::new(), spans: Vec::new() }
    }

    fn push(&mut self, id: ExtentId, length: u64, frames: FrameCheck, staged: StagedSpan) {
        let span = staged.span;
        let location = ExtentLocation::Staged { file: span.file, offset: span.offset };
        self.extents
            .push(NewExtent { id, record: ExtentRecord { stored_length: span.length, frames, location } });
        self.refs.push(ExtentRef { id, length });
        self.spans.push(staged);
    }

    fn verify(
        self,
        content_md5: Option<[u8; 16]>,
        expectation: ChecksumExpectation,
    ) -> Result<Ingested, ObjectError> {
        let md5: [u8; 16] = self.hashes.md5.finalize().into();
        if content_md5.is_some_and(|claimed| claimed != md5) {
            return Err(ObjectError::BadDigest { what: DigestKind::Md5 });
        }
        let checksum = self.hashes.checksum.finish();
        let claimed = match expectation {
            ChecksumExpectation::Compute(_) => None,
            ChecksumExpectation::Match(_, value) => Some(value),
            ChecksumExpectation::Trailer(_, value) => Some(value().ok_or(ObjectError::MissingTrailer)?),
        };
        if claimed.is_some_and(|claimed| claimed != checksum.value) {
            return Err(ObjectError::BadDigest { what: DigestKind::Checksum });
        }
        let digest = *self.hashes.digest.finalize().as_bytes();
        let Self { size, extents, refs, spans, .. } = self;
        Ok(Ingested { size, md5, digest, checksum, extents, refs, spans })
    }
}

/// Seals `plain`, whose first byte begins frame `first_frame`; returns the digests of frames that stay plain.
fn seal_frames(seal: &ExtentSeal, first_frame: u64, plain: &[u8], stored: &mut Vec<u8>) -> Vec<[u8; 32]> {
    let frames = (first_frame..).zip(plain.chunks(FRAME_BYTES));
    frames.filter_map(|(frame, chunk)| seal.seal(frame, chunk, stored)).collect()
}

fn frame_check(seal: &Seal, digests: Vec<[u8; 32]>) -> FrameCheck {
    match seal {
        Seal::Sealed(_) => FrameCheck::Sealed,
        Seal::Plain => FrameCheck::Digests(digests),
    }
}

fn body_error(error: BoxError) -> ObjectError {
    match error.downcast::<PayloadError>() {
        Ok(payload) => ObjectError::Payload(*payload),
        Err(error) => ObjectError::BodyTransport(error),
    }
}

fn length_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("a buffer's length fits in u64")
}
