//! Blobs to the network and back, over any [`Ledger`] and any [`StorageNode`]s.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use haulout_encoder::{BlobId, CpuPool, EncodingConfig};
use tokio::sync::{Mutex, MutexGuard, Semaphore, mpsc};
use tokio_util::task::TaskTracker;

mod cache;
mod damage;
mod read;
mod rows;
mod store;

use cache::SliverCache;
pub use damage::{Damage, DamagedPart};
pub use read::{ReadError, Verification};
pub use store::{Certified, StoreError};

use crate::committee::{Committee, MemberIndex};
use crate::confirmation::Persistence;
use crate::ids::{Epoch, NodeId, ObjectId};
use crate::ledger::{BlobObject, BlobRegistration, Ledger, LedgerError};
use crate::node::{NodeCondition, StorageNode};

/// Locks that keep two registrations of one record from both paying. More of them collide less.
const REGISTRATION_LOCKS: usize = 64;

/// How the client behaves towards the nodes.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// How long one request to a node may take. Longer tolerates slow nodes, shorter finds dead ones sooner.
    /// Default: 30 s, for the largest slivers on a slow disk.
    pub node_timeout: Duration,
    /// How many nodes are written to at once, over all blobs. More is faster until disks or links are busy.
    /// Default: 40, so that four blobs go to ten nodes each.
    pub node_writes_max: usize,
    /// How many nodes are read from at once, over all blobs. Each holds up to one sliver in memory.
    /// Default: 32.
    pub node_reads_max: usize,
    /// How many slivers one read fetches ahead of what it has assembled. Default: 8.
    pub slivers_ahead_max: usize,
    /// After this long without an answer a sliver is also recovered from the other nodes, and the faster way wins.
    /// Shorter trims the slowest reads but costs traffic. Default: 500 ms.
    pub hedge_after: Duration,
    /// Once a quorum has confirmed, the other nodes get half the time it took plus this long. Longer leaves less to
    /// repair, shorter keeps memory for less long. Default: 500 ms.
    pub straggler_grace: Duration,
    /// Encoded bytes that may be kept in memory for nodes that are still being written to after their blobs are
    /// certified. Blobs that do not fit wait for their stragglers instead. Default: 32 MiB.
    pub straggler_bytes: usize,
    /// Metadata and slivers kept in memory, in bytes. More of it spares disk or network for what is read again.
    /// Default: 32 MiB.
    pub sliver_cache_bytes: usize,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            node_timeout: Duration::from_secs(30),
            node_writes_max: 40,
            node_reads_max: 32,
            slivers_ahead_max: 8,
            hedge_after: Duration::from_millis(500),
            straggler_grace: Duration::from_millis(500),
            straggler_bytes: 32 << 20,
            sliver_cache_bytes: 32 << 20,
        }
    }
}

/// A blob that has been paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisteredBlob {
    /// The blob.
    pub blob_id: BlobId,
    /// Its registration.
    pub object_id: ObjectId,
    /// The first epoch that is not paid for.
    pub end_epoch: Epoch,
}

/// Whether one node serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeHealth {
    /// Position in the committee.
    pub member: MemberIndex,
    /// The node.
    pub node_id: NodeId,
    /// Shards it is on duty for.
    pub n_shards: usize,
    /// Whether it serves.
    pub condition: NodeCondition,
}

/// What the network can do at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkHealth {
    /// All members of the committee, in its order.
    pub nodes: Vec<NodeHealth>,
    /// Shards whose nodes serve.
    pub shards_up: u16,
    /// Shards that have to serve for a blob to be certified.
    pub shards_to_write: u16,
    /// Shards that have to serve for every blob to be readable.
    pub shards_to_read: u16,
}

impl NetworkHealth {
    /// How many nodes serve.
    pub fn nodes_up(&self) -> usize {
        self.nodes.iter().filter(|node| node.condition == NodeCondition::Up).count()
    }

    /// Whether blobs can be certified.
    pub fn can_write(&self) -> bool {
        self.shards_up >= self.shards_to_write
    }

    /// Whether all certified blobs can be read.
    pub fn can_read(&self) -> bool {
        self.shards_up >= self.shards_to_read
    }
}

