use haulout_index::{BlobError, BlobState, ExtentLocation, IndexStats, NewExtent, StagingSpan};

use crate::fixture::{Fixture, bucket, members, object_key};

async fn delete(fixture: &Fixture, key: &str) {
    let deleted = fixture.index.delete_object(&bucket(), &object_key(key), Default::default()).await;
    assert!(deleted.unwrap().existed);
}

async fn location(fixture: &Fixture, extent: &NewExtent) -> Option<ExtentLocation> {
    let found = fixture.index.extents(&[extent.id]).await.unwrap();
    found[0].as_ref().map(|record| record.location)
}

fn span(extent: &NewExtent) -> StagingSpan {
    extent.record.staging_span().unwrap()
}

#[tokio::test]
async fn shipping_moves_extents_from_staging_to_a_blob() {
    let fixture = Fixture::with_bucket().await;
    let extents = [fixture.put("a", 1).await, fixture.put("b", 2).await];
    let key = fixture.blob_key();
    let (members, length) = members(&extents);
    let planned = fixture.index.plan_blob(key, members.clone(), length).await.unwrap();
    assert_eq!((planned.state.clone(), planned.members.clone()), (BlobState::Planned, members));
    assert_eq!((planned.length, planned.live_bytes, planned.live_members), (200, 200, 2));
    assert_eq!(fixture.index.staged_extents(None, 9).await.unwrap(), []);
    assert_eq!(fixture.index.unfinished_blobs().await.unwrap(), [(key, planned)]);

    fixture.index.register_blob(key, [1; 32], [2; 32], 20).await.unwrap();
    // What was registered may be registered anew, say after the ledger lost it, and survives a restart.
    fixture.index.register_blob(key, [3; 32], [2; 32], 21).await.unwrap();
    let fixture = fixture.reopen().await;
    let (_, registered) = fixture.index.unfinished_blobs().await.unwrap().remove(0);
    let state = BlobState::Registered { object_id: [3; 32], blob_id: [2; 32], end_epoch: 21 };
    assert_eq!(registered.state, state);
    assert_eq!(fixture.index.blobs_of(&[extents[0].id]).await.unwrap(), [None]);

    let freed = fixture.index.certify_blob(key, 10, 22).await.unwrap();
    assert_eq!(freed, [span(&extents[0]), span(&extents[1])]);
    assert_eq!(fixture.index.certify_blob(key, 10, 22).await.unwrap(), [], "freed once");
    assert_eq!(location(&fixture, &extents[1]).await, Some(ExtentLocation::Blob { blob: key, offset: 100 }));
    assert_eq!(fixture.index.unfinished_blobs().await.unwrap(), []);
    assert_eq!(fixture.index.staged_locations().await.unwrap(), []);
    let certified =
        BlobState::Certified { object_id: [3; 32], blob_id: [2; 32], certified_epoch: 10, end_epoch: 22 };
    assert_eq!(fixture.index.blobs_of(&[extents[0].id]).await.unwrap(), [Some((key, certified))]);
    let stats = fixture.index.stats().await.unwrap();
    assert_eq!(stats, IndexStats { certified_blobs: 1, ..IndexStats::default() });
}

#[tokio::test]
async fn a_plan_takes_only_what_still_waits() {
    let fixture = Fixture::with_bucket().await;
    let (dead, elsewhere) = (fixture.put("dead", 1).await, fixture.put("elsewhere", 1).await);
    let (moved, fine) = (fixture.put("moved", 1).await, fixture.put("fine", 1).await);
    delete(&fixture, "dead").await;
    fixture.ship(std::slice::from_ref(&elsewhere)).await;
    let unknown = fixture.extent(1);
    let (mut all, length) = members(&[fine.clone(), moved, unknown, elsewhere, dead.clone()]);
    all[1].source.1 += 1;
    let planned = fixture.index.plan_blob(fixture.blob_key(), all, length).await.unwrap();
    assert_eq!(planned.members.iter().map(|member| member.extent).collect::<Vec<_>>(), [fine.id]);
    assert_eq!((planned.live_bytes, planned.length), (100, 401));

    let key = fixture.blob_key();
    let (none, length) = members(&[dead]);
    assert_eq!(fixture.index.plan_blob(key, none, length).await.unwrap().members, []);
    assert_eq!(fixture.index.blob(key).await.unwrap(), None);
}

#[tokio::test]
async fn an_extent_that_dies_on_its_way_keeps_its_staging_bytes_until_certified() {
    let fixture = Fixture::with_bucket().await;
    let extents = [fixture.put("dies", 1).await, fixture.put("lives", 2).await];
    let key = fixture.blob_key();
    let (members, length) = members(&extents);
    fixture.index.plan_blob(key, members, length).await.unwrap();
    delete(&fixture, "dies").await;
    assert_eq!(fixture.index.garbage(9).await.unwrap(), []);
    let collected = fixture.index.collect_garbage(vec![extents[0].id]).await.unwrap();
    assert_eq!((collected.freed_staging.len(), collected.empty_blobs.len()), (0, 0));
    assert_eq!(fixture.index.staged_locations().await.unwrap(), [span(&extents[0]), span(&extents[1])]);

    fixture.index.register_blob(key, [1; 32], [2; 32], 20).await.unwrap();
    let freed = fixture.index.certify_blob(key, 10, 20).await.unwrap();
    assert_eq!(freed, [span(&extents[0]), span(&extents[1])]);
    let garbage = fixture.index.garbage(9).await.unwrap();
    assert_eq!(garbage.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [extents[0].id]);
    assert_eq!(fixture.index.blob(key).await.unwrap().unwrap().live_bytes, 200);
    let collected = fixture.index.collect_garbage(vec![extents[0].id]).await.unwrap();
    assert_eq!((collected.freed_staging.len(), collected.empty_blobs.len()), (0, 0));
    assert_eq!(fixture.index.blob(key).await.unwrap().unwrap().live_bytes, 100);
}

