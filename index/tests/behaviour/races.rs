use std::sync::Arc;

use haulout_index::{
    CommitError, CommitObject, DeleteBucketError, ETagMatch, ExtentId, ListQuery, ListStart, PutPartError,
    UploadError, WriteCondition,
};
use tokio::task::JoinSet;

use crate::fixture::{Fixture, bucket, etag, members, object_key};

const RACERS: u64 = 64;

/// Commits `k` once for each racer at the same time; the tags of those that succeeded.
async fn race(fixture: &Arc<Fixture>, condition: WriteCondition) -> Vec<u64> {
    let mut racers = JoinSet::new();
    for tag in 1..=RACERS {
        let (fixture, condition) = (Arc::clone(fixture), condition.clone());
        racers.spawn(async move {
            let commit = fixture.commit("k", tag, vec![fixture.extent(1)]);
            match fixture.index.commit_object(CommitObject { condition, ..commit }).await {
                Ok(()) => Some(tag),
                Err(CommitError::PreconditionFailed) => None,
                Err(other) => panic!("{other:?}"),
            }
        });
    }
    racers.join_all().await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_racing_creations_wins() {
    let fixture = Arc::new(Fixture::with_bucket().await);
    let winners = race(&fixture, WriteCondition::MustNotExist).await;
    assert_eq!(winners.len(), 1);
    let object = fixture.index.object(&bucket(), &object_key("k")).await.unwrap().unwrap();
    assert_eq!(object.etag, etag(winners[0]));
    assert_eq!(fixture.index.stats().await.unwrap().staged_extents, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_racing_replacements_wins() {
    let fixture = Arc::new(Fixture::with_bucket().await);
    fixture.put("k", 0).await;
    let condition = WriteCondition::MustMatch(ETagMatch::Exactly(etag(0).to_string()));
    let winners = race(&fixture, condition).await;
    assert_eq!(winners.len(), 1);
    let object = fixture.index.object(&bucket(), &object_key("k")).await.unwrap().unwrap();
    assert_eq!(object.etag, etag(winners[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn unconditional_racers_all_succeed_and_one_remains() {
    let fixture = Arc::new(Fixture::with_bucket().await);
    let winners = race(&fixture, WriteCondition::None).await;
    assert_eq!(winners.len(), 64);
    let stats = fixture.index.stats().await.unwrap();
    assert_eq!((stats.staged_extents, stats.garbage_extents), (1, RACERS - 1));
}

/// Compare-and-swap by ETag: no increment is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_counter_in_an_object_counts() {
    let fixture = Arc::new(Fixture::with_bucket().await);
    fixture.put("k", 0).await;
    let mut counters = JoinSet::new();
    for _ in 0..4 {
        let fixture = Arc::clone(&fixture);
        counters.spawn(async move {
            let mut counted = 0;
            while counted < 10 {
                let object = fixture.index.object(&bucket(), &object_key("k")).await.unwrap().unwrap();
                let value = u64::try_from(u128::from_be_bytes(object.etag.md5)).unwrap();
                let condition = WriteCondition::MustMatch(ETagMatch::Exactly(object.etag.to_string()));
                let commit = fixture.commit("k", value + 1, vec![]);
                let result = fixture.index.commit_object(CommitObject { condition, ..commit }).await;
                counted += u32::from(result.is_ok());
            }
        });
    }
    counters.join_all().await;
    let object = fixture.index.object(&bucket(), &object_key("k")).await.unwrap().unwrap();
    assert_eq!(object.etag, etag(40));
}

/// Batches in opposite orders over the same keys would wait for each other in a circle.
#[tokio::test(flavor = "multi_thread")]
async fn batches_of_deletes_do_not_wait_in_a_circle() {
    let fixture = Arc::new(Fixture::with_bucket().await);
    let keys: Vec<String> = (0..20).map(|number| format!("k{number}")).collect();
    for _ in 0..3 {
        for key in &keys {
            fixture.put(key, 1).await;
        }
        let mut batches = JoinSet::new();
        for batch in 0..8 {
            let mut asked: Vec<_> = keys.iter().map(|key| (object_key(key), Default::default())).collect();
            if batch % 2 == 0 {
                asked.reverse();
            }
            let fixture = Arc::clone(&fixture);
            batches.spawn(async move { fixture.index.delete_objects(&bucket(), asked).await.unwrap() });
        }
        let existed = batches.join_all().await.into_iter().flatten().filter(|result| result.unwrap().existed);
        assert_eq!(existed.count(), keys.len());
    }
}

/// A bucket goes only when nothing acknowledged is in it, and nothing gets into it afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_bucket_loses_no_acknowledged_object_and_leaves_no_orphan() {
    let fixture = Arc::new(Fixture::new().await);
    for round in 0..60u64 {
        fixture.make_bucket().await;
        let mut puts = JoinSet::new();
        for writer in 0..3 {
            let fixture = Arc::clone(&fixture);
            puts.spawn(async move {
                for _ in 0..round % 4 {
                    tokio::task::yield_now().await;
                }
                let extent = fixture.extent(1);
                let commit = fixture.commit(&format!("k{writer}"), 1, vec![extent.clone()]);
                match fixture.index.commit_object(commit).await {
                    Ok(()) => Some((object_key(&format!("k{writer}")), extent.id)),
                    Err(CommitError::NoSuchBucket) => None,
                    Err(other) => panic!("{other:?}"),
                }
            });
        }
        let deleted = fixture.index.delete_bucket(&bucket()).await;
        let acknowledged: Vec<_> = puts.join_all().await.into_iter().flatten().collect();
        let staged = fixture.index.staged_extents(None, 9).await.unwrap();
        let mut staged: Vec<ExtentId> = staged.into_iter().map(|extent| extent.id).collect();
        let mut expected: Vec<ExtentId> = acknowledged.iter().map(|(_, extent)| *extent).collect();
        staged.sort();
        expected.sort();
        assert_eq!(staged, expected, "what is staged is what was acknowledged");
        match deleted {
            Ok(()) => {
                assert_eq!(acknowledged, []);
                continue;
            }
            Err(DeleteBucketError::NotEmpty) => {}
            Err(other) => panic!("{other:?}"),
        }
        let asked = acknowledged.into_iter().map(|(key, _)| (key, Default::default())).collect();
        for result in fixture.index.delete_objects(&bucket(), asked).await.unwrap() {
            assert!(result.unwrap().existed);
        }
        fixture.index.delete_bucket(&bucket()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_race_with_the_end_of_their_bucket_become_garbage_or_are_refused() {
    let fixture = Arc::new(Fixture::new().await);
    for _ in 0..30 {
        fixture.make_bucket().await;
        let upload = fixture.begin_upload("k").await;
        let mut puts = JoinSet::new();
        for number in 1..=3 {
            let (fixture, upload) = (Arc::clone(&fixture), upload.clone());
            puts.spawn(async move {
                let extent = fixture.extent(1);
                let part = fixture.part(number, std::slice::from_ref(&extent));
                let id = extent.id;
                match fixture.index.put_part(&bucket(), &upload.key, upload.id, part, vec![extent]).await {
                    Ok(()) => Some(id),
                    Err(PutPartError::NoSuchBucket) => None,
                    Err(other) => panic!("{other:?}"),
                }
            });
        }
        fixture.index.delete_bucket(&bucket()).await.unwrap();
        let mut acknowledged: Vec<ExtentId> = puts.join_all().await.into_iter().flatten().collect();
        acknowledged.sort();
        let garbage = fixture.index.garbage(9).await.unwrap();
        let garbage: Vec<ExtentId> = garbage.into_iter().map(|(id, _)| id).collect();
        assert_eq!(garbage, acknowledged);
        fixture.index.collect_garbage(garbage).await.unwrap();
        let listed = fixture.index.list_uploads(&bucket(), Default::default()).await;
        assert!(matches!(listed, Err(UploadError::NoSuchBucket)));
    }
}

/// Objects are replaced while they are shipped and collected: whoever comes first, the books balance.
#[tokio::test(flavor = "multi_thread")]
async fn shipping_races_with_replacement_and_collection() {
    let fixture = Arc::new(Fixture::with_bucket().await);
    let mut tasks = JoinSet::new();
    for writer in 0..3u64 {
        let fixture = Arc::clone(&fixture);
        tasks.spawn(async move {
            for round in 0..25 {
                let key = format!("k{}", (writer + round) % 4);
                fixture.put(&key, round).await;
            }
        });
    }
    for _ in 0..2 {
        let (shipped, collected) = (Arc::clone(&fixture), Arc::clone(&fixture));
        tasks.spawn(async move { ship_while_there_is_something(&shipped).await });
        tasks.spawn(async move {
            for _ in 0..20 {
                let garbage = collected.index.garbage(5).await.unwrap();
                let ids = garbage.into_iter().map(|(id, _)| id).collect();
                collected.index.collect_garbage(ids).await.unwrap();
            }
        });
    }
    while let Some(finished) = tasks.join_next().await {
        finished.unwrap();
    }
    let garbage = fixture.index.garbage(1_000).await.unwrap();
    fixture.index.collect_garbage(garbage.into_iter().map(|(id, _)| id).collect()).await.unwrap();
    // Four objects remain, of one extent each, staged or in a blob that counts them.
    let staged = fixture.index.staged_extents(None, 1_000).await.unwrap().len();
    let certified = fixture.index.leases_ending_before(u32::MAX, 1_000).await.unwrap();
    let in_blobs: u64 = certified.iter().map(|(_, blob)| blob.live_members).sum();
    assert_eq!(u64::try_from(staged).unwrap() + in_blobs, 4);
    for (_, blob) in certified {
        assert_eq!(blob.live_bytes, 100 * blob.live_members);
    }
    let query = ListQuery { prefix: "k".into(), delimiter: None, start: ListStart::Beginning, max_keys: 9 };
    assert_eq!(fixture.index.list_objects(&bucket(), query).await.unwrap().entries.len(), 4);
}

async fn ship_while_there_is_something(fixture: &Fixture) {
    for _ in 0..15 {
        let staged = fixture.index.staged_extents(None, 4).await.unwrap();
        let (members, length) = members(&staged);
        let key = fixture.blob_key();
        if fixture.index.plan_blob(key, members, length).await.unwrap().members.is_empty() {
            continue;
        }
        fixture.index.register_blob(key, [1; 32], [2; 32], 20).await.unwrap();
        fixture.index.certify_blob(key, 10, 20).await.unwrap();
    }
}
