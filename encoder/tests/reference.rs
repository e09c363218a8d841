//! A second, naive implementation of the blob ID, and what becomes of it when it is wrong.
//!
//! It shows that the tests can fail: each mistake that is easy to make gives other blob IDs.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the failure; clippy spares only the test functions"
)]

use blake2b_simd::Params;
use haulout_encoder::{BlobId, EncodingConfig, compute_metadata};
use proptest::prelude::*;
use reed_solomon_simd::engine::DefaultEngine;
use reed_solomon_simd::rate::{HighRateEncoder, LowRateEncoder, RateEncoder};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    PairsNotReversed,
    RatesSwapped,
    PrefixesSwapped,
    TreePaddedToPowerOfTwo,
    RootWithEnumTags,
    LengthPadded,
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut state = Params::new().hash_length(32).to_state();
    parts.iter().for_each(|part| {
        state.update(part);
    });
    state.finalize().as_bytes().try_into().unwrap()
}

fn root(leaves: &[Vec<u8>], mistake: Mistake) -> [u8; 32] {
    let (leaf, inner) = if mistake == Mistake::PrefixesSwapped { ([1], [0]) } else { ([0], [1]) };
    let mut nodes: Vec<[u8; 32]> = leaves.iter().map(|data| hash(&[&leaf, data])).collect();
    if mistake == Mistake::TreePaddedToPowerOfTwo {
        nodes.resize(nodes.len().next_power_of_two(), [0; 32]);
    }
    while nodes.len() > 1 {
        let right = |pair: &[[u8; 32]]| pair.get(1).copied().unwrap_or([0; 32]);
        nodes = nodes.chunks(2).map(|pair| hash(&[&inner, &pair[0], &right(pair)])).collect();
    }
    nodes[0]
}

fn recover(symbols: &[Vec<u8>], count: usize, mistake: Mistake) -> Vec<Vec<u8>> {
    fn with<E: RateEncoder<DefaultEngine>>(symbols: &[Vec<u8>], count: usize) -> Vec<Vec<u8>> {
        let mut encoder = E::new(symbols.len(), count, symbols[0].len(), DefaultEngine::new(), None).unwrap();
        symbols.iter().for_each(|symbol| encoder.add_original_shard(symbol).unwrap());
        encoder.encode().unwrap().recovery_iter().map(<[u8]>::to_vec).collect()
    }
    let [originals, recovered] = [symbols.len(), count].map(usize::next_power_of_two);
    let high = originals > recovered || originals == recovered && symbols.len() <= count;
    if high != (mistake == Mistake::RatesSwapped) {
        with::<HighRateEncoder<DefaultEngine>>(symbols, count)
    } else {
        with::<LowRateEncoder<DefaultEngine>>(symbols, count)
    }
}

fn blob_id(n: usize, blob: &[u8], mistake: Mistake) -> BlobId {
    let faulty = (n - 1) / 3;
    let (rows, columns) = (n - 2 * faulty, n - faulty);
    let symbol_size = blob.len().max(1).div_ceil(rows * columns).next_multiple_of(2);
    let mut padded = blob.to_vec();
    padded.resize(rows * columns * symbol_size, 0);
    let mut grid: Vec<Vec<Vec<u8>>> = padded
        .chunks(columns * symbol_size)
        .map(|row| row.chunks(symbol_size).map(<[u8]>::to_vec).collect())
        .collect();
    for row in &mut grid {
        let recovered = recover(row, n - columns, mistake);
        row.extend(recovered);
    }
    let column = |grid: &[Vec<Vec<u8>>], index: usize| -> Vec<Vec<u8>> {
        grid.iter().map(|row| row[index].clone()).collect()
    };
    let lower: Vec<_> = (0..n).map(|index| recover(&column(&grid, index), n - rows, mistake)).collect();
    for row in 0..n - rows {
        grid.push(lower.iter().map(|column| column[row].clone()).collect());
    }
    let pair = |pair: usize| {
        let secondary = if mistake == Mistake::PairsNotReversed { pair } else { n - 1 - pair };
        let tag: &[u8] = if mistake == Mistake::RootWithEnumTags { &[1] } else { &[] };
        let primary = root(&grid[pair], mistake);
        let secondary = root(&column(&grid, secondary), mistake);
        [tag, &primary, tag, &secondary].concat()
    };
    let pairs: Vec<_> = (0..n).map(pair).collect();
    let length = if mistake == Mistake::LengthPadded { padded.len() } else { blob.len() };
    BlobId(hash(&[&[1], &(length as u64).to_le_bytes(), &root(&pairs, mistake)]))
}

#[test]
fn every_mistake_changes_the_blob_id() {
    let blob: Vec<u8> = (0..=250).collect();
    // Not 7 or 31: one short of a power of two, both ways to pad a tree agree.
    for n_shards in [10_u16, 13, 22] {
        let config = EncodingConfig::new(n_shards).unwrap();
        let ours = *compute_metadata(config, &blob).unwrap().blob_id();
        let n = usize::from(n_shards);
        assert_eq!(blob_id(n, &blob, Mistake::None), ours);
        for mistake in [
            Mistake::PairsNotReversed,
            Mistake::RatesSwapped,
            Mistake::PrefixesSwapped,
            Mistake::TreePaddedToPowerOfTwo,
            Mistake::RootWithEnumTags,
            Mistake::LengthPadded,
        ] {
            assert_ne!(blob_id(n, &blob, mistake), ours, "{mistake:?} with {n_shards} shards");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Grouping symbols and cutting them into pieces does not show in the result.
    #[test]
    fn the_naive_encoder_agrees(
        n_shards in 4_u16..60,
        blob in prop_oneof![prop::collection::vec(any::<u8>(), 0..2000), prop::collection::vec(any::<u8>(), 0..200_000)],
    ) {
        let config = EncodingConfig::new(n_shards).unwrap();
        // Few shards cannot hold every length drawn.
        prop_assume!(config.symbol_size_bytes(blob.len() as u64).is_ok());
        let ours = *compute_metadata(config, &blob).unwrap().blob_id();
        prop_assert_eq!(blob_id(usize::from(n_shards), &blob, Mistake::None), ours);
    }
}
