//! Storing: slivers to every node, confirmations back, a certificate to the ledger.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use haulout_encoder::{Axis, BlobId, EncodedBlob, PoolError, SliverPairIndex, VerifiedMetadata};
use metrics::counter;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, instrument, warn};

use super::{Damage, DamagedPart, NetworkClient, RegisteredBlob};
use crate::bls::Signature;
use crate::certificate::Certificate;
use crate::committee::{Committee, Member, MemberIndex};
use crate::confirmation::{SignedConfirmation, confirmation_message};
use crate::ids::{Epoch, NodeId};
use crate::ledger::{BlobObject, LedgerError};
use crate::node::{NodeError, PairSliver, StorageNode, Trust};

/// Times one node is tried before it is left to repair. It covers the race between registration and node, and a
/// short hiccup; a node that is down answers so at once and is not tried again.
const NODE_ATTEMPTS_MAX: u32 = 4;

/// Wait before the second attempt at a node; doubles from then on.
const NODE_BACKOFF: Duration = Duration::from_millis(50);

/// Certificates tried for one blob. One more is needed when the epoch turns between confirming and certifying,
/// which cannot happen three times in a row with epochs longer than a node's timeout.
const CERTIFY_ATTEMPTS_MAX: u32 = 3;

/// When and until when a blob is certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certified {
    /// The epoch in which it was certified.
    pub certified_epoch: Epoch,
    /// The first epoch that is not paid for.
    pub end_epoch: Epoch,
}

/// A blob is not certified. Its registration stands, and storing it again resumes.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Too many nodes are down or faulty: retry later.
    #[error("nodes of {weight} shards confirmed the blob, {needed} are needed")]
    NotEnoughConfirmations {
        /// Shards of the nodes that confirmed.
        weight: u16,
        /// Shards that have to.
        needed: u16,
    },
    /// The ledger refused, or cannot be reached.
    #[error("ledger did not certify the blob")]
    Ledger(#[from] LedgerError),
    /// The registration is for another blob than the slivers.
    #[error("blob {encoded} was to be stored under the registration of blob {registered}")]
    OtherBlob {
        /// What was registered.
        registered: BlobId,
        /// What was encoded.
        encoded: BlobId,
    },
    /// Our own pool could not check the certificate.
    #[error("certificate could not be checked")]
    Cpu(#[from] PoolError),
}

impl StoreError {
    /// Whether storing again may succeed without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NotEnoughConfirmations { .. } => true,
            Self::Ledger(error) => error.is_transient(),
            Self::OtherBlob { .. } | Self::Cpu(_) => false,
        }
    }
}

/// What a node said in the end.
struct Answer {
    member: MemberIndex,
    node_id: NodeId,
    confirmation: Result<SignedConfirmation, NodeError>,
}

/// The nodes that are being asked for their confirmation.
struct Asked {
    answers: JoinSet<Answer>,
    unanswered: BTreeSet<NodeId>,
    /// Nodes that will need repair once the blob is certified.
    failed: Vec<NodeId>,
}

impl NetworkClient {
    /// Sends a blob's slivers to every node and has the ledger certify it as soon as a quorum has confirmed.
    ///
    /// The other nodes get a little longer in the background, see [`ClientConfig`](super::ClientConfig), and are
    /// repaired if that was not enough. Idempotent: a certified object answers at once, an interrupted store resumes.
    ///
    /// # Errors
    /// [`StoreError`].
    #[instrument(skip_all, fields(blob_id = %registered.blob_id))]
    pub async fn store(
        &self,
        blob: &EncodedBlob,
        registered: &RegisteredBlob,
    ) -> Result<Certified, StoreError> {
        let stored = self.store_unless_certified(blob, registered).await;
        counter!(crate::metrics::WRITES, "outcome" => crate::metrics::outcome(&stored)).increment(1);
        stored
    }

    async fn store_unless_certified(
        &self,
        blob: &EncodedBlob,
        registered: &RegisteredBlob,
    ) -> Result<Certified, StoreError> {
        let encoded = *blob.metadata.blob_id();
        if encoded != registered.blob_id {
            return Err(StoreError::OtherBlob { registered: registered.blob_id, encoded });
        }
        let object = self.existing_object(registered).await?;
        if let Some(certified) = certified(&object) {
            return Ok(certified);
        }
        let object = self.upload_and_certify(blob, registered).await?;
        counter!(crate::metrics::WRITTEN_BYTES).increment(object.unencoded_length);
        certified(&object).ok_or_else(|| LedgerError::NotCertified { object_id: object.object_id }.into())
    }

