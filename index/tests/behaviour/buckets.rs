use haulout_index::{
    BucketName, BucketPage, BucketQuery, CommitError, CreateBucketError, DeleteBucketError, IndexConfig,
    ListQuery, ListStart, ObjectError, OpenError,
};

use crate::fixture::{Fixture, bucket, object_key};

fn name(name: &str) -> BucketName {
    BucketName::parse(name).unwrap()
}

#[tokio::test]
async fn a_bucket_is_made_once() {
    let fixture = Fixture::new().await;
    let record = fixture.bucket_record();
    fixture.index.create_bucket(&bucket(), record.clone()).await.unwrap();
    let again = fixture.index.create_bucket(&bucket(), fixture.bucket_record()).await;
    assert!(matches!(again, Err(CreateBucketError::AlreadyExists)));
    assert_eq!(fixture.index.bucket(&bucket()).await.unwrap(), Some(record));
}

#[tokio::test]
async fn only_an_empty_bucket_is_deleted() {
    let fixture = Fixture::with_bucket().await;
    fixture.put("k", 1).await;
    let refused = fixture.index.delete_bucket(&bucket()).await;
    assert!(matches!(refused, Err(DeleteBucketError::NotEmpty)));
    fixture.index.delete_object(&bucket(), &object_key("k"), Default::default()).await.unwrap();
    fixture.index.delete_bucket(&bucket()).await.unwrap();
    let refused = fixture.index.delete_bucket(&bucket()).await;
    assert!(matches!(refused, Err(DeleteBucketError::NoSuchBucket)));
    assert_eq!(fixture.index.bucket(&bucket()).await.unwrap(), None);
}

#[tokio::test]
async fn deleting_a_bucket_aborts_its_uploads() {
    let fixture = Fixture::with_bucket().await;
    let upload = fixture.begin_upload("k").await;
    let (_, extent) = fixture.put_part(&upload, 1).await;
    fixture.index.delete_bucket(&bucket()).await.unwrap();
    assert_eq!(fixture.index.parts(upload.id, 0, 10).await.unwrap().parts, []);
    assert_eq!(fixture.index.garbage(10).await.unwrap(), [(extent.id, extent.record)]);

    // Another bucket of the name knows nothing of it.
    fixture.make_bucket().await;
    assert_eq!(fixture.index.upload(&bucket(), &upload.key, upload.id).await.unwrap(), None);
}

#[tokio::test]
async fn what_needs_a_bucket_misses_it() {
    let fixture = Fixture::new().await;
    let committed = fixture.index.commit_object(fixture.commit("k", 1, vec![])).await;
    assert!(matches!(committed, Err(CommitError::NoSuchBucket)));
    let query =
        ListQuery { prefix: String::new(), delimiter: None, start: ListStart::Beginning, max_keys: 1 };
    let listed = fixture.index.list_objects(&bucket(), query).await;
    assert!(matches!(listed, Err(ObjectError::NoSuchBucket)));
    let object = fixture.index.object(&bucket(), &object_key("k")).await;
    assert!(matches!(object, Err(ObjectError::NoSuchBucket)));
}

#[tokio::test]
async fn buckets_list_in_pages() {
    let fixture = Fixture::new().await;
    for bucket in ["walrus", "seal.1", "seal", "seal-2", "orca"] {
        fixture.index.create_bucket(&name(bucket), fixture.bucket_record()).await.unwrap();
    }
    let names = |page: &BucketPage| -> Vec<String> {
        page.buckets.iter().map(|(name, _)| name.to_string()).collect()
    };
    let mut query = BucketQuery { prefix: Some("seal".into()), after: None, max: 2 };
    let page = fixture.index.list_buckets(query.clone()).await.unwrap();
    assert_eq!(names(&page), ["seal", "seal-2"]);
    query.after = page.next;
    assert_eq!(query.after, Some(name("seal-2")));
    let page = fixture.index.list_buckets(query).await.unwrap();
    assert_eq!((names(&page), page.next), (vec!["seal.1".to_owned()], None));

    let all = BucketQuery { max: 5, ..BucketQuery::default() };
    let page = fixture.index.list_buckets(all).await.unwrap();
    assert_eq!(names(&page), ["orca", "seal", "seal-2", "seal.1", "walrus"]);
    assert_eq!(page.next, None);
    let none = fixture.index.list_buckets(BucketQuery::default()).await.unwrap();
    assert_eq!(none, BucketPage::default());
    // Names before the prefix do not lead astray.
    let after = BucketQuery { prefix: Some("seal".into()), after: Some(name("aaa")), max: 1 };
    assert_eq!(names(&fixture.index.list_buckets(after).await.unwrap()), ["seal"]);
}

#[tokio::test]
async fn an_index_is_open_once_at_a_time() {
    let fixture = Fixture::new().await;
    let again = haulout_index::Index::open(fixture.directory.path(), IndexConfig::default()).await;
    assert!(matches!(again, Err(OpenError::Storage(_))));
}

#[tokio::test]
async fn too_small_a_write_buffer_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let config = IndexConfig { write_buffer_bytes: 0, ..IndexConfig::default() };
    let refused = haulout_index::Index::open(directory.path(), config).await;
    assert!(matches!(refused, Err(OpenError::WriteBufferTooSmall { configured: 0, .. })));
}
