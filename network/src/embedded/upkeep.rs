//! The watch over node directories and the removal of what nobody pays for any more.

use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use tokio::sync::Notify;
use tracing::{info, warn};

use super::directory::Found;
use super::node::EmbeddedNode;
use super::repair::{Repair, remove_unless_live};
use crate::client::NetworkClient;
use crate::ids::Epoch;
use crate::local_ledger::LocalLedger;
use crate::node::{NodeError, StorageNode};

/// Blobs removed between two looks at the ledger.
const REMOVALS_PAGE: usize = 256;

/// A node under watch.
pub(super) struct Watched {
    node: EmbeddedNode,
    /// What was found last, to say it once.
    last: Option<Outlook>,
    behind: Arc<Notify>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outlook {
    Serving,
    Empty,
    Nothing,
    Foreign,
    Unusable,
}

impl Watched {
    pub(super) fn new(node: EmbeddedNode) -> Self {
        Self { node, last: None, behind: Arc::new(Notify::new()) }
    }

    /// Brings the node up to date each time it has been away.
    pub(super) fn keep_up(&self, repair: Repair) -> impl Future<Output = ()> + use<> {
        let (node, behind) = (self.node.clone(), Arc::clone(&self.behind));
        async move {
            loop {
                behind.notified().await;
                repair.catch_up(&node).await;
            }
        }
    }

    /// Looks after the directory: takes the node down or up, and makes an empty directory its own.
    pub(super) async fn look(&mut self) {
        // A directory that is being removed is empty for a moment, too: believe it the second time.
        let still_empty = self.last == Some(Outlook::Empty);
        let looked = self.node.blocking(move |node| {
            let found = node.directory.inspect()?;
            if found == Found::Empty && still_empty {
                node.directory.adopt()?;
            }
            Ok(found)
        });
        let (outlook, renewed) = match looked.await {
            Ok(Found::Own) => (Outlook::Serving, false),
            Ok(Found::Empty) if still_empty => (Outlook::Serving, true),
            Ok(Found::Empty) => (Outlook::Empty, false),
            Ok(Found::Nothing) => (Outlook::Nothing, false),
            Ok(Found::Foreign) => (Outlook::Foreign, false),
            Err(error) => {
                self.warn_unusable(&error);
                (Outlook::Unusable, false)
            }
        };
        let changed = self.node.set_up(outlook == Outlook::Serving);
        if renewed || (changed && outlook == Outlook::Serving) {
            self.behind.notify_one();
        }
        if renewed || self.last != Some(outlook) {
            self.tell(outlook, renewed);
        }
        self.last = Some(outlook);
    }

    fn tell(&self, outlook: Outlook, renewed: bool) {
        let (node_id, path) = (self.node.node_id(), self.node.directory().path().display());
        match outlook {
            Outlook::Serving if renewed => {
                info!(%node_id, %path, "node starts on an empty directory, its slivers will be recovered");
            }
            Outlook::Serving => info!(%node_id, %path, "node is up"),
            Outlook::Empty => {} // Will be said when it is believed.
            Outlook::Nothing => warn!(
                %node_id, %path,
                "node is down: its directory is missing; mount its disk, or create the directory empty to have \
                 its slivers recovered"
            ),
            Outlook::Foreign => warn!(
                %node_id, %path,
                "node is down: its directory holds other files; move them away or mount the right disk"
            ),
            Outlook::Unusable => {} // Said where the error was at hand.
        }
    }

    fn warn_unusable(&self, error: &NodeError) {
        if self.last != Some(Outlook::Unusable) {
            let (node_id, path) = (self.node.node_id(), self.node.directory().path().display());
            let error: &dyn std::error::Error = error;
            warn!(%node_id, %path, error, "node is down: its directory cannot be used");
        }
    }
}

/// Looks at every directory each `interval`.
pub(super) async fn watch(mut watched: Vec<Watched>, interval: Duration) {
    loop {
        look_at_all(&mut watched).await;
        tokio::time::sleep(interval).await;
    }
}

pub(super) async fn look_at_all(watched: &mut [Watched]) {
    for node in watched.iter_mut() {
        node.look().await;
    }
    let up = watched.iter().filter(|watched| watched.node.is_up()).count();
    gauge!(crate::metrics::NODES_UP).set(f64::from(u32::try_from(up).unwrap_or(u32::MAX)));
}

/// Removes the data of deleted and expired blobs.
pub(super) struct Sweeper {
    pub(super) nodes: Vec<EmbeddedNode>,
    pub(super) ledger: Arc<LocalLedger>,
    pub(super) client: NetworkClient,
}

impl Sweeper {
    /// Sweeps each `interval`.
    pub(super) async fn run(self, interval: Duration) {
        let mut expired_in = None;
        loop {
            tokio::time::sleep(interval).await;
            if let Err(error) = self.sweep(&mut expired_in).await {
                warn!(error = &error as &dyn std::error::Error, "blobs cannot be removed now");
            }
        }
    }

    async fn sweep(&self, expired_in: &mut Option<Epoch>) -> Result<(), NodeError> {
        let epoch = self.ledger.epoch();
        if *expired_in != Some(epoch) {
            self.ledger.expire().await?;
            *expired_in = Some(epoch);
        }
        while self.sweep_page().await? == REMOVALS_PAGE {}
        Ok(())
    }

    /// Answers how many blobs were looked at.
    async fn sweep_page(&self) -> Result<usize, NodeError> {
        let ledger = Arc::clone(&self.ledger);
        let Some(node) = self.nodes.first() else { return Ok(0) };
        let removals = node.blocking(move |_| Ok(ledger.removals(REMOVALS_PAGE)?)).await?;
        if removals.is_empty() {
            return Ok(0);
        }
        for blob_id in &removals {
            self.client.forget(blob_id);
            // A node that is down removes what is dead when it catches up.
            for node in self.nodes.iter().filter(|node| node.is_up()) {
                remove_unless_live(node, *blob_id).await?;
            }
        }
        let count = removals.len();
        self.ledger.forget_removals(removals).await?;
        Ok(count)
    }
}
