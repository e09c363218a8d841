//! A whole storage network in this process: nodes on local directories, and a local ledger.
//!
//! It is an honest network: the same slivers, blob IDs, confirmations and certificates as Walrus, so it survives the
//! loss of any third of its shards for writing and of almost two thirds for reading. What it cannot survive is the
//! loss of the ledger and the node keys in its state directory, which belong on a good disk.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use haulout_encoder::{CpuPool, EncodingConfig, InvalidShardCount};
use rand::RngCore;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

mod blob_file;
mod directory;
mod identity;
mod node;
mod repair;
mod upkeep;

pub use identity::InvalidIdentities;

use crate::client::{ClientConfig, NetworkClient};
use crate::clock::Clock;
use crate::committee::Committee;
use crate::ids::Epoch;
use crate::ledger::{Ledger, Prices};
use crate::local_ledger::{LocalLedger, LocalLedgerConfig, OpenLedgerError};
use crate::node::StorageNode;
use directory::{Found, NodeDirectory};
use identity::{Identities, Loaded};
use node::EmbeddedNode;
use repair::{REPORTS_MAX, Repair};
use upkeep::{Sweeper, Watched};

/// How an embedded network is set up.
#[derive(Clone, Debug)]
pub struct EmbeddedConfig {
    /// Where ledger and node keys are kept. Lose it and all blobs are lost.
    pub state_dir: PathBuf,
    /// One directory for each node. On disks of their own they survive the loss of disks. Fixed in number and order.
    pub node_dirs: Vec<PathBuf>,
    /// Shards that the nodes share. More tolerate finer losses, but each blob costs more files and hashing. Fixed.
    pub n_shards: u16,
    /// Length of an epoch, in which leases are counted. Fixed.
    pub epoch_duration: Duration,
    /// How many epochs ahead a blob can be paid for.
    pub max_epochs_ahead: u32,
    /// What storage costs, in play money: it is accounted for, but nobody is paid.
    pub prices: Prices,
    /// FROST to begin with.
    pub initial_balance: u128,
    /// How often to look whether node directories are still there. A directory that comes back serves after this long
    /// at the latest; one that goes is noticed by the first request anyway.
    pub watch_interval: Duration,
    /// How often to remove what was deleted or has expired.
    pub sweep_interval: Duration,
    /// How long to rest between two blobs of one node whose slivers are checked at rest, so that damage is found
    /// before too much of it has gathered. Shorter finds it sooner and costs more disk and processor time; a node with
    /// a million blobs is through after 12 days of one second each.
    pub scrub_pause: Duration,
    /// How the client behaves towards the nodes.
    pub client: ClientConfig,
}

impl EmbeddedConfig {
    /// Nodes unless told otherwise: any three may be lost.
    pub const DEFAULT_NODES: usize = 10;

    /// A network of ten nodes under `data_dir`, with 100 shards and epochs of 14 days, like Walrus's Mainnet.
    pub fn new(data_dir: &Path) -> Self {
        Self {
            state_dir: data_dir.join("network"),
            node_dirs: Self::node_dirs_under(data_dir, Self::DEFAULT_NODES),
            n_shards: 100,
            epoch_duration: Duration::from_secs(14 * 24 * 60 * 60),
            max_epochs_ahead: 53,
            prices: Prices { storage_per_unit: 10_000, write_per_unit: 20_000 },
            initial_balance: 1_000_000_000_000_000_000_000,
            watch_interval: Duration::from_secs(1),
            sweep_interval: Duration::from_secs(10),
            scrub_pause: Duration::from_secs(1),
            client: ClientConfig::default(),
        }
    }

    /// `count` directories `nodes/node-00`, `nodes/node-01`, … under `data_dir`.
    pub fn node_dirs_under(data_dir: &Path, count: usize) -> Vec<PathBuf> {
        (0..count).map(|number| data_dir.join("nodes").join(format!("node-{number:02}"))).collect()
    }
}

