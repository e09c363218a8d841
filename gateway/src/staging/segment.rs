//! Group commit: many small extents, one `fdatasync`.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use haulout_index::StagingFileId;
use tokio::sync::{mpsc, oneshot};

use super::area::{Shared, StagedSpan};
use super::budget::Reservation;
use super::{StagingLimits, StagingWriteError};

/// Appends waiting for the writer. Each holds one small object in memory, whose bytes its request has a permit for.
const QUEUED_APPENDS_MAX: usize = 256;

/// Hands small extents to the one thread that writes segments. Ends when the last clone is dropped.
#[derive(Clone)]
pub(super) struct SegmentWriter {
    appends: mpsc::Sender<Append>,
}

struct Append {
    bytes: Vec<u8>,
    /// Travels with the bytes, because the client may leave while they are being written.
    reservation: Reservation,
    done: oneshot::Sender<Result<StagedSpan, StagingWriteError>>,
}

impl SegmentWriter {
    pub(super) fn start(shared: Arc<Shared>, limits: &StagingLimits) -> Self {
        let (appends, queue) = mpsc::channel(QUEUED_APPENDS_MAX);
        let segments = Segments {
            shared,
            current: None,
            segment_bytes: limits.segment_bytes,
            group_bytes_max: limits.group_bytes_max,
        };
        std::thread::Builder::new()
            .name("staging".to_owned())
            .spawn(move || segments.run(queue))
            .expect("the system can start one more thread at start-up");
        Self { appends }
    }

    pub(super) async fn append(
        &self,
        bytes: Vec<u8>,
        reservation: Reservation,
    ) -> Result<StagedSpan, StagingWriteError> {
        let (done, written) = oneshot::channel();
        self.appends
            .send(Append { bytes, reservation, done })
            .await
            .map_err(|_| StagingWriteError::Closed)?;
        written.await.map_err(|_| StagingWriteError::Closed)?
    }
}

struct Segments {
    shared: Arc<Shared>,
    current: Option<Segment>,
    segment_bytes: u64,
    group_bytes_max: usize,
}

struct Segment {
    id: StagingFileId,
    file: File,
    length: u64,
}

impl Segments {
    fn run(mut self, mut queue: mpsc::Receiver<Append>) {
        while let Some(first) = queue.blocking_recv() {
            let group = self.gather(first, &mut queue);
            self.commit(group);
        }
        self.close_current();
    }

    /// Takes whatever else is already waiting, up to the group's bound. Nobody waits for company: the sync of the
    /// group before is the window in which the next one gathers.
    fn gather(&self, first: Append, queue: &mut mpsc::Receiver<Append>) -> Vec<Append> {
        let mut bytes = first.bytes.len();
        let mut group = vec![first];
        while bytes < self.group_bytes_max {
            let Ok(next) = queue.try_recv() else { break };
            bytes += next.bytes.len();
            group.push(next);
        }
        group
    }

    fn commit(&mut self, group: Vec<Append>) {
        let (id, offsets) = match self.write(&group) {
            Ok(written) => written,
            Err(error) => {
                // After a failed write or sync the segment's tail is unknown: never append to it again.
                self.close_current();
                return fail(group, &error);
            }
        };
        for (mut append, offset) in group.into_iter().zip(offsets) {
            let span = self.shared.add(id, offset, length_of(&append.bytes), &mut append.reservation);
            // A client that went away drops the span, which frees it.
            let _ = append.done.send(Ok(span));
        }
    }

    /// Writes and syncs the group; returns the segment and where each member begins in it.
    fn write(&mut self, group: &[Append]) -> io::Result<(StagingFileId, Vec<u64>)> {
        let mut begun = false;
        if self.current.as_ref().is_none_or(|segment| segment.length >= self.segment_bytes) {
            self.close_current();
            let (id, file) = self.shared.create()?;
            self.current = Some(Segment { id, file, length: 0 });
            begun = true;
        }
        let segment = self.current.as_mut().expect("a segment was just made sure of");
        let mut offsets = Vec::with_capacity(group.len());
        for append in group {
            segment.file.write_all(&append.bytes)?;
            offsets.push(segment.length);
            segment.length += length_of(&append.bytes);
        }
        segment.file.sync_data()?;
        if begun {
            self.shared.sync_dir()?;
        }
        Ok((segment.id, offsets))
    }

    fn close_current(&mut self) {
        if let Some(segment) = self.current.take() {
            self.shared.close(segment.id);
        }
    }
}

fn length_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("a buffer's length fits in u64")
}

fn fail(group: Vec<Append>, error: &io::Error) {
    for append in group {
        // `io::Error` is not `Clone`; the kind is what every member of the group needs to know.
        let copy = io::Error::new(error.kind(), error.to_string());
        let _ = append.done.send(Err(StagingWriteError::Io(copy))); // The client may be gone.
    }
}
