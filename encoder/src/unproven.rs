//! Recovering one sliver from symbols without proofs: a fraction of the traffic and none of the hashing at their
//! sources, because only the result is checked.
//!
//! One wrong symbol spoils the result, and nothing tells which it was; then recover from proven symbols or decode
//! from verified slivers instead.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::code::{LineCode, LinePart, source_line};
use crate::ids::{Axis, SliverIndex};
use crate::layout::EncodingConfig;
use crate::metadata::VerifiedMetadata;
use crate::sliver::{Sliver, SliverError, check_root};

/// A sliver cannot be recovered from these symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnprovenError {
    /// Too few symbols of the right size from distinct slivers.
    #[error("{received} of the {needed} symbols needed are there")]
    NotEnoughSymbols {
        /// Symbols of the right size from distinct slivers.
        received: usize,
        /// Symbols needed for this axis.
        needed: usize,
    },
    /// At least one symbol is wrong.
    #[error("the symbols make another sliver")]
    WrongSymbols(#[source] SliverError),
}

/// Recovers sliver `target` of an axis from `(source, symbol)` pairs: `n_columns` of them for a primary, `n_rows` for a
/// secondary sliver, each cut at `target` from the sliver `source` of the other axis. The result is verified.
///
/// Symbols beyond those needed, of an impossible source or of the wrong size, and repetitions are not looked at.
///
/// # Errors
/// [`UnprovenError`].
///
/// # Panics
/// If `metadata` was verified for another `config`, or `target` is not below `n_shards`.
pub fn recover_sliver_unproven(
    config: EncodingConfig,
    metadata: &VerifiedMetadata,
    target_axis: Axis,
    target: SliverIndex,
    symbols: impl IntoIterator<Item = (SliverIndex, Bytes)>,
) -> Result<Sliver, UnprovenError> {
    metadata.assert_config(config);
    let code = LineCode::extending(target_axis, config);
    let symbol_size = usize::from(metadata.symbol_size_bytes());
    let symbols: BTreeMap<usize, Bytes> = symbols
        .into_iter()
        .filter(|(source, symbol)| source.0 < config.n_shards() && symbol.len() == symbol_size)
        .map(|(source, symbol)| (usize::from(source.0), symbol))
        .collect();
    if symbols.len() < code.source {
        return Err(UnprovenError::NotEnoughSymbols { received: symbols.len(), needed: code.source });
    }
    let parts: Vec<_> =
        symbols.iter().map(|(&position, symbols)| LinePart { position, symbols }).take(code.source).collect();
    let line = source_line(code, symbol_size, &parts);
    let sliver = Sliver {
        axis: target_axis,
        index: target,
        symbol_size: metadata.symbol_size_bytes(),
        data: line.into(),
    };
    check_root(metadata, &sliver).map_err(UnprovenError::WrongSymbols)?;
    Ok(sliver)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::encode;
    use crate::ids::SliverPairIndex;

    /// The symbols at `target` of every sliver on the other axis, which a sliver holds only of systematic targets.
    fn symbols(axis: Axis, target: SliverIndex) -> (VerifiedMetadata, Sliver, Vec<(SliverIndex, Bytes)>) {
        let config = EncodingConfig::new(10).unwrap();
        let blob: Vec<u8> = (0..=u8::MAX).cycle().take(1000).collect();
        let encoded = encode(config, blob).unwrap();
        let cut = |pair| {
            let source = encoded.sliver(axis.orthogonal(), pair).unwrap();
            let size = usize::from(source.symbol_size);
            (source.index, source.data.slice(usize::from(target.0) * size..).slice(..size))
        };
        let symbols = encoded.pairs().map(cut).collect();
        let wanted = encoded.sliver(axis, axis.pair_index(target, 10)).unwrap();
        (encoded.metadata.clone(), wanted, symbols)
    }

    #[test]
    fn just_enough_symbols_recover_and_one_less_does_not() {
        for (axis, needed) in [(Axis::Primary, 7), (Axis::Secondary, 4)] {
            let target = SliverIndex(2);
            let (metadata, wanted, all) = symbols(axis, target);
            let last = all.len() - needed;
            let recover = |symbols: &[(SliverIndex, Bytes)]| {
                recover_sliver_unproven(metadata.config(), &metadata, axis, target, symbols.to_vec())
            };
            assert_eq!(recover(&all[..needed]), Ok(wanted.clone()));
            assert_eq!(recover(&all[last..]), Ok(wanted));
            let repeated = [&all[1..needed], &all[1..2]].concat();
            let received = needed - 1;
            assert_eq!(recover(&repeated), Err(UnprovenError::NotEnoughSymbols { received, needed }));
        }
    }

    #[test]
    fn a_wrong_symbol_is_noticed() {
        let target = SliverPairIndex(0);
        let target = Axis::Primary.sliver_index(target, 10);
        let (metadata, _, mut all) = symbols(Axis::Primary, target);
        let symbol = &mut all[0].1;
        *symbol = symbol.iter().map(|byte| byte ^ 1).collect();
        let recovered =
            recover_sliver_unproven(metadata.config(), &metadata, Axis::Primary, target, all[..7].to_vec());
        assert!(matches!(recovered, Err(UnprovenError::WrongSymbols(SliverError::RootMismatch { .. }))));
    }
}
