//! `[encoder]`: CPU and memory for erasure coding.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::MIB;

/// The encoder's CPU pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncoderSettings {
    /// Threads that encode and decode. Absent by default: one for each CPU this process may use. Fewer leaves
    /// CPU to others on the same machine; more than there are CPUs gains nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<NonZeroUsize>,
    /// Memory all encoding and decoding together may take; a job waits until its share is free. A blob of
    /// `shipping.blob_bytes_max` must fit, at about five times its size. Default 96 MiB: two blobs of the
    /// default size, of which one alone keeps all threads busy.
    pub memory_bytes: u64,
}

impl Default for EncoderSettings {
    fn default() -> Self {
        Self { threads: None, memory_bytes: 96 * MIB }
    }
}

impl EncoderSettings {
    /// How many threads there will be.
    pub(crate) fn threads(&self) -> NonZeroUsize {
        let all_cpus = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.threads.unwrap_or_else(all_cpus)
    }
}
