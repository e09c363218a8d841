//! SIGINT and SIGTERM.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::http::Shutdown;

/// What the system tells this process to do.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on the two signals no longer end the process by themselves.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Drains at the first signal, aborts at the second.
    pub(super) async fn obey(mut self, shutdown: Shutdown) {
        self.next().await;
        info!("told to stop, finishing what is in flight; tell again to stop at once");
        shutdown.drain();
        self.next().await;
        warn!("told to stop again, stopping at once");
        shutdown.abort();
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
