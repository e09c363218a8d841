//! Every extent is owned, on its way to being garbage, garbage, or gone; every byte of staging is freed once.

use std::collections::{BTreeMap, BTreeSet};

use haulout_index::{
    BlobKey, CompletedUpload, ExtentId, ExtentLocation, NewExtent, PartRecord, StagingSpan, UploadRecord,
};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::fixture::{Fixture, bucket, members, object_key};

#[derive(Clone, Debug)]
enum Step {
    /// Puts an object of so many extents under a key.
    Put(u8, usize),
    Delete(u8),
    BeginUpload(u8),
    /// Puts a part of so many extents to one of the uploads.
    PutPart(prop::sample::Index, u16, usize),
    /// Completes an upload with the parts of even number.
    Complete(prop::sample::Index),
    Abort(prop::sample::Index),
    /// Plans so many staged extents.
    Plan(usize),
    /// Registers an unfinished blob, or certifies it if it is registered.
    Advance(prop::sample::Index),
    Collect(usize),
    ForgetEmpty,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        6 => (0u8..5, 0usize..4).prop_map(|(key, extents)| Step::Put(key, extents)),
        3 => (0u8..5).prop_map(Step::Delete),
        2 => (0u8..5).prop_map(Step::BeginUpload),
        5 => (index(), 1u16..4, 0usize..3).prop_map(|(upload, number, extents)| Step::PutPart(upload, number, extents)),
        2 => index().prop_map(Step::Complete),
        1 => index().prop_map(Step::Abort),
        4 => (1usize..5).prop_map(Step::Plan),
        6 => index().prop_map(Step::Advance),
        3 => (1usize..5).prop_map(Step::Collect),
        1 => Just(Step::ForgetEmpty),
        1 => Just(Step::Reopen),
    ]
}

/// What the steps so far amount to.
#[derive(Default)]
struct Books {
    objects: BTreeMap<u8, Vec<ExtentId>>,
    uploads: Vec<(UploadRecord, BTreeMap<u16, PartRecord>)>,
    /// Every extent ever taken in.
    spans: BTreeMap<ExtentId, StagingSpan>,
    freed: BTreeSet<StagingSpan>,
    /// Blobs that are planned or registered, and whether registered.
    unfinished: BTreeMap<BlobKey, bool>,
}

impl Books {
    fn enter(&mut self, extents: &[NewExtent]) {
        self.spans.extend(extents.iter().map(|extent| (extent.id, extent.record.staging_span().unwrap())));
    }

    fn free(&mut self, spans: Vec<StagingSpan>) {
        for span in spans {
            assert!(self.freed.insert(span), "{span:?} was freed before");
        }
    }

