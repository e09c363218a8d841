//! Bytes on their way out: fetched by windows, opened, and handed on in order.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use haulout_encoder::BlobId;
use haulout_index::{BlobState, ExtentId, ExtentLocation, ExtentRecord, ExtentRef};
use haulout_network::Verification;
use metrics::counter;
use sync_wrapper::SyncStream;
use tracing::warn;

use super::error::{BoxError, ObjectError};
use super::readers::ReadGuard;
use super::seal::{FRAME_BYTES, FrameDamaged, Seal};
use super::{ByteStream, ObjectStore};
use crate::staging::StagingReadError;

/// Plaintext bytes fetched at once; a whole number of frames.
const WINDOW_BYTES: u64 = 16 * FRAME_BYTES as u64;
/// Windows under way for one reader: one being sent, the others being fetched and opened.
const WINDOWS_AHEAD: usize = 3;
/// An extent may move once, from staging to a blob, while it is being read; more tries than that mean something else.
const LOCATE_ATTEMPTS: usize = 3;

/// A run of plaintext bytes of one extent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Window {
    extent: ExtentId,
    range: Range<u64>,
}

impl ObjectStore {
    /// The plaintext bytes `range` of the object that `extents` make up, each checked before it is handed out.
    ///
    /// `guard` keeps the extents from being collected until the stream is dropped.
    pub(super) fn read_extents(
        &self,
        extents: &[ExtentRef],
        range: Range<u64>,
        seal: Arc<Seal>,
        guard: ReadGuard,
    ) -> ByteStream {
        let store = self.clone();
        let bytes = futures::stream::iter(windows(extents, range))
            .map(move |window| {
                let (store, seal) = (store.clone(), Arc::clone(&seal));
                async move { store.read_window(&window, &seal).await.map_err(BoxError::from) }
            })
            .buffered(WINDOWS_AHEAD)
            .map(move |bytes| {
                let _held_while_reading = &guard;
                bytes
            });
        // Response bodies must be `Sync`, which costs nothing: a stream is only ever polled through `&mut`.
        Box::pin(SyncStream::new(bytes))
    }

    async fn read_window(&self, window: &Window, seal: &Arc<Seal>) -> Result<Bytes, ObjectError> {
        for _ in 0..LOCATE_ATTEMPTS {
            let record = self.extent_record(window.extent).await?;
            let fetch = Fetch::new(window, &record, seal);
            let opened = match record.location {
                ExtentLocation::Staged { file, offset } => {
                    let staging = self.shared.staging.clone();
                    let (start, length) = (offset + fetch.stored.start, fetch.stored_length());
                    let read = tokio::task::spawn_blocking(move || staging.read(file, start, length)).await?;
                    match read {
                        Ok(stored) => fetch.open(stored, record, seal).await?,
                        Err(StagingReadError::Gone(_)) => continue, // Shipped meanwhile: look again.
                        Err(error) => return Err(error.into()),
                    }
                }
                ExtentLocation::Blob { offset, .. } => {
                    let blob_id = self.blob_id(window.extent).await?;
                    let stored = offset + fetch.stored.start..offset + fetch.stored.end;
                    self.open_from_network(&blob_id, stored, &fetch, record, seal).await?
                }
            };
            return opened.map_err(|damaged| ObjectError::Corrupt(Box::new(damaged)));
        }
        Err(ObjectError::StagingRead(StagingReadError::Io(std::io::ErrorKind::NotFound.into())))
    }

    /// Trusts the frames' own checks first; only when they fail are slivers verified, to name the guilty node.
    async fn open_from_network(
        &self,
        blob_id: &BlobId,
        stored: Range<u64>,
        fetch: &Fetch,
        record: ExtentRecord,
        seal: &Arc<Seal>,
    ) -> Result<Result<Bytes, FrameDamaged>, ObjectError> {
        let network = &self.shared.network;
        let bytes =
            network.read(blob_id, stored.clone(), Verification::ByCaller).await.map_err(ObjectError::Read)?;
        let damaged = match fetch.open(bytes.into(), record.clone(), seal).await? {
            Ok(plain) => return Ok(Ok(plain)),
            Err(damaged) => damaged,
        };
        warn!(%blob_id, %damaged, "bytes from the network are damaged, verifying slivers");
        counter!("gateway_damaged_frames_total").increment(1);
        let bytes =
            network.read(blob_id, stored, Verification::BySlivers).await.map_err(ObjectError::Read)?;
        fetch.open(bytes.into(), record, seal).await
    }

