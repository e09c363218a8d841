//! Decoding from any sufficient set of slivers, and refusing everything else.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the failure; clippy spares only the test functions"
)]

use bytes::Bytes;
use haulout_encoder::{
    Axis, BlobMetadata, DecodeError, Digest, EncodedBlob, EncodingConfig, InvalidMetadata, RangeError,
    Sliver, SliverError, SliverIndex, SliverPairIndex, Verification, VerifiedMetadata, decode, decode_with,
    encode, sliver_range, verify_sliver,
};
use proptest::prelude::*;
use proptest::sample::subsequence;
use rand::seq::SliceRandom as _;
use rand::{RngCore as _, SeedableRng as _, rngs::StdRng};

fn random_blob(bytes: usize) -> Vec<u8> {
    let mut blob = vec![0; bytes];
    StdRng::seed_from_u64(4).fill_bytes(&mut blob);
    blob
}

fn encoded(n_shards: u16, blob: &[u8]) -> (EncodingConfig, EncodedBlob) {
    let config = EncodingConfig::new(n_shards).unwrap();
    (config, encode(config, blob.to_vec()).unwrap())
}

fn needed(config: EncodingConfig, axis: Axis) -> usize {
    usize::from(match axis {
        Axis::Primary => config.n_rows(),
        Axis::Secondary => config.n_columns(),
    })
}

fn all_slivers(encoded: &EncodedBlob, axis: Axis) -> Vec<Sliver> {
    encoded.pairs().map(|pair| encoded.sliver(axis, pair).unwrap()).collect()
}

fn with_byte_flipped(data: &Bytes, position: usize) -> Bytes {
    let mut data = data.to_vec();
    data[position] ^= 1;
    data.into()
}

#[test]
fn first_last_and_random_slivers_suffice() {
    let mut rng = StdRng::seed_from_u64(9);
    for (n_shards, bytes) in [(4, 1), (7, 20), (10, 10_000), (31, 100_003), (100, 1 << 20), (1000, 5000)] {
        let blob = random_blob(bytes);
        let (config, encoded) = encoded(n_shards, &blob);
        for axis in Axis::BOTH {
            let mut slivers = all_slivers(&encoded, axis);
            for _ in 0..3 {
                let kept = slivers[..needed(config, axis)].to_vec();
                assert!(
                    decode(config, &encoded.metadata, kept).as_deref() == Ok(&blob[..]),
                    "{n_shards} {axis:?}"
                );
                let kept = slivers[slivers.len() - needed(config, axis)..].to_vec();
                for verification in [Verification::Full, Verification::Systematic, Verification::Skip] {
                    let restored = decode_with(config, &encoded.metadata, kept.clone(), verification);
                    assert!(restored.as_deref() == Ok(&blob[..]), "{n_shards} {axis:?} {verification:?}");
                }
                slivers.shuffle(&mut rng);
            }
        }
    }
}

#[test]
fn one_sliver_too_few_is_refused_and_repetitions_do_not_count() {
    let (config, encoded) = encoded(10, b"haul-out");
    for axis in Axis::BOTH {
        let needed = needed(config, axis);
        let mut slivers = all_slivers(&encoded, axis);
        slivers.truncate(needed - 1);
        slivers.push(slivers[0].clone());
        assert_eq!(
            decode(config, &encoded.metadata, slivers),
            Err(DecodeError::NotEnoughSlivers { received: needed - 1, needed })
        );
    }
    assert_eq!(
        decode(config, &encoded.metadata, []),
        Err(DecodeError::NotEnoughSlivers { received: 0, needed: 4 })
    );
}

#[test]
fn slivers_that_do_not_fit_together_are_refused() {
    let (config, encoded) = encoded(10, b"haul-out");
    let mut mixed = all_slivers(&encoded, Axis::Primary);
    mixed.push(encoded.sliver(Axis::Secondary, SliverPairIndex(0)).unwrap());
    assert_eq!(decode(config, &encoded.metadata, mixed), Err(DecodeError::MixedAxes));

    let mut conflicting = all_slivers(&encoded, Axis::Primary);
    let data = with_byte_flipped(&conflicting[0].data, 0);
    conflicting.push(Sliver { data, ..conflicting[0].clone() });
    assert_eq!(
        decode(config, &encoded.metadata, conflicting),
        Err(DecodeError::ConflictingSlivers { index: SliverIndex(0) })
    );

    let mut short = all_slivers(&encoded, Axis::Primary);
    short[2].data.truncate(3);
    let source = SliverError::SizeMismatch { expected: 14, found: 3 };
    assert_eq!(
        decode(config, &encoded.metadata, short),
        Err(DecodeError::InvalidSliver { index: SliverIndex(2), source })
    );
}

