//! The pool of threads for CPU-bound work.

use std::num::NonZeroUsize;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tracing::Span;

/// What one memory permit stands for. Coarse, so that a job's permits fit the 32 bits that a semaphore counts in.
const PERMIT_BYTES: u64 = 64 * 1024;

/// Jobs admitted per thread: one that runs and one that is ready when it ends.
const JOBS_PER_THREAD: usize = 2;

/// Bounds of a [`CpuPool`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncoderConfig {
    /// Threads for encoding, decoding and hashing. More of them are faster up to the number of cores; beyond that
    /// they only take time from the threads that wait for the network. Default: the number of cores.
    pub threads: NonZeroUsize,
    /// Memory that all admitted jobs together may need, in bytes, rounded up to 64 KiB. With more of it more jobs
    /// run side by side, and larger blobs can be encoded in memory, which takes about five times the blob; into a
    /// spool any blob can be, with 160 MiB or more. The process grows by as much. Default: 256 MiB, enough for four blobs of 12 MiB.
    pub memory_bytes: u64,
}

impl Default for EncoderConfig {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            memory_bytes: 256 * 1024 * 1024,
        }
    }
}

/// The pool's threads could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the threads for CPU-bound work could not be started")]
pub struct StartPoolError(#[from] rayon::ThreadPoolBuildError);

/// A job was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// It would never be admitted: raise [`EncoderConfig::memory_bytes`] or split the work.
    #[error("the job needs {needed_bytes} bytes of memory, the pool has {available_bytes}")]
    MemoryExceeded {
        /// What the job asked for.
        needed_bytes: u64,
        /// What the whole pool has.
        available_bytes: u64,
    },
    /// The job panicked, which is a defect in it; the pool goes on.
    #[error("the job panicked")]
    JobPanicked,
}

/// The only door from async code to CPU-bound work. Cheap to clone; clones share threads and bounds.
///
/// Jobs run on rayon threads, so parallel iterators inside them spread over the same threads.
#[derive(Clone, Debug)]
pub struct CpuPool {
    threads: Arc<rayon::ThreadPool>,
    jobs: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    memory_bytes: u64,
}

/// The right to submit one job.
pub(super) type JobPermit = OwnedSemaphorePermit;

impl CpuPool {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`StartPoolError`] if the operating system refuses a thread.
    pub fn new(config: &EncoderConfig) -> Result<Self, StartPoolError> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(config.threads.get())
            .thread_name(|index| format!("cpu-{index}"))
            // Without a handler rayon aborts the process when a job panics. The job's caller learns of the panic
            // because the job's answer never comes; the message was printed by the panic hook.
            .panic_handler(|_| ())
            .build()?;
        let memory_permits = usize::try_from(permits_for(config.memory_bytes)).unwrap_or(usize::MAX);
        Ok(Self {
            threads: Arc::new(threads),
            jobs: Arc::new(Semaphore::new(config.threads.get() * JOBS_PER_THREAD)),
            memory: Arc::new(Semaphore::new(memory_permits.min(Semaphore::MAX_PERMITS))),
            memory_bytes: config.memory_bytes,
        })
    }

    /// Runs `job`, which needs up to `memory_bytes` at once, on the pool, and waits for its result.
    ///
    /// Waits for a place and for memory, first come first served. A caller that goes away meanwhile leaves the
    /// queue; once a job has started it finishes, and its permits are freed when it does.
    ///
    /// # Errors
    /// [`PoolError`] if the job can never be admitted or panics.
    pub async fn run<T: Send + 'static>(
        &self,
        memory_bytes: u64,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        // Before waiting: a job that can never run should not wait to learn it.
        self.check_memory(memory_bytes)?;
        let permit = Arc::clone(&self.jobs).acquire_owned().await.expect("the semaphore is never closed");
        self.run_admitted(permit, memory_bytes, job).await
    }

    /// [`Self::run`] for a caller that waited for its place before.
    pub(super) async fn run_admitted<T: Send + 'static>(
        &self,
        job_permit: JobPermit,
        memory_bytes: u64,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let permits = self.check_memory(memory_bytes)?;
        let memory = Arc::clone(&self.memory);
        let memory_permit = memory.acquire_many_owned(permits).await.expect("the semaphore is never closed");
        let (result_tx, result_rx) = oneshot::channel();
        let span = Span::current();
        self.threads.spawn(move || {
            // Freed by the job, not by a caller that went away.
            let _permits = (job_permit, memory_permit);
            // An error means that the caller is gone, and nobody else wants the result.
            let _ = result_tx.send(span.in_scope(job));
        });
        result_rx.await.map_err(|_| PoolError::JobPanicked)
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.threads.current_num_threads()
    }

    /// Memory that all admitted jobs together may need, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    pub(super) fn jobs(&self) -> Arc<Semaphore> {
        Arc::clone(&self.jobs)
    }

    /// The permits that stand for `needed_bytes`.
    fn check_memory(&self, needed_bytes: u64) -> Result<u32, PoolError> {
        let exceeded = PoolError::MemoryExceeded { needed_bytes, available_bytes: self.memory_bytes };
        if needed_bytes > self.memory_bytes {
            return Err(exceeded);
        }
        u32::try_from(permits_for(needed_bytes)).map_err(|_| exceeded)
    }
}

fn permits_for(bytes: u64) -> u64 {
    bytes.div_ceil(PERMIT_BYTES)
}
