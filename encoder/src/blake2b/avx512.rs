//! BLAKE2b on eight messages at a time: lane `i` of every 512-bit register belongs to message `i`.
//!
//! A message is a prefix byte and an input. It is never put together: its block `k` is read at byte `128 k - 1`
//! of the input, unaligned, and masks leave out what is before the input and after it.
//!
//! Source: RFC 7693, sections 2 and 3.
#![expect(
    unsafe_code,
    reason = "vector loads and stores, and calls that need a CPU feature; hashing measured 1.7 times as fast"
)]

use std::arch::x86_64::*;

use super::{DIGEST_BYTES, LANES, common_length};

const BLOCK_BYTES: usize = 128;
/// Bytes of one register, and of half a block.
const VECTOR_BYTES: usize = 64;
/// Words of eight bytes in a block.
const BLOCK_WORDS: usize = BLOCK_BYTES / 8;

/// RFC 7693, section 2.6.
const IV: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// The parameter block's first word, the only one that is not zero: 32 bytes of digest, no key, fanout and depth one.
/// RFC 7693, section 2.5.
const PARAMETERS: u64 = 0x0101_0000 | DIGEST_BYTES as u64;

/// The order in which each round takes the words of a block. RFC 7693, section 2.7; rounds 10 and 11 are 0 and 1 again.
const SIGMA: [[usize; BLOCK_WORDS]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];
/// The state words that a round mixes together: first the columns of the 4 × 4 state, then its diagonals.
const COLUMNS: [[usize; 4]; 4] = [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]];
const DIAGONALS: [[usize; 4]; 4] = [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]];

/// Proof that this CPU has what this module is compiled for: AVX-512 F and BW.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")).then_some(Self(()))
    }

    /// See [`super::Blake2b::hash`].
    pub(super) fn hash(self, prefix: u8, inputs: [&[u8]; LANES]) -> [[u8; DIGEST_BYTES]; LANES] {
        // SAFETY: a `self` exists only where `detect` found the features that `hash` is compiled for.
        unsafe { hash(&Messages::new(prefix, inputs)) }
    }
}

/// The messages `prefix || input`.
struct Messages<'a> {
    prefix: u8,
    /// All of `length - 1` bytes.
    inputs: [&'a [u8]; LANES],
    /// Bytes of one message, prefix included.
    length: usize,
}

impl<'a> Messages<'a> {
    fn new(prefix: u8, inputs: [&'a [u8]; LANES]) -> Self {
        Self { prefix, length: 1 + common_length(&inputs), inputs }
    }

    /// Bytes `start..start + 64` of every message, as eight words of every message; zero after a message's end.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn load(&self, start: usize) -> [__m512i; BLOCK_WORDS / 2] {
        let mask = self.input_mask(start);
        let mut rows = [_mm512_setzero_si512(); LANES];
        // Loops throughout: a closure given to `map` would not be inlined, since `map` is compiled for any CPU.
        for (row, input) in rows.iter_mut().zip(self.inputs) {
            let first = input.as_ptr().wrapping_add(start).wrapping_sub(1);
            // SAFETY: the mask has a bit only where `start + bit` is in `1..length`, so that `start + bit - 1` is a
            // byte of this input, which has `length - 1`. What the mask leaves out is not read.
            *row = unsafe { _mm512_maskz_loadu_epi8(mask, first.cast()) };
        }
        let mut words = transpose(rows);
        if start == 0 {
            words[0] = _mm512_or_si512(words[0], _mm512_set1_epi64(self.prefix.into()));
        }
        words
    }

