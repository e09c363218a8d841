//! Encoding as a [`tower::Service`] on a pool of threads with bounded memory.

mod pool;

use std::fmt;
use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio_util::sync::PollSemaphore;
use tower::Service;

pub use pool::{CpuPool, EncoderConfig, PoolError, StartPoolError};

use crate::encode::{EncodeError, StreamError, encode, encode_to};
use crate::encoded::EncodedBlob;
use crate::layout::EncodingConfig;
use crate::spool::SliverSpool;
use crate::stream::BlobSource;
use pool::JobPermit;

/// A blob to be encoded for a network.
pub enum EncodeRequest {
    /// In memory, all of it.
    InMemory {
        /// Parameters of the network.
        config: EncodingConfig,
        /// The blob.
        blob: Bytes,
    },
    /// From wherever it is into a spool. Takes as much of the pool's memory as it can make use of, up to all of it;
    /// other jobs wait meanwhile.
    IntoSpool {
        /// Parameters of the network.
        config: EncodingConfig,
        /// The blob.
        blob: Arc<dyn BlobSource>,
        /// What its slivers are spooled in, see [`SliverSpool::new`].
        files: Vec<File>,
    },
}

/// Without the blob's bytes.
impl fmt::Debug for EncodeRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, config, blob_bytes) = match self {
            Self::InMemory { config, blob } => ("InMemory", config, blob.blob_bytes()),
            Self::IntoSpool { config, blob, .. } => ("IntoSpool", config, blob.blob_bytes()),
        };
        formatter
            .debug_struct(name)
            .field("config", config)
            .field("blob_bytes", &blob_bytes)
            .finish_non_exhaustive()
    }
}

/// A request to the [`EncoderService`] failed.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The blob cannot be encoded by anybody.
    #[error("the blob cannot be encoded")]
    Encode(#[from] EncodeError),
    /// The blob could not be read, or its spool not be written.
    #[error("the blob could not be read or its slivers not be written")]
    Io(#[source] io::Error),
    /// This pool could not do it.
    #[error("the encoder's pool did not do the job")]
    Pool(#[from] PoolError),
}

/// Encodes blobs on a [`CpuPool`].
///
/// Ready when the pool has a place for one more job; a service that was polled ready holds that place until it is
/// called or dropped. The request then waits for memory. Dropping the response abandons the result, not the work.
#[derive(Clone, Debug)]
pub struct EncoderService {
    pool: CpuPool,
    slot: JobSlot,
}

impl EncoderService {
    /// A service that shares `pool` with its other users.
    pub fn new(pool: CpuPool) -> Self {
        let slot = JobSlot { jobs: PollSemaphore::new(pool.jobs()), permit: None };
        Self { pool, slot }
    }
}

impl Service<EncodeRequest> for EncoderService {
    type Response = EncodedBlob;
    type Error = ServiceError;
    type Future = Pin<Box<dyn Future<Output = Result<EncodedBlob, ServiceError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        self.slot.poll_reserve(context).map(Ok)
    }

    /// # Panics
    /// Unless [`Service::poll_ready`] answered that the service is ready, as tower demands.
    fn call(&mut self, request: EncodeRequest) -> Self::Future {
        let permit = self.slot.permit.take().expect("poll_ready is called before call");
        let pool = self.pool.clone();
        Box::pin(async move {
            match request {
                EncodeRequest::InMemory { config, blob } => {
                    let memory_bytes = config
                        .encode_memory_bytes(blob.blob_bytes(), pool.threads())
                        .map_err(EncodeError::from)?;
                    Ok(pool.run_admitted(permit, memory_bytes, move || encode(config, blob)).await??)
                }
                EncodeRequest::IntoSpool { config, blob, files } => {
                    let useful = config
                        .stream_memory_bytes(blob.blob_bytes(), pool.threads())
                        .map_err(EncodeError::from)?;
                    let spool =
                        SliverSpool::new(files, config, blob.blob_bytes()).map_err(EncodeError::from)?;
                    let memory_bytes = pool.memory_bytes().clamp(*useful.start(), *useful.end());
                    let encode = move || {
                        let metadata = encode_to(config, &*blob, &spool, memory_bytes)?;
                        Ok::<_, StreamError>(EncodedBlob::new(metadata, blob, Arc::new(spool)))
                    };
                    Ok(pool.run_admitted(permit, memory_bytes, encode).await??)
                }
            }
        })
    }
}

impl From<StreamError> for ServiceError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Encode(error) => Self::Encode(error),
            StreamError::Io(error) => Self::Io(error),
        }
    }
}

/// A place in the pool that a service may have reserved.
#[derive(Debug)]
struct JobSlot {
    jobs: PollSemaphore,
    permit: Option<JobPermit>,
}

impl JobSlot {
    fn poll_reserve(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.permit.is_none() {
            let permit = ready!(self.jobs.poll_acquire(context)).expect("the semaphore is never closed");
            self.permit = Some(permit);
        }
        Poll::Ready(())
    }
}

/// A clone has reserved nothing: a place belongs to one caller.
impl Clone for JobSlot {
    fn clone(&self) -> Self {
        Self { jobs: self.jobs.clone(), permit: None }
    }
}

#[cfg(test)]
mod tests;