    async fn extent_record(&self, extent: ExtentId) -> Result<ExtentRecord, ObjectError> {
        let records = self.shared.index.extents(&[extent]).await?;
        records.into_iter().next().flatten().ok_or_else(|| {
            ObjectError::Corrupt(format!("extent {extent} of a visible object is not in the index").into())
        })
    }

    async fn blob_id(&self, extent: ExtentId) -> Result<BlobId, ObjectError> {
        let blobs = self.shared.index.blobs_of(&[extent]).await?;
        match blobs.into_iter().next().flatten() {
            Some((_, BlobState::Certified { blob_id, .. })) => Ok(BlobId(blob_id)),
            _ => Err(ObjectError::Corrupt(format!("extent {extent} is in no certified blob").into())),
        }
    }
}

/// Which stored bytes to fetch for a window, and which of the opened ones were asked for.
#[derive(Clone)]
struct Fetch {
    first_frame: u64,
    stored: Range<u64>,
    wanted: Range<usize>,
    extent: ExtentId,
}

impl Fetch {
    fn new(window: &Window, record: &ExtentRecord, seal: &Seal) -> Self {
        let frame_bytes = FRAME_BYTES as u64;
        let stored_frame_bytes = seal.stored_length(frame_bytes);
        let first_frame = window.range.start / frame_bytes;
        let end_frame = window.range.end.div_ceil(frame_bytes);
        let stored =
            first_frame * stored_frame_bytes..record.stored_length.min(end_frame * stored_frame_bytes);
        let skip = window.range.start - first_frame * frame_bytes;
        let wanted = to_usize(skip)..to_usize(skip + window.range.end - window.range.start);
        Self { first_frame, stored, wanted, extent: window.extent }
    }

    fn stored_length(&self) -> usize {
        to_usize(self.stored.end.saturating_sub(self.stored.start))
    }

    /// Checks and decrypts what was fetched, off the reactor.
    async fn open(
        &self,
        mut stored: Vec<u8>,
        record: ExtentRecord,
        seal: &Arc<Seal>,
    ) -> Result<Result<Bytes, FrameDamaged>, ObjectError> {
        let (fetch, seal) = (self.clone(), Arc::clone(seal));
        let open = move || {
            seal.extent(fetch.extent).open(fetch.first_frame, &record.frames, &mut stored)?;
            let damaged = FrameDamaged { extent: fetch.extent, frame: fetch.first_frame };
            let plain = Bytes::from(stored);
            if plain.len() < fetch.wanted.end { Err(damaged) } else { Ok(plain.slice(fetch.wanted)) }
        };
        Ok(tokio::task::spawn_blocking(open).await?)
    }
}

/// Cuts `range` of an object into windows that lie within one extent and end on frame boundaries.
fn windows(extents: &[ExtentRef], range: Range<u64>) -> impl Iterator<Item = Window> + Send + use<> {
    let mut begin = 0;
    let mut touched = Vec::new();
    for extent in extents {
        let end = begin + extent.length;
        if begin < range.end && end > range.start {
            let within = range.start.max(begin) - begin..range.end.min(end) - begin;
            touched.push((extent.id, within));
        }
        begin = end;
    }
    touched.into_iter().flat_map(|(extent, within)| {
        let mut next = within.start;
        std::iter::from_fn(move || {
            let start = next;
            next = within.end.min((start / WINDOW_BYTES + 1) * WINDOW_BYTES);
            (start < next).then_some(Window { extent, range: start..next })
        })
    })
}

fn to_usize(value: u64) -> usize {
    usize::try_from(value).expect("a window fits in memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::fresh;

    #[test]
    fn windows_cover_a_range_exactly_and_never_cross_an_extent() {
        let lengths = [1, WINDOW_BYTES * 2 + 7, 3, WINDOW_BYTES];
        let extents: Vec<ExtentRef> =
            lengths.iter().map(|&length| ExtentRef { id: fresh(ExtentId::at), length }).collect();
        let total: u64 = lengths.iter().sum();
        for (start, end) in [(0, total), (0, 1), (1, 2), (total - 1, total), (WINDOW_BYTES, WINDOW_BYTES + 9)]
        {
            let cut: Vec<Window> = windows(&extents, start..end).collect();
            assert_eq!(
                cut.iter().map(|window| window.range.end - window.range.start).sum::<u64>(),
                end - start
            );
            for window in cut {
                let length = extents.iter().find(|extent| extent.id == window.extent).unwrap().length;
                assert!(window.range.end <= length);
                assert!(window.range.start / WINDOW_BYTES == (window.range.end - 1) / WINDOW_BYTES);
            }
        }
        assert_eq!(windows(&extents, 5..5).count(), 0);
    }
}
