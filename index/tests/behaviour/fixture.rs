//! A fresh index, and the smallest records that say what a test is about.

use std::sync::atomic::{AtomicU64, Ordering};

use haulout_index::{
    BlobKey, BlobMember, BucketId, BucketName, BucketRecord, CommitObject, Durability, ETag, ExtentId,
    ExtentLocation, ExtentRecord, ExtentRef, FrameCheck, Index, IndexConfig, Layout, NewExtent, ObjectKey,
    ObjectRecord, PartId, PartRecord, Protection, StagingFileId, SystemMetadata, UploadId, UploadRecord,
    VersionId, WriteCondition,
};
use tempfile::TempDir;

pub(crate) struct Fixture {
    pub(crate) index: Index,
    pub(crate) directory: TempDir,
    config: IndexConfig,
    ids: AtomicU64,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap(), IndexConfig::default()).await
    }

    pub(crate) async fn open(directory: TempDir, config: IndexConfig) -> Self {
        let index = Index::open(directory.path(), config.clone()).await.unwrap();
        Self { index, directory, config, ids: AtomicU64::new(1) }
    }

    /// With one bucket, [`bucket`].
    pub(crate) async fn with_bucket() -> Self {
        let fixture = Self::new().await;
        fixture.make_bucket().await;
        fixture
    }

    pub(crate) async fn make_bucket(&self) {
        self.index.create_bucket(&bucket(), self.bucket_record()).await.unwrap();
    }

    pub(crate) fn bucket_record(&self) -> BucketRecord {
        BucketRecord {
            id: BucketId::from_bytes(self.id()),
            created_at_ms: 1_000,
            durability: Durability::Staged,
            protection: Protection::Sealed,
        }
    }

    /// Closes the index and opens it again.
    pub(crate) async fn reopen(self) -> Self {
        let Self { index, directory, config, ids } = self;
        drop(index);
        let index = Index::open(directory.path(), config.clone()).await.unwrap();
        Self { index, directory, config, ids }
    }

    /// Ids in ascending order.
    fn id(&self) -> [u8; 16] {
        u128::from(self.ids.fetch_add(1, Ordering::Relaxed)).to_be_bytes()
    }

    pub(crate) fn blob_key(&self) -> BlobKey {
        BlobKey::from_bytes(self.id())
    }

    /// A staged extent in a place of its own.
    pub(crate) fn extent(&self, stored_length: u64) -> NewExtent {
        let id = ExtentId::from_bytes(self.id());
        let location = ExtentLocation::Staged { file: StagingFileId::from_bytes(self.id()), offset: 7 };
        NewExtent { id, record: ExtentRecord { stored_length, frames: FrameCheck::Sealed, location } }
    }

    /// An object of `extents` whose ETag is `tag`, committed under `key` whatever is there.
    pub(crate) fn commit(&self, key: &str, tag: u64, extents: Vec<NewExtent>) -> CommitObject {
        let layout = Layout { extents: refs(&extents), parts: Vec::new() };
        CommitObject {
            bucket: bucket(),
            key: object_key(key),
            record: self.record(tag, &layout),
            layout,
            extents,
            condition: WriteCondition::None,
            upload: None,
        }
    }

    pub(crate) fn record(&self, tag: u64, layout: &Layout) -> ObjectRecord {
        ObjectRecord {
            version_id: VersionId::from_bytes(self.id()),
            modified_at_ms: 5_999,
            size: layout.extents.iter().map(|extent| extent.length).sum(),
            etag: etag(tag),
            digest: Some([3; 32]),
            checksum: None,
            system: SystemMetadata::default(),
            user_metadata: vec![("origin".into(), "test".into())],
            wrapped_key: None,
            upload_id: None,
            part_count: None,
            durability: Durability::Staged,
        }
    }

    /// Puts an object of one extent.
    pub(crate) async fn put(&self, key: &str, tag: u64) -> NewExtent {
        let extent = self.extent(100);
        self.index.commit_object(self.commit(key, tag, vec![extent.clone()])).await.unwrap();
        extent
    }

    /// Begins an upload; later ones have higher ids.
    pub(crate) async fn begin_upload(&self, key: &str) -> UploadRecord {
        let upload = UploadRecord {
            id: UploadId::from_bytes(self.id()),
            key: object_key(key),
            initiated_at_ms: 2_000,
            system: SystemMetadata::default(),
            user_metadata: Vec::new(),
            checksum: None,
            wrapped_key: None,
            durability: Durability::Staged,
        };
        self.index.create_upload(&bucket(), upload.clone()).await.unwrap();
        upload
    }

    pub(crate) fn part(&self, number: u16, extents: &[NewExtent]) -> PartRecord {
        PartRecord {
            id: PartId::from_bytes(self.id()),
            number,
            size: extents.iter().map(|extent| extent.record.stored_length).sum(),
            etag_md5: [9; 16],
            checksum: None,
            modified_at_ms: 3_000,
            extents: refs(extents),
        }
    }

    /// Puts a part of one extent.
    pub(crate) async fn put_part(&self, upload: &UploadRecord, number: u16) -> (PartRecord, NewExtent) {
        let extent = self.extent(50);
        let part = self.part(number, std::slice::from_ref(&extent));
        let extents = vec![extent.clone()];
        self.index.put_part(&bucket(), &upload.key, upload.id, part.clone(), extents).await.unwrap();
        (part, extent)
    }

    /// Takes a blob of `extents` all the way to the network.
    pub(crate) async fn ship(&self, extents: &[NewExtent]) -> BlobKey {
        let key = self.blob_key();
        let (members, length) = members(extents);
        self.index.plan_blob(key, members, length).await.unwrap();
        self.index.register_blob(key, [1; 32], [2; 32], 20).await.unwrap();
        self.index.certify_blob(key, 10, 20).await.unwrap();
        key
    }
}

pub(crate) fn bucket() -> BucketName {
    BucketName::parse("shore").unwrap()
}

pub(crate) fn object_key(key: &str) -> ObjectKey {
    ObjectKey::parse(key).unwrap()
}

pub(crate) fn etag(tag: u64) -> ETag {
    ETag { md5: u128::from(tag).to_be_bytes(), parts: None }
}

pub(crate) fn refs(extents: &[NewExtent]) -> Vec<ExtentRef> {
    extents.iter().map(|extent| ExtentRef { id: extent.id, length: extent.record.stored_length }).collect()
}

/// Places for `extents` one after the other, and the length of them all.
pub(crate) fn members(extents: &[NewExtent]) -> (Vec<BlobMember>, u64) {
    let mut offset = 0;
    let mut members = Vec::new();
    for extent in extents {
        let span = extent.record.staging_span().expect("not shipped yet");
        let source = (span.file, span.offset);
        members.push(BlobMember { extent: extent.id, offset, stored_length: span.length, source });
        offset += span.length;
    }
    (members, offset)
}
