use haulout_index::{
    AbortError, CommitError, CommitObject, CompletedUpload, ExtentId, IndexError, NewExtent, PartRecord,
    PutPartError, UploadId, UploadRecord, WriteCondition,
};

use crate::fixture::{Fixture, bucket, object_key, refs};

/// The object that `parts` of `upload` make.
fn completion(fixture: &Fixture, upload: &UploadRecord, parts: &[(PartRecord, NewExtent)]) -> CommitObject {
    let mut commit = fixture.commit(upload.key.as_str(), 1, vec![]);
    commit.layout.extents = parts.iter().flat_map(|(part, _)| part.extents.clone()).collect();
    commit.record.upload_id = Some(upload.id);
    let parts = parts.iter().map(|(part, _)| (part.number, part.id)).collect();
    commit.upload = Some(CompletedUpload { id: upload.id, parts });
    commit
}

async fn garbage(fixture: &Fixture) -> Vec<ExtentId> {
    fixture.index.garbage(100).await.unwrap().into_iter().map(|(id, _)| id).collect()
}

#[tokio::test]
async fn a_completed_upload_becomes_its_object() {
    let fixture = Fixture::with_bucket().await;
    let upload = fixture.begin_upload("k").await;
    let found = fixture.index.upload(&bucket(), &upload.key, upload.id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&upload));
    let replaced = fixture.put_part(&upload, 2).await;
    let first = fixture.put_part(&upload, 1).await;
    let second = fixture.put_part(&upload, 2).await;
    let unused = fixture.put_part(&upload, 3).await;
    assert_eq!(garbage(&fixture).await, [replaced.1.id]);
    let page = fixture.index.parts(upload.id, 0, 2).await.unwrap();
    assert_eq!((page.parts, page.next), (vec![first.0.clone(), second.0.clone()], Some(2)));
    let page = fixture.index.parts(upload.id, 2, 2).await.unwrap();
    assert_eq!((page.parts, page.next), (vec![unused.0.clone()], None));

    let commit = completion(&fixture, &upload, &[first.clone(), second.clone()]);
    fixture.index.commit_object(commit.clone()).await.unwrap();
    let found = fixture.index.object_with_layout(&bucket(), &upload.key).await.unwrap();
    assert_eq!(found, Some((commit.record.clone(), commit.layout.clone())));
    assert_eq!(fixture.index.upload(&bucket(), &upload.key, upload.id).await.unwrap(), None);
    assert_eq!(fixture.index.parts(upload.id, 0, 9).await.unwrap().parts, []);
    assert_eq!(garbage(&fixture).await, [replaced.1.id, unused.1.id]);
    assert_eq!(fixture.index.staged_extents(None, 9).await.unwrap(), [first.1, second.1]);

    // Completing again finds no upload, and the object knows where it came from.
    let again = fixture.index.commit_object(commit).await;
    assert!(matches!(again, Err(CommitError::NoSuchUpload)));
    let object = fixture.index.object(&bucket(), &upload.key).await.unwrap().unwrap();
    assert_eq!(object.upload_id, Some(upload.id));
}

#[tokio::test]
async fn a_refused_completion_keeps_the_upload() {
    let fixture = Fixture::with_bucket().await;
    fixture.put("k", 7).await;
    let upload = fixture.begin_upload("k").await;
    let old = fixture.put_part(&upload, 1).await;
    let new = fixture.put_part(&upload, 1).await;
    let changed = fixture.index.commit_object(completion(&fixture, &upload, &[old])).await;
    assert!(matches!(changed, Err(CommitError::PartChanged { number: 1 })));

    let mut conditional = completion(&fixture, &upload, std::slice::from_ref(&new));
    conditional.condition = WriteCondition::MustNotExist;
    let refused = fixture.index.commit_object(conditional).await;
    assert!(matches!(refused, Err(CommitError::PreconditionFailed)));
    assert_eq!(fixture.index.parts(upload.id, 0, 9).await.unwrap().parts, [new.0]);
}

#[tokio::test]
async fn an_object_takes_extents_of_its_chosen_parts_only() {
    let fixture = Fixture::with_bucket().await;
    let upload = fixture.begin_upload("k").await;
    let chosen = fixture.put_part(&upload, 1).await;
    let other = fixture.put_part(&upload, 2).await;
    let mut commit = completion(&fixture, &upload, &[chosen]);
    commit.layout.extents.extend(refs(std::slice::from_ref(&other.1)));
    let refused = fixture.index.commit_object(commit).await;
    let Err(CommitError::Index(IndexError::ExtentMismatch { extent })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(extent, other.1.id);
}

#[tokio::test]
async fn an_aborted_upload_leaves_garbage_only() {
    let fixture = Fixture::with_bucket().await;
    let upload = fixture.begin_upload("k").await;
    let other = fixture.begin_upload("k").await;
    let (part, extent) = fixture.put_part(&upload, 1).await;
    let (_, kept) = fixture.put_part(&other, 1).await;
    fixture.index.abort_upload(&bucket(), &upload.key, upload.id).await.unwrap();
    assert_eq!(garbage(&fixture).await, [extent.id]);
    assert_eq!(fixture.index.staged_extents(None, 9).await.unwrap(), [kept]);

    let again = fixture.index.abort_upload(&bucket(), &upload.key, upload.id).await;
    assert!(matches!(again, Err(AbortError::NoSuchUpload)));
    let late = fixture.index.put_part(&bucket(), &upload.key, upload.id, part, vec![extent]).await;
    assert!(matches!(late, Err(PutPartError::NoSuchUpload)));
}

#[tokio::test]
async fn an_upload_is_found_under_its_own_key_only() {
    let fixture = Fixture::with_bucket().await;
    let upload = fixture.begin_upload("k").await;
    let elsewhere = fixture.index.upload(&bucket(), &object_key("l"), upload.id).await.unwrap();
    assert_eq!(elsewhere, None);
    let unknown = UploadId::from_bytes([7; 16]);
    let refused = fixture.index.abort_upload(&bucket(), &upload.key, unknown).await;
    assert!(matches!(refused, Err(AbortError::NoSuchUpload)));
    let (extent, stray) = (fixture.extent(1), fixture.extent(1));
    let part = fixture.part(1, std::slice::from_ref(&extent));
    let refused = fixture.index.put_part(&bucket(), &upload.key, upload.id, part, vec![extent, stray]).await;
    assert!(matches!(refused, Err(PutPartError::Index(IndexError::ExtentMismatch { .. }))));
}
