//! `[staging]`: bytes acknowledged but not yet on the network.

use serde::{Deserialize, Serialize};

use super::{GIB, MIB};

/// The staging area in the data directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StagingSettings {
    /// Disk that staged bytes may take. When it is used up, uploads get `503 SlowDown` until shipping has
    /// freed some. More rides out longer bursts and network outages. Default 10 GiB: fits any disk, and holds
    /// a few minutes of a fast uplink.
    pub max_bytes: u64,
    /// Objects and parts up to this size share segment files and one fsync with their neighbours; larger ones
    /// get a file of their own. Larger means fewer files, but longer writes that neighbours wait for. Default
    /// 1 MiB, which is also the most: as much of a body as is held in memory before a place for it must be
    /// found.
    pub small_object_bytes_max: usize,
    /// Size at which a segment file is closed and the next one begun. A segment's disk space is freed when
    /// the last object in it has shipped: smaller frees sooner, larger makes fewer files. Default 64 MiB.
    pub segment_bytes: u64,
    /// Most bytes of small objects written under one fsync. More lets a disk with slow fsyncs keep up with
    /// many clients, less makes the first of a group wait for fewer others. Default 4 MiB.
    pub group_bytes_max: usize,
}

impl Default for StagingSettings {
    fn default() -> Self {
        Self {
            max_bytes: 10 * GIB,
            small_object_bytes_max: 1 << 20,
            segment_bytes: 64 * MIB,
            group_bytes_max: 4 << 20,
        }
    }
}
