//! Word of what nodes have lost or spoilt, for whoever can repair it.

use haulout_encoder::{Axis, BlobId, SliverPairIndex};
use metrics::counter;
use tracing::warn;

use super::NetworkClient;
use crate::committee::{Committee, MemberIndex};
use crate::ids::NodeId;

/// What a node lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DamagedPart {
    /// One sliver.
    Sliver {
        /// Its pair.
        pair: SliverPairIndex,
        /// Which of the pair.
        axis: Axis,
    },
    /// Everything it should have of the blob, as far as is known.
    Blob,
}

/// A node that does not hold what it should of a certified blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Damage {
    /// The node.
    pub node_id: NodeId,
    /// The blob.
    pub blob_id: BlobId,
    /// What is wrong.
    pub part: DamagedPart,
}

impl NetworkClient {
    /// Counts a sliver that is not what the blob's metadata says and asks for its repair.
    pub(super) fn report_damaged_sliver(
        &self,
        node_id: NodeId,
        blob_id: BlobId,
        pair: SliverPairIndex,
        axis: Axis,
    ) {
        counter!(crate::metrics::DAMAGED_SLIVERS).increment(1);
        warn!(%node_id, %blob_id, pair = pair.0, ?axis, "node answered with a damaged sliver");
        self.report(Damage { node_id, blob_id, part: DamagedPart::Sliver { pair, axis } });
    }

    /// Asks to repair all that these members have of a blob, its metadata being wrong or missing.
    pub(super) fn report_blob(
        &self,
        committee: &Committee,
        members: impl Iterator<Item = MemberIndex>,
        blob_id: &BlobId,
    ) {
        for details in members.filter_map(|member| committee.member(member)) {
            self.report(Damage { node_id: details.node_id, blob_id: *blob_id, part: DamagedPart::Blob });
        }
    }

    /// Asks for repair, if anybody listens. Never waits: a full queue means that repair is busy, and the damage will
    /// be found again.
    pub(super) fn report(&self, damage: Damage) {
        if let Some(repair) = &self.0.damage
            && repair.try_send(damage).is_err()
        {
            counter!(crate::metrics::REPAIRS_DEFERRED).increment(1);
        }
    }
}
