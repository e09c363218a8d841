//! Where slivers come from: their own node, the symbols other nodes hold of them, or any sufficient set.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::future::{self, Either, FutureExt};
use futures::stream::{self, StreamExt};
use haulout_encoder::{
    Axis, BlobId, PoolError, Sliver, SliverIndex, SliverPairIndex, VerifiedMetadata, recover_sliver_unproven,
};
use metrics::counter;
use tracing::debug;

use super::{Damage, DamagedPart, NetworkClient, ReadError, Verification};
use crate::committee::{Committee, Member};
use crate::node::{NodeError, SourceSymbol, StorageNode};

/// Nodes asked for symbols of one sliver at once. Each answer is small.
const SYMBOL_READS_MAX: usize = 16;

impl NetworkClient {
    /// A row from its node; from the others as well if the node takes long; from the others if it has none.
    pub(super) async fn row_from_nodes(
        &self,
        committee: &Committee,
        metadata: &VerifiedMetadata,
        pair: SliverPairIndex,
        verification: Verification,
    ) -> Result<Option<Sliver>, ReadError> {
        let index = Axis::Primary.sliver_index(pair, metadata.config().n_shards());
        let fetched = self.sliver(committee, metadata, pair, Axis::Primary).boxed();
        let patience = Box::pin(tokio::time::sleep(self.0.config.hedge_after));
        // Only the node is raced: time spent on our own verification says nothing of it.
        let slow = match future::select(fetched, patience).await {
            Either::Left((row, _)) => {
                return match self.accepted_row(committee, metadata, pair, row, verification).await? {
                    Some(row) => Ok(Some(row)),
                    None => self.recovered_row(committee, metadata, index).await,
                };
            }
            Either::Right(((), slow)) => slow,
        };
        debug!(blob_id = %metadata.blob_id(), pair = pair.0, "node is slow, recovering its sliver meanwhile");
        let late = async {
            let row = slow.await;
            self.accepted_row(committee, metadata, pair, row, verification).await
        };
        let recovered = self.recovered_row(committee, metadata, index).boxed();
        match future::select(late.boxed(), recovered).await {
            Either::Left((Ok(None), other)) | Either::Right((Ok(None), other)) => other.await,
            Either::Left((row, _)) | Either::Right((row, _)) => row,
        }
    }

    /// The row that a node answered with, if it is as right as the caller needs it.
    async fn accepted_row(
        &self,
        committee: &Committee,
        metadata: &VerifiedMetadata,
        pair: SliverPairIndex,
        row: Option<Sliver>,
        verification: Verification,
    ) -> Result<Option<Sliver>, ReadError> {
        let Some(row) = row else { return Ok(None) };
        match verification {
            Verification::ByCaller => Ok(Some(self.keep(metadata, row, false))),
            Verification::BySlivers => {
                let verified = self.verified(committee, metadata, pair, row).await?;
                Ok(verified.map(|row| self.keep(metadata, row, true)))
            }
        }
    }

    /// The sliver if it is right; otherwise its node is reported.
    async fn verified(
        &self,
        committee: &Committee,
        metadata: &VerifiedMetadata,
        pair: SliverPairIndex,
        sliver: Sliver,
    ) -> Result<Option<Sliver>, ReadError> {
        if self.is_genuine(metadata, pair, &sliver).await? {
            return Ok(Some(sliver));
        }
        let node_id = self.owner(committee, metadata.blob_id(), pair).node_id;
        self.report_damaged_sliver(node_id, *metadata.blob_id(), pair, sliver.axis);
        Ok(None)
    }

    async fn verified_sliver(
        &self,
        committee: &Committee,
        metadata: &VerifiedMetadata,
        pair: SliverPairIndex,
        axis: Axis,
    ) -> Result<Option<Sliver>, ReadError> {
        match self.sliver(committee, metadata, pair, axis).await {
            Some(sliver) => self.verified(committee, metadata, pair, sliver).await,
            None => Ok(None),
        }
    }

    /// A sliver from its node, of the right size but not verified. Reports a node that serves but lacks it.
    async fn sliver(
        &self,
        committee: &Committee,
        metadata: &VerifiedMetadata,
        pair: SliverPairIndex,
        axis: Axis,
    ) -> Option<Sliver> {
        let blob_id = *metadata.blob_id();
        let owner = self.owner(committee, &blob_id, pair);
        match self.sliver_from(owner, metadata, pair, axis).await {
            Ok(sliver) => Some(sliver),
            Err(error) => {
                debug!(node_id = %owner.node_id, %blob_id, pair = pair.0, ?axis, %error, "sliver read failed");
                if matches!(
                    error,
                    NodeError::SliverNotFound | NodeError::MetadataNotFound | NodeError::Damaged
                ) {
                    let part = DamagedPart::Sliver { pair, axis };
                    self.report(Damage { node_id: owner.node_id, blob_id, part });
                }
                None
            }
        }
    }

    async fn sliver_from(
        &self,
        owner: &Member,
        metadata: &VerifiedMetadata,
        pair: SliverPairIndex,
        axis: Axis,
    ) -> Result<Sliver, NodeError> {
        let node = self.0.nodes.get(&owner.node_id).ok_or(NodeError::Down)?;
        let _permit = self.0.node_reads.acquire().await.expect("never closed");
        let sliver = node.sliver(*metadata.blob_id(), pair, axis);
        let sliver = self.in_time(sliver).await.ok_or(NodeError::TimedOut)??;
        let fits = sliver.axis == axis
            && sliver.index == axis.sliver_index(pair, metadata.config().n_shards())
            && sliver.symbol_size == metadata.symbol_size_bytes()
            && sliver.data.len() == metadata.sliver_bytes(axis);
        if fits { Ok(sliver) } else { Err(NodeError::Damaged) }
    }

