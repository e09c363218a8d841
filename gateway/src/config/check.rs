//! Checks that a type cannot make: ranges, and settings that must fit each other.

use std::time::Duration;

use haulout_encoder::EncodingConfig;

use super::Config;

/// The network sells storage for this many epochs ahead at most. Source: Walrus documentation, "Storage
/// costs".
const EPOCHS_AHEAD_MAX: u32 = 53;
/// A body's first bytes are held in memory up to this much before it is known whether the object is small.
const SMALL_OBJECT_BYTES_LIMIT: usize = 1 << 20;
/// What one upload needs to move at all: two such stretches, one being filled and one being written.
const UPLOAD_MEMORY_BYTES_MIN: usize = 2 * SMALL_OBJECT_BYTES_LIMIT;
/// A blob must take at least one small object and the pack's footer about it.
const BLOB_BYTES_MIN: u64 = 2 << 20;
/// Below this the HTTP/1.1 parser cannot hold even a plain request.
const HEADER_BYTES_MIN: u64 = 8 * 1024;
const HEADER_BYTES_MAX: u64 = 1024 * 1024;

/// A setting whose value cannot work. The message says where, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A size, count or duration outside its range.
    #[error("{key}: {found} is out of range; choose {minimum} to {maximum}")]
    OutOfRange {
        /// The setting, dotted.
        key: &'static str,
        /// Its value.
        found: u64,
        /// Smallest value that works.
        minimum: u64,
        /// Largest value that works.
        maximum: u64,
    },
    /// A duration of zero where something must be given time.
    #[error("{key}: must not be zero; give it a duration such as \"30s\"")]
    ZeroDuration {
        /// The setting, dotted.
        key: &'static str,
    },
    /// The S3 and the admin listener on one address.
    #[error("admin_listen: the same address as listen; choose another port")]
    SameListenAddress,
    /// No blob would ever get the memory to be encoded.
    #[error(
        "encoder.memory_bytes: {found} cannot hold a blob of shipping.blob_bytes_max; give it {needed} or make blobs smaller"
    )]
    EncoderMemoryTooSmall {
        /// Configured bytes.
        found: u64,
        /// Bytes one blob of the largest size takes.
        needed: u64,
    },
    /// Every lease would be renewed at once, for ever.
    #[error("shipping.renew_before_epochs: {found} must be less than shipping.epochs_ahead, {epochs_ahead}")]
    RenewalBeforeStart {
        /// Configured epochs.
        found: u32,
        /// What it must stay below.
        epochs_ahead: u32,
    },
    /// A staging area that not even one segment or blob fits into.
    #[error("staging.max_bytes: {found} cannot hold one segment and one blob; give it at least {needed}")]
    StagingTooSmall {
        /// Configured bytes.
        found: u64,
        /// Smallest value that works.
        needed: u64,
    },
    /// Blobs that the network's symbols cannot hold.
    #[error("shipping.blob_bytes_max: {found} is more than {maximum}, the largest blob for network.n_shards")]
    BlobTooLarge {
        /// Configured bytes.
        found: u64,
        /// Largest blob for this many shards.
        maximum: u64,
    },
    /// Nodes without a directory, or directories without a node.
    #[error(
        "network.node_dirs: {found} directories for {nodes} nodes; name one for each, or none for the default places"
    )]
    NodeDirCount {
        /// Directories named.
        found: usize,
        /// Nodes configured.
        nodes: u16,
    },
    /// Two nodes on one directory.
    #[error("network.node_dirs: {path:?} is named twice; each node needs a directory of its own")]
    NodeDirTwice {
        /// The directory.
        path: std::path::PathBuf,
    },
    /// Text that is no log filter.
    #[error(
        "log.filter: {found:?} is no filter; write levels and target=level, separated by commas, such as info,s3s=off"
    )]
    LogFilter {
        /// Configured text.
        found: String,
    },
}

/// Everything wrong with `config`, so that it can be mended in one go. Empty if nothing is.
pub(super) fn problems(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    check_ranges(config, &mut problems);
    check_durations(config, &mut problems);
    // Port 0 means a free port for each, so the two cannot meet.
    if config.listen == config.admin_listen && config.listen.port() != 0 {
        problems.push(Problem::SameListenAddress);
    }
    check_blobs(config, &mut problems);
    check_node_dirs(config, &mut problems);
    if config.log.filter.parse::<tracing_subscriber::EnvFilter>().is_err() {
        problems.push(Problem::LogFilter { found: config.log.filter.clone() });
    }
    problems
}

