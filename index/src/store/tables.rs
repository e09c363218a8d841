//! The tables, each with its key and row type, and the column families they live in.

use std::marker::PhantomData;

use super::{ExtentRow, GarbageKey, InBucket, LeaseKey, PartRowKey, PhaseKey, StagedKey};
use crate::{
    BlobKey, BlobRecord, BucketName, BucketRecord, ExtentId, Layout, ObjectRecord, PartRecord, UploadId,
    UploadRecord, VersionId,
};

/// A column family: rows that are read in the same way lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// The schema version.
    Meta,
    Buckets,
    /// Read by listings, in order.
    Objects,
    Layouts,
    Uploads,
    Parts,
    Extents,
    Blobs,
    /// Short rows that come and go: work to be done. Tables in it have tags.
    Queues,
}

impl Family {
    pub(crate) const ALL: [Self; 9] = [
        Self::Meta,
        Self::Buckets,
        Self::Objects,
        Self::Layouts,
        Self::Uploads,
        Self::Parts,
        Self::Extents,
        Self::Blobs,
        Self::Queues,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Buckets => "buckets",
            Self::Objects => "objects",
            Self::Layouts => "layouts",
            Self::Uploads => "uploads",
            Self::Parts => "parts",
            Self::Extents => "extents",
            Self::Blobs => "blobs",
            Self::Queues => "queues",
        }
    }
}

/// Rows of type `R` under keys of type `K`.
pub(crate) struct Table<K, R> {
    pub(crate) family: Family,
    /// Begins every key, and sets the tables of one family apart.
    pub(crate) tag: &'static [u8],
    types: PhantomData<fn() -> (K, R)>,
}

impl<K, R> Clone for Table<K, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, R> Copy for Table<K, R> {}

impl<K, R> Table<K, R> {
    const fn whole(family: Family) -> Self {
        Self::tagged(family, b"")
    }

    const fn tagged(family: Family, tag: &'static [u8]) -> Self {
        Self { family, tag, types: PhantomData }
    }
}

pub(crate) const BUCKETS: Table<BucketName, BucketRecord> = Table::whole(Family::Buckets);
/// By bucket, key, and version from new to old.
pub(crate) const OBJECTS: Table<InBucket<VersionId>, ObjectRecord> = Table::whole(Family::Objects);
pub(crate) const LAYOUTS: Table<VersionId, Layout> = Table::whole(Family::Layouts);
/// By bucket, key and upload id, which is the order of initiation.
pub(crate) const UPLOADS: Table<InBucket<UploadId>, UploadRecord> = Table::whole(Family::Uploads);
pub(crate) const PARTS: Table<PartRowKey, PartRecord> = Table::whole(Family::Parts);
pub(crate) const EXTENTS: Table<ExtentId, ExtentRow> = Table::whole(Family::Extents);
pub(crate) const BLOBS: Table<BlobKey, BlobRecord> = Table::whole(Family::Blobs);

/// Extents to be shipped: staged, owned, in no blob.
pub(crate) const STAGED: Table<StagedKey, ()> = Table::tagged(Family::Queues, b"s");
/// Extents to be collected: nobody's, in no unfinished blob.
pub(crate) const GARBAGE: Table<GarbageKey, ()> = Table::tagged(Family::Queues, b"g");
/// Every blob by how far it has come.
pub(crate) const PHASES: Table<PhaseKey, ()> = Table::tagged(Family::Queues, b"p");
/// Certified blobs with live members by the end of their lease.
pub(crate) const LEASES: Table<LeaseKey, ()> = Table::tagged(Family::Queues, b"l");
