//! The arithmetic that the code runs on: ours where the CPU has the instructions, else the library's own.
//!
//! Whichever it is, the code's output is the same to the byte.

use std::cell::RefCell;

#[cfg(test)]
use reed_solomon_simd::engine::NoSimd;
use reed_solomon_simd::engine::{DefaultEngine, Engine, GF_ORDER, GfElement, ShardsRefMut};

#[cfg(target_arch = "x86_64")]
mod gfni;

/// One of the engines there are.
pub(super) enum FastEngine {
    #[cfg(target_arch = "x86_64")]
    Gfni(gfni::Gfni),
    Library(DefaultEngine),
    #[cfg(test)]
    Scalar(NoSimd),
}

impl FastEngine {
    /// The fastest engine for this CPU.
    pub(super) fn fastest() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(engine) = gfni::Gfni::detect() {
            return Self::Gfni(engine);
        }
        Self::library()
    }

    /// The fastest of the library's engines for this CPU.
    pub(super) fn library() -> Self {
        Self::Library(DefaultEngine::new())
    }

    /// What runs on any CPU.
    #[cfg(test)]
    pub(super) fn scalar() -> Self {
        Self::Scalar(NoSimd::new())
    }

    fn engine(&self) -> &dyn Engine {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Gfni(engine) => engine,
            Self::Library(engine) => engine,
            #[cfg(test)]
            Self::Scalar(engine) => engine,
        }
    }
}

impl Engine for FastEngine {
    fn fft(
        &self,
        data: &mut ShardsRefMut<'_>,
        pos: usize,
        size: usize,
        truncated_size: usize,
        skew_delta: usize,
    ) {
        self.engine().fft(data, pos, size, truncated_size, skew_delta);
    }

    fn ifft(
        &self,
        data: &mut ShardsRefMut<'_>,
        pos: usize,
        size: usize,
        truncated_size: usize,
        skew_delta: usize,
    ) {
        self.engine().ifft(data, pos, size, truncated_size, skew_delta);
    }

    fn mul(&self, x: &mut [[u8; 64]], log_m: GfElement) {
        self.engine().mul(x, log_m);
    }

    /// Remembers, per thread, the last question and its answer: a decoder asks anew for every piece, although the
    /// same symbols are missing from all of them.
    fn eval_poly(erasures: &mut [GfElement; GF_ORDER], truncated_size: usize) {
        thread_local! {
            static LAST: RefCell<Evaluation> = const { RefCell::new(Evaluation::NONE) };
        }
        LAST.with_borrow_mut(|last| {
            if !last.answers(erasures, truncated_size) {
                *last = Evaluation::of(erasures, truncated_size);
            }
            erasures.copy_from_slice(&last.values);
        });
    }
}

/// A call of [`Engine::eval_poly`], which depends on nothing but its arguments. 256 KiB.
struct Evaluation {
    erasures: Vec<GfElement>,
    truncated_size: usize,
    values: Vec<GfElement>,
}

impl Evaluation {
    /// Answers nothing, because no question is empty.
    const NONE: Self = Self { erasures: Vec::new(), truncated_size: 0, values: Vec::new() };

    fn of(erasures: &mut [GfElement; GF_ORDER], truncated_size: usize) -> Self {
        let asked = erasures.to_vec();
        DefaultEngine::eval_poly(erasures, truncated_size);
        Self { erasures: asked, truncated_size, values: erasures.to_vec() }
    }

    fn answers(&self, erasures: &[GfElement; GF_ORDER], truncated_size: usize) -> bool {
        self.truncated_size == truncated_size && self.erasures == erasures
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};
    use reed_solomon_simd::engine::tables;
    use reed_solomon_simd::rate::{DefaultRateDecoder, DefaultRateEncoder, RateDecoder, RateEncoder};

    use super::*;

    /// Source and recovery symbols: both codes of 1000, 100, 4, 7, 10 and 300 shards.
    const CODES: [(usize, usize); 12] = [
        (667, 333),
        (334, 666),
        (67, 33),
        (34, 66),
        (3, 1),
        (2, 2),
        (5, 2),
        (3, 4),
        (7, 3),
        (4, 6),
        (201, 99),
        (102, 198),
    ];
    const SYMBOL_BYTES: [usize; 5] = [2, 62, 64, 66, 1206];

    fn random_symbols(count: usize, bytes: usize, random: &mut StdRng) -> Vec<Vec<u8>> {
        (0..count).map(|_| (0..bytes).map(|_| random.random()).collect()).collect()
    }