    /// A bit for each byte of `start..start + 64` that a message has and that is not its prefix.
    #[inline]
    fn input_mask(&self, start: usize) -> u64 {
        let mask = match self.length.saturating_sub(start) {
            present @ 0..VECTOR_BYTES => (1 << present) - 1,
            _ => u64::MAX,
        };
        if start == 0 { mask & !1 } else { mask }
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn hash(messages: &Messages<'_>) -> [[u8; DIGEST_BYTES]; LANES] {
    let mut state = splat_all(IV);
    state[0] = splat(IV[0] ^ PARAMETERS);
    for start in (0..messages.length).step_by(BLOCK_BYTES) {
        let mut words = [_mm512_setzero_si512(); BLOCK_WORDS];
        words[..8].copy_from_slice(&messages.load(start));
        words[8..].copy_from_slice(&messages.load(start + VECTOR_BYTES));
        let end = messages.length.min(start + BLOCK_BYTES);
        compress(&mut state, &words, end as u64, end == messages.length);
    }
    store_digests(&state)
}

/// Half of `G` on four groups `[a, b, c, d]` of state words, each taking every other word of `$order`.
///
/// The groups take turns, since each instruction of one waits for the one before it: 10 % faster than one after the
/// other.
macro_rules! half_mix {
    ($v:ident, $words:ident, $groups:ident, $order:expr, $rotate_d:literal, $rotate_b:literal) => {
        for (group, [a, ..]) in $groups.into_iter().enumerate() {
            $v[a] = _mm512_add_epi64($v[a], $words[$order[2 * group]]);
        }
        for [a, b, ..] in $groups {
            $v[a] = _mm512_add_epi64($v[a], $v[b]);
        }
        for [a, _, _, d] in $groups {
            $v[d] = _mm512_ror_epi64::<$rotate_d>(_mm512_xor_si512($v[d], $v[a]));
        }
        for [_, _, c, d] in $groups {
            $v[c] = _mm512_add_epi64($v[c], $v[d]);
        }
        for [_, b, c, _] in $groups {
            $v[b] = _mm512_ror_epi64::<$rotate_b>(_mm512_xor_si512($v[b], $v[c]));
        }
    };
}

/// A round of RFC 7693, section 3.2: `G` on the columns, then on the diagonals.
///
/// Macros, because as functions they are too large to be inlined, and the state must stay in registers.
macro_rules! round {
    ($v:ident, $words:ident, $round:literal) => {
        half_mix!($v, $words, COLUMNS, SIGMA[$round], 32, 24);
        half_mix!($v, $words, COLUMNS, SIGMA[$round][1..], 16, 63);
        half_mix!($v, $words, DIAGONALS, SIGMA[$round][8..], 32, 24);
        half_mix!($v, $words, DIAGONALS, SIGMA[$round][9..], 16, 63);
    };
}

/// The compression function `F` of RFC 7693, section 3.2.
///
/// `end` counts the bytes of a message up to the end of this block, without padding. Inlined into the loop over blocks,
/// it was 4 % slower for want of registers.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw")]
fn compress(state: &mut [__m512i; 8], words: &[__m512i; BLOCK_WORDS], end: u64, is_last: bool) {
    let [a, b, c, d, e, f, g, h] = *state;
    let [i, j, k, l, m, n, o, p] = splat_all(IV);
    let mut v = [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p];
    v[12] = splat(IV[4] ^ end);
    v[14] = splat(if is_last { !IV[6] } else { IV[6] });
    round!(v, words, 0);
    round!(v, words, 1);
    round!(v, words, 2);
    round!(v, words, 3);
    round!(v, words, 4);
    round!(v, words, 5);
    round!(v, words, 6);
    round!(v, words, 7);
    round!(v, words, 8);
    round!(v, words, 9);
    round!(v, words, 0);
    round!(v, words, 1);
    for (word, state) in state.iter_mut().enumerate() {
        *state = _mm512_xor_si512(*state, _mm512_xor_si512(v[word], v[word + 8]));
    }
}

/// `word` in every lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn splat(word: u64) -> __m512i {
    _mm512_set1_epi64(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn splat_all(words: [u64; 8]) -> [__m512i; 8] {
    let [a, b, c, d, e, f, g, h] = words;
    [splat(a), splat(b), splat(c), splat(d), splat(e), splat(f), splat(g), splat(h)]
}

/// Rows to columns of an 8 × 8 matrix of words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transpose(rows: [__m512i; 8]) -> [__m512i; 8] {
    let [a, b, c, d, e, f, g, h] = rows;
    // Pairs of rows; pair `i` of the four in a register has the words of column `2 i`, or of column `2 i + 1`.
    let [column_0, column_2, column_4, column_6] = transpose_pairs([
        _mm512_unpacklo_epi64(a, b),
        _mm512_unpacklo_epi64(c, d),
        _mm512_unpacklo_epi64(e, f),
        _mm512_unpacklo_epi64(g, h),
    ]);
    let [column_1, column_3, column_5, column_7] = transpose_pairs([
        _mm512_unpackhi_epi64(a, b),
        _mm512_unpackhi_epi64(c, d),
        _mm512_unpackhi_epi64(e, f),
        _mm512_unpackhi_epi64(g, h),
    ]);
    [column_0, column_1, column_2, column_3, column_4, column_5, column_6, column_7]
}

/// Rows to columns of a 4 × 4 matrix of pairs of words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transpose_pairs([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    /// Takes elements 0 and 2 of both operands.
    const EVEN: i32 = 0b10_00_10_00;
    /// Takes elements 1 and 3 of both operands.
    const ODD: i32 = 0b11_01_11_01;
    let ab_even = _mm512_shuffle_i64x2::<EVEN>(a, b);
    let cd_even = _mm512_shuffle_i64x2::<EVEN>(c, d);
    let ab_odd = _mm512_shuffle_i64x2::<ODD>(a, b);
    let cd_odd = _mm512_shuffle_i64x2::<ODD>(c, d);
    [
        _mm512_shuffle_i64x2::<EVEN>(ab_even, cd_even),
        _mm512_shuffle_i64x2::<EVEN>(ab_odd, cd_odd),
        _mm512_shuffle_i64x2::<ODD>(ab_even, cd_even),
        _mm512_shuffle_i64x2::<ODD>(ab_odd, cd_odd),
    ]
}

/// The first 32 bytes of every message's state.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn store_digests(state: &[__m512i; 8]) -> [[u8; DIGEST_BYTES]; LANES] {
    let mut digests = [[0; DIGEST_BYTES]; LANES];
    for (digest, row) in digests.iter_mut().zip(transpose(*state)) {
        // SAFETY: a digest has the 32 bytes that are written; the store needs no alignment.
        unsafe { _mm256_storeu_si256(digest.as_mut_ptr().cast(), _mm512_castsi512_si256(row)) };
    }
    digests
}
