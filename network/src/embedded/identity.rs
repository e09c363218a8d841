//! Who the nodes of an embedded network are: their IDs and signing keys, kept apart from their directories.
//!
//! A node whose disk was lost comes back under the same identity, and a disk that is taken away takes no key with it.

use std::fs;
use std::io;
use std::path::Path;

use haulout_encoder::ShardIndex;
use rand::RngCore;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::OpenError;
use super::directory::{sync_directory, write_durably};
use crate::bls::SecretKey;
use crate::committee::Member;
use crate::ids::NodeId;

const FILE: &str = "nodes.json";
/// The same content while the node directories are being created for the first time.
const UNFINISHED_FILE: &str = "nodes.json.new";
const FORMAT_VERSION: u32 = 1;

/// A node's ID and key.
pub(super) struct Identity {
    pub(super) node_id: NodeId,
    pub(super) key: SecretKey,
}

/// The nodes of a network, in committee order.
pub(super) struct Identities {
    pub(super) nodes: Vec<Identity>,
    n_shards: u16,
}

/// The network's state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidIdentities {
    /// Not JSON of the expected shape.
    #[error("not a file of node identities")]
    Json(#[from] serde_json::Error),
    /// A newer version of this software wrote it.
    #[error("format version {found} is unknown, this software knows {FORMAT_VERSION}")]
    UnknownFormat {
        /// The version found.
        found: u32,
    },
    /// An ID or key is not what it should be.
    #[error("identity of node {position} is damaged")]
    Damaged {
        /// Position of the node.
        position: usize,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentitiesRecord {
    format_version: u32,
    n_shards: u16,
    nodes: Vec<IdentityRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityRecord {
    node_id: String,
    secret_key: String,
}

impl Drop for IdentityRecord {
    fn drop(&mut self) {
        self.secret_key.zeroize();
    }
}

/// How far a network has come.
pub(super) enum Loaded {
    /// It was created before; a directory that is missing now is lost.
    Complete(Identities),
    /// It is being created; missing directories are to be created.
    Unfinished(Identities),
}

impl Identities {
    /// Reads the identities of a network, or invents them for a new one.
    pub(super) fn load_or_create(
        state_dir: &Path,
        n_shards: u16,
        n_nodes: usize,
    ) -> Result<Loaded, OpenError> {
        if let Some(identities) = Self::load(&state_dir.join(FILE))? {
            return Ok(Loaded::Complete(identities.expect_shape(n_shards, n_nodes)?));
        }
        // Directories are marked only after this file is durable; so whoever finds it damaged may start over.
        if let Ok(Some(identities)) = Self::load(&state_dir.join(UNFINISHED_FILE)) {
            return Ok(Loaded::Unfinished(identities.expect_shape(n_shards, n_nodes)?));
        }
        let identities = Self::invent(n_shards, n_nodes);
        identities.store(state_dir)?;
        Ok(Loaded::Unfinished(identities))
    }

    /// Notes that all directories have been created.
    pub(super) fn complete(state_dir: &Path) -> io::Result<()> {
        fs::rename(state_dir.join(UNFINISHED_FILE), state_dir.join(FILE))?;
        sync_directory(state_dir)
    }

    /// The nodes as members of a committee, shards dealt out in runs as equal as can be.
    pub(super) fn members(&self) -> Vec<Member> {
        let shard_count = usize::from(self.n_shards);
        let boundary = |position: usize| {
            let shard = position * shard_count / self.nodes.len();
            u16::try_from(shard).expect("at most n_shards, a u16")
        };
        let member = |(position, identity): (usize, &Identity)| Member {
            node_id: identity.node_id,
            public_key: identity.key.public_key(),
            shards: (boundary(position)..boundary(position + 1)).map(ShardIndex).collect(),
        };
        self.nodes.iter().enumerate().map(member).collect()
    }

    fn invent(n_shards: u16, n_nodes: usize) -> Self {
        let mut rng = rand::rng();
        let mut identity = || {
            let mut node_id = [0; 32];
            rng.fill_bytes(&mut node_id);
            Identity { node_id: NodeId(node_id), key: SecretKey::generate(&mut rng) }
        };
        Self { nodes: (0..n_nodes).map(|_| identity()).collect(), n_shards }
    }

    fn expect_shape(self, n_shards: u16, n_nodes: usize) -> Result<Self, OpenError> {
        if (self.n_shards, self.nodes.len()) == (n_shards, n_nodes) {
            return Ok(self);
        }
        Err(OpenError::ShapeChanged {
            stored_shards: self.n_shards,
            stored_nodes: self.nodes.len(),
            configured_shards: n_shards,
            configured_nodes: n_nodes,
        })
    }

    fn load(path: &Path) -> Result<Option<Self>, OpenError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => zeroize::Zeroizing::new(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(OpenError::StateDirectory { path: path.into(), source }),
        };
        Self::parse(&bytes).map(Some).map_err(|source| OpenError::Identities { path: path.into(), source })
    }

    fn parse(bytes: &[u8]) -> Result<Self, InvalidIdentities> {
        let record: IdentitiesRecord = serde_json::from_slice(bytes)?;
        if record.format_version != FORMAT_VERSION {
            return Err(InvalidIdentities::UnknownFormat { found: record.format_version });
        }
        let nodes = record.nodes.iter().enumerate();
        let nodes = nodes
            .map(|(position, node)| parse_node(node).ok_or(InvalidIdentities::Damaged { position }))
            .collect::<Result<_, _>>()?;
        Ok(Self { nodes, n_shards: record.n_shards })
    }

    fn store(&self, state_dir: &Path) -> Result<(), OpenError> {
        let node = |identity: &Identity| IdentityRecord {
            node_id: hex::encode(identity.node_id.0),
            secret_key: hex::encode(*identity.key.to_bytes()),
        };
        let nodes = self.nodes.iter().map(node).collect();
        let record = IdentitiesRecord { format_version: FORMAT_VERSION, n_shards: self.n_shards, nodes };
        let bytes = serde_json::to_vec_pretty(&record).expect("a struct of plain fields has a JSON form");
        let bytes = zeroize::Zeroizing::new(bytes);
        write_durably(state_dir, UNFINISHED_FILE, &bytes)
            .map_err(|source| OpenError::StateDirectory { path: state_dir.into(), source })
    }
}

fn parse_node(record: &IdentityRecord) -> Option<Identity> {
    let (mut node_id, mut key) = ([0; 32], zeroize::Zeroizing::new([0; 32]));
    hex::decode_to_slice(&record.node_id, &mut node_id).ok()?;
    hex::decode_to_slice(&record.secret_key, &mut *key).ok()?;
    Some(Identity { node_id: NodeId(node_id), key: SecretKey::from_bytes(&key).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_dealt_out_in_full() {
        for (n_shards, n_nodes) in [(100, 10), (7, 3), (1000, 150), (4, 4), (5, 1)] {
            let members = Identities::invent(n_shards, n_nodes).members();
            let shards: Vec<_> = members.iter().flat_map(|member| member.shards.clone()).collect();
            assert_eq!(shards, (0..n_shards).map(ShardIndex).collect::<Vec<_>>());
            let sizes = members.iter().map(|member| member.shards.len());
            assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1);
        }
    }

    #[test]
    fn identities_survive_their_file_and_damage_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let invented = Identities::invent(10, 2);
        invented.store(directory.path()).unwrap();
        let path = directory.path().join(UNFINISHED_FILE);
        let bytes = fs::read(&path).unwrap();
        let loaded = Identities::parse(&bytes).unwrap();
        let ids =
            |identities: &Identities| identities.nodes.iter().map(|node| node.node_id).collect::<Vec<_>>();
        assert_eq!(ids(&loaded), ids(&invented));
        assert_eq!(loaded.nodes[1].key.to_bytes(), invented.nodes[1].key.to_bytes());
        for length in 0..bytes.len() {
            assert!(Identities::parse(&bytes[..length]).is_err(), "cut off after {length} bytes");
        }
        let zero_key = String::from_utf8(bytes)
            .unwrap()
            .replace(&hex::encode(*invented.nodes[0].key.to_bytes()), &hex::encode([0; 32]));
        let damaged = Identities::parse(zero_key.as_bytes()).map(|_| ());
        assert!(matches!(damaged, Err(InvalidIdentities::Damaged { position: 0 })));
    }

    #[cfg(unix)]
    #[test]
    fn keys_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        Identities::invent(4, 1).store(directory.path()).unwrap();
        let metadata = fs::metadata(directory.path().join(UNFINISHED_FILE)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
}
