//! Reading: the rows of the blob that cover a range, and the ways around those that are missing.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures::stream;
use futures::{FutureExt, StreamExt};
use haulout_encoder::{
    Axis, BlobId, DecodeError, PoolError, RangeError, Sliver, SliverPairIndex, SliverPart, VerifiedMetadata,
    decode_with, sliver_range, verify_sliver,
};
use metrics::counter;
use tracing::{debug, instrument};

use super::NetworkClient;
use super::cache::CachedRow;
use crate::committee::{Committee, Member};
use crate::ledger::LedgerError;
use crate::node::NodeError;

/// Nodes asked for metadata at once: one more than may be unlucky, few enough to spare the others.
const METADATA_READS_MAX: usize = 3;

/// Who proves that the bytes of a read are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// The caller, who has a proof of its own, such as an authentication tag over these bytes. Slivers are taken as
    /// they come. When the proof fails, read again with [`Self::BySlivers`].
    ByCaller,
    /// The client, by the hash of each sliver. A bad sliver is counted, reported for repair and replaced.
    BySlivers,
}

/// A blob, or a range of it, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A quorum of the nodes knows no live blob of this ID.
    #[error("no blob {blob_id} is stored")]
    NotFound {
        /// What was looked for.
        blob_id: BlobId,
    },
    /// The range is not within the blob.
    #[error("range is not within the blob")]
    OutOfRange(#[from] RangeError),
    /// Retry later: too few nodes answered to know the blob's metadata.
    #[error("no node that answered has the metadata of the blob")]
    MetadataUnavailable,
    /// Retry later: too few nodes answered with slivers that are right.
    #[error("{received} of the {needed} slivers needed arrived")]
    NotEnoughSlivers {
        /// Verified slivers of the axis that had more of those it needs.
        received: usize,
        /// Slivers that are needed of that axis.
        needed: usize,
    },
    /// The stored bytes are wrong in a way that no other node can make good: wake someone, do not retry.
    #[error("blob does not match its blob ID")]
    Corrupt(#[source] DecodeError),
    /// The chain cannot be asked for the committee.
    #[error("committee is unknown")]
    Ledger(#[from] LedgerError),
    /// Our own pool could not verify or decode.
    #[error("slivers could not be verified")]
    Cpu(#[from] PoolError),
}

impl ReadError {
    /// Whether reading again may succeed without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::MetadataUnavailable | Self::NotEnoughSlivers { .. } => true,
            Self::Ledger(error) => error.is_transient(),
            Self::NotFound { .. } | Self::OutOfRange(_) | Self::Corrupt(_) | Self::Cpu(_) => false,
        }
    }
}

impl NetworkClient {
    /// Reads a range of a blob's bytes, which must lie within the blob.
    ///
    /// Fetches just the rows of the blob that the range touches, in parallel; a range within one row is not even
    /// copied. A row that is missing, slow or wrong is recovered from the other nodes. Only when that fails, too, is
    /// the whole blob decoded, for which its size has to fit the CPU pool's memory.
    ///
    /// # Errors
    /// [`ReadError`]. With [`Verification::ByCaller`] success says nothing of the bytes.
    #[instrument(skip_all, fields(%blob_id))]
    pub async fn read(
        &self,
        blob_id: &BlobId,
        range: Range<u64>,
        verification: Verification,
    ) -> Result<Bytes, ReadError> {
        let read = self.read_rows(blob_id, range, verification).await;
        counter!(crate::metrics::READS, "outcome" => crate::metrics::outcome(&read)).increment(1);
        if let Ok(bytes) = &read {
            counter!(crate::metrics::READ_BYTES).increment(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        }
        read
    }

    /// A blob's length in bytes, before encoding.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn blob_length(&self, blob_id: &BlobId) -> Result<u64, ReadError> {
        Ok(self.metadata(blob_id).await?.unencoded_length())
    }

    async fn read_rows(
        &self,
        blob_id: &BlobId,
        range: Range<u64>,
        verification: Verification,
    ) -> Result<Bytes, ReadError> {
        let metadata = self.metadata(blob_id).await?;
        let committee = self.committee().await?;
        let parts = sliver_range(self.0.encoding, &metadata, range.clone())?;
        let requests: Vec<_> =
            parts.iter().map(|part| self.row(&committee, &metadata, part.pair(), verification)).collect();
        let mut rows = stream::iter(requests).buffered(self.0.config.slivers_ahead_max);
        let mut pieces = Vec::with_capacity(parts.len());
        while let Some(row) = rows.next().await {
            let Some(row) = row? else {
                drop(rows);
                return self.read_decoded(&committee, &metadata, &parts).await;
            };
            pieces.push(row.data.slice(parts[pieces.len()].bytes.clone()));
        }
        Ok(join(pieces))
    }

    /// Metadata from the cache or the first nodes that have it.
    pub(crate) async fn metadata(&self, blob_id: &BlobId) -> Result<VerifiedMetadata, ReadError> {
        if let Some(metadata) = self.0.cache.metadata(blob_id) {
            return Ok(metadata);
        }
        let committee = self.committee().await?;
        // Begin elsewhere for each blob, to spread the load.
        let first = usize::from(blob_id.0[0]) % committee.members().len().max(1);
        let members = committee.members().cycle().skip(first).take(committee.members().len());
        let requests: Vec<_> = members
            .map(|(member, details)| self.metadata_from(details, blob_id).map(move |answer| (member, answer)))
            .collect();
        let mut answers = stream::iter(requests).buffer_unordered(METADATA_READS_MAX);
        let (mut unknowing, mut damaged) = (Vec::new(), Vec::new());
        while let Some((member, answer)) = answers.next().await {
            match answer {
                Ok(metadata) => {
                    self.0.cache.insert_metadata(metadata.clone());
                    self.report_blob(&committee, unknowing.into_iter().chain(damaged), blob_id);
                    return Ok(metadata);
                }
                Err(NodeError::MetadataNotFound) => unknowing.push(member),
                Err(NodeError::Damaged) => damaged.push(member),
                Err(error) => debug!(member = member.0, %error, "node has no metadata"),
            }
        }
        if committee.is_quorum(committee.weight(unknowing)) {
            return Err(ReadError::NotFound { blob_id: *blob_id });
        }
        Err(ReadError::MetadataUnavailable)
    }

    async fn metadata_from(&self, member: &Member, blob_id: &BlobId) -> Result<VerifiedMetadata, NodeError> {
        let node = self.0.nodes.get(&member.node_id).ok_or(NodeError::Down)?;
        let _permit = self.0.node_reads.acquire().await.expect("never closed");
        let metadata = self.in_time(node.metadata(*blob_id)).await.ok_or(NodeError::TimedOut)??;
        // By its type the metadata is that of some blob; which one is for us to see.
        if metadata.blob_id() != blob_id || metadata.config() != self.0.encoding {
            return Err(NodeError::Damaged);
        }
        Ok(metadata)
    }

    /// A row of the blob from the cache, its node, or the other nodes. `None` if only decoding can help.
    async fn row(
        &self,
        committee: &Committee,
        metadata: &VerifiedMetadata,
        pair: SliverPairIndex,
        verification: Verification,
    ) -> Result<Option<Sliver>, ReadError> {
        let index = Axis::Primary.sliver_index(pair, metadata.config().n_shards());
        if let Some(row) = self.0.cache.row(metadata.blob_id(), index) {
            if row.verified || verification == Verification::ByCaller {
                return Ok(Some(row.sliver));
            }
            if self.is_genuine(metadata, pair, &row.sliver).await? {
                return Ok(Some(self.keep(metadata, row.sliver, true)));
            }
            self.0.cache.remove_unverified_row(metadata.blob_id(), index);
            let owner = self.owner(committee, metadata.blob_id(), pair);
            self.report_damaged_sliver(owner.node_id, *metadata.blob_id(), pair, Axis::Primary);
            return self.recovered_row(committee, metadata, index).await;
        }
        self.row_from_nodes(committee, metadata, pair, verification).await
    }

    /// Whether a sliver is what the metadata says. On the CPU pool: it costs as much as encoding the sliver.
    pub(super) async fn is_genuine(
        &self,
        metadata: &VerifiedMetadata,
        pair: SliverPairIndex,
        sliver: &Sliver,
    ) -> Result<bool, PoolError> {
        let (config, metadata, sliver) = (self.0.encoding, metadata.clone(), sliver.clone());
        let memory_bytes = u64::from(config.n_shards()) * u64::from(metadata.symbol_size_bytes());
        self.0.cpu.run(memory_bytes, move || verify_sliver(config, &metadata, pair, &sliver).is_ok()).await
    }

    /// Puts a row into the cache on its way.
    pub(super) fn keep(&self, metadata: &VerifiedMetadata, sliver: Sliver, verified: bool) -> Sliver {
        let row = CachedRow { sliver: sliver.clone(), verified };
        self.0.cache.insert_row(metadata.blob_id(), row);
        sliver
    }

    /// Reads parts of rows out of the whole blob, decoded from whatever slivers are right.
    async fn read_decoded(
        &self,
        committee: &Committee,
        metadata: &VerifiedMetadata,
        parts: &[SliverPart],
    ) -> Result<Bytes, ReadError> {
        let blob = self.decoded_rows(committee, metadata).await?;
        let pieces = parts.iter().map(|part| {
            let row_start = usize::from(part.index.0) * metadata.sliver_bytes(Axis::Primary);
            blob.slice(row_start + part.bytes.start..row_start + part.bytes.end)
        });
        Ok(join(pieces.collect()))
    }

    /// The whole blob. Its rows go into the cache, as the next range will probably need them.
    async fn decoded_rows(
        &self,
        committee: &Committee,
        metadata: &VerifiedMetadata,
    ) -> Result<Bytes, ReadError> {
        let slivers = self.sufficient_slivers(committee, metadata).await?;
        let blob = self.decode(metadata, slivers).await?;
        let row_bytes = metadata.sliver_bytes(Axis::Primary);
        // The last row is padded, so it is not in the blob as a sliver.
        for (position, row) in (0_u16..).zip(blob.chunks_exact(row_bytes)) {
            let index = haulout_encoder::SliverIndex(position);
            // Copied, lest one row in the cache keep the whole blob in memory.
            let data = Bytes::copy_from_slice(row);
            let symbol_size = metadata.symbol_size_bytes();
            self.keep(metadata, Sliver { axis: Axis::Primary, index, symbol_size, data }, true);
        }
        Ok(blob)
    }

    /// Decodes verified slivers.
    async fn decode(&self, metadata: &VerifiedMetadata, slivers: Vec<Sliver>) -> Result<Bytes, ReadError> {
        let (config, metadata) = (self.0.encoding, metadata.clone());
        let sliver_bytes: usize = slivers.iter().map(|sliver| sliver.data.len()).sum();
        let decoding = config
            .decode_memory_bytes(metadata.unencoded_length(), self.0.cpu.threads())
            .expect("verified metadata has a length that encodes");
        let memory_bytes = decoding.saturating_add(u64::try_from(sliver_bytes).unwrap_or(u64::MAX));
        let decoded = self.0.cpu.run(memory_bytes, move || {
            decode_with(config, &metadata, slivers, haulout_encoder::Verification::Systematic)
        });
        decoded.await?.map_err(ReadError::Corrupt)
    }
}

/// One piece stays as it is; more of them have to be copied together.
fn join(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() == 1 {
        return pieces.remove(0);
    }
    let mut joined = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    pieces.iter().for_each(|piece| joined.extend_from_slice(piece));
    joined.freeze()
}