/// The gateway's way to the network. Cheap to clone; clones share caches and bounds.
#[derive(Clone)]
pub struct NetworkClient(Arc<Inner>);

struct Inner {
    encoding: EncodingConfig,
    ledger: Arc<dyn Ledger>,
    nodes: HashMap<NodeId, Arc<dyn StorageNode>>,
    cpu: CpuPool,
    config: ClientConfig,
    cache: SliverCache,
    damage: Option<mpsc::Sender<Damage>>,
    registrations: [Mutex<()>; REGISTRATION_LOCKS],
    node_writes: Arc<Semaphore>,
    node_reads: Semaphore,
    straggler_bytes: Arc<Semaphore>,
    stragglers: TaskTracker,
}

impl NetworkClient {
    /// A client for a network of this encoding. `cpu` does its hashing and decoding. What is found damaged on a node
    /// is told to `damage`, if somebody can repair it; what its queue cannot take is left for a later reader to find.
    pub fn new(
        encoding: EncodingConfig,
        ledger: Arc<dyn Ledger>,
        nodes: impl IntoIterator<Item = Arc<dyn StorageNode>>,
        cpu: CpuPool,
        damage: Option<mpsc::Sender<Damage>>,
        config: ClientConfig,
    ) -> Self {
        Self(Arc::new(Inner {
            encoding,
            ledger,
            nodes: nodes.into_iter().map(|node| (node.node_id(), node)).collect(),
            cpu,
            cache: SliverCache::new(config.sliver_cache_bytes),
            damage,
            registrations: std::array::from_fn(|_| Mutex::new(())),
            node_writes: Arc::new(Semaphore::new(config.node_writes_max)),
            node_reads: Semaphore::new(config.node_reads_max),
            straggler_bytes: Arc::new(Semaphore::new(config.straggler_bytes)),
            stragglers: TaskTracker::new(),
            config,
        }))
    }

    /// The parameters that blobs for this network are encoded with.
    pub fn encoding(&self) -> EncodingConfig {
        self.0.encoding
    }

    /// The chain's current epoch.
    ///
    /// # Errors
    /// [`LedgerError`] if the chain cannot be asked.
    pub async fn epoch(&self) -> Result<Epoch, LedgerError> {
        Ok(self.0.ledger.state().await?.committee.epoch())
    }

    /// Pays for blobs, in one transaction, answering in the order of the requests.
    ///
    /// A request whose [`key`](BlobRegistration::key) was paid for before, and whose object is still alive, gets that
    /// object again and costs nothing: after a lost answer, just repeat. Its end may then be sooner than asked for.
    ///
    /// # Errors
    /// [`LedgerError`]; nothing or everything is paid for. When it [is transient](LedgerError::is_transient),
    /// repeat with the same keys.
    pub async fn register(
        &self,
        registrations: Vec<BlobRegistration>,
    ) -> Result<Vec<RegisteredBlob>, LedgerError> {
        let _locks = self.lock_registrations(&registrations).await;
        let epoch = self.epoch().await?;
        let mut objects = Vec::with_capacity(registrations.len());
        for registration in &registrations {
            objects.push(self.registered_before(registration, epoch).await?);
        }
        let unpaid: Vec<_> = registrations
            .into_iter()
            .zip(&objects)
            .filter_map(|(registration, found)| found.is_none().then_some(registration))
            .collect();
        let paid = if unpaid.is_empty() { Vec::new() } else { self.0.ledger.register(unpaid).await? };
        let mut paid = paid.into_iter();
        let objects = objects.into_iter().filter_map(|found| found.or_else(|| paid.next()));
        Ok(objects.map(|object| registered(&object)).collect())
    }

    /// Pays for `epochs` more epochs at the end of a certified blob's span. Not idempotent: after a lost answer, look
    /// at [`Self::object`] first.
    ///
    /// # Errors
    /// [`LedgerError`], as the ledger says.
    pub async fn extend(&self, object_id: ObjectId, epochs: u32) -> Result<RegisteredBlob, LedgerError> {
        Ok(registered(&self.0.ledger.extend(object_id, epochs).await?))
    }

