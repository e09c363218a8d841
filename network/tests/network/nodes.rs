//! What a storage node refuses, and what it signs.

use std::sync::Arc;

use haulout_encoder::{Axis, EncodedBlob, ShardIndex, Sliver, SliverIndex, SliverPairIndex};
use haulout_network::{
    BlobStatus, Epoch, Ledger, MemberIndex, NodeError, ObjectId, PairSliver, Persistence, StorageNode, Trust,
    confirmation_message,
};

use crate::world::{World, bytes, key, register};

/// All that node 0 should have of a blob; it holds shards 0 to 9.
fn of_first_node(blob: &EncodedBlob) -> Vec<PairSliver> {
    let pairs = (0..10).map(|shard| ShardIndex(shard).to_pair(100, blob.metadata.blob_id()));
    pairs
        .flat_map(|pair| Axis::BOTH.map(|axis| PairSliver { pair, sliver: blob.sliver(axis, pair).unwrap() }))
        .collect()
}

fn first_node(world: &World) -> Arc<dyn StorageNode> {
    Arc::clone(&world.network.nodes()[0])
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_before_it_is_registered_and_described() {
    let world = World::new().await;
    let (node, blob) = (first_node(&world), world.encode(&bytes(1, 1000)));
    let blob_id = *blob.metadata.blob_id();
    let slivers = of_first_node(&blob);
    let persistence = Persistence::Deletable(ObjectId([0; 32]));
    assert_eq!(node.blob_status(blob_id).await.unwrap(), BlobStatus::Nonexistent);
    assert!(matches!(node.store_metadata(blob.metadata.clone()).await, Err(NodeError::NotRegistered)));
    let early = node.store_slivers(blob_id, slivers.clone(), Trust::Verify).await;
    assert!(matches!(early, Err(NodeError::NotRegistered | NodeError::MetadataNotFound)));
    assert!(matches!(node.confirmation(blob_id, persistence).await, Err(NodeError::NotRegistered)));
    assert!(matches!(node.metadata(blob_id).await, Err(NodeError::MetadataNotFound)));

    let registered = register(&world.client(), &blob, key(), 2).await;
    assert_eq!(node.blob_status(blob_id).await.unwrap(), BlobStatus::Registered { end_epoch: Epoch(3) });
    for trust in [Trust::Verify, Trust::EncodedHere] {
        let early = node.store_slivers(blob_id, slivers.clone(), trust).await;
        assert!(matches!(early, Err(NodeError::MetadataNotFound)));
    }
    let persistence = Persistence::Deletable(registered.object_id);
    assert!(matches!(node.confirmation(blob_id, persistence).await, Err(NodeError::MetadataNotFound)));
    world.client().store(&blob, &registered).await.unwrap();
    let certified = BlobStatus::Certified { initial_epoch: Epoch(1), end_epoch: Epoch(3) };
    assert_eq!(node.blob_status(blob_id).await.unwrap(), certified);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_confirms_when_it_has_all_and_only_what_was_registered() {
    let world = World::new().await;
    let (node, blob) = (first_node(&world), world.encode(&bytes(2, 1000)));
    let registered = register(&world.client(), &blob, key(), 2).await;
    let (blob_id, persistence) = (registered.blob_id, Persistence::Deletable(registered.object_id));
    node.store_metadata(blob.metadata.clone()).await.unwrap();
    let slivers = of_first_node(&blob);
    node.store_slivers(blob_id, slivers[1..].to_vec(), Trust::Verify).await.unwrap();
    let missing = node.confirmation(blob_id, persistence).await;
    assert!(matches!(missing, Err(NodeError::MissingSlivers { missing: 1 })));
    node.store_slivers(blob_id, slivers[..1].to_vec(), Trust::Verify).await.unwrap();

    let confirmation = node.confirmation(blob_id, persistence).await.unwrap();
    let committee = world.network.ledger().state().await.unwrap().committee;
    let public_key = committee.member(MemberIndex(0)).unwrap().public_key;
    let expected = confirmation_message(Epoch(1), &blob_id, persistence);
    assert_eq!(confirmation.verify(&expected, public_key), Ok(()));
    for other in [Persistence::Permanent, Persistence::Deletable(ObjectId([1; 32]))] {
        assert!(matches!(node.confirmation(blob_id, other).await, Err(NodeError::NotRegistered)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_slivers_are_refused() {
    let world = World::new().await;
    let (node, blob) = (first_node(&world), world.encode(&bytes(3, 1000)));
    let registered = register(&world.client(), &blob, key(), 2).await;
    let blob_id = registered.blob_id;
    node.store_metadata(blob.metadata.clone()).await.unwrap();
    let good = of_first_node(&blob);
    let send = async |sent: PairSliver, trust| node.store_slivers(blob_id, vec![sent], trust).await;

    let flipped = good[0].sliver.data.iter().map(|byte| byte ^ 1).collect();
    let wrong_bytes =
        PairSliver { sliver: Sliver { data: flipped, ..good[0].sliver.clone() }, ..good[0].clone() };
    let refused = send(wrong_bytes, Trust::Verify).await;
    assert!(matches!(refused, Err(NodeError::InvalidSliver { pair }) if pair == good[0].pair));
    // What would not even fit its slot is refused however much the sender is trusted.
    for trust in [Trust::Verify, Trust::EncodedHere] {
        let short = Sliver { data: good[0].sliver.data.slice(2..), ..good[0].sliver.clone() };
        let refused = send(PairSliver { pair: good[0].pair, sliver: short }, trust).await;
        assert!(matches!(refused, Err(NodeError::InvalidSliver { .. })));
        let misplaced = PairSliver { pair: good[2].pair, sliver: good[0].sliver.clone() };
        assert!(matches!(send(misplaced, trust).await, Err(NodeError::InvalidSliver { .. })));
    }
    let foreign_pair = ShardIndex(10).to_pair(100, &blob_id);
    let foreign =
        PairSliver { pair: foreign_pair, sliver: blob.sliver(Axis::Primary, foreign_pair).unwrap() };
    assert!(matches!(send(foreign, Trust::Verify).await, Err(NodeError::ShardNotAssigned)));
    assert!(matches!(
        node.sliver(blob_id, foreign_pair, Axis::Primary).await,
        Err(NodeError::ShardNotAssigned)
    ));
    let beyond = node.sliver(blob_id, SliverPairIndex(100), Axis::Primary).await;
    assert!(matches!(beyond, Err(NodeError::IndexOutOfRange { index: 100 })));
    let unfilled = node.sliver(blob_id, good[0].pair, Axis::Primary).await;
    assert!(matches!(unfilled, Err(NodeError::SliverNotFound)), "nothing of the above was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_of_another_network_is_refused() {
    let world = World::new().await;
    let config = haulout_encoder::EncodingConfig::new(10).unwrap();
    let metadata = haulout_encoder::compute_metadata(config, b"elsewhere").unwrap();
    assert!(matches!(first_node(&world).store_metadata(metadata).await, Err(NodeError::InvalidMetadata)));
}

#[tokio::test(flavor = "multi_thread")]
async fn symbols_are_cut_for_systematic_slivers_only() {
    let world = World::new().await;
    let (blob, registered) = world.store(&bytes(4, 10_000)).await;
    let (node, blob_id) = (first_node(&world), registered.blob_id);
    for (axis, count) in [(Axis::Primary, 34), (Axis::Secondary, 67)] {
        let symbols = node.source_symbols(blob_id, axis, SliverIndex(count - 1)).await.unwrap();
        assert_eq!(symbols.len(), 10);
        let size = usize::from(blob.metadata.symbol_size_bytes());
        for symbol in symbols {
            let pair = axis.orthogonal().pair_index(symbol.source, 100);
            let source = blob.sliver(axis.orthogonal(), pair).unwrap();
            assert_eq!(symbol.data, source.data.slice(usize::from(count - 1) * size..).slice(..size));
        }
        let beyond = node.source_symbols(blob_id, axis, SliverIndex(count)).await;
        assert!(matches!(beyond, Err(NodeError::IndexOutOfRange { index }) if index == count));
    }
}
