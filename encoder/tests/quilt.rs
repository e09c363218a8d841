//! Quilts: round trips, and what hostile ones can do.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the failure; clippy spares only the test functions"
)]

use std::collections::BTreeMap;

use bytes::Bytes;
use haulout_encoder::quilt::{
    InvalidPatchId, InvalidPatchIdentifier, NewPatch, PackError, PatchColumns, PatchId, PatchIdentifier,
    QuiltIndex, QuiltLayout, ReadQuiltError, StoredPatch, Tags, pack,
};
use haulout_encoder::{
    Axis, BlobId, EncodedBlob, EncodingConfig, Sliver, SliverIndex, VerifiedMetadata, compute_metadata,
    encode,
};
use proptest::prelude::*;
use proptest::sample::Index;

fn config(n_shards: u16) -> EncodingConfig {
    EncodingConfig::new(n_shards).unwrap()
}

fn columns(encoded: &EncodedBlob, columns: impl Iterator<Item = SliverIndex>) -> Vec<Sliver> {
    let n_shards = encoded.metadata.config().n_shards();
    columns
        .map(|index| encoded.sliver(Axis::Secondary, Axis::Secondary.pair_index(index, n_shards)).unwrap())
        .collect()
}

fn named<'a>(identifier: &str, data: &'a [u8]) -> NewPatch<'a> {
    NewPatch { identifier: PatchIdentifier::parse(identifier).unwrap(), tags: Tags::new(), data }
}

/// A quilt of 7 shards whose symbols, rows and columns are given as bytes of the column stream.
struct ColumnStream {
    metadata: VerifiedMetadata,
    bytes: Vec<u8>,
}

impl ColumnStream {
    const N_ROWS: usize = 3;
    const N_COLUMNS: usize = 5;

    /// `bytes` padded to whole symbols of `symbol_size`.
    fn new(mut bytes: Vec<u8>, symbol_size: usize) -> Self {
        let matrix_bytes = Self::N_ROWS * Self::N_COLUMNS * symbol_size;
        bytes.resize(matrix_bytes, 0);
        // Its hashes do not matter to the reader, its length does.
        let metadata = compute_metadata(config(7), &vec![0; matrix_bytes]).unwrap();
        Self { metadata, bytes }
    }

    fn slivers(&self) -> Vec<Sliver> {
        let symbol_size = self.metadata.symbol_size_bytes();
        let column_bytes = Self::N_ROWS * usize::from(symbol_size);
        let sliver = |(index, data): (u16, &[u8])| Sliver {
            axis: Axis::Secondary,
            index: SliverIndex(index),
            symbol_size,
            data: Bytes::copy_from_slice(data),
        };
        (0..).zip(self.bytes.chunks(column_bytes)).map(sliver).collect()
    }

    fn layout(&self) -> QuiltLayout {
        QuiltLayout::of(&self.metadata).unwrap()
    }

    fn read_index(&self) -> Result<QuiltIndex, ReadQuiltError> {
        self.layout().read_index(&self.slivers())
    }

    fn read_patch(&self) -> Result<StoredPatch, ReadQuiltError> {
        self.layout().read_patch(PatchColumns::new(0, 5).unwrap(), &self.slivers())
    }
}

#[test]
fn the_worked_example_is_packed_and_read() {
    let quilt = pack(config(7), vec![named("a", &[1, 9, 0x13])]).unwrap();
    assert_eq!(hex::encode(&quilt.bytes), "010605000107020013000000016100000161000000010000000001090000");
    let encoded = encode(config(7), quilt.bytes.clone()).unwrap();
    let blob_id = *encoded.metadata.blob_id();
    assert_eq!(blob_id.to_string(), "TTqVDw4AT9JVzMl6v-c7HuG-wSO2lsOv8QmKmUTk85g");
    let id = quilt.index.patch_ids(blob_id).next().unwrap();
    assert_eq!(id.to_string(), "TTqVDw4AT9JVzMl6v-c7HuG-wSO2lsOv8QmKmUTk85gBAgAFAA");
    assert_eq!((id.columns.start(), id.columns.end(), id.columns.count()), (2, 5, 3));
    let layout = QuiltLayout::of(&encoded.metadata).unwrap();
    let patch = layout.read_patch(id.columns, &columns(&encoded, id.columns.slivers())).unwrap();
    assert_eq!(
        patch,
        StoredPatch { identifier: "a".into(), tags: Tags::new(), data: Bytes::from(vec![1, 9, 0x13]) }
    );
}

