//! The names of this crate's metrics.

use metrics::{describe_counter, describe_gauge};

/// Slivers that came from a node and were not what the blob's metadata says, and those of files that no longer read.
pub(crate) const DAMAGED_SLIVERS: &str = "network_damaged_slivers_total";
/// Slivers that were written again to a node that had lost or spoilt them.
pub(crate) const REPAIRED_SLIVERS: &str = "network_repaired_slivers_total";
/// Repairs that could not be queued and are left to the next reader or the next start.
pub(crate) const REPAIRS_DEFERRED: &str = "network_repairs_deferred_total";
/// Slivers that were recovered from other nodes for a reader.
pub(crate) const RECOVERED_SLIVERS: &str = "network_recovered_slivers_total";
/// Nodes that serve.
pub(crate) const NODES_UP: &str = "network_nodes_up";
/// Reads of a range of a blob, by `outcome`.
pub(crate) const READS: &str = "network_reads_total";
/// Bytes of blobs read.
pub(crate) const READ_BYTES: &str = "network_read_bytes_total";
/// Blobs stored, by `outcome`.
pub(crate) const WRITES: &str = "network_writes_total";
/// Bytes of blobs certified, before encoding.
pub(crate) const WRITTEN_BYTES: &str = "network_written_bytes_total";
/// Blobs whose files were removed from a node.
pub(crate) const REMOVED_BLOBS: &str = "network_removed_blobs_total";

/// Tells the installed recorder what the metrics mean. Once, at start.
pub(crate) fn describe() {
    describe_counter!(DAMAGED_SLIVERS, "Slivers from nodes that did not match their blob's metadata");
    describe_counter!(REPAIRED_SLIVERS, "Slivers written again to nodes that had lost or spoilt them");
    describe_counter!(REPAIRS_DEFERRED, "Repairs that could not be queued");
    describe_counter!(RECOVERED_SLIVERS, "Slivers recovered from other nodes for a reader");
    describe_gauge!(NODES_UP, "Storage nodes that serve");
    describe_counter!(READS, "Reads of ranges of blobs, by outcome");
    describe_counter!(READ_BYTES, "Bytes of blobs read");
    describe_counter!(WRITES, "Blobs stored, by outcome");
    describe_counter!(WRITTEN_BYTES, "Bytes of blobs certified, before encoding");
    describe_counter!(REMOVED_BLOBS, "Blobs whose data was removed from a node");
}

/// The value of the label `outcome`.
pub(crate) fn outcome<T, E>(result: &Result<T, E>) -> &'static str {
    if result.is_ok() { "ok" } else { "error" }
}
