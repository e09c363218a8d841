//! Everything behind the S3 service: opened in order, closed in reverse.

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use haulout_encoder::{CpuPool, EncoderConfig, EncoderService, StartPoolError};
use haulout_index::{Index, IndexError};
use haulout_network::{EmbeddedConfig, EmbeddedNetwork, NetworkClient, SystemClock};
use tokio::task::JoinError;

use crate::config::{Config, NetworkKind, NetworkSettings};
use crate::first_start::{DataDir, DataDirError, MasterKey};
use crate::http::readiness::NotReady;
use crate::objects::{ObjectLimits, ObjectStore, Readers};
use crate::shipping::{Shipping, ShippingLimits, extent_bytes_max};
use crate::staging::{StagingArea, StagingLimits, StagingOpenError};

/// Why the gateway could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenGatewayError {
    /// A directory in the data directory.
    #[error(transparent)]
    Directory(#[from] DataDirError),
    /// The index.
    #[error("cannot open the index in {}", path.display())]
    Index {
        /// Its directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: haulout_index::OpenError,
    },
    /// The index was opened, but not read.
    #[error("cannot read from the index what is staged")]
    Staged(#[from] IndexError),
    /// The staging area.
    #[error(transparent)]
    Staging(#[from] StagingOpenError),
    /// The encoder's threads.
    #[error("cannot start the encoder")]
    Encoder(#[from] StartPoolError),
    /// The storage network.
    #[error("cannot open the storage network")]
    Network(#[from] haulout_network::OpenError),
    /// The runtime is going down.
    #[error("stopped while opening")]
    Stopped(#[from] JoinError),
}

/// The object layer and what it stands on.
pub(super) struct Gateway {
    store: ObjectStore,
    staging: StagingArea,
    shipping: Shipping,
    network: EmbeddedNetwork,
}

impl Gateway {
    /// Opens all parts, and takes up what an earlier run left unfinished. A new `data_dir` is filled.
    pub(super) async fn open(
        config: &Config,
        data_dir: &DataDir,
        master_key: MasterKey,
    ) -> Result<Self, OpenGatewayError> {
        let path = data_dir.index_dir();
        data_dir.create_private(&path)?;
        let index = Index::open(&path, config.index.clone())
            .await
            .map_err(|source| OpenGatewayError::Index { path, source })?;
        let cpu = CpuPool::new(&encoder_config(config))?;
        let network = open_network(&config.network, data_dir, cpu.clone()).await?;
        let staging = open_staging(config, data_dir, &index).await?;
        let readers = Readers::default();
        let (handle, shipping) = Shipping::start(
            index.clone(),
            staging.clone(),
            network.client(),
            EncoderService::new(cpu),
            readers.clone(),
            shipping_limits(config),
        );
        let store = ObjectStore::new(
            index,
            staging.clone(),
            network.client(),
            handle,
            master_key,
            readers,
            object_limits(config),
        );
        Ok(Self { store, staging, shipping, network })
    }

    /// The object layer.
    pub(super) fn store(&self) -> ObjectStore {
        self.store.clone()
    }

    /// What decides whether requests are welcome.
    pub(super) fn probe(
        &self,
    ) -> impl Fn() -> BoxFuture<'static, Result<(), NotReady>> + Send + Sync + 'static {
        let (network, staging) = (self.network.client(), self.staging.clone());
        move || Box::pin(readiness(network.clone(), staging.clone()))
    }

    /// Stops the background work between two steps and closes all parts. To be called when no request is in
    /// flight.
    pub(super) async fn close(self) {
        self.shipping.shutdown().await;
        self.network.shutdown().await;
    }
}

/// A network that can be read but not written to is no reason to send clients away: writes are staged, until
/// staging is full.
async fn readiness(network: NetworkClient, staging: StagingArea) -> Result<(), NotReady> {
    let (used, max) = staging.usage();
    if used >= max {
        return Err(NotReady::StagingFull);
    }
    let health = network.health().await.map_err(|_| NotReady::NetworkUnknown)?;
    if health.can_read() {
        Ok(())
    } else {
        Err(NotReady::NetworkDown { nodes_up: health.nodes_up(), nodes: health.nodes.len() })
    }
}

async fn open_network(
    settings: &NetworkSettings,
    data_dir: &DataDir,
    cpu: CpuPool,
) -> Result<EmbeddedNetwork, haulout_network::OpenError> {
    match settings.kind {
        NetworkKind::Embedded => {
            EmbeddedNetwork::open(embedded_config(settings, data_dir), cpu, Arc::new(SystemClock)).await
        }
    }
}

/// Reads the staging directory, which takes a while when much is staged.
async fn open_staging(
    config: &Config,
    data_dir: &DataDir,
    index: &Index,
) -> Result<StagingArea, OpenGatewayError> {
    let needed = index.staged_locations().await?;
    let limits = StagingLimits {
        max_bytes: config.staging.max_bytes,
        segment_bytes: config.staging.segment_bytes,
        group_bytes_max: config.staging.group_bytes_max,
    };
    let directory = data_dir.staging_dir();
    data_dir.create_private(&directory)?;
    let opening = tokio::task::spawn_blocking(move || StagingArea::open(&directory, &limits, &needed));
    Ok(opening.await??)
}

fn encoder_config(config: &Config) -> EncoderConfig {
    EncoderConfig { threads: config.encoder.threads(), memory_bytes: config.encoder.memory_bytes }
}

fn embedded_config(settings: &NetworkSettings, data_dir: &DataDir) -> EmbeddedConfig {
    let mut config = EmbeddedConfig::new(data_dir.path());
    config.node_dirs = if settings.node_dirs.is_empty() {
        EmbeddedConfig::node_dirs_under(data_dir.path(), settings.nodes.get().into())
    } else {
        settings.node_dirs.clone()
    };
    config.n_shards = settings.n_shards;
    config.epoch_duration = settings.epoch_duration;
    config.client.sliver_cache_bytes = settings.sliver_cache_bytes;
    config
}

fn shipping_limits(config: &Config) -> ShippingLimits {
    let settings = &config.shipping;
    ShippingLimits {
        blob_bytes_max: settings.blob_bytes_max,
        max_wait: settings.max_wait,
        parallel_blobs: settings.parallel_blobs.get(),
        epochs_ahead: settings.epochs_ahead,
        renew_before_epochs: settings.renew_before_epochs,
        keeping_interval: settings.keeping_interval,
    }
}

fn object_limits(config: &Config) -> ObjectLimits {
    ObjectLimits {
        small_object_bytes_max: config.staging.small_object_bytes_max,
        extent_bytes_max: extent_bytes_max(config.shipping.blob_bytes_max),
        upload_memory_bytes: config.limits.upload_memory_bytes,
        certify_timeout: config.shipping.certify_timeout,
    }
}