#[test]
fn patch_ids_are_read_strictly() {
    let text = "TTqVDw4AT9JVzMl6v-c7HuG-wSO2lsOv8QmKmUTk85gBAgAFAA";
    let id: PatchId = text.parse().unwrap();
    assert_eq!(id.to_string(), text);
    let refused = |text: String| text.parse::<PatchId>().unwrap_err();
    assert_eq!(refused(format!("{text}A")), InvalidPatchId::Length { found: 51 });
    assert_eq!(refused(text[..49].into()), InvalidPatchId::Length { found: 49 });
    assert!(matches!(refused(text.replace('-', "+")), InvalidPatchId::Encoding(_)));
    // Bits that no byte has room for.
    assert!(matches!(refused(format!("{}B", &text[..49])), InvalidPatchId::Encoding(_)));
    let version_two = text.replace("85gBAg", "85gCAg");
    assert_eq!(refused(version_two), InvalidPatchId::UnknownVersion { found: 2 });
    let empty = text.replace("BAgAFAA", "BBQAFAA");
    assert_eq!(refused(empty), InvalidPatchId::EmptyRange { start: 5, end: 5 });
    assert_eq!(PatchColumns::new(5, 2), None);
}

#[test]
fn blob_ids_are_read_strictly() {
    let text = "0IFl_dZrSfYW_JxbjWGJwd80NsU3SRq8luWLd8niNJU";
    let id: BlobId = text.parse().unwrap();
    assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{text}\""));
    assert_eq!(serde_json::from_str::<BlobId>(&format!("\"{text}\"")).unwrap(), id);
    assert_eq!(bcs::to_bytes(&id).unwrap(), id.0);
    assert_eq!(bcs::from_bytes::<BlobId>(&id.0).unwrap(), id);
    let wrong = [
        format!("{text}="),
        text[..42].into(),
        text.replace('_', "/"),
        text.replace("JU", "JV"),
        String::new(),
    ];
    assert!(wrong.iter().all(|text| text.parse::<BlobId>().is_err()));
}

#[test]
fn identifiers_are_checked() {
    let parse = |text: &str| PatchIdentifier::parse(text);
    assert_eq!(parse(""), Err(InvalidPatchIdentifier::Empty));
    assert_eq!(parse("a\u{2003}"), Err(InvalidPatchIdentifier::TrailingWhitespace));
    for found in ['\0', '\n', '\u{7f}', '\u{85}'] {
        assert_eq!(parse(&format!("a{found}b")), Err(InvalidPatchIdentifier::ControlCharacter { found }));
    }
    for good in ["a", " a", "a b", "_", "漢字", "\u{10ffff}", "a/b/c"] {
        assert_eq!(parse(good).map(|identifier| identifier.as_str().to_owned()).as_deref(), Ok(good));
    }
}

#[test]
fn tags_are_ordered_by_length_before_bytes() {
    // The names of 127 and 128 bytes: the length of the longer takes two bytes and begins with 0x80.
    let keys = ["bb".into(), "a".into(), "x".repeat(127), "a".repeat(128), "y".repeat(129), "b".repeat(256)];
    let tags: Tags = keys.into_iter().map(|key| (key, "v".into())).collect();
    let patch = NewPatch { tags: tags.clone(), ..named("t", b"data") };
    let encoded = encode(config(10), pack(config(10), vec![patch]).unwrap().bytes).unwrap();
    let layout = QuiltLayout::of(&encoded.metadata).unwrap();
    let all = columns(&encoded, (0..7).map(SliverIndex));
    let index = layout.read_index(&all).unwrap();
    assert_eq!(index.entries()[0].tags, tags);

    let too_large = NewPatch { tags: BTreeMap::from([("k".into(), "v".repeat(65_530))]), ..named("t", b"") };
    let identifier = too_large.identifier.clone();
    assert_eq!(pack(config(10), vec![too_large]), Err(PackError::TagsTooLarge { identifier, found: 65_536 }));
}