    fn owned(&self) -> BTreeSet<ExtentId> {
        let of_parts =
            self.uploads.iter().flat_map(|(_, parts)| parts.values()).flat_map(|part| &part.extents);
        let of_parts = of_parts.map(|extent| extent.id);
        self.objects.values().flatten().copied().chain(of_parts).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn the_books_balance(steps in prop::collection::vec(step(), 1..60)) {
        Runtime::new().unwrap().block_on(async {
            let mut fixture = Fixture::with_bucket().await;
            let mut books = Books::default();
            for step in steps {
                fixture = take(fixture, &mut books, step).await;
                check(&fixture, &books).await;
            }
            wind_up(&fixture, &mut books).await;
        });
    }
}

async fn take(fixture: Fixture, books: &mut Books, step: Step) -> Fixture {
    let index = &fixture.index;
    match step {
        Step::Put(key, count) => {
            let extents = new_extents(&fixture, count);
            books.enter(&extents);
            books.objects.insert(key, extents.iter().map(|extent| extent.id).collect());
            index.commit_object(fixture.commit(&key.to_string(), 1, extents)).await.unwrap();
        }
        Step::Delete(key) => {
            let deleted =
                index.delete_object(&bucket(), &object_key(&key.to_string()), Default::default()).await;
            assert_eq!(deleted.unwrap().existed, books.objects.remove(&key).is_some());
        }
        Step::BeginUpload(key) => {
            books.uploads.push((fixture.begin_upload(&key.to_string()).await, BTreeMap::new()));
        }
        Step::PutPart(..) | Step::Complete(_) | Step::Abort(_) if books.uploads.is_empty() => {}
        Step::PutPart(upload, number, count) => {
            let extents = new_extents(&fixture, count);
            books.enter(&extents);
            let chosen = upload.index(books.uploads.len());
            let (upload, parts) = &mut books.uploads[chosen];
            let part = fixture.part(number, &extents);
            index.put_part(&bucket(), &upload.key, upload.id, part.clone(), extents).await.unwrap();
            parts.insert(number, part);
        }
        Step::Complete(upload) => complete(&fixture, books, upload).await,
        Step::Abort(upload) => {
            let (upload, _) = books.uploads.swap_remove(upload.index(books.uploads.len()));
            index.abort_upload(&bucket(), &upload.key, upload.id).await.unwrap();
        }
        Step::Plan(max) => {
            let staged = index.staged_extents(None, max).await.unwrap();
            let (members, length) = members(&staged);
            let key = fixture.blob_key();
            let planned = index.plan_blob(key, members.clone(), length).await.unwrap();
            assert_eq!(planned.members, members, "nobody was in between");
            if !staged.is_empty() {
                books.unfinished.insert(key, false);
            }
        }
        Step::Advance(_) if books.unfinished.is_empty() => {}
        Step::Advance(blob) => {
            let blobs: Vec<BlobKey> = books.unfinished.keys().copied().collect();
            advance(&fixture, books, *blob.get(&blobs)).await;
        }
        Step::Collect(max) => {
            let garbage = index.garbage(max).await.unwrap();
            let ids = garbage.into_iter().map(|(id, _)| id).collect();
            books.free(index.collect_garbage(ids).await.unwrap().freed_staging);
        }
        Step::ForgetEmpty => {
            for (key, _) in index.empty_blobs(100).await.unwrap() {
                index.forget_blob(key).await.unwrap();
            }
        }
        Step::Reopen => return fixture.reopen().await,
    }
    fixture
}

fn new_extents(fixture: &Fixture, count: usize) -> Vec<NewExtent> {
    // Empty ones too: a blob is in use as long as any of its extents is, whatever their lengths.
    (0..count).zip([0, 10, 7]).map(|(_, length)| fixture.extent(length)).collect()
}

async fn complete(fixture: &Fixture, books: &mut Books, upload: prop::sample::Index) {
    let (upload, parts) = books.uploads.swap_remove(upload.index(books.uploads.len()));
    let chosen: Vec<&PartRecord> = parts.values().filter(|part| part.number % 2 == 0).collect();
    let mut commit = fixture.commit(upload.key.as_str(), 1, vec![]);
    commit.layout.extents = chosen.iter().flat_map(|part| part.extents.clone()).collect();
    let parts = chosen.iter().map(|part| (part.number, part.id)).collect();
    commit.upload = Some(CompletedUpload { id: upload.id, parts });
    let extents = commit.layout.extents.iter().map(|extent| extent.id).collect();
    books.objects.insert(upload.key.as_str().parse().unwrap(), extents);
    fixture.index.commit_object(commit).await.unwrap();
}

async fn advance(fixture: &Fixture, books: &mut Books, blob: BlobKey) {
    if books.unfinished[&blob] {
        books.free(fixture.index.certify_blob(blob, 10, 20).await.unwrap());
        books.unfinished.remove(&blob);
    } else {
        fixture.index.register_blob(blob, [1; 32], [2; 32], 20).await.unwrap();
        books.unfinished.insert(blob, true);
    }
}

async fn check(fixture: &Fixture, books: &Books) {
    let index = &fixture.index;
    let owned = books.owned();
    let ids: Vec<ExtentId> = books.spans.keys().copied().collect();
    let records: BTreeMap<ExtentId, _> =
        ids.iter().copied().zip(index.extents(&ids).await.unwrap()).collect();
    let garbage = index.garbage(1_000).await.unwrap();
    let garbage: BTreeSet<ExtentId> = garbage.into_iter().map(|(id, _)| id).collect();
    let unfinished = index.unfinished_blobs().await.unwrap();
    assert_eq!(
        unfinished.iter().map(|(key, _)| *key).collect::<BTreeSet<_>>(),
        books.unfinished.keys().copied().collect()
    );
    let aboard: BTreeSet<ExtentId> =
        unfinished.iter().flat_map(|(_, blob)| &blob.members).map(|member| member.extent).collect();
    let queued = index.staged_extents(None, 1_000).await.unwrap();
    let queued: BTreeSet<ExtentId> = queued.into_iter().map(|extent| extent.id).collect();

    let mut members_by_blob: BTreeMap<BlobKey, (u64, u64)> = BTreeMap::new();
    for (id, record) in &records {
        let states = [owned.contains(id), garbage.contains(id), aboard.contains(id) && !owned.contains(id)];
        let states = states.into_iter().filter(|state| *state).count() + usize::from(record.is_none());
        assert_eq!(states, 1, "{id} is one of owned, garbage, dying aboard, gone");
        let Some(record) = record else { continue };
        let staged = matches!(record.location, ExtentLocation::Staged { .. });
        assert_eq!(queued.contains(id), owned.contains(id) && staged && !aboard.contains(id), "{id} queued");
        if let ExtentLocation::Blob { blob, .. } = record.location {
            let live = members_by_blob.entry(blob).or_default();
            *live = (live.0 + 1, live.1 + record.stored_length);
        }
    }
    let certified = index.leases_ending_before(u32::MAX, 1_000).await.unwrap();
    let counted = certified.into_iter().map(|(key, blob)| (key, (blob.live_members, blob.live_bytes)));
    assert_eq!(counted.collect::<BTreeMap<_, _>>(), members_by_blob);

    let needed: BTreeSet<StagingSpan> = index.staged_locations().await.unwrap().into_iter().collect();
    let taken: BTreeSet<StagingSpan> = books.spans.values().copied().collect();
    assert_eq!(needed, &taken - &books.freed, "staging is what was taken and not freed");
}

/// Deletes and finishes everything: nothing may be left.
async fn wind_up(fixture: &Fixture, books: &mut Books) {
    for (upload, _) in std::mem::take(&mut books.uploads) {
        fixture.index.abort_upload(&bucket(), &upload.key, upload.id).await.unwrap();
    }
    for key in std::mem::take(&mut books.objects).into_keys() {
        let key = object_key(&key.to_string());
        fixture.index.delete_object(&bucket(), &key, Default::default()).await.unwrap();
    }
    while let Some((&blob, _)) = books.unfinished.first_key_value() {
        advance(fixture, books, blob).await;
    }
    let garbage = fixture.index.garbage(1_000).await.unwrap();
    let ids = garbage.into_iter().map(|(id, _)| id).collect();
    books.free(fixture.index.collect_garbage(ids).await.unwrap().freed_staging);
    for (key, _) in fixture.index.empty_blobs(1_000).await.unwrap() {
        fixture.index.forget_blob(key).await.unwrap();
    }
    check(fixture, books).await;
    assert_eq!(fixture.index.stats().await.unwrap(), Default::default());
    assert_eq!(books.freed.len(), books.spans.len());
    fixture.index.delete_bucket(&bucket()).await.unwrap();
}
