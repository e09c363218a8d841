use haulout_index::{
    CommitError, DeleteCondition, DeleteError, DeleteRefused, Deleted, ETagMatch, IndexConfig, IndexError,
    Layout, WriteCondition,
};

use crate::fixture::{Fixture, bucket, etag, object_key, refs};

#[tokio::test]
async fn a_committed_object_survives_a_restart() {
    let fixture = Fixture::with_bucket().await;
    let extents = vec![fixture.extent(10), fixture.extent(20)];
    let commit = fixture.commit("k", 1, extents.clone());
    fixture.index.commit_object(commit.clone()).await.unwrap();
    let fixture = fixture.reopen().await;
    let found = fixture.index.object_with_layout(&bucket(), &object_key("k")).await.unwrap();
    assert_eq!(found, Some((commit.record.clone(), commit.layout.clone())));
    let layout = fixture.index.layout(commit.record.version_id).await.unwrap();
    assert_eq!(layout, Some(Layout { extents: refs(&extents), parts: vec![] }));
    let staged = fixture.index.staged_extents(None, 10).await.unwrap();
    assert_eq!(staged, extents);
    let later = fixture.index.staged_extents(Some(extents[0].id), 10).await.unwrap();
    assert_eq!(later, extents[1..]);
}

/// Other than in a young index, most rows are in tables by now, and logs have come and gone.
#[tokio::test]
async fn an_index_far_larger_than_its_write_buffers_opens_again() {
    let directory = tempfile::tempdir().unwrap();
    let write_buffer_bytes = IndexConfig::MIN_WRITE_BUFFER_BYTES;
    let config = IndexConfig { write_buffer_bytes, ..IndexConfig::default() };
    let mut fixture = Fixture::open(directory, config).await;
    fixture.make_bucket().await;
    for round in 1..=3 {
        for number in 0..20 {
            let mut commit = fixture.commit(&format!("{round}/{number}"), round, vec![fixture.extent(1)]);
            commit.record.user_metadata.push(("long".into(), "x".repeat(100_000)));
            fixture.index.commit_object(commit).await.unwrap();
        }
        fixture = fixture.reopen().await;
        for number in 0..20 {
            let key = object_key(&format!("{round}/{number}"));
            let object = fixture.index.object(&bucket(), &key).await.unwrap().unwrap();
            assert_eq!((object.etag, object.user_metadata[1].1.len()), (etag(round), 100_000));
        }
    }
    assert_eq!(fixture.index.staged_extents(None, 100).await.unwrap().len(), 60);
}

#[tokio::test]
async fn a_replaced_object_leaves_garbage_only() {
    let fixture = Fixture::with_bucket().await;
    let old = fixture.commit("k", 1, vec![fixture.extent(10)]);
    fixture.index.commit_object(old.clone()).await.unwrap();
    let new = fixture.put("k", 2).await;
    let object = fixture.index.object(&bucket(), &object_key("k")).await.unwrap().unwrap();
    assert_eq!(object.etag, etag(2));
    assert_eq!(fixture.index.layout(old.record.version_id).await.unwrap(), None);
    assert_eq!(fixture.index.garbage(9).await.unwrap(), [(old.extents[0].id, old.extents[0].record.clone())]);
    assert_eq!(fixture.index.staged_extents(None, 9).await.unwrap(), [new]);
}

#[tokio::test]
async fn a_condition_decides_over_a_write() {
    let fixture = Fixture::with_bucket().await;
    let exactly = |tag| WriteCondition::MustMatch(ETagMatch::Exactly(etag(tag).to_string()));
    let commit = async |tag, condition| {
        let commit = fixture.commit("k", tag, vec![fixture.extent(1)]);
        fixture.index.commit_object(haulout_index::CommitObject { condition, ..commit }).await
    };
    assert!(matches!(commit(1, exactly(0)).await, Err(CommitError::NoSuchKey)));
    let any = WriteCondition::MustMatch(ETagMatch::Any);
    assert!(matches!(commit(1, any.clone()).await, Err(CommitError::NoSuchKey)));
    commit(1, WriteCondition::MustNotExist).await.unwrap();
    assert!(matches!(commit(2, WriteCondition::MustNotExist).await, Err(CommitError::PreconditionFailed)));
    assert!(matches!(commit(2, exactly(0)).await, Err(CommitError::PreconditionFailed)));
    commit(2, exactly(1)).await.unwrap();
    commit(3, any).await.unwrap();
    let object = fixture.index.object(&bucket(), &object_key("k")).await.unwrap().unwrap();
    assert_eq!(object.etag, etag(3));
    // A refused write leaves nothing: three were taken in, of which two were replaced.
    let stats = fixture.index.stats().await.unwrap();
    assert_eq!((stats.staged_extents, stats.garbage_extents, stats.staged_bytes), (1, 2, 3));
}

