//! The ledger's rules, its prices, and answers that get lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use haulout_encoder::{BlobId, EncodedBlob};
use haulout_network::{
    BlobObject, BlobRegistration, Certificate, CertificateError, ClientConfig, Epoch, Ledger, LedgerError,
    LedgerState, LocalLedger, ManualClock, MemberIndex, ObjectId, Persistence, RegisteredBlob,
    STORAGE_UNIT_BYTES, Storage, StoreError, Verification, confirmation_message,
};

use crate::world::{EPOCH, World, bytes, key, read_all, register, registration};

/// A ledger that does what it is asked and loses the answer, the first time each.
struct Forgetful {
    ledger: Arc<LocalLedger>,
    lost_register: AtomicBool,
    lost_certify: AtomicBool,
    /// Moves on by an epoch before the first certificate arrives.
    epoch_turns: Option<Arc<ManualClock>>,
}

fn lose_once<T>(lost: &AtomicBool, answer: Result<T, LedgerError>) -> Result<T, LedgerError> {
    if answer.is_ok() && !lost.swap(true, Ordering::SeqCst) {
        return Err(LedgerError::OutcomeUnknown("the line went dead".into()));
    }
    answer
}

#[async_trait]
impl Ledger for Forgetful {
    async fn state(&self) -> Result<LedgerState, LedgerError> {
        self.ledger.state().await
    }

    async fn register(&self, registrations: Vec<BlobRegistration>) -> Result<Vec<BlobObject>, LedgerError> {
        lose_once(&self.lost_register, self.ledger.register(registrations).await)
    }

    async fn certify(
        &self,
        object_id: ObjectId,
        certificate: Certificate,
    ) -> Result<BlobObject, LedgerError> {
        if let Some(clock) = &self.epoch_turns
            && !self.lost_certify.load(Ordering::SeqCst)
        {
            self.lost_certify.store(true, Ordering::SeqCst);
            clock.advance(EPOCH);
        }
        lose_once(&self.lost_certify, self.ledger.certify(object_id, certificate).await)
    }

    async fn extend(&self, object_id: ObjectId, epochs: u32) -> Result<BlobObject, LedgerError> {
        self.ledger.extend(object_id, epochs).await
    }

    async fn delete(&self, object_id: ObjectId) -> Result<Storage, LedgerError> {
        self.ledger.delete(object_id).await
    }

    async fn own_objects(&self, blob_id: &BlobId) -> Result<Vec<BlobObject>, LedgerError> {
        self.ledger.own_objects(blob_id).await
    }

    async fn object(&self, object_id: ObjectId) -> Result<Option<BlobObject>, LedgerError> {
        self.ledger.object(object_id).await
    }
}

fn forgetful(world: &World, epoch_turns: Option<Arc<ManualClock>>) -> Arc<Forgetful> {
    let (lost_register, lost_certify) = (AtomicBool::new(false), AtomicBool::new(false));
    Arc::new(Forgetful { ledger: world.network.ledger(), lost_register, lost_certify, epoch_turns })
}