    async fn upload_and_certify(
        &self,
        blob: &EncodedBlob,
        registered: &RegisteredBlob,
    ) -> Result<BlobObject, StoreError> {
        let started = Instant::now();
        let mut committee = self.committee().await?;
        let mut asked = self.upload(&committee, blob, registered);
        let mut attempt = 1;
        let object = loop {
            match self.certify_once(&mut asked, &committee, registered).await {
                Ok(object) => break object,
                // The answer to an earlier attempt was lost.
                Err(StoreError::Ledger(LedgerError::AlreadyCertified { .. })) => {
                    break self.existing_object(registered).await?;
                }
                Err(error) => {
                    let current = self.committee().await?;
                    if attempt == CERTIFY_ATTEMPTS_MAX || current.epoch() == committee.epoch() {
                        return Err(error);
                    }
                    debug!(epoch = %current.epoch(), attempt, "epoch turned, asking for new confirmations");
                    attempt += 1;
                    committee = current;
                    asked = self.confirm(&committee, registered);
                }
            }
        };
        let grace = started.elapsed() / 2 + self.0.config.straggler_grace;
        self.finish(asked, registered.blob_id, encoded_bytes(&blob.metadata), grace).await;
        Ok(object)
    }

    async fn existing_object(&self, registered: &RegisteredBlob) -> Result<BlobObject, LedgerError> {
        let object_id = registered.object_id;
        self.0.ledger.object(object_id).await?.ok_or(LedgerError::ObjectNotFound { object_id })
    }

    async fn certify_once(
        &self,
        asked: &mut Asked,
        committee: &Arc<Committee>,
        registered: &RegisteredBlob,
    ) -> Result<BlobObject, StoreError> {
        let certificate = self.certificate(asked, committee, registered).await?;
        Ok(self.0.ledger.certify(registered.object_id, certificate).await?)
    }

    /// Gathers confirmations until a quorum of them makes a certificate that the ledger will accept.
    async fn certificate(
        &self,
        asked: &mut Asked,
        committee: &Arc<Committee>,
        registered: &RegisteredBlob,
    ) -> Result<Certificate, StoreError> {
        let message = confirmation_message(committee.epoch(), &registered.blob_id, registered.persistence());
        let mut signatures: Vec<(MemberIndex, Signature)> = Vec::new();
        let weight = |signatures: &[(MemberIndex, Signature)]| {
            committee.weight(signatures.iter().map(|(member, _)| *member))
        };
        while let Some(answer) = asked.next().await {
            match answer.confirmation {
                Ok(confirmation) if confirmation.message == message => {
                    signatures.push((answer.member, confirmation.signature));
                }
                Ok(_) => warn!(node_id = %answer.node_id, "node confirmed something else"),
                Err(error) => debug!(node_id = %answer.node_id, %error, "node did not confirm"),
            }
            if !committee.is_quorum(weight(&signatures)) {
                continue;
            }
            let (committee, registered, message) = (Arc::clone(committee), *registered, message.clone());
            let checked = move || check(&committee, &registered, message, signatures);
            match self.0.cpu.run(0, checked).await? {
                Ok(certificate) => return Ok(certificate),
                Err(genuine) => signatures = genuine,
            }
        }
        Err(StoreError::NotEnoughConfirmations { weight: weight(&signatures), needed: committee.quorum() })
    }

    /// Sends every node its slivers and asks it to confirm.
    fn upload(&self, committee: &Committee, blob: &EncodedBlob, registered: &RegisteredBlob) -> Asked {
        self.ask_all(committee, registered, |member| Some(Content::of(member, blob, committee.n_shards())))
    }

    /// Asks every node to confirm what it was sent before.
    fn confirm(&self, committee: &Committee, registered: &RegisteredBlob) -> Asked {
        self.ask_all(committee, registered, |_| None)
    }

    fn ask_all(
        &self,
        committee: &Committee,
        registered: &RegisteredBlob,
        content: impl Fn(&Member) -> Option<Content>,
    ) -> Asked {
        let mut asked = Asked { answers: JoinSet::new(), unanswered: BTreeSet::new(), failed: Vec::new() };
        for (member, details) in committee.members() {
            let Some(node) = self.0.nodes.get(&details.node_id).cloned() else { continue };
            asked.unanswered.insert(details.node_id);
            let (client, registered, content) = (self.clone(), *registered, content(details));
            asked.answers.spawn(async move {
                let _permit = client.0.node_writes.acquire().await.expect("never closed");
                let confirmation = client.ask_patiently(&*node, &registered, content).await;
                Answer { member, node_id: node.node_id(), confirmation }
            });
        }
        asked
    }

    async fn ask_patiently(
        &self,
        node: &dyn StorageNode,
        registered: &RegisteredBlob,
        content: Option<Content>,
    ) -> Result<SignedConfirmation, NodeError> {
        let mut backoff = NODE_BACKOFF;
        for _ in 1..NODE_ATTEMPTS_MAX {
            match self.ask(node, registered, content.as_ref()).await {
                Err(error) if worth_repeating(&error) => tokio::time::sleep(backoff).await,
                answer => return answer,
            }
            backoff *= 2;
        }
        self.ask(node, registered, content.as_ref()).await
    }

