//! Byte-exactness: every case of the known answers of Walrus's own encoder.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the failure; clippy spares only the test functions"
)]

mod vectors;

use haulout_encoder::{
    Axis, BlobId, BlobMetadata, EncodedBlob, EncodingConfig, Sliver, SliverPairIndex, VerifiedMetadata,
    compute_metadata, decode, encode,
};
use rayon::prelude::*;
use serde_json::Value;
use vectors::{generate, integer, load, sha256, short, text};

const VECTORS: &str = include_str!("vectors/redstuff.json");

#[test]
fn every_case_is_encoded_byte_for_byte() {
    let file = load(VECTORS);
    let cases = file["vectors"].as_array().unwrap();
    assert_eq!(cases.len(), 134);
    cases.par_iter().for_each(check_case);
}

fn check_case(case: &Value) {
    let name = format!("n = {}, {} bytes", case["n_shards"], case["size"]);
    let config = EncodingConfig::new(short(case, "n_shards")).unwrap();
    let blob = generate(case);
    assert_eq!(sha256([blob.clone()]), text(case, "data_sha256"), "{name}");
    check_layout(case, config, &name);
    let encoded = encode(config, blob.clone()).unwrap();
    check_metadata(case, config, &encoded.metadata, &name);
    assert_eq!(compute_metadata(config, &blob).unwrap(), encoded.metadata, "{name}");
    check_slivers(case, &encoded, &name);
    check_full(case, &encoded, &blob, &name);
}

fn check_layout(case: &Value, config: EncodingConfig, name: &str) {
    let blob_bytes = case["size"].as_u64().unwrap();
    assert_eq!(config.n_rows(), short(case, "primary_source_symbols"), "{name}");
    assert_eq!(config.n_columns(), short(case, "secondary_source_symbols"), "{name}");
    assert_eq!(config.symbol_size_bytes(blob_bytes).unwrap(), short(case, "symbol_size"), "{name}");
    assert_eq!(
        config.encoded_length(blob_bytes).unwrap(),
        case["encoded_length"].as_u64().unwrap(),
        "{name}"
    );
}

fn check_metadata(case: &Value, config: EncodingConfig, verified: &VerifiedMetadata, name: &str) {
    let blob_id = verified.blob_id();
    assert_eq!(blob_id.to_string(), text(case, "blob_id"), "{name}");
    assert_eq!(text(case, "blob_id").parse(), Ok(*blob_id), "{name}");
    assert_eq!(hex::encode(blob_id.0), text(case, "blob_id_hex"), "{name}");
    assert_eq!(little_endian_decimal(blob_id), text(case, "blob_id_u256_decimal"), "{name}");
    assert_eq!(verified.root_hash().to_string(), text(case, "root_hash_hex"), "{name}");
    let rotation = SliverPairIndex(0).to_shard(config.n_shards(), blob_id);
    assert_eq!(rotation.0, short(case, "rotation_offset"), "{name}");

    let metadata_bcs = verified.metadata().to_bcs();
    assert_eq!(metadata_bcs.len(), integer(case, "metadata_bcs_len"), "{name}");
    assert_eq!(sha256([metadata_bcs.clone()]), text(case, "metadata_bcs_sha256"), "{name}");
    let parsed = BlobMetadata::from_bcs(config, &metadata_bcs).unwrap();
    assert_eq!(VerifiedMetadata::verify(config, blob_id, parsed).as_ref(), Ok(verified), "{name}");
    let with_id = verified.to_bcs_with_id();
    assert_eq!(sha256([with_id.clone()]), text(case, "metadata_with_id_bcs_sha256"), "{name}");
    assert_eq!(VerifiedMetadata::from_bcs_with_id(config, &with_id).as_ref(), Ok(verified), "{name}");
}

