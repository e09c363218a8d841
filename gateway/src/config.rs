//! The settings of the whole process: what there is to set, what each setting buys and costs, and where it
//! comes from.
//!
//! Start at [`Config`]. [`load`] merges, from weakest to strongest: built-in defaults, `haulout.toml`,
//! `HAULOUT_*` environment variables (`__` enters a section: `HAULOUT_STAGING__MAX_BYTES`), command-line
//! flags. A key nobody knows is refused wherever it stands. Secrets are no settings: they come from files or
//! the environment, see [`credentials`](crate::credentials) and [`first_start`](crate::first_start), and so
//! printing a [`Config`] is always safe.
//!
//! Invariant: a [`Config`] returned by [`load`] has passed every check in `check`, so nobody has to check a
//! setting again.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use haulout_index::IndexConfig;
use serde::{Deserialize, Serialize};

mod auth;
mod check;
mod encoder;
mod encryption;
mod environment;
mod limits;
mod load;
mod log;
mod names;
mod network;
mod shipping;
mod staging;
mod tls;

pub use auth::AuthSettings;
pub use check::Problem;
pub use encoder::EncoderSettings;
pub use encryption::EncryptionSettings;
pub use environment::{Environment, NotUtf8};
pub use limits::LimitSettings;
pub use load::{ConfigError, Overrides, Unreadable, load};
pub use log::{LogFormat, LogSettings};
pub use names::{Domain, InvalidDomain, InvalidRegion, Region};
pub use network::{NetworkKind, NetworkSettings};
pub use shipping::ShippingSettings;
pub use staging::StagingSettings;
pub use tls::TlsSettings;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Every setting of `haulout serve`.
///
/// Field order is the order in `haulout.toml`: plain values first, as TOML wants them, then the sections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where everything this gateway must not lose lives: index, staging, keys, and the embedded network
    /// unless `network.node_dirs` places it elsewhere. Default `haulout-data` in the working directory, so
    /// that a first run needs no rights and leaves one folder behind; put it on the fastest durable disk
    /// there is, as every PUT waits for its fsync.
    pub data_dir: PathBuf,
    /// Where S3 clients connect. Default `127.0.0.1:9000`: reachable from this machine alone until somebody
    /// decides otherwise, as plain HTTP shows every byte to the path in between. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` answer, without authentication. Default `127.0.0.1:9001`;
    /// open it to the monitoring network only.
    pub admin_listen: SocketAddr,
    /// The AWS region this gateway claims to be. Clients sign with it and `GetBucketLocation` tells it.
    /// Default `us-east-1`, which every SDK assumes when told nothing.
    pub region: Region,
    /// Base domains for virtual-host style: with `s3.example.org` here, `photos.s3.example.org` is bucket
    /// `photos`. Path style works under any name. A domain listed here can no longer be reached as a bucket
    /// of its parent. Default `localhost`, whose sub-domains most resolvers answer with this machine.
    pub domains: Vec<Domain>,
    /// HTTPS instead of HTTP on `listen`. Absent by default: there is no certificate to invent that a client
    /// would trust.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSettings>,
    /// How much may go on at once, and how long anybody may keep us waiting.
    pub limits: LimitSettings,
    /// How strictly signatures are read.
    pub auth: AuthSettings,
    /// Where the master key comes from.
    pub encryption: EncryptionSettings,
    /// Bytes acknowledged but not yet on the network.
    pub staging: StagingSettings,
    /// How staged bytes move to the network, and how long they stay there.
    pub shipping: ShippingSettings,
    /// CPU and memory for erasure coding.
    pub encoder: EncoderSettings,
    /// The storage network.
    pub network: NetworkSettings,
    /// What the index may take; its settings are its own.
    pub index: IndexConfig,
    /// What is logged and how it looks.
    pub log: LogSettings,
}

impl Default for Config {
    fn default() -> Self {
        let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Self {
            data_dir: PathBuf::from("haulout-data"),
            listen: loopback(9000),
            admin_listen: loopback(9001),
            region: Region::default(),
            domains: vec![Domain::localhost()],
            tls: None,
            limits: LimitSettings::default(),
            auth: AuthSettings::default(),
            encryption: EncryptionSettings::default(),
            staging: StagingSettings::default(),
            shipping: ShippingSettings::default(),
            encoder: EncoderSettings::default(),
            network: NetworkSettings::default(),
            index: IndexConfig::default(),
            log: LogSettings::default(),
        }
    }
}

#[cfg(test)]
mod tests;
