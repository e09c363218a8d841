use std::collections::BTreeMap;

use haulout_index::{
    CommitObject, ETagMatch, ListEntry, ListPage, ListQuery, ListStart, UploadEntry, UploadQuery,
    WriteCondition,
};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::fixture::{Fixture, bucket, etag, object_key};

/// The index under test as a map from keys to tags.
type Model = BTreeMap<String, u64>;

#[derive(Clone, Debug)]
enum Step {
    Put(String),
    PutIfAbsent(String),
    /// If the tag is the current one, or is not.
    PutIfMatch(String, bool),
    Delete(String),
    DeleteMany(Vec<String>),
    List {
        prefix: String,
        delimiter: Option<String>,
        start: ListStart,
        max_keys: usize,
    },
}

/// Few characters, so that keys share prefixes and hold delimiters; NUL, and the highest of all.
fn key() -> impl Strategy<Value = String> {
    let short = || proptest::string::string_regex("[\0\u{1}/ab\u{e9}\u{10ffff}]{1,5}").unwrap();
    let long = short().prop_map(|key| key.clone() + &"b".repeat(1024 - key.len()));
    prop_oneof![8 => short(), 1 => long]
}

fn prefix() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[\0/ab\u{e9}\u{10ffff}]{0,3}").unwrap()
}

fn delimiter() -> impl Strategy<Value = Option<String>> {
    let some = prop::sample::select(vec!["/", "//", "ab", "a", "\0", "\u{e9}", "\u{10ffff}", ""]);
    prop::option::weighted(0.8, some.prop_map(str::to_owned))
}