#[tokio::test]
async fn collected_staging_is_freed_once() {
    let fixture = Fixture::with_bucket().await;
    let (dead, alive) = (fixture.put("dead", 1).await, fixture.put("alive", 1).await);
    delete(&fixture, "dead").await;
    let collected = fixture.index.collect_garbage(vec![alive.id, dead.id]).await.unwrap();
    assert_eq!(collected.freed_staging, [span(&dead)]);
    let collected = fixture.index.collect_garbage(vec![alive.id, dead.id]).await.unwrap();
    assert_eq!(collected.freed_staging, []);
    assert_eq!(location(&fixture, &dead).await, None);
    assert!(location(&fixture, &alive).await.is_some());
}

#[tokio::test]
async fn an_emptied_blob_is_reported_until_forgotten() {
    let fixture = Fixture::with_bucket().await;
    let extents = [fixture.put("a", 1).await, fixture.put("b", 2).await];
    let key = fixture.ship(&extents).await;
    delete(&fixture, "a").await;
    assert_eq!(fixture.index.collect_garbage(vec![extents[0].id]).await.unwrap().empty_blobs, []);
    let refused = fixture.index.forget_blob(key).await;
    assert!(matches!(refused, Err(BlobError::InUse { live_members: 1 })));
    delete(&fixture, "b").await;
    let collected = fixture.index.collect_garbage(vec![extents[1].id]).await.unwrap();
    let blob = fixture.index.blob(key).await.unwrap().unwrap();
    assert_eq!((blob.live_bytes, blob.live_members), (0, 0));
    assert_eq!(collected.empty_blobs, [(key, blob)]);

    let fixture = fixture.reopen().await;
    assert_eq!(fixture.index.empty_blobs(9).await.unwrap(), collected.empty_blobs);
    assert_eq!(fixture.index.leases_ending_before(u32::MAX, 9).await.unwrap(), []);
    fixture.index.renew_lease(key, 30).await.unwrap(); // Racing with its end: noted, and not listed again.
    assert_eq!(fixture.index.leases_ending_before(u32::MAX, 9).await.unwrap(), []);
    fixture.index.forget_blob(key).await.unwrap();
    assert_eq!(fixture.index.empty_blobs(9).await.unwrap(), []);
    assert!(matches!(fixture.index.forget_blob(key).await, Err(BlobError::NoSuchBlob)));
    assert_eq!(fixture.index.stats().await.unwrap(), IndexStats::default());
}

#[tokio::test]
async fn leases_come_in_the_order_of_their_ends() {
    let fixture = Fixture::with_bucket().await;
    let mut blobs = Vec::new();
    for end_epoch in [300, 20, 256] {
        let key = fixture.ship(&[fixture.put(&format!("{end_epoch}"), 1).await]).await;
        fixture.index.renew_lease(key, end_epoch).await.unwrap();
        blobs.push(key);
    }
    let ending = async |epoch, max| {
        let ending = fixture.index.leases_ending_before(epoch, max).await.unwrap();
        ending.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(ending(300, 9).await, [blobs[1], blobs[2]]);
    assert_eq!(ending(301, 2).await, [blobs[1], blobs[2]]);
    assert_eq!(ending(20, 9).await, []);
    fixture.index.renew_lease(blobs[1], 400).await.unwrap();
    assert_eq!(ending(500, 9).await, [blobs[2], blobs[0], blobs[1]]);
}

#[tokio::test]
async fn steps_out_of_order_are_refused() {
    let fixture = Fixture::with_bucket().await;
    let extent = fixture.put("a", 1).await;
    let key = fixture.blob_key();
    let (plan, length) = members(std::slice::from_ref(&extent));
    assert!(matches!(
        fixture.index.register_blob(key, [1; 32], [2; 32], 20).await,
        Err(BlobError::NoSuchBlob)
    ));
    assert!(matches!(fixture.index.certify_blob(key, 10, 20).await, Err(BlobError::NoSuchBlob)));
    fixture.index.plan_blob(key, plan.clone(), length).await.unwrap();
    assert!(matches!(fixture.index.plan_blob(key, plan, length).await, Err(BlobError::AlreadyPlanned)));
    assert!(matches!(fixture.index.certify_blob(key, 10, 20).await, Err(BlobError::NotRegistered)));
    assert!(matches!(fixture.index.renew_lease(key, 30).await, Err(BlobError::NotCertified)));
    assert!(matches!(fixture.index.forget_blob(key).await, Err(BlobError::NotCertified)));
    fixture.index.register_blob(key, [1; 32], [2; 32], 20).await.unwrap();
    fixture.index.certify_blob(key, 10, 20).await.unwrap();
    let late = fixture.index.register_blob(key, [1; 32], [2; 32], 20).await;
    assert!(matches!(late, Err(BlobError::AlreadyCertified)));
}
