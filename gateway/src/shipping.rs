//! Shipping and keeping: what happens to objects after they were acknowledged.
//!
//! The *shipper* packs staged extents into blobs, encodes them, registers them on the ledger, stores their slivers and
//! has them certified. The *keeper* renews leases, collects garbage and deletes blobs that nobody refers to.
//! Every step is a state in the index, so a restart takes up exactly where a crash cut off, and a retry looks up what
//! the ledger already has before it pays again.

mod keeper;
mod pack;
mod shipper;
mod signals;

use std::sync::Arc;
use std::time::Duration;

use haulout_encoder::EncoderService;
use haulout_index::Index;
use haulout_network::NetworkClient;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::objects::Readers;
use crate::staging::StagingArea;

pub use pack::{PackEntry, PackFooter, PackFooterError, extent_bytes_max};
pub use signals::{CertifyError, ShippingHandle};

/// How staged bytes become blobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShippingLimits {
    /// Unencoded bytes of a blob at most. Encoding takes about 4.5 times this in memory.
    pub blob_bytes_max: u64,
    /// How long a staged extent waits for company before its blob is shipped part full.
    pub max_wait: Duration,
    /// Blobs under way at once.
    pub parallel_blobs: usize,
    /// Epochs a blob is paid for ahead.
    pub epochs_ahead: u32,
    /// Leases that end within this many epochs are renewed.
    pub renew_before_epochs: u32,
    /// How often leases are looked through.
    pub keeping_interval: Duration,
}

/// The background tasks. Dropping it leaves them running: call [`Shipping::shutdown`].
pub struct Shipping {
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

/// What the tasks work on.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) index: Index,
    pub(crate) staging: StagingArea,
    pub(crate) network: NetworkClient,
    pub(crate) encoder: EncoderService,
    pub(crate) readers: Readers,
    pub(crate) limits: Arc<ShippingLimits>,
    pub(crate) handle: ShippingHandle,
    pub(crate) stop: CancellationToken,
}

impl Shipping {
    /// Starts the tasks, first of all on what an earlier run left unfinished.
    #[must_use]
    pub fn start(
        index: Index,
        staging: StagingArea,
        network: NetworkClient,
        encoder: EncoderService,
        readers: Readers,
        limits: ShippingLimits,
    ) -> (ShippingHandle, Self) {
        let handle = ShippingHandle::new(index.clone());
        let stop = CancellationToken::new();
        let parts = Parts {
            index,
            staging,
            network,
            encoder,
            readers,
            limits: Arc::new(limits),
            handle: handle.clone(),
            stop: stop.clone(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(shipper::run(parts.clone()));
        tasks.spawn(keeper::collect_garbage(parts.clone()));
        tasks.spawn(keeper::renew_leases(parts));
        (handle, Self { tasks, stop })
    }

    /// Stops the tasks between two steps and waits for them. What is not shipped yet stays staged.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}