fn start() -> impl Strategy<Value = ListStart> {
    prop_oneof![
        Just(ListStart::Beginning),
        key().prop_map(ListStart::After),
        prefix()
            .prop_filter("common prefixes are not empty", |p| !p.is_empty())
            .prop_map(ListStart::AfterPrefix),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => key().prop_map(Step::Put),
        1 => key().prop_map(Step::PutIfAbsent),
        1 => (key(), any::<bool>()).prop_map(|(key, current)| Step::PutIfMatch(key, current)),
        1 => key().prop_map(Step::Delete),
        1 => prop::collection::vec(key(), 1..6).prop_map(Step::DeleteMany),
        5 => (prefix(), delimiter(), start(), 0usize..7)
            .prop_map(|(prefix, delimiter, start, max_keys)| Step::List { prefix, delimiter, start, max_keys }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn the_index_behaves_like_a_map(steps in prop::collection::vec(step(), 1..60)) {
        Runtime::new().unwrap().block_on(async {
            let fixture = Fixture::with_bucket().await;
            let mut model = Model::new();
            for (tag, step) in (1..).zip(steps) {
                take(&fixture, &mut model, tag, step).await;
            }
        });
    }
}

async fn take(fixture: &Fixture, model: &mut Model, tag: u64, step: Step) {
    match step {
        Step::Put(key) => put(fixture, model, key, tag, WriteCondition::None, true).await,
        Step::PutIfAbsent(key) => {
            let absent = !model.contains_key(&key);
            put(fixture, model, key, tag, WriteCondition::MustNotExist, absent).await;
        }
        Step::PutIfMatch(key, current) => {
            let wanted = model.get(&key).copied().filter(|_| current);
            let text = etag(wanted.unwrap_or(0)).to_string();
            let condition = WriteCondition::MustMatch(ETagMatch::Exactly(text));
            put(fixture, model, key, tag, condition, wanted.is_some()).await;
        }
        Step::Delete(key) => {
            let deleted = fixture.index.delete_object(&bucket(), &object_key(&key), Default::default()).await;
            assert_eq!(deleted.unwrap().existed, model.remove(&key).is_some());
        }
        Step::DeleteMany(keys) => {
            let asked = keys.iter().map(|key| (object_key(key), Default::default())).collect();
            let results = fixture.index.delete_objects(&bucket(), asked).await.unwrap();
            for (key, result) in keys.iter().zip(results) {
                assert_eq!(result.unwrap().existed, model.remove(key).is_some());
            }
        }
        Step::List { prefix, delimiter, start, max_keys } => {
            let query = ListQuery { prefix, delimiter, start, max_keys };
            list_to_the_end(fixture, model, query).await;
        }
    }
}

async fn put(
    fixture: &Fixture,
    model: &mut Model,
    key: String,
    tag: u64,
    condition: WriteCondition,
    expected: bool,
) {
    let commit = fixture.commit(&key, tag, vec![]);
    let committed = fixture.index.commit_object(CommitObject { condition, ..commit }).await;
    assert_eq!(committed.is_ok(), expected, "{committed:?}");
    if expected {
        model.insert(key, tag);
    }
}

async fn list_to_the_end(fixture: &Fixture, model: &Model, mut query: ListQuery) {
    let expected = expected_entries(model, &query);
    let mut found = Vec::new();
    loop {
        let page = fixture.index.list_objects(&bucket(), query.clone()).await.unwrap();
        if query.max_keys == 0 {
            assert_eq!(page, ListPage::default());
            return;
        }
        let full = page.entries.len() == query.max_keys;
        assert!(page.entries.len() <= query.max_keys);
        found.extend(page.entries.into_iter().map(|entry| match entry {
            ListEntry::Object(key, record) => (key.to_string(), Some(record.etag)),
            ListEntry::CommonPrefix(prefix) => (prefix, None),
        }));
        assert_eq!(page.next.is_some(), found.len() < expected.len(), "of {expected:?}");
        let Some(next) = page.next else { break };
        assert!(full, "a page is cut short only at its limit");
        query.start = next;
    }
    assert_eq!(found, expected);
}

/// What S3 documents, the slow way.
fn expected_entries(model: &Model, query: &ListQuery) -> Vec<(String, Option<haulout_index::ETag>)> {
    let after_start = |key: &str| match &query.start {
        ListStart::Beginning => true,
        ListStart::After(start) => key > start.as_str(),
        ListStart::AfterPrefix(prefix) => key > prefix.as_str() && !key.starts_with(prefix.as_str()),
    };
    let mut entries = Vec::new();
    for (key, tag) in model {
        let Some(tail) = key.strip_prefix(&query.prefix) else { continue };
        if !after_start(key) {
            continue;
        }
        let delimiter = query.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        match delimiter.and_then(|delimiter| tail.split_once(delimiter).map(|(head, _)| (head, delimiter))) {
            Some((head, delimiter)) => entries.push((format!("{}{head}{delimiter}", query.prefix), None)),
            None => entries.push((key.clone(), Some(etag(*tag)))),
        }
    }
    entries.dedup();
    entries
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn uploads_list_by_key_then_initiation(
        keys in prop::collection::vec(key(), 1..20),
        queries in prop::collection::vec((prefix(), delimiter(), 1usize..5), 1..10),
    ) {
        Runtime::new().unwrap().block_on(async {
            let fixture = Fixture::with_bucket().await;
            let mut uploads = Vec::new();
            for key in &keys {
                uploads.push(fixture.begin_upload(key).await);
            }
            uploads.sort_by(|a, b| (&a.key, a.id).cmp(&(&b.key, b.id)));
            for (prefix, delimiter, max) in queries {
                let mut expected = Vec::new();
                for upload in &uploads {
                    let Some(tail) = upload.key.as_str().strip_prefix(&prefix) else { continue };
                    let delimiter = delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
                    expected.push(match delimiter.and_then(|delimiter| Some((tail.find(delimiter)?, delimiter))) {
                        Some((at, delimiter)) => {
                            UploadEntry::CommonPrefix(format!("{prefix}{}{delimiter}", &tail[..at]))
                        }
                        None => UploadEntry::Upload(upload.clone()),
                    });
                }
                expected.dedup();
                let mut query = UploadQuery { prefix, delimiter, max, ..UploadQuery::default() };
                let mut found = Vec::new();
                loop {
                    let page = fixture.index.list_uploads(&bucket(), query.clone()).await.unwrap();
                    assert!(page.entries.len() <= max);
                    found.extend(page.entries);
                    let Some((key, id)) = page.next else { break };
                    (query.key_marker, query.upload_id_marker) = (Some(key), id);
                }
                assert_eq!(found, expected);
            }
        });
    }
}

#[tokio::test]
async fn a_marker_goes_on_where_its_upload_was() {
    let fixture = Fixture::with_bucket().await;
    let first = fixture.begin_upload("k").await;
    let second = fixture.begin_upload("k").await;
    let third = fixture.begin_upload("k").await;
    fixture.index.abort_upload(&bucket(), &second.key, second.id).await.unwrap();
    let query = UploadQuery {
        key_marker: Some("k".into()),
        upload_id_marker: Some(second.id),
        max: 10,
        ..UploadQuery::default()
    };
    let page = fixture.index.list_uploads(&bucket(), query.clone()).await.unwrap();
    assert_eq!(page.entries, [UploadEntry::Upload(third)]);
    let by_key = UploadQuery { upload_id_marker: None, ..query };
    assert_eq!(fixture.index.list_uploads(&bucket(), by_key).await.unwrap().entries, []);
    let all = UploadQuery { max: 1, ..UploadQuery::default() };
    let page = fixture.index.list_uploads(&bucket(), all).await.unwrap();
    assert_eq!(page.next, Some(("k".to_owned(), Some(first.id))));
}
