//! Whether this gateway should be sent requests.

use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;

use super::server::Shutdown;

/// Why a load balancer should send requests elsewhere for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// Index and network are still being opened.
    #[error("starting: index and network are being opened")]
    Starting,
    /// Told to stop.
    #[error("stopping: finishing what is in flight")]
    Draining,
    /// Uploads are being refused; reads still work.
    #[error("staging is full: uploads wait for shipping")]
    StagingFull,
    /// Too few storage nodes to read from.
    #[error("only {nodes_up} of {nodes} storage nodes are up, too few to read everything")]
    NetworkDown {
        /// Storage nodes that answer.
        nodes_up: usize,
        /// Storage nodes there should be.
        nodes: usize,
    },
    /// The network cannot even tell its state.
    #[error("the storage network does not tell its state")]
    NetworkUnknown,
}

type Probe = Box<dyn Fn() -> BoxFuture<'static, Result<(), NotReady>> + Send + Sync>;

/// Tells [`NotReady`] until told what to ask, and again once draining. Clones are the same.
#[derive(Clone)]
pub struct Readiness {
    probe: Arc<OnceLock<Probe>>,
    shutdown: Shutdown,
}

impl Readiness {
    /// Not ready yet, and never again once `shutdown` drains.
    pub fn new(shutdown: Shutdown) -> Self {
        Self { probe: Arc::default(), shutdown }
    }

    /// Everything is open: from now on `probe` decides, at every visit of `/readyz`. The first probe stays.
    pub fn started(
        &self,
        probe: impl Fn() -> BoxFuture<'static, Result<(), NotReady>> + Send + Sync + 'static,
    ) {
        self.probe.get_or_init(|| Box::new(probe));
    }

    /// Whether to send requests here.
    ///
    /// # Errors
    /// The reason why not.
    pub async fn check(&self) -> Result<(), NotReady> {
        if self.shutdown.is_draining() {
            return Err(NotReady::Draining);
        }
        match self.probe.get() {
            Some(probe) => probe().await,
            None => Err(NotReady::Starting),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test]
    async fn ready_only_between_start_and_drain() {
        let shutdown = Shutdown::default();
        let readiness = Readiness::new(shutdown.clone());
        assert_eq!(readiness.check().await, Err(NotReady::Starting));
        let full = Arc::new(AtomicBool::new(true));
        let seen = Arc::clone(&full);
        readiness.started(move || {
            let outcome = if seen.load(Ordering::Relaxed) { Err(NotReady::StagingFull) } else { Ok(()) };
            Box::pin(std::future::ready(outcome))
        });
        assert_eq!(readiness.check().await, Err(NotReady::StagingFull));
        full.store(false, Ordering::Relaxed);
        assert_eq!(readiness.check().await, Ok(()));
        shutdown.drain();
        assert_eq!(readiness.check().await, Err(NotReady::Draining));
    }
}