#[test]
fn other_blobs_are_no_quilts() {
    let metadata = compute_metadata(config(7), &[0; 29]).unwrap();
    assert_eq!(QuiltLayout::of(&metadata), Err(ReadQuiltError::NotAQuilt { blob_bytes: 29 }));
    let zeros = ColumnStream::new(Vec::new(), 2);
    assert_eq!(zeros.read_index(), Err(ReadQuiltError::UnknownVersion { found: 0 }));
    assert_eq!(zeros.read_patch(), Err(ReadQuiltError::UnknownVersion { found: 0 }));
}

#[test]
fn slivers_must_be_those_of_the_patch() {
    let quilt = pack(config(7), vec![named("a", &[7; 30]), named("b", &[8; 30])]).unwrap();
    let encoded = encode(config(7), quilt.bytes.clone()).unwrap();
    let layout = QuiltLayout::of(&encoded.metadata).unwrap();
    let range = quilt.index.find("b").unwrap().columns;
    assert!(range.count() > 1);
    let slivers = columns(&encoded, range.slivers());
    let unexpected = |expected| Err(ReadQuiltError::UnexpectedSliver { expected: SliverIndex(expected) });
    assert_eq!(layout.read_patch(range, &slivers[1..]), unexpected(range.start()));
    assert_eq!(layout.read_patch(range, &slivers[..slivers.len() - 1]), unexpected(range.end() - 1));
    let rows: Vec<_> =
        slivers.iter().cloned().map(|sliver| Sliver { axis: Axis::Primary, ..sliver }).collect();
    assert_eq!(layout.read_patch(range, &rows), unexpected(range.start()));
    assert_eq!(layout.read_index(&[]), Err(ReadQuiltError::UnexpectedSliver { expected: SliverIndex(0) }));
    let beyond = PatchColumns::new(4, u16::MAX).unwrap();
    assert!(matches!(
        layout.read_patch(beyond, &slivers),
        Err(ReadQuiltError::InvalidColumns { n_columns: 5, .. })
    ));
    assert_eq!(quilt.index.find("c"), None);
}

#[test]
fn hostile_indexes_are_refused() {
    let entry = |end: u16| [&end.to_le_bytes()[..], &[1, b'a', 0]].concat();
    let index = |entries: Vec<Vec<u8>>| {
        let body = [vec![u8::try_from(entries.len()).unwrap()], entries.concat()].concat();
        let size = u32::try_from(body.len()).unwrap().to_le_bytes();
        ColumnStream::new([&[1], &size[..], &body].concat(), 20).read_index()
    };
    assert_eq!(index(vec![entry(2), entry(5)]).unwrap().entries().len(), 2);
    let invalid = |start, end| Err(ReadQuiltError::InvalidColumns { start, end, n_columns: 5 });
    assert_eq!(index(vec![entry(1)]), invalid(1, 1));
    assert_eq!(index(vec![entry(3), entry(2)]), invalid(3, 2));
    assert_eq!(index(vec![entry(6)]), invalid(1, 6));
    assert!(matches!(index(vec![[2, 0, 1, 0xff, 0].to_vec()]), Err(ReadQuiltError::Wire(_))));

    let huge = ColumnStream::new(vec![1, 0xff, 0xff, 0xff, 0xff], 20).read_index();
    assert!(matches!(huge, Err(ReadQuiltError::IndexTooLarge { max_bytes: 295, .. })));
    let many = ColumnStream::new(vec![1, 10, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f], 20).read_index();
    assert!(matches!(many, Err(ReadQuiltError::Wire(_))));
}

#[test]
fn hostile_patches_are_refused() {
    let patch = |bytes: &[u8]| ColumnStream::new(bytes.to_vec(), 20).read_patch();
    assert_eq!(patch(&[1, 5, 0, 0, 0, 0, 2, 0, 1, b'a', 9]).unwrap().data[..], [9]);
    assert!(matches!(patch(&[1, 0xff, 0xff, 0xff, 0xff, 0]), Err(ReadQuiltError::PatchTooLarge { .. })));
    assert_eq!(patch(&[1, 5, 0, 0, 0, 2, 2, 0, 1, b'a', 9]), Err(ReadQuiltError::UnknownMask { mask: 2 }));
    // The identifier's section is longer or shorter than the identifier.
    assert!(patch(&[1, 5, 0, 0, 0, 0, 3, 0, 1, b'a', 9]).is_err());
    assert!(patch(&[1, 5, 0, 0, 0, 0, 1, 0, 1, b'a', 9]).is_err());
    // It reaches beyond the patch, although the columns go on.
    assert!(patch(&[1, 4, 0, 0, 0, 0, 4, 0, 3, b'a', b'b', b'c']).is_err());
    // Tags out of order.
    let tags =
        |keys: [u8; 2]| patch(&[1, 13, 0, 0, 0, 1, 2, 0, 1, b'a', 7, 0, 2, 1, keys[0], 0, 1, keys[1], 0]);
    assert_eq!(tags(*b"ab").unwrap().tags.len(), 2);
    assert!(tags(*b"ba").is_err() && tags(*b"aa").is_err());
}

