//! Encoding as a [`tower::Service`] on a pool of threads with bounded memory.

mod pool;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio_util::sync::PollSemaphore;
use tower::Service;

pub use pool::{CpuPool, EncoderConfig, PoolError, StartPoolError};

use crate::encode::{EncodeError, encode};
use crate::encoded::EncodedBlob;
use crate::layout::EncodingConfig;
use pool::JobPermit;

/// A blob to be encoded for a network.
#[derive(Clone)]
pub struct EncodeRequest {
    /// Parameters of the network.
    pub config: EncodingConfig,
    /// The blob, kept until it is encoded.
    pub blob: Bytes,
}

/// Without the blob's bytes.
impl fmt::Debug for EncodeRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EncodeRequest")
            .field("config", &self.config)
            .field("blob_bytes", &self.blob.len())
            .finish()
    }
}

/// A request to the [`EncoderService`] failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The blob cannot be encoded by anybody.
    #[error("the blob cannot be encoded")]
    Encode(#[from] EncodeError),
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
            let EncodeRequest { config, blob } = request;
            let blob_bytes = u64::try_from(blob.len()).expect("memory is shorter than 2^64 bytes");
            let memory_bytes =
                config.encode_memory_bytes(blob_bytes, pool.threads()).map_err(EncodeError::from)?;
            Ok(pool.run_admitted(permit, memory_bytes, move || encode(config, blob)).await??)
        })
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