#[test]
fn a_corrupt_sliver_never_decodes_to_a_blob() {
    let blob = random_blob(3000);
    let (config, encoded) = encoded(13, &blob);
    for axis in Axis::BOTH {
        let pair = |index| axis.pair_index(SliverIndex(index), 13);
        let slivers: Vec<_> = (0..13).map(|index| encoded.sliver(axis, pair(index)).unwrap()).collect();
        let needed = needed(config, axis);
        // One that is part of the blob itself, and one that the code appended.
        for (used, damaged) in [(0..needed, 0), (13 - needed..13, needed - 1)] {
            let mut used = slivers[used].to_vec();
            used[damaged].data = with_byte_flipped(&used[damaged].data, 3);
            let refused = decode(config, &encoded.metadata, used);
            assert!(matches!(refused, Err(DecodeError::BlobIdMismatch { .. })), "{axis:?} {damaged}");
        }
    }
    // The cheaper check finds what a corrupt parity sliver did to a row that was not there.
    let mut slivers = all_slivers(&encoded, Axis::Primary).split_off(8);
    slivers[0].data = with_byte_flipped(&slivers[0].data, 0);
    let refused = decode_with(config, &encoded.metadata, slivers, Verification::Systematic);
    assert!(matches!(refused, Err(DecodeError::InconsistentRow { .. })));
}

#[test]
fn each_way_to_damage_a_sliver_has_its_error() {
    let (config, encoded) = encoded(10, &random_blob(500));
    let metadata = &encoded.metadata;
    let pair = SliverPairIndex(3);
    for axis in Axis::BOTH {
        let sliver = encoded.sliver(axis, pair).unwrap();
        assert_eq!(verify_sliver(config, metadata, pair, &sliver), Ok(()));
        let size = sliver.data.len();
        let refused = |pair, sliver: Sliver| verify_sliver(config, metadata, pair, &sliver).unwrap_err();

        for position in [0, size / 2, size - 1] {
            let data = with_byte_flipped(&sliver.data, position);
            let error = refused(pair, Sliver { data, ..sliver.clone() });
            assert!(matches!(error, SliverError::RootMismatch { .. }));
        }
        let error = refused(pair, Sliver { data: sliver.data.slice(1..), ..sliver.clone() });
        assert_eq!(error, SliverError::SizeMismatch { expected: size, found: size - 1 });
        let error = refused(pair, Sliver { symbol_size: sliver.symbol_size + 2, ..sliver.clone() });
        let expected = sliver.symbol_size;
        assert_eq!(error, SliverError::SymbolSizeMismatch { expected, found: expected + 2 });
        let error = refused(pair, Sliver { index: SliverIndex(10), ..sliver.clone() });
        assert_eq!(error, SliverError::IndexTooLarge { index: 10, n_shards: 10 });
        assert_eq!(refused(SliverPairIndex(10), sliver.clone()), error);
        let found = SliverIndex((sliver.index.0 + 1) % 10);
        let error = refused(pair, Sliver { index: found, ..sliver.clone() });
        assert_eq!(error, SliverError::WrongPair { expected: sliver.index, found });
        // Rightly labelled, but the bytes of another.
        let data = encoded.sliver(axis, SliverPairIndex(4)).unwrap().data;
        let error = refused(pair, Sliver { data, ..sliver.clone() });
        assert!(matches!(error, SliverError::RootMismatch { .. }));
        assert!(matches!(refused(SliverPairIndex(4), sliver), SliverError::WrongPair { .. }));
    }
}

#[test]
fn damaged_metadata_is_refused() {
    let (config, encoded) = encoded(7, b"metadata");
    let metadata = &encoded.metadata;
    let bcs = metadata.to_bcs_with_id();
    for position in 0..bcs.len() {
        let mut damaged = bcs.clone();
        damaged[position] ^= 1;
        assert!(VerifiedMetadata::from_bcs_with_id(config, &damaged).is_err(), "byte {position}");
        assert!(VerifiedMetadata::from_bcs_with_id(config, &bcs[..position]).is_err(), "{position} bytes");
    }
    let [body, mut longer] = [metadata.metadata().to_bcs(), metadata.metadata().to_bcs()];
    longer.push(0);
    assert!(matches!(BlobMetadata::from_bcs(config, &longer), Err(InvalidMetadata::Wire(_))));
    let mut too_long = body.clone();
    too_long[2..10].copy_from_slice(&983_011_u64.to_le_bytes());
    assert!(matches!(BlobMetadata::from_bcs(config, &too_long), Err(InvalidMetadata::UnencodedLength(_))));
    let other = EncodingConfig::new(10).unwrap();
    assert!(matches!(
        BlobMetadata::from_bcs(other, &body),
        Err(InvalidMetadata::HashCount { expected: 10, found: 7 })
    ));
    // The first hash replaced by the empty node.
    let without_hash = [&body[..11], &[0], &body[11 + 33..]].concat();
    assert_eq!(
        BlobMetadata::from_bcs(config, &without_hash),
        Err(InvalidMetadata::EmptyHash { pair: SliverPairIndex(0) })
    );
    let parsed = BlobMetadata::from_bcs(config, &body).unwrap();
    let (_, stranger) = self::encoded(7, b"stranger");
    assert!(matches!(
        VerifiedMetadata::verify(config, stranger.metadata.blob_id(), parsed),
        Err(InvalidMetadata::BlobIdMismatch { .. })
    ));
}

