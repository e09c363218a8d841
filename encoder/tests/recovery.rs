//! Recovering single slivers from proven symbols.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the failure; clippy spares only the test functions"
)]

use bytes::Bytes;
use haulout_encoder::{
    Axis, BlobMetadata, EncodedBlob, EncodingConfig, ExtendedSliver, InconsistencyProof, RecoverError,
    RecoverySymbol, SliverError, SliverIndex, SymbolError, VerifiedMetadata, WireError, encode,
    recover_sliver,
};
use proptest::prelude::*;
use rand::seq::SliceRandom as _;
use rand::{RngCore as _, SeedableRng as _, rngs::StdRng};

fn encoded(n_shards: u16, bytes: usize) -> (EncodingConfig, EncodedBlob) {
    let mut blob = vec![0; bytes];
    StdRng::seed_from_u64(5).fill_bytes(&mut blob);
    let config = EncodingConfig::new(n_shards).unwrap();
    (config, encode(config, blob.clone()).unwrap())
}

fn needed(config: EncodingConfig, target_axis: Axis) -> usize {
    usize::from(match target_axis {
        Axis::Primary => config.n_columns(),
        Axis::Secondary => config.n_rows(),
    })
}

/// The symbols of a sliver to be recovered, from all slivers that cross it, in their order.
fn symbols(encoded: &EncodedBlob, target_axis: Axis, target: SliverIndex) -> Vec<RecoverySymbol> {
    let config = encoded.metadata.config();
    let crossing = target_axis.orthogonal();
    let symbol = |index| {
        let pair = crossing.pair_index(SliverIndex(index), config.n_shards());
        let sliver =
            ExtendedSliver::new(config, &encoded.metadata, encoded.sliver(crossing, pair).unwrap()).unwrap();
        sliver.recovery_symbol(target).unwrap()
    };
    (0..config.n_shards()).map(symbol).collect()
}

#[test]
fn every_sliver_is_recovered_from_any_sufficient_symbols() {
    let mut rng = StdRng::seed_from_u64(6);
    for (n_shards, bytes) in [(4, 3), (7, 20), (10, 7000), (13, 40_000)] {
        let (config, encoded) = encoded(n_shards, bytes);
        for axis in Axis::BOTH {
            for target in (0..n_shards).map(SliverIndex) {
                let lost = encoded.sliver(axis, axis.pair_index(target, n_shards)).unwrap();
                let mut symbols = symbols(&encoded, axis, target);
                for symbol in &symbols {
                    assert_eq!(symbol.verify(config, &encoded.metadata, target), Ok(()));
                }
                symbols.shuffle(&mut rng);
                symbols.truncate(needed(config, axis));
                let recovered = recover_sliver(config, &encoded.metadata, axis, target, symbols);
                assert_eq!(recovered, Ok(lost), "{n_shards} {axis:?} {target:?}");
            }
        }
    }
}

#[test]
fn a_sliver_of_a_thousand_shards_is_recovered() {
    let (config, encoded) = encoded(1000, 100_000);
    for axis in Axis::BOTH {
        let target = SliverIndex(999);
        let lost = encoded.sliver(axis, axis.pair_index(target, 1000)).unwrap();
        let mut symbols = symbols(&encoded, axis, target);
        let last = symbols.split_off(1000 - needed(config, axis));
        assert_eq!(recover_sliver(config, &encoded.metadata, axis, target, last), Ok(lost));
    }
}

