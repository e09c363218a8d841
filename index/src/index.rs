//! The handle to the index, and the door between async callers and blocking storage.

use std::panic;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task;

use crate::store::{Store, Txn, View};
use crate::{IndexConfig, IndexError, OpenError};

/// The index. Clones share one database; it closes when the last of them and of its operations is gone.
///
/// Methods may be called from any task of a Tokio runtime. An operation whose caller goes away is finished
/// all the same.
#[derive(Clone)]
pub struct Index {
    store: Arc<Store>,
    /// A permit stands for one read inside the storage engine.
    reads: Arc<Semaphore>,
    /// One write. Apart from reads, which would else wait behind writes that wait for the disk.
    writes: Arc<Semaphore>,
}

impl Index {
    /// Opens the index in `directory`, making it if there is none. One process may have it open at a time.
    ///
    /// After a crash this replays the log: up to a second or so with the default write buffers.
    ///
    /// # Errors
    /// [`OpenError::NewerSchema`] if a newer Haulout wrote it, [`OpenError::Storage`] if it is in use or damaged,
    /// [`OpenError::WriteBufferTooSmall`].
    pub async fn open(directory: impl AsRef<Path>, config: IndexConfig) -> Result<Self, OpenError> {
        let directory = directory.as_ref().to_owned();
        let permits = || Arc::new(Semaphore::new(usize::from(config.max_in_flight.get())));
        let (reads, writes) = (permits(), permits());
        let opening = task::spawn_blocking(move || Store::open(&directory, &config));
        let store = finish(opening.await).unwrap_or(Err(OpenError::ShuttingDown))?;
        Ok(Self { store: Arc::new(store), reads, writes })
    }

    /// Runs `job` on what is committed at one moment.
    pub(crate) async fn read<T, E>(
        &self,
        job: impl FnOnce(&View<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<IndexError> + Send + 'static,
    {
        self.run(&self.reads, move |store| job(&store.view())).await
    }

    /// Runs `job` in a transaction, again if it loses its locks to others, and returns once it is on disk.
    pub(crate) async fn write<T, E>(
        &self,
        job: impl Fn(&Txn<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<IndexError> + Send + 'static,
    {
        self.run(&self.writes, move |store| store.transact(job)).await
    }

    async fn run<T, E>(
        &self,
        permits: &Arc<Semaphore>,
        job: impl FnOnce(&Store) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<IndexError> + Send + 'static,
    {
        let permit = Arc::clone(permits).acquire_owned().await.expect("never closed");
        let store = Arc::clone(&self.store);
        let running = task::spawn_blocking(move || {
            let _permit = permit; // Freed by the operation, not by a caller that went away.
            job(&store)
        });
        finish(running.await).unwrap_or_else(|| Err(IndexError::ShuttingDown.into()))
    }
}

/// `None` if the runtime went down before the job ran. A panic in the job goes on in its caller.
fn finish<T>(joined: Result<T, task::JoinError>) -> Option<T> {
    match joined {
        Ok(result) => Some(result),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => panic::resume_unwind(panic),
            Err(_cancelled) => None,
        },
    }
}
