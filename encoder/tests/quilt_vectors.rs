//! Byte-exactness of quilts: every case of the known answers of Walrus's own packer.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the failure; clippy spares only the test functions"
)]

mod vectors;

use haulout_encoder::quilt::{
    IndexEntry, NewPatch, PackError, PatchId, PatchIdentifier, Quilt, QuiltLayout, Tags, pack,
};
use haulout_encoder::{Axis, EncodedBlob, EncodingConfig, Sliver, SliverIndex, encode};
use rayon::prelude::*;
use serde_json::Value;
use vectors::{generate, integer, load, sha256, short, text};

const VECTORS: &str = include_str!("vectors/quilt.json");

#[test]
fn every_case_is_packed_byte_for_byte_and_read_back_patch_by_patch() {
    let file = load(VECTORS);
    let cases = file["vectors"].as_array().unwrap();
    assert_eq!(cases.len(), 17);
    cases.par_iter().for_each(|case| {
        let config = EncodingConfig::new(short(case, "n_shards")).unwrap();
        let contents: Vec<_> = case["input"].as_array().unwrap().iter().map(generate).collect();
        let quilt = pack(config, inputs(case, &contents)).unwrap();
        let encoded = encode(config, quilt.bytes.clone()).unwrap();
        check_blob(case, &quilt, &encoded);
        check_index(case, &quilt, &encoded);
        check_patches(case, &quilt, &encoded);
    });
}

fn inputs<'a>(case: &Value, contents: &'a [Vec<u8>]) -> Vec<NewPatch<'a>> {
    let patch = |(input, data): (&Value, &'a Vec<u8>)| NewPatch {
        identifier: PatchIdentifier::parse(text(input, "identifier")).unwrap(),
        tags: serde_json::from_value(input["tags"].clone()).unwrap_or_default(),
        data,
    };
    case["input"].as_array().unwrap().iter().zip(contents).map(patch).collect()
}

fn check_blob(case: &Value, quilt: &Quilt, encoded: &EncodedBlob) {
    let name = text(case, "name");
    assert_eq!(quilt.symbol_size, short(case, "symbol_size"), "{name}");
    assert_eq!(quilt.bytes.len(), integer(case, "quilt_len"), "{name}");
    assert_eq!(sha256([quilt.bytes.clone()]), text(case, "quilt_sha256"), "{name}");
    if let Some(expected) = case["quilt_hex"].as_str() {
        assert_eq!(hex::encode(&quilt.bytes), expected, "{name}");
    }
    assert_eq!(encoded.metadata.symbol_size_bytes(), quilt.symbol_size, "{name}");
    assert_eq!(encoded.metadata.blob_id().to_string(), text(case, "quilt_blob_id"), "{name}");
    assert_eq!(encoded.metadata.root_hash().to_string(), text(case, "root_hash_hex"), "{name}");
    let slivers = encoded.pairs().map(|pair| encoded.sliver(Axis::Secondary, pair).unwrap().to_bcs());
    assert_eq!(sha256(slivers), text(case, "secondary_slivers_sha256"), "{name}");
}

fn columns(encoded: &EncodedBlob, indexes: impl Iterator<Item = SliverIndex>) -> Vec<Sliver> {
    let n_shards = encoded.metadata.config().n_shards();
    indexes
        .map(|index| encoded.sliver(Axis::Secondary, Axis::Secondary.pair_index(index, n_shards)).unwrap())
        .collect()
}

fn check_index(case: &Value, quilt: &Quilt, encoded: &EncodedBlob) {
    let name = text(case, "name");
    let layout = QuiltLayout::of(&encoded.metadata).unwrap();
    let first = columns(encoded, [SliverIndex(0)].into_iter());
    let index_columns = layout.index_columns(&first[0]).unwrap();
    assert_eq!(index_columns, short(case, "index_columns"), "{name}");
    let slivers = columns(encoded, (0..index_columns).map(SliverIndex));
    assert_eq!(layout.read_index(&slivers).as_ref(), Ok(&quilt.index), "{name}");

    let stream: Vec<u8> = slivers.iter().flat_map(|sliver| sliver.data.clone()).collect();
    let index = stream[..5 + integer(case, "index_size_field")].to_vec();
    assert_eq!(sha256([index.clone()]), text(case, "index_with_prefix_sha256"), "{name}");
    if let Some(expected) = case["index_with_prefix_hex"].as_str() {
        assert_eq!(hex::encode(index), expected, "{name}");
    }
    let used = quilt.index.entries().last().map_or(index_columns, |entry| entry.columns.end());
    assert_eq!(used, short(case, "columns_used"), "{name}");
}