fn any_patches() -> impl Strategy<Value = Vec<(String, Tags, Vec<u8>)>> {
    let tags = prop::collection::btree_map(".{0,5}", ".{0,5}", 0..3);
    let data =
        prop_oneof![prop::collection::vec(any::<u8>(), 0..50), prop::collection::vec(any::<u8>(), 0..2000)];
    let patches = prop::collection::btree_map("[a-z~é漢]{1,6}", (tags, data), 0..12);
    patches.prop_map(|patches| patches.into_iter().map(|(name, (tags, data))| (name, tags, data)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Every patch comes back from its own columns, and the index lists exactly the patches.
    #[test]
    fn packed_patches_are_read_back(n_shards in 4_u16..40, patches in any_patches()) {
        let config = config(n_shards);
        prop_assume!(patches.len() < usize::from(config.n_columns()));
        let new = patches.iter().map(|(identifier, tags, data)| NewPatch {
            identifier: PatchIdentifier::parse(identifier.clone()).unwrap(),
            tags: tags.clone(),
            data,
        });
        let quilt = pack(config, new.collect()).unwrap();
        let encoded = encode(config, quilt.bytes.clone()).unwrap();
        prop_assert_eq!(encoded.metadata.symbol_size_bytes(), quilt.symbol_size);
        let layout = QuiltLayout::of(&encoded.metadata).unwrap();
        let index_columns = layout.index_columns(&columns(&encoded, [SliverIndex(0)].into_iter())[0]).unwrap();
        let index = layout.read_index(&columns(&encoded, (0..index_columns).map(SliverIndex))).unwrap();
        prop_assert_eq!(&index, &quilt.index);
        prop_assert_eq!(index.entries().len(), patches.len());
        for (identifier, tags, data) in patches {
            let entry = index.find(&identifier).unwrap();
            let patch = layout.read_patch(entry.columns, &columns(&encoded, entry.columns.slivers())).unwrap();
            prop_assert_eq!(patch, StoredPatch { identifier, tags, data: data.into() });
        }
    }

    /// Arbitrary bytes behind a plausible beginning: refused or read, never a panic.
    #[test]
    fn hostile_bytes_do_not_panic(
        size in 0_u32..400,
        mask in 0_u8..2,
        bytes in prop::collection::vec(prop_oneof![0_u8..4, any::<u8>()], 0..290),
    ) {
        let prefixed = |prefix: &[u8]| ColumnStream::new([prefix, &bytes].concat(), 20);
        let size = size.to_le_bytes();
        let _ = prefixed(&[&[1], &size[..]].concat()).read_index();
        let _ = prefixed(&[&[1], &size[..], &[mask]].concat()).read_patch();
        let _ = prefixed(&[]).read_index();
        let _ = prefixed(&[]).read_patch();
    }

    /// Bytes changed in a genuine quilt: what can still be read stays within its bounds.
    #[test]
    fn damaged_quilts_do_not_panic(changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..6)) {
        let tags = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
        let patches = vec![named("a", b"first"), NewPatch { tags, ..named("b", b"second") }];
        let mut bytes = pack(config(7), patches).unwrap().bytes;
        for (position, value) in changes {
            let position = position.index(bytes.len());
            bytes[position] = value;
        }
        let encoded = encode(config(7), bytes.clone()).unwrap();
        let layout = QuiltLayout::of(&encoded.metadata).unwrap();
        let all = columns(&encoded, (0..5).map(SliverIndex));
        for entry in layout.read_index(&all).iter().flat_map(QuiltIndex::entries) {
            prop_assert!(entry.columns.end() <= 5);
            let own = &all[usize::from(entry.columns.start())..usize::from(entry.columns.end())];
            let _ = layout.read_patch(entry.columns, own);
        }
    }
}
