//! `[network]`: the storage network.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Which storage network this gateway keeps its blobs on, and its shape where we run it ourselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSettings {
    /// Which network. Default and only choice `embedded`.
    pub kind: NetworkKind,
    /// Shards of the embedded network, 4 to 1000. More spreads a blob finer and costs more hashing for each.
    /// Fixed on the first start: it is part of every blob ID. Default 100.
    pub n_shards: u16,
    /// Storage nodes of the embedded network, each on a directory of its own. Up to a third of the shards may
    /// be lost at any time. Fixed on the first start. Default 10, which survives the loss of any 3.
    pub nodes: NonZeroU16,
    /// One directory a node, for several disks. Empty by default: `nodes/node-00` and so on in the data
    /// directory, which protects from damaged files but not from a lost disk.
    pub node_dirs: Vec<PathBuf>,
    /// Length of an epoch of the embedded network's ledger. Default 14 days, as on the Walrus main network.
    #[serde(with = "humantime_serde")]
    pub epoch_duration: Duration,
    /// Memory for slivers read lately, so that neighbouring ranges of a blob are fetched once. More makes
    /// repeated and sequential reads quicker. Default 32 MiB.
    pub sliver_cache_bytes: usize,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            kind: NetworkKind::Embedded,
            n_shards: 100,
            nodes: const { NonZeroU16::new(10).expect("ten is not zero") },
            node_dirs: Vec::new(),
            epoch_duration: Duration::from_secs(14 * 24 * 60 * 60),
            sliver_cache_bytes: 32 << 20,
        }
    }
}

/// The storage networks this build can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkKind {
    /// Storage nodes and a ledger inside this process, on local disks.
    Embedded,
}
