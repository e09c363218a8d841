//! Restarts, epochs and the ends of leases.

use std::fs;
use std::time::UNIX_EPOCH;

use haulout_network::{
    EmbeddedNetwork, Epoch, Ledger, LedgerError, OpenError, OpenLedgerError, Persistence, ReadError,
    Verification,
};

use crate::world::{EPOCH, World, bytes, eventually, key, read_all, register};

/// Where a blob's file says that all of it is on disk.
const SEAL: usize = 56;

#[tokio::test(flavor = "multi_thread")]
async fn everything_survives_a_restart() {
    let world = World::new().await;
    let data = bytes(1, 100_000);
    let (blob, registered) = world.store(&data).await;
    let (account, object) = (
        world.network.ledger().account().await.unwrap(),
        world.client().object(registered.object_id).await.unwrap(),
    );
    let ids: Vec<_> = world.network.nodes().iter().map(|node| node.node_id()).collect();

    let world = world.reopen(|_| ()).await;
    assert!(
        read_all(&world.client(), blob.metadata.blob_id(), Verification::BySlivers).await.unwrap() == data
    );
    assert_eq!(world.network.ledger().account().await.unwrap(), account);
    assert_eq!(world.client().object(registered.object_id).await.unwrap(), object);
    assert_eq!(world.network.nodes().iter().map(|node| node.node_id()).collect::<Vec<_>>(), ids);
    world.store(b"and goes on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_missing_at_a_restart_stays_missing_until_created() {
    let world = World::new().await;
    let data = bytes(2, 100_000);
    let (blob, _) = world.store(&data).await;
    let file = fs::read(world.blob_file(6, blob.metadata.blob_id())).unwrap();
    let world = world.reopen(|config| fs::remove_dir_all(&config.node_dirs[6]).unwrap()).await;
    assert_eq!(world.client().health().await.unwrap().nodes_up(), 9);
    assert!(
        read_all(&world.client(), blob.metadata.blob_id(), Verification::BySlivers).await.unwrap() == data
    );
    assert!(!world.node_dir(6).exists());
    fs::create_dir(world.node_dir(6)).unwrap();
    // All but the numbers of the run that filled the slots is as it was.
    let slivers_start = 64 + 2 * 10 * 8;
    eventually("its slivers are back", async || {
        fs::read(world.blob_file(6, blob.metadata.blob_id()))
            .is_ok_and(|bytes| bytes[SEAL] == 1 && bytes[slivers_start..] == file[slivers_start..])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_a_crash_left_in_doubt_are_checked() {
    let world = World::new().await;
    let (blob, _) = world.store(&bytes(3, 100_000)).await;
    let blob_id = *blob.metadata.blob_id();
    let path = world.blob_file(2, &blob_id);
    let good = fs::read(&path).unwrap();
    let world = world
        .reopen(|_| {
            // As if a power failure had kept the presences but neither the seal nor the last sliver.
            let mut torn = good.clone();
            torn[SEAL] = 0;
            let last = torn.len() - 10;
            torn[last..].fill(0);
            fs::write(&path, torn).unwrap();
        })
        .await;
    let slivers_start = 64 + 2 * 10 * 8;
    eventually("the torn sliver is right again and the file sealed", async || {
        fs::read(&path).is_ok_and(|bytes| bytes[SEAL] == 1 && bytes[slivers_start..] == good[slivers_start..])
    })
    .await;
    drop(world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_confirms_nothing_it_is_in_doubt_about() {
    let world = World::new().await;
    let blob = world.encode(&bytes(4, 5000));
    let registered = register(&world.client(), &blob, key(), 2).await;
    world.client().store(&blob, &registered).await.unwrap();
    let path = world.blob_file(2, &registered.blob_id);
    let mut torn = fs::read(&path).unwrap();
    torn[SEAL] = 0;
    torn[64] ^= 0xff; // The run that filled the first slot, now an unknown one: its sliver is hashed, and right.
    fs::write(&path, &torn).unwrap();
    let confirm = async || {
        let persistence = Persistence::Deletable(registered.object_id);
        world.network.nodes()[2].confirmation(registered.blob_id, persistence).await
    };
    confirm().await.unwrap();
    assert_eq!(fs::read(&path).unwrap()[SEAL], 1);
    let first_sliver = torn.len() - 10 * blob_pair_bytes(&blob);
    torn[first_sliver] ^= 1;
    fs::write(&path, &torn).unwrap();
    assert!(matches!(confirm().await, Err(haulout_network::NodeError::MissingSlivers { missing: 1 })));
}

fn blob_pair_bytes(blob: &haulout_encoder::EncodedBlob) -> usize {
    haulout_encoder::Axis::BOTH.into_iter().map(|axis| blob.metadata.sliver_bytes(axis)).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_blobs_leave_the_disks() {
    let world = World::new().await;
    let (blob, one) = world.store(b"twice registered").await;
    let other = register(&world.client(), &blob, key(), 2).await;
    world.client().store(&blob, &other).await.unwrap();
    world.client().delete(one.object_id).await.unwrap();
    // A second blob's removal shows that the sweeper has been by.
    let (witness, registered) = world.store(b"witness").await;
    world.client().delete(registered.object_id).await.unwrap();
    let gone = |blob: &haulout_encoder::EncodedBlob| {
        let files = world.blob_files(blob.metadata.blob_id());
        files.into_iter().all(|exists| !exists)
    };
    eventually("the witness is gone", async || gone(&witness)).await;
    assert_eq!(world.blob_files(blob.metadata.blob_id()), [true; 10], "one registration is left");
    world.client().delete(other.object_id).await.unwrap();
    eventually("the last registration took the files along", async || gone(&blob)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_end_with_their_epoch() {
    let world = World::new().await;
    let (blob, short) = world.store(&bytes(5, 1000)).await; // Two epochs.
    let (kept, long) = world.store(&bytes(6, 1000)).await;
    world.client().extend(long.object_id, 1).await.unwrap();
    assert_eq!(world.client().epoch().await.unwrap(), Epoch(1));
    world.next_epochs(1);
    assert_eq!(world.client().epoch().await.unwrap(), Epoch(2));
    assert!(read_all(&world.client(), &short.blob_id, Verification::BySlivers).await.is_ok());

    world.next_epochs(1);
    let read = read_all(&world.client(), &short.blob_id, Verification::BySlivers).await;
    assert!(matches!(read, Err(ReadError::NotFound { .. })));
    let late = world.client().extend(short.object_id, 1).await;
    assert!(matches!(late, Err(LedgerError::Expired { end_epoch: Epoch(3), .. })));
    eventually("its files are gone", async || !world.blob_files(&short.blob_id).contains(&true)).await;
    assert_eq!(world.blob_files(&long.blob_id), [true; 10]);
    assert!(read_all(&world.client(), kept.metadata.blob_id(), Verification::BySlivers).await.is_ok());

    // Registering again after the end is a new registration, even under the same key.
    let key = key();
    let first = register(&world.client(), &blob, key, 1).await;
    world.next_epochs(1);
    let again = register(&world.client(), &blob, key, 1).await;
    assert_ne!(first.object_id, again.object_id);
    world.client().store(&blob, &again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn long_expired_objects_are_forgotten() {
    let world = World::new().await;
    let (_, registered) = world.store(b"short-lived").await;
    world.next_epochs(2);
    assert!(world.client().object(registered.object_id).await.unwrap().is_some());
    world.next_epochs(4);
    eventually("the object is gone", async || {
        world.client().object(registered.object_id).await.unwrap().is_none()
    })
    .await;
    world.client().delete(registered.object_id).await.expect("deleting what is gone is no error");
}

#[tokio::test(flavor = "multi_thread")]
async fn epochs_do_not_run_backwards() {
    let world = World::new().await;
    world.next_epochs(4);
    assert_eq!(world.client().epoch().await.unwrap(), Epoch(5));
    let ends = world.network.ledger().state().await.unwrap().epoch_ends_at;
    let genesis = UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    assert_eq!(ends, genesis + EPOCH * 5);
    // The sweeper notes the epoch; then a restart with the clock set back keeps to it.
    let (_, registered) = world.store(b"any").await;
    world.client().delete(registered.object_id).await.unwrap();
    eventually("swept", async || !world.blob_files(&registered.blob_id).contains(&true)).await;
    let mut world = world;
    world.clock = std::sync::Arc::new(haulout_network::ManualClock::at(genesis));
    let world = world.reopen(|_| ()).await;
    assert_eq!(world.client().epoch().await.unwrap(), Epoch(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_keeps_its_shape() {
    let world = World::new().await;
    let (config, cpu, clock) = (world.config.clone(), world.cpu.clone(), world.clock.clone());
    let world = world.reopen(|_| ()).await;
    let mut fewer_nodes = config.clone();
    fewer_nodes.node_dirs.pop();
    let refused = EmbeddedNetwork::open(fewer_nodes, cpu.clone(), clock.clone()).await.err().unwrap();
    assert!(matches!(refused, OpenError::ShapeChanged { stored_nodes: 10, configured_nodes: 9, .. }));
    let mut more_shards = config.clone();
    more_shards.n_shards = 101;
    let refused = EmbeddedNetwork::open(more_shards, cpu.clone(), clock.clone()).await.err().unwrap();
    assert!(matches!(refused, OpenError::ShapeChanged { stored_shards: 100, configured_shards: 101, .. }));
    world.network.shutdown().await;
    let mut other_epochs = config.clone();
    other_epochs.epoch_duration *= 2;
    let refused = EmbeddedNetwork::open(other_epochs, cpu.clone(), clock.clone()).await.err().unwrap();
    assert!(matches!(refused, OpenError::Ledger(OpenLedgerError::EpochDurationChanged { .. })));
    let mut no_nodes = config;
    no_nodes.node_dirs.clear();
    let refused = EmbeddedNetwork::open(no_nodes, cpu, clock).await.err().unwrap();
    assert!(matches!(refused, OpenError::Nodes { nodes: 0, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_network_is_not_created_over_an_old_ones_nodes() {
    let world = World::new().await;
    let (config, cpu, clock) = (world.config.clone(), world.cpu.clone(), world.clock.clone());
    world.network.shutdown().await;
    fs::remove_dir_all(&config.state_dir).unwrap();
    let refused = EmbeddedNetwork::open(config, cpu, clock).await.err().unwrap();
    assert!(matches!(refused, OpenError::ForeignNodeDirectory { .. }), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_creation_is_completed() {
    let world = World::new().await;
    let world = world
        .reopen(|config| {
            // As if the process had been killed after the first of the directories was created.
            fs::rename(config.state_dir.join("nodes.json"), config.state_dir.join("nodes.json.new")).unwrap();
            config.node_dirs[1..].iter().for_each(|path| fs::remove_dir_all(path).unwrap());
            fs::remove_file(config.state_dir.join("ledger.redb")).unwrap();
        })
        .await;
    assert_eq!(world.client().health().await.unwrap().nodes_up(), 10);
    world.store(b"works").await;
}
