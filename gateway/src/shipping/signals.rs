//! How the request path and the background tasks wake each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use haulout_index::{ExtentId, Index, IndexError};
use tokio::sync::Notify;

/// A write was not certified while its client waited.
#[derive(Debug, thiserror::Error)]
pub enum CertifyError {
    /// It goes on in the background.
    #[error("not certified within {waited:?}")]
    Timeout {
        /// How long it was waited for.
        waited: Duration,
    },
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// Wakes the shipper and the keeper, and waits for them. Cheap to clone.
#[derive(Clone)]
pub struct ShippingHandle {
    index: Index,
    signals: Arc<Signals>,
}

#[derive(Default)]
struct Signals {
    staged: Notify,
    garbage: Notify,
    certified: Notify,
    waiting: AtomicUsize,
}

impl ShippingHandle {
    pub(super) fn new(index: Index) -> Self {
        Self { index, signals: Arc::default() }
    }

    /// Something was staged, and something it replaced may have become garbage.
    pub fn staged(&self) {
        self.signals.staged.notify_one();
        self.garbage();
    }

    /// Something may have become garbage.
    pub fn garbage(&self) {
        self.signals.garbage.notify_one();
    }

    /// Waits until every one of `extents` is in a certified blob. While anybody waits, blobs are not held back for
    /// company.
    ///
    /// # Errors
    /// [`CertifyError::Timeout`]; the extents stay staged and go on being shipped.
    pub async fn certified(&self, extents: &[ExtentId], timeout: Duration) -> Result<(), CertifyError> {
        let _urgent = Urgent::begin(&self.signals);
        let wait = async {
            loop {
                let certified = self.signals.certified.notified();
                let mut certified = std::pin::pin!(certified);
                certified.as_mut().enable(); // Before looking, so that nothing is missed in between.
                if self.index.blobs_of(extents).await?.iter().all(Option::is_some) {
                    return Ok(());
                }
                certified.await;
            }
        };
        tokio::time::timeout(timeout, wait).await.unwrap_or(Err(CertifyError::Timeout { waited: timeout }))
    }

    pub(super) async fn wait_for_staged(&self) {
        self.signals.staged.notified().await;
    }

    pub(super) async fn wait_for_garbage(&self) {
        self.signals.garbage.notified().await;
    }

    pub(super) fn announce_certified(&self) {
        self.signals.certified.notify_waiters();
    }

    /// Whether a client waits for its object to be certified.
    pub(super) fn is_urgent(&self) -> bool {
        self.signals.waiting.load(Ordering::Acquire) > 0
    }
}

struct Urgent<'a>(&'a Signals);

impl<'a> Urgent<'a> {
    fn begin(signals: &'a Signals) -> Self {
        signals.waiting.fetch_add(1, Ordering::AcqRel);
        signals.staged.notify_one();
        Self(signals)
    }
}

impl Drop for Urgent<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