fn check_ranges(config: &Config, problems: &mut Vec<Problem>) {
    let Config { limits, staging, shipping, index, network, .. } = config;
    let bytes = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    let nodes = u64::from(network.nodes.get());
    for (key, found, minimum, maximum) in [
        ("limits.max_header_bytes", limits.max_header_bytes.into(), HEADER_BYTES_MIN, HEADER_BYTES_MAX),
        ("limits.max_streams_per_connection", limits.max_streams_per_connection.into(), 1, 1 << 16),
        (
            "limits.upload_memory_bytes",
            bytes(limits.upload_memory_bytes),
            bytes(UPLOAD_MEMORY_BYTES_MIN),
            u64::MAX,
        ),
        (
            "staging.segment_bytes",
            staging.segment_bytes,
            bytes(staging.small_object_bytes_max).max(1),
            u64::MAX,
        ),
        (
            "staging.small_object_bytes_max",
            bytes(staging.small_object_bytes_max),
            0,
            bytes(SMALL_OBJECT_BYTES_LIMIT),
        ),
        (
            "staging.group_bytes_max",
            bytes(staging.group_bytes_max),
            bytes(staging.small_object_bytes_max).max(1),
            u64::MAX,
        ),
        ("shipping.blob_bytes_max", shipping.blob_bytes_max, BLOB_BYTES_MIN, u64::MAX),
        ("shipping.epochs_ahead", shipping.epochs_ahead.into(), 1, EPOCHS_AHEAD_MAX.into()),
        ("network.n_shards", network.n_shards.into(), nodes.max(4), EncodingConfig::MAX_SHARDS.into()),
        ("index.max_open_files", index.max_open_files.into(), 16, u16::MAX.into()),
    ] {
        if !(minimum..=maximum).contains(&found) {
            problems.push(Problem::OutOfRange { key, found, minimum, maximum });
        }
    }
}

fn check_durations(config: &Config, problems: &mut Vec<Problem>) {
    let Config { limits, shipping, network, .. } = config;
    for (key, duration) in [
        ("limits.header_read_timeout", limits.header_read_timeout),
        ("limits.tls_handshake_timeout", limits.tls_handshake_timeout),
        ("limits.body_idle_timeout", limits.body_idle_timeout),
        ("limits.response_stall_timeout", limits.response_stall_timeout),
        ("shipping.certify_timeout", shipping.certify_timeout),
        ("shipping.keeping_interval", shipping.keeping_interval),
        ("network.epoch_duration", network.epoch_duration),
    ] {
        if duration == Duration::ZERO {
            problems.push(Problem::ZeroDuration { key });
        }
    }
}

/// That a full blob can be staged, encoded, registered and renewed.
fn check_blobs(config: &Config, problems: &mut Vec<Problem>) {
    let Config { staging, shipping, encoder, network, .. } = config;
    if shipping.renew_before_epochs >= shipping.epochs_ahead {
        problems.push(Problem::RenewalBeforeStart {
            found: shipping.renew_before_epochs,
            epochs_ahead: shipping.epochs_ahead,
        });
    }
    let needed = staging.segment_bytes.saturating_add(shipping.blob_bytes_max);
    if staging.max_bytes < needed {
        problems.push(Problem::StagingTooSmall { found: staging.max_bytes, needed });
    }
    // Too few or too many shards was told already.
    let Ok(encoding) = EncodingConfig::new(network.n_shards) else { return };
    match encoding.encode_memory_bytes(shipping.blob_bytes_max, encoder.threads().get()) {
        Ok(needed) if encoder.memory_bytes < needed => {
            problems.push(Problem::EncoderMemoryTooSmall { found: encoder.memory_bytes, needed });
        }
        Ok(_) => {}
        Err(_) => problems.push(Problem::BlobTooLarge {
            found: shipping.blob_bytes_max,
            maximum: encoding.max_blob_bytes(),
        }),
    }
}

fn check_node_dirs(config: &Config, problems: &mut Vec<Problem>) {
    let node_dirs = &config.network.node_dirs;
    let nodes = config.network.nodes.get();
    if !node_dirs.is_empty() && node_dirs.len() != usize::from(nodes) {
        problems.push(Problem::NodeDirCount { found: node_dirs.len(), nodes });
    }
    for (position, path) in node_dirs.iter().enumerate() {
        if node_dirs[..position].contains(path) {
            problems.push(Problem::NodeDirTwice { path: path.clone() });
        }
    }
}