#[tokio::test]
async fn a_condition_decides_over_a_delete() {
    let fixture = Fixture::with_bucket().await;
    let delete =
        async |condition| match fixture.index.delete_object(&bucket(), &object_key("k"), condition).await {
            Ok(deleted) => Ok(deleted),
            Err(DeleteError::Refused(why)) => Err(why),
            Err(other) => panic!("{other}"),
        };
    let exactly =
        |tag| DeleteCondition { etag: Some(ETagMatch::Exactly(etag(tag).to_string())), ..Default::default() };
    assert_eq!(delete(DeleteCondition::default()).await, Ok(Deleted { existed: false }));
    assert_eq!(delete(exactly(1)).await, Err(DeleteRefused::NoSuchKey));
    fixture.put("k", 1).await; // 100 bytes, modified in the sixth second
    let refused = [
        exactly(2),
        DeleteCondition { size: Some(99), ..exactly(1) },
        DeleteCondition { modified_at_seconds: Some(6), ..exactly(1) },
    ];
    for condition in refused {
        assert_eq!(delete(condition).await, Err(DeleteRefused::PreconditionFailed));
    }
    let met = DeleteCondition { size: Some(100), modified_at_seconds: Some(5), ..exactly(1) };
    assert_eq!(delete(met).await, Ok(Deleted { existed: true }));
    assert_eq!(fixture.index.object(&bucket(), &object_key("k")).await.unwrap(), None);
}

#[tokio::test]
async fn many_deletes_answer_each_for_itself() {
    let fixture = Fixture::with_bucket().await;
    for key in ["a", "b", "c"] {
        fixture.put(key, 1).await;
    }
    let refused =
        DeleteCondition { etag: Some(ETagMatch::Exactly(etag(2).to_string())), ..Default::default() };
    let asked = vec![
        (object_key("c"), DeleteCondition::default()),
        (object_key("b"), refused),
        (object_key("missing"), DeleteCondition::default()),
        (object_key("a"), DeleteCondition::default()),
        (object_key("c"), DeleteCondition::default()),
    ];
    let results = fixture.index.delete_objects(&bucket(), asked).await.unwrap();
    let deleted = |existed| Ok(Deleted { existed });
    let expected = [
        deleted(true),
        Err(DeleteRefused::PreconditionFailed),
        deleted(false),
        deleted(true),
        deleted(false),
    ];
    assert_eq!(results, expected);
    assert!(fixture.index.object(&bucket(), &object_key("b")).await.unwrap().is_some());
    assert_eq!(fixture.index.garbage(9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn extents_and_layout_must_fit_together() {
    let fixture = Fixture::with_bucket().await;
    let taken = fixture.put("taken", 1).await;
    let stray = fixture.extent(5);
    let mut unused = fixture.commit("k", 1, vec![stray.clone()]);
    unused.layout.extents.clear();
    let mut foreign = fixture.commit("k", 1, vec![]);
    foreign.layout.extents = refs(std::slice::from_ref(&taken));
    let again = fixture.commit("k", 1, vec![taken.clone()]);
    for (commit, extent) in [(unused, stray.id), (foreign, taken.id), (again, taken.id)] {
        let refused = fixture.index.commit_object(commit).await;
        let Err(CommitError::Index(IndexError::ExtentMismatch { extent: named })) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(named, extent);
    }
    assert_eq!(fixture.index.object(&bucket(), &object_key("k")).await.unwrap(), None);
    assert_eq!(fixture.index.staged_extents(None, 9).await.unwrap(), [taken]);
}