#[test]
fn tampered_symbols_and_proofs_are_refused() {
    let (config, encoded) = encoded(10, 900);
    let metadata = &encoded.metadata;
    for axis in Axis::BOTH {
        let target = SliverIndex(8);
        let symbols = symbols(&encoded, axis, target);
        let genuine = &symbols[2];
        let invalid = |index| Err(SymbolError::InvalidProof { source_sliver: SliverIndex(index) });

        // Every byte of the symbol and its proof counts.
        let bcs = genuine.to_bcs();
        for position in 0..bcs.len() {
            let mut damaged = bcs.clone();
            damaged[position] ^= 1;
            let refused = RecoverySymbol::from_bcs(axis, &damaged)
                .map(|symbol| symbol.verify(config, metadata, target));
            assert!(!matches!(refused, Ok(Ok(()))), "byte {position}");
        }
        assert_eq!(genuine.verify(config, metadata, SliverIndex(7)), invalid(2));
        let elsewhere = RecoverySymbol { source: SliverIndex(3), ..genuine.clone() };
        assert_eq!(elsewhere.verify(config, metadata, target), invalid(3));
        let crossed = RecoverySymbol { target_axis: axis.orthogonal(), ..genuine.clone() };
        assert_eq!(crossed.verify(config, metadata, target), invalid(2));
        let expected = genuine.data.len();
        let short = RecoverySymbol { data: genuine.data.slice(2..), ..genuine.clone() };
        let size = SymbolError::SizeMismatch { expected, found: expected - 2 };
        assert_eq!(short.verify(config, metadata, target), Err(size));
        let index = SliverIndex(10);
        let outside = RecoverySymbol { source: index, ..genuine.clone() };
        let too_large = Err(SymbolError::IndexTooLarge { index, n_shards: 10 });
        assert_eq!(outside.verify(config, metadata, target), too_large);
        assert_eq!(genuine.verify(config, metadata, index), too_large);

        // And recovery looks at every symbol it uses.
        let recover = |symbols| recover_sliver(config, metadata, axis, target, symbols);
        let mut with_elsewhere = symbols.clone();
        with_elsewhere[0] = elsewhere;
        assert!(matches!(recover(with_elsewhere), Err(RecoverError::InvalidSymbol(_))));
        let mut with_crossed = symbols.clone();
        with_crossed[0] = crossed;
        assert_eq!(recover(with_crossed), Err(RecoverError::WrongAxis));
        let needed = needed(config, axis);
        let mut repeated = symbols[..needed - 1].to_vec();
        repeated.extend_from_slice(&symbols[..needed - 1]);
        assert_eq!(recover(repeated), Err(RecoverError::NotEnoughSymbols { received: needed - 1, needed }));
    }
}

#[test]
fn a_damaged_sliver_hands_out_no_symbols() {
    let (config, encoded) = encoded(7, 100);
    let mut sliver = encoded.sliver(Axis::Primary, encoded.pairs().next().unwrap()).unwrap();
    sliver.data = Bytes::from(vec![1; sliver.data.len()]);
    let refused = ExtendedSliver::new(config, &encoded.metadata, sliver);
    assert!(matches!(refused, Err(SliverError::RootMismatch { .. })));
}

#[test]
fn an_honest_blob_cannot_be_convicted() {
    let (config, encoded) = encoded(7, 100);
    let target = SliverIndex(6);
    let mut symbols = symbols(&encoded, Axis::Primary, target);
    symbols.truncate(5);
    let proof = InconsistencyProof { target_axis: Axis::Primary, target, symbols };
    assert!(!proof.holds(config, &encoded.metadata));
    let bcs = proof.to_bcs();
    assert_eq!(InconsistencyProof::from_bcs(config, Axis::Primary, &bcs).as_ref(), Ok(&proof));
    // A secondary sliver takes only three symbols.
    assert_eq!(
        InconsistencyProof::from_bcs(config, Axis::Secondary, &bcs),
        Err(WireError::TooManyItems { found: 5, max: 3 })
    );
}

#[test]
fn a_dishonest_encoding_is_proven() {
    let (config, honest) = encoded(7, 100);
    // The writer lies about the hash of primary sliver 2: after 11 bytes, pairs of two tagged digests.
    let mut bcs = honest.metadata.metadata().to_bcs();
    bcs[11 + 2 * 66 + 1] ^= 1;
    let metadata = BlobMetadata::from_bcs(config, &bcs).unwrap();
    let metadata = VerifiedMetadata::verify(config, &metadata.blob_id(), metadata).unwrap();
    let target = SliverIndex(2);
    let mut symbols = symbols(&honest, Axis::Primary, target);
    symbols.truncate(5);
    let recovered = recover_sliver(config, &metadata, Axis::Primary, target, symbols.clone());
    let Err(RecoverError::Inconsistent(proof)) = recovered else { panic!("{recovered:?}") };
    assert_eq!(proof.symbols, symbols);
    assert!(proof.holds(config, &metadata));
    assert!(!proof.holds(config, &honest.metadata));
}