fn check_patches(case: &Value, quilt: &Quilt, encoded: &EncodedBlob) {
    let name = text(case, "name");
    let entries = quilt.index.entries();
    let ids: Vec<PatchId> = quilt.index.patch_ids(*encoded.metadata.blob_id()).collect();
    // Small cases list all patches, large ones a sample and a digest of all ranges.
    for (listed, patch) in case["patches"].as_array().into_iter().flatten().enumerate() {
        check_patch(patch, &entries[listed], &ids[listed], encoded, name);
    }
    for patch in case["patches_sample"].as_array().into_iter().flatten() {
        let position = integer(patch, "position");
        check_patch(patch, &entries[position], &ids[position], encoded, name);
    }
    if let Some(expected) = case["patch_ranges_sha256"].as_str() {
        let line = |entry: &IndexEntry| format!("{}-{}\n", entry.columns.start(), entry.columns.end());
        assert_eq!(sha256(entries.iter().map(|entry| line(entry).into_bytes())), expected, "{name}");
    }
    check_read_back(case, quilt, encoded);
}

fn check_patch(expected: &Value, entry: &IndexEntry, id: &PatchId, encoded: &EncodedBlob, name: &str) {
    assert_eq!(entry.identifier, text(expected, "identifier"), "{name}");
    assert_eq!(entry.columns.start(), short(expected, "start"), "{name}");
    assert_eq!(entry.columns.end(), short(expected, "end"), "{name}");
    assert_eq!(id.to_string(), text(expected, "patch_id"), "{name}");
    assert_eq!(text(expected, "patch_id").parse().as_ref(), Ok(id), "{name}");

    let slivers = columns(encoded, entry.columns.slivers());
    let stream: Vec<u8> = slivers.iter().flat_map(|sliver| sliver.data.clone()).collect();
    let prefix = hex::decode(text(expected, "prefix_hex")).unwrap();
    assert!(stream.starts_with(&prefix), "{name}");
    let patch = QuiltLayout::of(&encoded.metadata).unwrap().read_patch(entry.columns, &slivers).unwrap();
    assert_eq!(prefix.len() + patch.data.len(), integer(expected, "total_bytes"), "{name}");
    assert_eq!(sha256([patch.data.to_vec()]), text(expected, "content_sha256"), "{name}");
}

fn check_read_back(case: &Value, quilt: &Quilt, encoded: &EncodedBlob) {
    let layout = QuiltLayout::of(&encoded.metadata).unwrap();
    for input in case["input"].as_array().unwrap() {
        let entry = quilt.index.find(text(input, "identifier")).unwrap();
        let patch = layout.read_patch(entry.columns, &columns(encoded, entry.columns.slivers())).unwrap();
        assert_eq!(patch.identifier, text(input, "identifier"));
        assert_eq!(patch.tags, serde_json::from_value::<Tags>(input["tags"].clone()).unwrap_or_default());
        assert_eq!(patch.tags, entry.tags);
        assert_eq!(patch.data, generate(input));
    }
}

fn named<'a>(identifier: &str, data: &'a [u8]) -> NewPatch<'a> {
    NewPatch { identifier: PatchIdentifier::parse(identifier).unwrap(), tags: Tags::new(), data }
}

#[test]
fn every_refused_case_is_refused() {
    let file = load(VECTORS);
    let cases = file["errors"].as_array().unwrap();
    assert_eq!(cases.len(), 8);
    let seven = EncodingConfig::new(7).unwrap();
    for case in cases {
        match text(case, "name") {
            "too-many" => {
                let patches = ["a", "b", "c", "d", "e"].map(|identifier| named(identifier, b""));
                let refused = pack(seven, patches.to_vec());
                assert_eq!(refused, Err(PackError::TooManyPatches { found: 5, max: 4 }));
                assert!(pack(seven, patches[..4].to_vec()).is_ok());
            }
            "duplicate" => {
                let refused = pack(seven, vec![named("a", b"1"), named("b", b"2"), named("a", b"3")]);
                let identifier = PatchIdentifier::parse("a").unwrap();
                assert_eq!(refused, Err(PackError::DuplicateIdentifier { identifier }));
            }
            "oversize" => {
                // Four of the five columns hold a patch of up to 4 × 3 × 65,534 bytes with its 10 bytes of framing.
                let data = vec![0; 4 * 3 * 65_534 - 9];
                assert_eq!(
                    pack(seven, vec![named("a", &data)]),
                    Err(PackError::QuiltTooLarge { symbol_size: 65_536 })
                );
                assert!(pack(seven, vec![named("a", &data[1..])]).is_ok());
            }
            _ => assert!(PatchIdentifier::parse(text(case, "identifier_json")).is_err(), "{case}"),
        }
    }
}

#[test]
fn an_index_may_take_ten_columns_and_no_more() {
    // One long name makes the index 10 columns of the 67 long before the patches need more.
    let config = EncodingConfig::new(100).unwrap();
    let quilt = pack(config, vec![named(&"n".repeat(60_000), b"x"), named("o", b"y")]).unwrap();
    let encoded = encode(config, quilt.bytes.clone()).unwrap();
    let layout = QuiltLayout::of(&encoded.metadata).unwrap();
    let first = columns(&encoded, [SliverIndex(0)].into_iter());
    assert_eq!(layout.index_columns(&first[0]), Ok(10));
    let slivers = columns(&encoded, (0..10).map(SliverIndex));
    assert_eq!(layout.read_index(&slivers), Ok(quilt.index));
    assert!(layout.read_index(&slivers[..9]).is_err());
}