    /// Gives a blob's registration up. The nodes drop its data once no other live registration needs it. Idempotent:
    /// an object that is gone or expired counts as deleted.
    ///
    /// # Errors
    /// [`LedgerError`], as the ledger says.
    pub async fn delete(&self, object_id: ObjectId) -> Result<(), LedgerError> {
        let object = self.0.ledger.object(object_id).await?;
        if let Some(object) = &object {
            self.0.cache.forget(&object.blob_id);
        }
        match self.0.ledger.delete(object_id).await {
            Ok(_) | Err(LedgerError::ObjectNotFound { .. } | LedgerError::Expired { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A registration as the chain has it, if it does.
    ///
    /// # Errors
    /// [`LedgerError`] if the chain cannot be asked.
    pub async fn object(&self, object_id: ObjectId) -> Result<Option<BlobObject>, LedgerError> {
        self.0.ledger.object(object_id).await
    }

    /// Asks every node how it is.
    ///
    /// # Errors
    /// [`LedgerError`] if the chain cannot be asked for the committee.
    pub async fn health(&self) -> Result<NetworkHealth, LedgerError> {
        let committee = self.committee().await?;
        let nodes = join_all(committee.members().map(|(member, details)| async move {
            let condition = match self.0.nodes.get(&details.node_id) {
                Some(node) => self.in_time(node.condition()).await.unwrap_or(NodeCondition::Down),
                None => NodeCondition::Down,
            };
            NodeHealth { member, node_id: details.node_id, n_shards: details.shards.len(), condition }
        }))
        .await;
        let up = nodes.iter().filter(|node| node.condition == NodeCondition::Up).map(|node| node.member);
        Ok(NetworkHealth {
            shards_up: committee.weight(up),
            shards_to_write: committee.quorum(),
            shards_to_read: self.0.encoding.n_rows(),
            nodes,
        })
    }

    /// Waits until no node is being written to in the background. Each has a bounded time, so this ends.
    pub async fn drain(&self) {
        self.0.stragglers.close();
        self.0.stragglers.wait().await;
        self.0.stragglers.reopen();
    }

    /// Drops what is cached of a blob that may be gone.
    pub(crate) fn forget(&self, blob_id: &BlobId) {
        self.0.cache.forget(blob_id);
    }

    async fn committee(&self) -> Result<Arc<Committee>, LedgerError> {
        Ok(self.0.ledger.state().await?.committee)
    }

    /// The request's answer, unless it takes longer than a node may.
    async fn in_time<T>(&self, request: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(self.0.config.node_timeout, request).await.ok()
    }

    /// Locks in ascending order, so that two batches never wait for each other.
    async fn lock_registrations(&self, registrations: &[BlobRegistration]) -> Vec<MutexGuard<'_, ()>> {
        let mut locks: Vec<usize> = registrations.iter().map(registration_lock).collect();
        locks.sort_unstable();
        locks.dedup();
        let mut guards = Vec::with_capacity(locks.len());
        for lock in locks {
            guards.push(self.0.registrations[lock].lock().await);
        }
        guards
    }

    async fn registered_before(
        &self,
        registration: &BlobRegistration,
        epoch: Epoch,
    ) -> Result<Option<BlobObject>, LedgerError> {
        let objects = self.0.ledger.own_objects(registration.metadata.blob_id()).await?;
        let ours = |object: &BlobObject| object.key == Some(registration.key) && object.is_live(epoch);
        Ok(objects.into_iter().filter(ours).max_by_key(|object| object.certified_epoch.is_some()))
    }
}

fn registered(object: &BlobObject) -> RegisteredBlob {
    RegisteredBlob {
        blob_id: object.blob_id,
        object_id: object.object_id,
        end_epoch: object.storage.end_epoch,
    }
}

fn registration_lock(registration: &BlobRegistration) -> usize {
    let mut hasher = DefaultHasher::new();
    registration.key.hash(&mut hasher);
    let locks = u64::try_from(REGISTRATION_LOCKS).expect("a small constant");
    usize::try_from(hasher.finish() % locks).expect("below a small constant")
}

impl RegisteredBlob {
    /// What the nodes have to confirm. Haulout registers deletable blobs only.
    fn persistence(&self) -> Persistence {
        Persistence::Deletable(self.object_id)
    }
}