/// The byte forms as the `bcs` crate derives them from the types' definitions.
mod derived {
    use serde::Serialize;

    #[derive(Serialize)]
    pub(super) struct DecodingSymbol {
        pub(super) index: u16,
        pub(super) data: Vec<u8>,
    }

    #[derive(Serialize)]
    pub(super) enum EitherDecodingSymbol {
        Primary(DecodingSymbol),
        Secondary(DecodingSymbol),
    }

    #[derive(Serialize)]
    pub(super) enum Node {
        Empty,
        Digest([u8; 32]),
    }

    pub(super) type RecoverySymbol = (DecodingSymbol, Vec<Node>);
    pub(super) type GeneralRecoverySymbol = (EitherDecodingSymbol, u16, Vec<Node>);
    pub(super) type InconsistencyProof = (u16, Vec<RecoverySymbol>);
}

#[test]
fn byte_forms_are_those_of_the_bcs_crate() {
    let (config, encoded) = encoded(7, 1000);
    let target = SliverIndex(6);
    for axis in Axis::BOTH {
        let symbols = symbols(&encoded, axis, target);
        let decoding = |symbol: &RecoverySymbol| derived::DecodingSymbol {
            index: symbol.source.0,
            data: symbol.data.to_vec(),
        };
        // The last of seven leaves has no sibling.
        let path = |symbol: &RecoverySymbol| {
            let bcs = symbol.to_bcs();
            let digest = |end: usize| derived::Node::Digest(bcs[end - 32..end].try_into().unwrap());
            vec![derived::Node::Empty, digest(bcs.len() - 33), digest(bcs.len())]
        };
        let recovery = |symbol| -> derived::RecoverySymbol { (decoding(symbol), path(symbol)) };
        for symbol in &symbols {
            assert_eq!(symbol.to_bcs(), bcs::to_bytes(&recovery(symbol)).unwrap());
            let either = match axis {
                Axis::Primary => derived::EitherDecodingSymbol::Primary(decoding(symbol)),
                Axis::Secondary => derived::EitherDecodingSymbol::Secondary(decoding(symbol)),
            };
            let general: derived::GeneralRecoverySymbol = (either, target.0, path(symbol));
            let bytes = symbol.to_general_bcs(target);
            assert_eq!(bytes, bcs::to_bytes(&general).unwrap());
            assert_eq!(RecoverySymbol::from_general_bcs(&bytes), Ok((symbol.clone(), target)));
        }
        let used = &symbols[..needed(config, axis)];
        let proof = InconsistencyProof { target_axis: axis, target, symbols: used.to_vec() };
        let expected: derived::InconsistencyProof = (target.0, used.iter().map(recovery).collect());
        assert_eq!(proof.to_bcs(), bcs::to_bytes(&expected).unwrap());
    }
}

proptest! {
    /// Foreign bytes are refused or read back as they were; nothing panics.
    #[test]
    fn foreign_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let config = EncodingConfig::new(7).unwrap();
        for axis in Axis::BOTH {
            if let Ok(symbol) = RecoverySymbol::from_bcs(axis, &bytes) {
                prop_assert_eq!(symbol.to_bcs(), bytes.clone());
            }
            if let Ok(proof) = InconsistencyProof::from_bcs(config, axis, &bytes) {
                prop_assert_eq!(proof.to_bcs(), bytes.clone());
            }
        }
        if let Ok((symbol, target)) = RecoverySymbol::from_general_bcs(&bytes) {
            prop_assert_eq!(symbol.to_general_bcs(target), bytes);
        }
    }
}