#[test]
fn an_empty_blob_has_equal_hashes_everywhere() {
    let (config, encoded) = encoded(4, b"");
    let zeros = "13074e96471909b77d6fcc0f3c34b4a9ddae340306af0213e5e31d08d4158b86";
    let hashes = encoded.metadata.metadata().hashes();
    assert!(
        hashes
            .iter()
            .all(|pair| [pair.primary, pair.secondary].map(|hash: Digest| hash.to_string()) == [zeros; 2])
    );
    let slivers = all_slivers(&encoded, Axis::Secondary);
    assert_eq!(decode(config, &encoded.metadata, slivers), Ok(Bytes::new()));
    assert_eq!(sliver_range(config, &encoded.metadata, 0..0), Ok(Vec::new()));
}

#[test]
fn ranges_past_the_end_are_refused_even_in_the_padding() {
    let (config, encoded) = encoded(7, &random_blob(20));
    let metadata = &encoded.metadata;
    assert_eq!(
        sliver_range(config, metadata, 19..21),
        Err(RangeError::OutOfBounds { end: 21, blob_bytes: 20 })
    );
    assert!(sliver_range(config, metadata, u64::MAX..u64::MAX).is_err());
    #[expect(
        clippy::reversed_empty_ranges,
        reason = "a caller's mistake that must not become an empty answer"
    )]
    let reversed = 3..2;
    assert_eq!(sliver_range(config, metadata, reversed), Err(RangeError::Reversed { start: 3, end: 2 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whichever slivers are lost, any sufficient number of one axis restores the blob.
    #[test]
    fn any_sufficient_subset_decodes(
        n_shards in 4_u16..40,
        blob in prop::collection::vec(any::<u8>(), 0..5000),
        order in subsequence((0..40_u16).collect::<Vec<_>>(), 40).prop_shuffle(),
        primary in any::<bool>(),
    ) {
        let axis = if primary { Axis::Primary } else { Axis::Secondary };
        let (config, encoded) = encoded(n_shards, &blob);
        let kept = order.into_iter().filter(|&pair| pair < n_shards).take(needed(config, axis));
        let slivers = kept.map(|pair| encoded.sliver(axis, SliverPairIndex(pair)).unwrap());
        let restored = decode(config, &encoded.metadata, slivers);
        prop_assert_eq!(restored, Ok(blob.into()));
    }

    /// A range read sees what a slice of the blob shows.
    #[test]
    fn a_range_is_the_blobs_own_bytes(
        n_shards in 4_u16..40,
        blob in prop::collection::vec(any::<u8>(), 1..5000),
        ends in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let (config, encoded) = encoded(n_shards, &blob);
        let [a, b] = [ends.0, ends.1].map(|end| end.index(blob.len() + 1));
        let (start, end) = (a.min(b), a.max(b));
        let parts = sliver_range(config, &encoded.metadata, start as u64..end as u64).unwrap();
        let mut read = Vec::new();
        for part in parts {
            prop_assert!(part.index.0 < config.n_rows() && !part.bytes.is_empty());
            read.extend_from_slice(&encoded.sliver(Axis::Primary, part.pair()).unwrap().data[part.bytes]);
        }
        prop_assert_eq!(&read, &blob[start..end]);
    }

    /// Foreign bytes are refused or read back as they were; nothing panics.
    #[test]
    fn foreign_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let config = EncodingConfig::new(7).unwrap();
        for axis in Axis::BOTH {
            if let Ok(sliver) = Sliver::from_bcs(axis, &bytes) {
                prop_assert_eq!(sliver.to_bcs(), bytes.clone());
            }
        }
        if let Ok(metadata) = BlobMetadata::from_bcs(config, &bytes) {
            prop_assert_eq!(metadata.to_bcs(), bytes);
        }
    }
}
