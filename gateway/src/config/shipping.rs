//! `[shipping]`: how staged bytes move to the network, and how long they stay there.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::MIB;

/// Shipping and keeping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShippingSettings {
    /// Largest blob made of staged bytes. Larger blobs cost less on the network for each byte, and up to five
    /// times their size in memory while they are encoded. Default 8.5 MiB: an 8 MiB part, which most
    /// clients send, with its tags.
    pub blob_bytes_max: u64,
    /// How long staged bytes may wait for more, so that a blob becomes full. Longer makes fewer and cheaper
    /// blobs, shorter brings bytes to the network sooner. A write that asked for durability `certified` does
    /// not wait. Default 2 s.
    #[serde(with = "humantime_serde")]
    pub max_wait: Duration,
    /// Blobs being encoded or sent at the same time. Default 2: one encoding while the other is sent.
    pub parallel_blobs: NonZeroUsize,
    /// Epochs a new blob is paid for. More costs more at once, fewer needs a gateway that never sleeps long.
    /// Default 26, about a year; the network sells 53 at most.
    pub epochs_ahead: u32,
    /// A blob that somebody still references is paid for anew when this many epochs are left. More survives
    /// longer outages of the gateway. Default 6, about twelve weeks.
    pub renew_before_epochs: u32,
    /// How long a write of durability `certified` waits for the network before it fails, to be tried again.
    /// Longer rides out slow networks, shorter tells the client sooner. Its bytes stay staged and ship all
    /// the same. Default 2 min.
    #[serde(with = "humantime_serde")]
    pub certify_timeout: Duration,
    /// How often leases, garbage and unreferenced blobs are looked through. Less often costs less, more often
    /// frees disk and network sooner. Default 1 min.
    #[serde(with = "humantime_serde")]
    pub keeping_interval: Duration,
}

impl Default for ShippingSettings {
    fn default() -> Self {
        Self {
            blob_bytes_max: 8 * MIB + MIB / 2,
            max_wait: Duration::from_secs(2),
            parallel_blobs: const { NonZeroUsize::new(2).expect("two is not zero") },
            epochs_ahead: 26,
            renew_before_epochs: 6,
            certify_timeout: Duration::from_secs(2 * 60),
            keeping_interval: Duration::from_secs(60),
        }
    }
}