    /// A row recovered from one symbol of each of the other nodes' slivers, at the traffic of one sliver. `None` if
    /// too few are there, or one of them is wrong.
    pub(super) async fn recovered_row(
        &self,
        committee: &Committee,
        metadata: &VerifiedMetadata,
        target: SliverIndex,
    ) -> Result<Option<Sliver>, ReadError> {
        let symbols = self.symbols(committee, metadata, target).await;
        let (config, own_metadata) = (self.0.encoding, metadata.clone());
        let sliver_bytes = u64::try_from(metadata.sliver_bytes(Axis::Primary)).unwrap_or(u64::MAX);
        let recovered = self.0.cpu.run(3 * sliver_bytes, move || {
            recover_sliver_unproven(config, &own_metadata, Axis::Primary, target, symbols)
        });
        match recovered.await? {
            Ok(sliver) => {
                counter!(crate::metrics::RECOVERED_SLIVERS).increment(1);
                Ok(Some(self.keep(metadata, sliver, true)))
            }
            Err(error) => {
                debug!(blob_id = %metadata.blob_id(), target = target.0, %error, "sliver cannot be recovered alone");
                Ok(None)
            }
        }
    }

    /// As many symbols of a row as its recovery needs, from the nodes that answer first.
    async fn symbols(
        &self,
        committee: &Committee,
        metadata: &VerifiedMetadata,
        target: SliverIndex,
    ) -> BTreeMap<SliverIndex, Bytes> {
        let needed = usize::from(self.0.encoding.n_columns());
        let members = committee.members().map(|(_, member)| member);
        let requests: Vec<_> =
            members.map(|member| self.symbols_from(member, metadata.blob_id(), target)).collect();
        let mut answers = stream::iter(requests).buffer_unordered(SYMBOL_READS_MAX);
        let mut symbols = BTreeMap::new();
        while symbols.len() < needed
            && let Some(answer) = answers.next().await
        {
            let expected = usize::from(metadata.symbol_size_bytes());
            let usable = answer.into_iter().flatten().filter(|symbol| symbol.data.len() == expected);
            symbols.extend(usable.map(|symbol| (symbol.source, symbol.data)));
        }
        symbols
    }

    async fn symbols_from(
        &self,
        member: &Member,
        blob_id: &BlobId,
        target: SliverIndex,
    ) -> Result<Vec<SourceSymbol>, NodeError> {
        let node = self.0.nodes.get(&member.node_id).ok_or(NodeError::Down)?;
        let _permit = self.0.node_reads.acquire().await.expect("never closed");
        let symbols = node.source_symbols(*blob_id, Axis::Primary, target);
        self.in_time(symbols).await.ok_or(NodeError::TimedOut)?
    }

    /// [`Self::sufficient_slivers`] of the present committee.
    pub(crate) async fn verified_set(&self, metadata: &VerifiedMetadata) -> Result<Vec<Sliver>, ReadError> {
        let committee = self.committee().await?;
        self.sufficient_slivers(&committee, metadata).await
    }

    /// Whether a node answers with the right sliver.
    pub(crate) async fn is_genuine_at(
        &self,
        node: &dyn StorageNode,
        metadata: &VerifiedMetadata,
        pair: SliverPairIndex,
        axis: Axis,
    ) -> Result<bool, PoolError> {
        match self.in_time(node.sliver(*metadata.blob_id(), pair, axis)).await {
            Some(Ok(sliver)) if sliver.axis == axis => self.is_genuine(metadata, pair, &sliver).await,
            _ => Ok(false),
        }
    }

    /// Enough verified slivers of one axis to decode the blob: primary ones, of which fewer are needed, or secondary
    /// ones where too many primary slivers are wrong.
    pub(super) async fn sufficient_slivers(
        &self,
        committee: &Committee,
        metadata: &VerifiedMetadata,
    ) -> Result<Vec<Sliver>, ReadError> {
        let mut best = (0, 1);
        for (axis, needed) in
            [(Axis::Primary, self.0.encoding.n_rows()), (Axis::Secondary, self.0.encoding.n_columns())]
        {
            let needed = usize::from(needed);
            let slivers = self.verified_slivers(committee, metadata, axis, needed).await?;
            if slivers.len() >= needed {
                return Ok(slivers);
            }
            if slivers.len() * best.1 >= best.0 * needed {
                best = (slivers.len(), needed);
            }
        }
        let (received, needed) = best;
        Err(ReadError::NotEnoughSlivers { received, needed })
    }

    /// Up to `needed` verified slivers of an axis, the systematic ones first as they need no decoding.
    async fn verified_slivers(
        &self,
        committee: &Committee,
        metadata: &VerifiedMetadata,
        axis: Axis,
        needed: usize,
    ) -> Result<Vec<Sliver>, ReadError> {
        let n_shards = committee.n_shards();
        let pairs = (0..n_shards).map(|index| axis.pair_index(SliverIndex(index), n_shards));
        let requests: Vec<_> =
            pairs.map(|pair| self.verified_sliver(committee, metadata, pair, axis)).collect();
        let mut answers = stream::iter(requests).buffered(self.0.config.slivers_ahead_max);
        let mut slivers = Vec::with_capacity(needed);
        while slivers.len() < needed
            && let Some(answer) = answers.next().await
        {
            slivers.extend(answer?);
        }
        Ok(slivers)
    }

    /// The node on duty for a pair.
    pub(super) fn owner<'a>(
        &self,
        committee: &'a Committee,
        blob_id: &BlobId,
        pair: SliverPairIndex,
    ) -> &'a Member {
        let member = committee.owner(pair.to_shard(committee.n_shards(), blob_id));
        committee.member(member).expect("a shard's owner is a member")
    }
}
