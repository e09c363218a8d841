//! The specification's worked example, hash by hash: 7 shards, 20 bytes.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the failure; clippy spares only the test functions"
)]

use haulout_encoder::{
    Axis, BlobMetadata, EncodedBlob, EncodingConfig, ExtendedSliver, RecoverySymbol, ShardIndex, Sliver,
    SliverIndex, SliverPairIndex, compute_metadata, encode,
};

const BLOB: &str = "0109131f2d3d4f637991abc7e50a2c50769ec8f4";
const BLOB_ID: &str = "0IFl_dZrSfYW_JxbjWGJwd80NsU3SRq8luWLd8niNJU";

/// Byte forms of the pairs' slivers.
const PAIRS: [(&str, &str); 7] = [
    ("0a0109131f2d3d4f63799102000000", "062c881974000002000600"),
    ("0aabc7e50a2c50769ec8f402000100", "062551c583000002000500"),
    ("0a0000000000000000000002000200", "067991c8f4000002000400"),
    ("0a013396c28b879268b4fd02000300", "064f63769e000002000300"),
    ("0abbaf24f2086726d30b1b02000400", "062d3d2c50000002000200"),
    ("0aeebb65a5668a9e57665d02000500", "06131fe50a000002000100"),
    ("0afee92180e407131168de02000600", "060109abc7000002000000"),
];

fn encoded() -> (EncodingConfig, EncodedBlob) {
    let config = EncodingConfig::new(7).unwrap();
    (config, encode(config, hex::decode(BLOB).unwrap()).unwrap())
}

#[test]
fn slivers_have_the_listed_bytes() {
    let (_, encoded) = encoded();
    for (pair, (primary, secondary)) in encoded.pairs().zip(PAIRS) {
        assert_eq!(hex::encode(encoded.sliver(Axis::Primary, pair).unwrap().to_bcs()), primary);
        assert_eq!(hex::encode(encoded.sliver(Axis::Secondary, pair).unwrap().to_bcs()), secondary);
    }
}

#[test]
fn hashes_lead_to_the_blob_id() {
    let (config, encoded) = encoded();
    let metadata = &encoded.metadata;
    let first = metadata.metadata().hashes()[0];
    assert_eq!(first.primary.to_string(), "23122a8768a94b4032d25a7d1e546b34b03459577e4da2b73c49671065caf649");
    assert_eq!(
        first.secondary.to_string(),
        "f3a23651ffc9e8ec046dab90ee32529d1357d7713502f5f668f563f25272298c"
    );
    assert_eq!(
        metadata.root_hash().to_string(),
        "ebe85fcebe81a1487a0166907cd0cdcb6d2471d44a6a815c24151f93abb6fec3"
    );
    assert_eq!(metadata.blob_id().to_string(), BLOB_ID);
    let bcs = metadata.metadata().to_bcs();
    assert_eq!(bcs.len(), 473);
    assert!(hex::encode(&bcs).starts_with("0001140000000000000007012312"));
    assert_eq!(BlobMetadata::from_bcs(config, &bcs).as_ref(), Ok(metadata.metadata()));
}

#[test]
fn pairs_are_rotated_by_one_shard() {
    let (_, encoded) = encoded();
    let blob_id = encoded.metadata.blob_id();
    for pair in 0..7 {
        let shard = SliverPairIndex(pair).to_shard(7, blob_id);
        assert_eq!(shard, ShardIndex((pair + 1) % 7));
        assert_eq!(shard.to_pair(7, blob_id), SliverPairIndex(pair));
    }
}

#[test]
fn proofs_have_the_listed_paths() {
    let (config, encoded) = encoded();
    let row = encoded.sliver(Axis::Primary, SliverPairIndex(0)).unwrap();
    let row = ExtendedSliver::new(config, &encoded.metadata, row).unwrap();
    let upper = "010e2d96f15cc66772c9e629551fe879441ee3747d4a10600f50b791bd090a371d\
                 01fef9a73bdacf04601e94c545111c7b6d30d8b3bc73f9acb79178b76126ec09a0";
    let last = row.recovery_symbol(SliverIndex(6)).unwrap();
    // From sliver 0, two bytes `2c88`; three nodes of which the first is the empty one.
    assert_eq!(hex::encode(last.to_bcs()), format!("0000022c880300{upper}"));
    let fifth = row.recovery_symbol(SliverIndex(5)).unwrap();
    assert_eq!(
        hex::encode(fifth.to_bcs()),
        "00000225510301\
         1a5f86bf8a604c8628306be0121696257546fac9fcc36c25ae9ff97bf24653ea\
         0191f4c27f4e3ddb1677c6401fab8b175b4283080dc0fb0e9dcd77fc6256da55f3\
         01fef9a73bdacf04601e94c545111c7b6d30d8b3bc73f9acb79178b76126ec09a0"
    );
    assert_eq!(hex::encode(fifth.to_general_bcs(SliverIndex(5)))[..16], *"0100000225510500");
    assert_eq!(RecoverySymbol::from_bcs(Axis::Secondary, &fifth.to_bcs()), Ok(fifth));
    assert_eq!(row.recovery_symbol(SliverIndex(7)), None);
}

#[test]
fn a_published_blob_id_is_reproduced() {
    let config = EncodingConfig::new(10).unwrap();
    let metadata = compute_metadata(config, b"walrus blob id v1 regression test").unwrap();
    assert_eq!(metadata.blob_id().to_string(), "RcU82Mwf-CFkv1LaI_2qcpANwpGUuG3TMwnVzZxD2kY");
}

#[test]
fn a_table_of_sizes_is_reproduced() {
    let config = EncodingConfig::new(1000).unwrap();
    for (blob_bytes, symbol_size, encoded_length) in [
        (0, 2, 66_034_000),
        (445_556, 2, 66_034_000),
        (445_557, 4, 68_036_000),
        (1 << 20, 6, 70_038_000),
        (10 << 20, 48, 112_080_000),
        (100 << 20, 472, 536_504_000),
        (1 << 30, 4820, 4_888_852_000),
        (14_599_533_452, 65_534, 65_663_566_000),
    ] {
        assert_eq!(config.symbol_size_bytes(blob_bytes), Ok(symbol_size));
        assert_eq!(config.encoded_length(blob_bytes), Ok(encoded_length));
    }
    assert_eq!(config.max_blob_bytes(), 14_599_533_452);
    for too_long in [14_599_533_453, u64::MAX] {
        assert!(config.symbol_size_bytes(too_long).is_err());
    }
    assert_eq!((config.quorum(), config.validity()), (667, 334));
}

#[test]
fn shared_and_copied_slivers_read_alike() {
    for (axis, text) in [(Axis::Primary, PAIRS[3].0), (Axis::Secondary, PAIRS[3].1)] {
        let bytes = bytes::Bytes::from(hex::decode(text).unwrap());
        assert_eq!(Sliver::from_bcs(axis, &bytes), Sliver::from_bcs_shared(axis, &bytes));
    }
}