/// FROST for storage and for the write.
fn cost(world: &World, blob: &EncodedBlob, epochs: u32) -> (u128, u128) {
    let length = blob.metadata.config().encoded_length(blob.metadata.unencoded_length()).unwrap();
    let units = u128::from(length.div_ceil(STORAGE_UNIT_BYTES));
    let prices = world.config.prices;
    (
        units * u128::from(prices.storage_per_unit) * u128::from(epochs),
        units * u128::from(prices.write_per_unit),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_not_paid_for_twice() {
    let world = World::new().await;
    let nodes = world.network.nodes();
    let client = world.client_over(forgetful(&world, None), nodes, ClientConfig::default());
    let data = bytes(1, 10_000);
    let (blob, key) = (world.encode(&data), key());
    let lost = client.register(vec![registration(&blob, key, 3)]).await.unwrap_err();
    assert!(matches!(lost, LedgerError::OutcomeUnknown(_)) && lost.is_transient());
    let registered = register(&client, &blob, key, 3).await;

    let lost = client.store(&blob, &registered).await.unwrap_err();
    assert!(matches!(lost, StoreError::Ledger(LedgerError::OutcomeUnknown(_))) && lost.is_transient());
    let certified = client.store(&blob, &registered).await.unwrap();
    assert_eq!((certified.certified_epoch, certified.end_epoch), (Epoch(1), Epoch(4)));
    assert_eq!(register(&client, &blob, key, 3).await, registered);

    let account = world.network.ledger().account().await.unwrap();
    assert_eq!((account.storage_paid, account.write_paid), cost(&world, &blob, 3));
    let objects = world.network.ledger().own_objects(&registered.blob_id).await.unwrap();
    assert_eq!(objects.len(), 1);
    assert!(read_all(&client, &registered.blob_id, Verification::BySlivers).await.unwrap() == data);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_record_is_paid_for_once_however_many_ask() {
    let world = World::new().await;
    let (blob, key) = (world.encode(&bytes(2, 100)), key());
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let (client, blob) = (world.client(), blob.clone());
            tokio::spawn(async move { register(&client, &blob, key, 1).await })
        })
        .collect();
    let mut answers: Vec<RegisteredBlob> = Vec::new();
    for asked in asking {
        answers.push(asked.await.unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(world.network.ledger().own_objects(&answers[0].blob_id).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_epoch_turns_the_nodes_confirm_again() {
    let world = World::new().await;
    let ledger = forgetful(&world, Some(Arc::clone(&world.clock)));
    ledger.lost_register.store(true, Ordering::SeqCst);
    let client = world.client_over(ledger, world.network.nodes(), ClientConfig::default());
    let blob = world.encode(b"between two epochs");
    let registered = register(&client, &blob, key(), 2).await;
    let certified = client.store(&blob, &registered).await.unwrap();
    assert_eq!((certified.certified_epoch, certified.end_epoch), (Epoch(2), Epoch(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn costs_are_those_of_the_price_list() {
    let world = World::with(|config| {
        config.prices.storage_per_unit = 7;
        config.prices.write_per_unit = 11;
        config.initial_balance = 1000;
    })
    .await;
    let small = world.encode(&bytes(3, 1)); // 663,400 bytes encoded: one unit.
    let large = world.encode(&bytes(4, 200_000)); // Two units.
    assert_eq!((cost(&world, &small, 1), cost(&world, &large, 1)), ((7, 11), (14, 22)));
    let requests = vec![registration(&small, key(), 2), registration(&large, key(), 5)];
    let registered = world.client().register(requests).await.unwrap();
    let account = world.network.ledger().account().await.unwrap();
    assert_eq!((account.storage_paid, account.write_paid, account.balance), (14 + 70, 33, 1000 - 117));

    world.client().store(&large, &registered[1]).await.unwrap();
    world.client().extend(registered[1].object_id, 10).await.unwrap();
    world.client().delete(registered[1].object_id).await.unwrap();
    let account = world.network.ledger().account().await.unwrap();
    assert_eq!((account.storage_paid, account.write_paid), (84 + 140, 33), "deleting gives no money back");

    // All or nothing: the first would be affordable, both are not.
    let requests = vec![registration(&small, key(), 1), registration(&large, key(), 53)];
    let refused = world.client().register(requests).await.unwrap_err();
    let LedgerError::InsufficientBalance { needed, available } = refused else { panic!("{refused:?}") };
    assert_eq!((needed, available), (18 + 22 + 14 * 53, 743));
    assert_eq!(world.network.ledger().account().await.unwrap(), account);
    assert!(world.network.ledger().own_objects(small.metadata.blob_id()).await.unwrap().len() == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_quorums_certificate_for_this_object_certifies() {
    let world = World::new().await;
    let ledger = world.network.ledger();
    let blob = world.encode(b"to be certified");
    let registered = register(&world.client(), &blob, key(), 2).await;
    let other = register(&world.client(), &blob, key(), 2).await;
    // Storing under the other object brings the slivers to the nodes without certifying this one.
    world.client().store(&blob, &other).await.unwrap();
    world.client().drain().await;
    let confirm = async |object_id| {
        let (mut signatures, persistence) = (Vec::new(), Persistence::Deletable(object_id));
        for (position, node) in (0..).zip(world.network.nodes()) {
            let confirmation = node.confirmation(registered.blob_id, persistence).await.unwrap();
            signatures.push((MemberIndex(position), confirmation.signature));
        }
        signatures
    };
    let message = |epoch, object_id| {
        confirmation_message(Epoch(epoch), &registered.blob_id, Persistence::Deletable(object_id))
    };
    let signatures = confirm(registered.object_id).await;
    let refused = async |certificate: Result<Certificate, CertificateError>| match ledger
        .certify(registered.object_id, certificate.unwrap())
        .await
    {
        Err(LedgerError::Certificate(error)) => error,
        answer => panic!("{answer:?}"),
    };
    let ours = message(1, registered.object_id);
    let six = refused(Certificate::aggregate(ours.clone(), &signatures[..6])).await;
    assert_eq!(six, CertificateError::NotEnoughWeight { weight: 60, needed: 67 });
    let mut stolen = Certificate::aggregate(ours.clone(), &signatures[..6]).unwrap();
    stolen.signers = haulout_network::SignerBitmap::from_bytes(vec![0xff]);
    assert!(matches!(refused(Ok(stolen)).await, CertificateError::Signature(_)));
    let mut trailing = Certificate::aggregate(ours.clone(), &signatures).unwrap();
    trailing.signers = haulout_network::SignerBitmap::from_bytes(vec![0xff, 0b111]);
    assert_eq!(refused(Ok(trailing)).await, CertificateError::InvalidBitmap);
    let for_other = Certificate::aggregate(message(1, other.object_id), &confirm(other.object_id).await);
    assert!(matches!(refused(for_other).await, CertificateError::WrongPersistence { .. }));

    world.next_epochs(1);
    let late = refused(Certificate::aggregate(ours, &signatures)).await;
    assert_eq!(late, CertificateError::WrongEpoch { found: Epoch(1), current: Epoch(2) });
    assert!(LedgerError::from(late).is_transient());

    let fresh = confirm(registered.object_id).await;
    let good = Certificate::aggregate(message(2, registered.object_id), &fresh[2..9]).unwrap();
    let object = ledger.certify(registered.object_id, good.clone()).await.unwrap();
    assert_eq!(object.certified_epoch, Some(Epoch(2)));
    let again = ledger.certify(registered.object_id, good).await;
    assert!(matches!(again, Err(LedgerError::AlreadyCertified { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_cannot_be_changed() {
    let world = World::new().await;
    let ledger = world.network.ledger();
    let nobody = ObjectId([7; 32]);
    assert_eq!(ledger.object(nobody).await.unwrap(), None);
    let not_found = |error: &LedgerError| matches!(error, LedgerError::ObjectNotFound { object_id } if *object_id == nobody);
    assert!(not_found(&ledger.extend(nobody, 1).await.unwrap_err()));
    assert!(not_found(&ledger.delete(nobody).await.unwrap_err()));
    let unknown = RegisteredBlob {
        blob_id: *world.encode(b"x").metadata.blob_id(),
        object_id: nobody,
        end_epoch: Epoch(2),
    };
    let stored = world.client().store(&world.encode(b"x"), &unknown).await;
    assert!(matches!(stored, Err(StoreError::Ledger(error)) if not_found(&error)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_encoded_for_another_network_is_not_paid_for() {
    let world = World::new().await;
    let elsewhere = haulout_encoder::EncodingConfig::new(10).unwrap();
    let blob = haulout_encoder::encode(elsewhere, &b"elsewhere"[..]).unwrap();
    let refused = world.client().register(vec![registration(&blob, key(), 1)]).await;
    assert!(matches!(refused, Err(LedgerError::WrongShardCount { expected: 100, found: 10 })));
}