    async fn ask(
        &self,
        node: &dyn StorageNode,
        registered: &RegisteredBlob,
        content: Option<&Content>,
    ) -> Result<SignedConfirmation, NodeError> {
        let blob_id = registered.blob_id;
        if let Some(content) = content {
            let metadata = content.blob.metadata.clone();
            self.in_time(node.store_metadata(metadata)).await.ok_or(NodeError::TimedOut)??;
            let slivers = content.slivers().await?;
            let stored = node.store_slivers(blob_id, slivers, Trust::EncodedHere);
            self.in_time(stored).await.ok_or(NodeError::TimedOut)??;
        }
        let confirmed = node.confirmation(blob_id, registered.persistence());
        self.in_time(confirmed).await.ok_or(NodeError::TimedOut)?
    }

    /// Gives the remaining nodes some more time: in the background while there is room for their slivers in memory,
    /// else before answering.
    async fn finish(&self, asked: Asked, blob_id: BlobId, bytes: usize, grace: Duration) {
        let client = self.clone();
        let finish = async move {
            for node_id in asked.lagging(grace).await {
                client.report(Damage { node_id, blob_id, part: DamagedPart::Blob });
            }
        };
        let permits = u32::try_from(bytes).ok();
        let room = Arc::clone(&self.0.straggler_bytes);
        match permits.and_then(|permits| room.try_acquire_many_owned(permits).ok()) {
            Some(permit) => {
                self.0.stragglers.spawn(async move {
                    finish.await;
                    drop(permit);
                });
            }
            None => finish.await,
        }
    }
}

impl Asked {
    async fn next(&mut self) -> Option<Answer> {
        loop {
            match self.answers.join_next().await? {
                Ok(answer) => {
                    self.unanswered.remove(&answer.node_id);
                    // A node that is down catches up by itself when it comes back.
                    if answer.confirmation.as_ref().is_err_and(|error| !matches!(error, NodeError::Down)) {
                        self.failed.push(answer.node_id);
                    }
                    return Some(answer);
                }
                // Stays among the unanswered, which is what the node's copy has to be repaired for.
                Err(error) => warn!(%error, "task for a node died"),
            }
        }
    }

    /// Waits for the remaining answers, no longer than `grace`. Answers with the nodes that need repair.
    async fn lagging(mut self, grace: Duration) -> Vec<NodeId> {
        let rest = async { while self.next().await.is_some() {} };
        // Whoever is late is found among the unanswered; dropping the set ends the tasks.
        let _ = tokio::time::timeout(grace, rest).await;
        self.failed.extend(self.unanswered);
        self.failed
    }
}

fn certified(object: &BlobObject) -> Option<Certified> {
    let certified_epoch = object.certified_epoch?;
    Some(Certified { certified_epoch, end_epoch: object.storage.end_epoch })
}

/// Checks all signatures at once, as the contract will. Only when that fails are they checked one by one, to know
/// the faulty nodes and go on without them: answers then with the genuine ones.
fn check(
    committee: &Committee,
    registered: &RegisteredBlob,
    message: Vec<u8>,
    signatures: Vec<(MemberIndex, Signature)>,
) -> Result<Certificate, Vec<(MemberIndex, Signature)>> {
    let proven = |certificate: &Certificate| {
        certificate.verify(committee, &registered.blob_id, registered.persistence()).is_ok()
    };
    if let Ok(certificate) = Certificate::aggregate(message.clone(), &signatures)
        && proven(&certificate)
    {
        return Ok(certificate);
    }
    let genuine = |(member, signature): &(MemberIndex, Signature)| {
        let valid = committee
            .member(*member)
            .is_some_and(|details| signature.verify(&message, &[details.public_key]).is_ok());
        if !valid {
            warn!(member = member.0, "node sent a signature that is not its own");
        }
        valid
    };
    Err(signatures.into_iter().filter(genuine).collect())
}

fn worth_repeating(error: &NodeError) -> bool {
    error.is_transient() || matches!(error, NodeError::MissingSlivers { .. } | NodeError::MetadataNotFound)
}

/// What one node is to store.
#[derive(Clone)]
struct Content {
    blob: EncodedBlob,
    pairs: Vec<SliverPairIndex>,
}

impl Content {
    fn of(member: &Member, blob: &EncodedBlob, n_shards: u16) -> Self {
        let pairs = member.shards.iter().map(|shard| shard.to_pair(n_shards, blob.metadata.blob_id()));
        Self { blob: blob.clone(), pairs: pairs.collect() }
    }

    /// The node's slivers, which may have to be read from a spool: not before there is a place to send them.
    async fn slivers(&self) -> Result<Vec<PairSliver>, NodeError> {
        let Self { blob, pairs } = self.clone();
        let read = move || {
            let both = pairs.into_iter().flat_map(|pair| Axis::BOTH.map(|axis| (pair, axis)));
            both.map(|(pair, axis)| Ok(PairSliver { pair, sliver: blob.sliver(axis, pair)? })).collect()
        };
        let slivers = tokio::task::spawn_blocking(read).await.map_err(io::Error::from).flatten();
        slivers.map_err(|error| NodeError::Failed(Box::new(error)))
    }
}

fn encoded_bytes(metadata: &VerifiedMetadata) -> usize {
    let pair: usize = Axis::BOTH.into_iter().map(|axis| metadata.sliver_bytes(axis)).sum();
    pair * usize::from(metadata.config().n_shards())
}