    fn encode<E: Engine>(engine: E, source: &[Vec<u8>], recovery: usize) -> Vec<Vec<u8>> {
        let mut encoder =
            DefaultRateEncoder::new(source.len(), recovery, source[0].len(), engine, None).unwrap();
        for symbol in source {
            encoder.add_original_shard(symbol).unwrap();
        }
        encoder.encode().unwrap().recovery_iter().map(<[u8]>::to_vec).collect()
    }

    /// The source symbols, from those of `symbols` that stand at the positions `kept`.
    fn decode(engine: FastEngine, source: usize, symbols: &[Vec<u8>], kept: &[usize]) -> Vec<Vec<u8>> {
        let recovery = symbols.len() - source;
        let mut decoder = DefaultRateDecoder::new(source, recovery, symbols[0].len(), engine, None).unwrap();
        for &position in kept {
            match position.checked_sub(source) {
                None => decoder.add_original_shard(position, &symbols[position]).unwrap(),
                Some(index) => decoder.add_recovery_shard(index, &symbols[position]).unwrap(),
            }
        }
        let restored = decoder.decode().unwrap();
        (0..source)
            .map(|position| restored.restored_original(position).unwrap_or(&symbols[position]).to_vec())
            .collect()
    }

    #[test]
    fn all_engines_encode_to_the_same_bytes() {
        let mut random = StdRng::seed_from_u64(1);
        for (source, recovery) in CODES {
            for bytes in SYMBOL_BYTES {
                let symbols = random_symbols(source, bytes, &mut random);
                let expected = encode(NoSimd::new(), &symbols, recovery);
                for engine in [FastEngine::fastest(), FastEngine::library(), FastEngine::scalar()] {
                    assert!(
                        encode(engine, &symbols, recovery) == expected,
                        "{source} + {recovery} of {bytes}"
                    );
                }
            }
        }
    }

    #[test]
    fn any_sufficient_subset_decodes() {
        let mut random = StdRng::seed_from_u64(2);
        for (source, recovery) in CODES {
            for bytes in SYMBOL_BYTES {
                let mut symbols = random_symbols(source, bytes, &mut random);
                symbols.extend(encode(NoSimd::new(), &symbols, recovery));
                // Once with all recovery symbols, then at random.
                let mut positions: Vec<usize> = (0..source + recovery).rev().collect();
                for engine in [FastEngine::fastest(), FastEngine::fastest(), FastEngine::scalar()] {
                    let restored = decode(engine, source, &symbols, &positions[..source]);
                    assert!(restored == symbols[..source], "{source} + {recovery} of {bytes}");
                    positions.shuffle(&mut random);
                }
            }
        }
    }

    #[test]
    fn every_multiplier_multiplies() {
        let mut random = StdRng::seed_from_u64(3);
        let field = tables::get_exp_log();
        for log_m in 0..=GfElement::MAX {
            let mut blocks = [[0; 64]; 3];
            random.fill(blocks.as_flattened_mut());
            let expected = blocks.map(|mut block| {
                for index in 0..32 {
                    let element = GfElement::from_le_bytes([block[index], block[index + 32]]);
                    let product = tables::mul(element, log_m, &field.exp, &field.log);
                    [block[index], block[index + 32]] = product.to_le_bytes();
                }
                block
            });
            FastEngine::fastest().mul(&mut blocks, log_m);
            assert_eq!(blocks, expected, "{log_m}");
        }
    }

    #[test]
    fn a_remembered_evaluation_is_that_of_its_arguments() {
        let mut random = StdRng::seed_from_u64(4);
        let patterns = [300, 1000, GF_ORDER].map(|erased| {
            let mut erasures = vec![0; GF_ORDER];
            erasures[..erased].fill_with(|| GfElement::from(random.random::<bool>()));
            (erasures, erased)
        });
        for (erasures, truncated_size) in [0, 0, 1, 2, 2, 0].map(|index: usize| &patterns[index]) {
            // On the heap: a debug build would otherwise run out of stack.
            let mut expected: Box<[GfElement; GF_ORDER]> = erasures.clone().try_into().unwrap();
            let mut found = expected.clone();
            NoSimd::eval_poly(&mut expected, *truncated_size);
            FastEngine::eval_poly(&mut found, *truncated_size);
            assert!(found == expected);
        }
    }
}