/// How explorers print blob IDs: the ledger keeps them as little-endian integers.
fn little_endian_decimal(blob_id: &BlobId) -> String {
    let mut digits = vec![0_u32];
    for &byte in blob_id.0.iter().rev() {
        let mut carry = u32::from(byte);
        for digit in &mut digits {
            let value = *digit * 256 + carry;
            *digit = value % 10;
            carry = value / 10;
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    digits.iter().rev().map(u32::to_string).collect()
}

fn check_slivers(case: &Value, encoded: &EncodedBlob, name: &str) {
    for (axis, digest, length) in [
        (Axis::Primary, "primary_slivers_sha256", "primary_sliver_bcs_len"),
        (Axis::Secondary, "secondary_slivers_sha256", "secondary_sliver_bcs_len"),
    ] {
        let slivers = encoded.pairs().map(|pair| encoded.sliver(axis, pair).unwrap());
        let all = slivers.map(|sliver| {
            let bcs = sliver.to_bcs();
            assert_eq!(bcs.len(), integer(case, length), "{name}");
            assert_eq!(sliver.bcs_bytes(), bcs.len(), "{name}");
            assert_eq!(Sliver::from_bcs(axis, &bcs).as_ref(), Ok(&sliver), "{name}");
            bcs
        });
        assert_eq!(sha256(all), text(case, digest), "{name}");
    }
    for probe in case["pair_probes"].as_array().unwrap() {
        let pair = SliverPairIndex(short(probe, "pair_index"));
        let n_shards = encoded.metadata.config().n_shards();
        let shard = pair.to_shard(n_shards, encoded.metadata.blob_id());
        assert_eq!(shard.0, short(probe, "shard_index"), "{name}");
        assert_eq!(shard.to_pair(n_shards, encoded.metadata.blob_id()), pair, "{name}");
        let [primary, secondary] =
            Axis::BOTH.map(|axis| sha256([encoded.sliver(axis, pair).unwrap().to_bcs()]));
        assert_eq!(primary, text(probe, "primary_sha256"), "{name}");
        assert_eq!(secondary, text(probe, "secondary_sha256"), "{name}");
    }
}

/// Tiny cases list every byte.
fn check_full(case: &Value, encoded: &EncodedBlob, blob: &[u8], name: &str) {
    let full = &case["full"];
    if full.is_null() {
        return;
    }
    assert_eq!(hex::encode(blob), text(full, "data_hex"), "{name}");
    assert_eq!(hex::encode(encoded.metadata.metadata().to_bcs()), text(full, "metadata_bcs_hex"), "{name}");
    for (axis, field) in
        [(Axis::Primary, "primary_slivers_bcs_hex"), (Axis::Secondary, "secondary_slivers_bcs_hex")]
    {
        for (pair, expected) in encoded.pairs().zip(full[field].as_array().unwrap()) {
            assert_eq!(
                hex::encode(encoded.sliver(axis, pair).unwrap().to_bcs()),
                expected.as_str().unwrap(),
                "{name}"
            );
        }
    }
}

#[test]
fn every_refused_case_is_refused() {
    let file = load(VECTORS);
    let cases = file["errors"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let blob = vec![7; integer(case, "size")];
        match EncodingConfig::new(short(case, "n_shards")) {
            Err(refused) => assert!(refused.n_shards < 4),
            Ok(config) => {
                assert!(encode(config, blob.clone()).is_err());
                assert!(compute_metadata(config, &blob).is_err());
                assert!(encode(config, blob[1..].to_vec()).is_ok());
            }
        }
    }
}

#[test]
fn every_case_decodes_from_recovered_lines_only() {
    let file = load(VECTORS);
    let cases = file["vectors"].as_array().unwrap();
    // Fewer source symbols than half of the shards on one axis, more on the other: both kinds of decoding.
    cases.par_iter().for_each(|case| {
        let config = EncodingConfig::new(short(case, "n_shards")).unwrap();
        let blob = generate(case);
        let encoded = encode(config, blob.clone()).unwrap();
        for axis in Axis::BOTH {
            let last = (0..config.n_shards()).rev();
            let slivers = last.map(|index| {
                let pair = axis.pair_index(haulout_encoder::SliverIndex(index), config.n_shards());
                encoded.sliver(axis, pair).unwrap()
            });
            let needed = match axis {
                Axis::Primary => config.n_rows(),
                Axis::Secondary => config.n_columns(),
            };
            let restored = decode(config, &encoded.metadata, slivers.take(usize::from(needed)));
            assert!(restored.as_deref() == Ok(&blob[..]), "n = {}, {} bytes", case["n_shards"], case["size"]);
        }
    });
}