/// An embedded network cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No network has this many shards.
    #[error("number of shards is not possible")]
    Shards(#[from] InvalidShardCount),
    /// No nodes, or more of them than shards.
    #[error("{nodes} nodes cannot share {n_shards} shards")]
    Nodes {
        /// Configured directories.
        nodes: usize,
        /// Configured shards.
        n_shards: u16,
    },
    /// The number of shards or nodes is fixed when the network is created.
    #[error(
        "network has {stored_shards} shards on {stored_nodes} nodes, configured are {configured_shards} on \
         {configured_nodes}"
    )]
    ShapeChanged {
        /// Shards of the network.
        stored_shards: u16,
        /// Nodes of the network.
        stored_nodes: usize,
        /// Shards configured.
        configured_shards: u16,
        /// Nodes configured.
        configured_nodes: usize,
    },
    /// The state directory cannot be created, read or written.
    #[error("network state in {path} cannot be used")]
    StateDirectory {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The nodes' identities cannot be read.
    #[error("node identities in {path} cannot be used")]
    Identities {
        /// The file.
        path: PathBuf,
        /// Why.
        source: InvalidIdentities,
    },
    /// A node directory cannot be created for a new network.
    #[error("node directory {path} cannot be created")]
    NodeDirectory {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A new network would be created over files of somebody else, perhaps of a network whose state was lost.
    #[error("node directory {path} is not empty, but the network is new")]
    ForeignNodeDirectory {
        /// Where.
        path: PathBuf,
    },
    /// The ledger cannot be opened.
    #[error("ledger cannot be opened")]
    Ledger(#[from] OpenLedgerError),
    /// A blocking task died.
    #[error("opening was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// A running embedded network. [`Self::shutdown`] ends it in order; dropping it stops its tasks where they are, which
/// loses nothing that was acknowledged.
pub struct EmbeddedNetwork {
    client: NetworkClient,
    nodes: Vec<EmbeddedNode>,
    ledger: Arc<LocalLedger>,
    stop: DropGuard,
    tasks: TaskTracker,
}

impl EmbeddedNetwork {
    /// Opens a network, or creates it if its state directory holds none.
    ///
    /// A new network creates all directories. Later a missing node directory means that its node is down, however
    /// many they are. Hashing and decoding run on `cpu`; epochs follow `clock`.
    ///
    /// # Errors
    /// [`OpenError`]; never for a node directory of an existing network.
    pub async fn open(
        config: EmbeddedConfig,
        cpu: CpuPool,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        crate::metrics::describe();
        let encoding = EncodingConfig::new(config.n_shards)?;
        if config.node_dirs.is_empty() || config.node_dirs.len() > usize::from(config.n_shards) {
            return Err(OpenError::Nodes { nodes: config.node_dirs.len(), n_shards: config.n_shards });
        }
        let parts = tokio::task::spawn_blocking({
            let (config, cpu) = (config.clone(), cpu.clone());
            move || open_parts(&config, encoding, &cpu, clock)
        });
        let (ledger, nodes) = parts.await??;
        let (damage, reports) = mpsc::channel(REPORTS_MAX);
        let client = NetworkClient::new(
            encoding,
            Arc::clone(&ledger) as Arc<dyn Ledger>,
            nodes.iter().map(|node| Arc::new(node.clone()) as Arc<dyn StorageNode>),
            cpu.clone(),
            Some(damage),
            config.client,
        );
        let network = Self {
            client: client.clone(),
            nodes: nodes.clone(),
            ledger: Arc::clone(&ledger),
            stop: CancellationToken::new().drop_guard(),
            tasks: TaskTracker::new(),
        };
        let repair = Repair::new(&nodes, client.clone(), Arc::clone(&ledger), cpu);
        let mut watched: Vec<_> = nodes.iter().cloned().map(Watched::new).collect();
        for watched in &watched {
            network.spawn(watched.keep_up(repair.clone()));
        }
        // Before anybody asks, every node knows whether it is up.
        upkeep::look_at_all(&mut watched).await;
        network.spawn(upkeep::watch(watched, config.watch_interval));
        for node in &nodes {
            network.spawn(repair.clone().scrub(node.clone(), config.scrub_pause));
        }
        network.spawn(repair.serve_reports(reports));
        network.spawn(Sweeper { nodes, ledger, client }.run(config.sweep_interval));
        Ok(network)
    }

    /// The way to store and read blobs.
    pub fn client(&self) -> NetworkClient {
        self.client.clone()
    }

    /// The nodes in committee order, for a client with bounds of its own.
    pub fn nodes(&self) -> Vec<Arc<dyn StorageNode>> {
        self.nodes.iter().map(|node| Arc::new(node.clone()) as Arc<dyn StorageNode>).collect()
    }

    /// The ledger, for what only a local one can tell.
    pub fn ledger(&self) -> Arc<LocalLedger> {
        Arc::clone(&self.ledger)
    }

    /// Waits for nodes that are being written to, a bounded time each, and stops all tasks. Whatever is left to
    /// repair or remove is found again at the next start.
    pub async fn shutdown(self) {
        self.client.drain().await;
        drop(self.stop);
        self.tasks.close();
        self.tasks.wait().await;
        // Tasks stop where they wait; what they waited for goes on, and holds files open.
        for node in &self.nodes {
            node.settle().await;
        }
        self.ledger.settle().await;
    }

    /// Runs a task until the network is shut down. All of them may end at any `.await`.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stopped = self.stop.token().clone();
        self.tasks.spawn(async move {
            stopped.run_until_cancelled(task).await;
        });
    }
}

fn open_parts(
    config: &EmbeddedConfig,
    encoding: EncodingConfig,
    cpu: &CpuPool,
    clock: Arc<dyn Clock>,
) -> Result<(Arc<LocalLedger>, Vec<EmbeddedNode>), OpenError> {
    let state_error = |source| OpenError::StateDirectory { path: config.state_dir.clone(), source };
    create_private_directory(&config.state_dir).map_err(state_error)?;
    let identities =
        match Identities::load_or_create(&config.state_dir, config.n_shards, config.node_dirs.len())? {
            Loaded::Complete(identities) => identities,
            Loaded::Unfinished(identities) => {
                create_node_directories(&config.node_dirs, &identities)?;
                Identities::complete(&config.state_dir).map_err(state_error)?;
                identities
            }
        };
    let members = identities.members();
    let committee = Committee::new(Epoch(1), config.n_shards, members.clone())
        .expect("shards were dealt out in runs without gaps");
    let ledger = LocalLedgerConfig {
        path: config.state_dir.join("ledger.redb"),
        epoch_duration: config.epoch_duration,
        max_epochs_ahead: config.max_epochs_ahead,
        prices: config.prices,
        initial_balance: config.initial_balance,
    };
    let ledger = Arc::new(LocalLedger::open(ledger, encoding, committee, clock)?);
    let run = NonZeroU64::new(rand::rng().next_u64()).unwrap_or(NonZeroU64::MIN);
    let nodes = identities.nodes.into_iter().zip(members).zip(&config.node_dirs);
    let nodes = nodes.map(|((identity, member), path)| {
        let directory = NodeDirectory::new(path.clone(), identity.node_id);
        let (ledger, cpu) = (Arc::clone(&ledger), cpu.clone());
        EmbeddedNode::new(directory, member, identity.key, encoding, ledger, cpu, run)
    });
    Ok((Arc::clone(&ledger), nodes.collect()))
}

/// Creates the directories of a new network. Interrupted, it is repeated at the next start.
fn create_node_directories(paths: &[PathBuf], identities: &Identities) -> Result<(), OpenError> {
    for (path, identity) in paths.iter().zip(&identities.nodes) {
        let failed = |source| OpenError::NodeDirectory { path: path.clone(), source };
        let directory = NodeDirectory::new(path.clone(), identity.node_id);
        create_private_directory(path).map_err(failed)?;
        match directory.inspect().map_err(failed)? {
            Found::Own => {}
            Found::Empty => directory.adopt().map_err(failed)?,
            Found::Nothing | Found::Foreign => {
                return Err(OpenError::ForeignNodeDirectory { path: path.clone() });
            }
        }
    }
    Ok(())
}

/// Keys and blobs are nobody else's business.
fn create_private_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
