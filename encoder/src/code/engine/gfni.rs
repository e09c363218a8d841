//! The code's arithmetic with GFNI and AVX-512, on x86-64.
//!
//! Multiplying by a constant is linear over GF(2), so the two bytes of a product are four 8×8 bit matrices applied
//! to the two bytes of the factor: an instruction each, for 32 elements at a time. A block of the code, 32 low bytes
//! and then 32 high ones, fills two registers as it lies in memory.
//!
//! The transforms do two layers of butterflies at once in registers (the innermost three, where the number of layers
//! is odd), and go depth first, so that inner layers find their shards in the first-level cache. "Shard" is the
//! library's word here, for a symbol's bytes in its working space.
//!
//! On a Zen 4, registers of 512 bits, or three layers at once everywhere, were slower or no faster. Shards that do
//! not begin on a cache line cost a tenth to a quarter more; where they begin is up to the allocator.
//!
//! Source: the library's `NoSimd` engine, for which butterfly takes which skew.
#![expect(
    unsafe_code,
    reason = "vector loads and stores, and calls that need a CPU feature; encoding measured 1.5 to 2 times as fast"
)]

use std::arch::x86_64::{
    __m256i, _mm256_gf2p8affine_epi64_epi8, _mm256_loadu_si256, _mm256_set1_epi64x, _mm256_setzero_si256,
    _mm256_storeu_si256, _mm256_ternarylogic_epi64, _mm256_xor_si256,
};
use std::sync::LazyLock;

use reed_solomon_simd::engine::{Engine, GF_MODULUS, GfElement, ShardsRefMut, tables};

/// 32 elements, first all their low bytes, then all their high bytes.
type Block = [u8; 64];

/// An engine for CPUs with GFNI and AVX-512 F and VL. A value of it proves that this CPU is one.
#[derive(Clone, Copy)]
pub(in crate::code) struct Gfni {
    tables: &'static Tables,
}

impl Gfni {
    /// `None` if the CPU lacks an instruction. The first call builds 4 MiB of tables, in 4 to 15 ms.
    pub(super) fn detect() -> Option<Self> {
        static TABLES: LazyLock<Tables> = LazyLock::new(Tables::build);
        let supported = is_x86_feature_detected!("gfni")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl");
        supported.then(|| Self { tables: &TABLES })
    }
}

impl Engine for Gfni {
    fn fft(
        &self,
        data: &mut ShardsRefMut<'_>,
        pos: usize,
        size: usize,
        truncated_size: usize,
        skew_delta: usize,
    ) {
        let transform = Transform { skews: &self.tables.by_skew, pos, truncated_size, skew_delta };
        // SAFETY: `detect` found the instructions.
        unsafe { transform.forward(data, 0, size) }
    }

    fn ifft(
        &self,
        data: &mut ShardsRefMut<'_>,
        pos: usize,
        size: usize,
        truncated_size: usize,
        skew_delta: usize,
    ) {
        let transform = Transform { skews: &self.tables.by_skew, pos, truncated_size, skew_delta };
        // SAFETY: `detect` found the instructions.
        unsafe { transform.inverse(data, 0, size) }
    }

    fn mul(&self, x: &mut [Block], log_m: GfElement) {
        // SAFETY: `detect` found the instructions.
        unsafe { multiply(x, &self.tables.by_log[usize::from(log_m)]) }
    }
}

/// Multiplication by one element, as bit matrices in the form that `vgf2p8affineqb` takes.
#[derive(Clone, Copy)]
#[repr(align(32))] // In one cache line.
struct Matrices {
    low_to_low: u64,
    low_to_high: u64,
    high_to_low: u64,
    high_to_high: u64,
}

impl Matrices {
    const ZERO: Self = Self { low_to_low: 0, low_to_high: 0, high_to_low: 0, high_to_high: 0 };

    fn of(log_m: GfElement, field: &tables::ExpLog) -> Self {
        let image = |bit: usize| tables::mul(1 << bit, log_m, &field.exp, &field.log).to_le_bytes();
        let low = std::array::from_fn(image);
        let high = std::array::from_fn(|bit| image(bit + 8));
        Self {
            low_to_low: bit_matrix(low.map(|[byte, _]| byte)),
            low_to_high: bit_matrix(low.map(|[_, byte]| byte)),
            high_to_low: bit_matrix(high.map(|[byte, _]| byte)),
            high_to_high: bit_matrix(high.map(|[_, byte]| byte)),
        }
    }
}

/// The matrix that takes bit `i` to `images[i]`, as the instruction wants it: by rows, that of bit 7 lowest.
fn bit_matrix(images: [u8; 8]) -> u64 {
    let mut bits = u64::from_le_bytes(images);
    // Transposes squares of 2, then 4, then 8 bits. Source: Hacker's Delight, 7-3.
    for (distance, mask) in
        [(7, 0x00AA_00AA_00AA_00AA), (14, 0x0000_CCCC_0000_CCCC), (28, 0x0000_0000_F0F0_F0F0)]
    {
        let swapped = (bits ^ (bits >> distance)) & mask;
        bits ^= swapped ^ (swapped << distance);
    }
    bits.swap_bytes()
}

/// All multipliers, 2 MiB each way; what a code of 1000 symbols uses of `by_skew` is 64 KiB in one piece.
struct Tables {
    by_log: Vec<Matrices>,
    /// In the order of the library's skew table.
    by_skew: Vec<Matrices>,
}

impl Tables {
    fn build() -> Self {
        let field = tables::get_exp_log();
        let by_log: Vec<_> = (0..=GF_MODULUS).map(|log_m| Matrices::of(log_m, field)).collect();
        let by_skew = tables::get_skew()
            .iter()
            // Zero has no logarithm: among the skews, and only there, `GF_MODULUS` stands for it.
            .map(|&skew| if skew == GF_MODULUS { Matrices::ZERO } else { by_log[usize::from(skew)] })
            .collect();
        Self { by_log, by_skew }
    }
}

/// One call of [`Engine::fft`] or [`Engine::ifft`]. Positions are relative to `pos`.
struct Transform<'a> {
    skews: &'a [Matrices],
    pos: usize,
    /// Shards from here on are zero before the inverse transform, and nobody wants them after the forward one.
    truncated_size: usize,
    skew_delta: usize,
}

impl Transform<'_> {
    #[target_feature(enable = "avx512f,avx512vl,gfni")]
    fn forward(&self, data: &mut ShardsRefMut<'_>, start: usize, size: usize) {
        let part = part_size(size);
        self.outer_layers::<true>(data, start, size);
        if part > 1 {
            for part_start in (start..self.truncated_size.min(start + size)).step_by(part) {
                self.forward(data, part_start, part);
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512vl,gfni")]
    fn inverse(&self, data: &mut ShardsRefMut<'_>, start: usize, size: usize) {
        let part = part_size(size);
        if part > 1 {
            for part_start in (start..self.truncated_size.min(start + size)).step_by(part) {
                self.inverse(data, part_start, part);
            }
        }
        self.outer_layers::<false>(data, start, size);
    }

    /// The butterflies between the parts that [`part_size`] divides `size` shards into.
    #[target_feature(enable = "avx512f,avx512vl,gfni")]
    fn outer_layers<const FORWARD: bool>(&self, data: &mut ShardsRefMut<'_>, start: usize, size: usize) {
        let first = self.pos + start;
        match size {
            0 | 1 => {}
            2 => {
                let (a, b) = data.dist2_mut(first, 1);
                butterflies::<2, FORWARD>([a, b], &self.multipliers(start, 1));
            }
            8 => {
                let (mut left, mut right) = data.split_at_mut(first + 4);
                let (a, b, c, d) = left.dist4_mut(first, 1);
                let (e, f, g, h) = right.dist4_mut(0, 1);
                butterflies::<8, FORWARD>([a, b, c, d, e, f, g, h], &self.multipliers(start, 1));
            }
            _ => {
                let distance = size / 4;
                let multipliers = self.multipliers(start, distance);
                for shard in first..first + distance {
                    let (a, b, c, d) = data.dist4_mut(shard, distance);
                    butterflies::<4, FORWARD>([a, b, c, d], &multipliers);
                }
            }
        }
    }

    /// The multipliers of `N` shards at a mutual `distance`: of the outermost layer at 1, of the next from 2 on,
    /// of the third from 4 on.
    #[target_feature(enable = "avx512f,avx512vl,gfni")]
    #[inline]
    fn multipliers<const N: usize>(&self, start: usize, distance: usize) -> [Multiplier; N] {
        let mut multipliers = [Multiplier::new(&Matrices::ZERO); N];
        #[expect(
            clippy::needless_range_loop,
            reason = "as an iterator this is not unrolled, which costs 40 %"
        )]
        for index in 1..N {
            let layer = index.ilog2();
            let half = distance * (N >> (layer + 1));
            let butterfly = index - (1 << layer);
            let skew = start + (2 * butterfly + 1) * half + self.skew_delta - 1;
            multipliers[index] = Multiplier::new(&self.skews[skew]);
        }
        multipliers
    }
}

/// Into parts of how many shards a transform of `size` divides its shards. `size` is a power of two.
fn part_size(size: usize) -> usize {
    match size {
        0..=2 | 8 => 1,
        _ => size / 4,
    }
}

/// All layers of butterflies among `N` shards of one length; `multipliers` as [`Transform::multipliers`] lists them.
#[target_feature(enable = "avx512f,avx512vl,gfni")]
#[inline]
fn butterflies<const N: usize, const FORWARD: bool>(
    shards: [&mut [Block]; N],
    multipliers: &[Multiplier; N],
) {
    for block in 0..shards[0].len() {
        let mut elements = [Elements::zero(); N];
        // No iterators with closures here and below: a closure is not compiled for these CPU features.
        for index in 0..N {
            elements[index] = Elements::load(&shards[index][block]);
        }
        for layer in 0..N.ilog2() {
            let layer = if FORWARD { layer } else { N.ilog2() - 1 - layer };
            let half = N >> (layer + 1);
            for x in 0..N {
                if x & half == 0 {
                    let multiplier = &multipliers[(1 << layer) + x / (2 * half)];
                    butterfly::<N, FORWARD>(&mut elements, x, x + half, multiplier);
                }
            }
        }
        for index in 0..N {
            elements[index].store(&mut shards[index][block]);
        }
    }
}

#[target_feature(enable = "avx512f,avx512vl,gfni")]
#[inline]
fn butterfly<const N: usize, const FORWARD: bool>(
    elements: &mut [Elements; N],
    x: usize,
    y: usize,
    multiplier: &Multiplier,
) {
    if FORWARD {
        elements[x] = elements[x].plus_product(elements[y], multiplier);
        elements[y] = elements[y].plus(elements[x]);
    } else {
        elements[y] = elements[y].plus(elements[x]);
        elements[x] = elements[x].plus_product(elements[y], multiplier);
    }
}

#[target_feature(enable = "avx512f,avx512vl,gfni")]
fn multiply(blocks: &mut [Block], matrices: &Matrices) {
    let multiplier = Multiplier::new(matrices);
    for block in blocks {
        Elements::zero().plus_product(Elements::load(block), &multiplier).store(block);
    }
}

/// [`Matrices`] repeated over vectors.
#[derive(Clone, Copy)]
struct Multiplier {
    low_to_low: __m256i,
    low_to_high: __m256i,
    high_to_low: __m256i,
    high_to_high: __m256i,
}

impl Multiplier {
    #[target_feature(enable = "avx512f,avx512vl,gfni")]
    #[inline]
    fn new(matrices: &Matrices) -> Self {
        Self {
            low_to_low: _mm256_set1_epi64x(matrices.low_to_low.cast_signed()),
            low_to_high: _mm256_set1_epi64x(matrices.low_to_high.cast_signed()),
            high_to_low: _mm256_set1_epi64x(matrices.high_to_low.cast_signed()),
            high_to_high: _mm256_set1_epi64x(matrices.high_to_high.cast_signed()),
        }
    }
}

/// The elements of a block, in registers.
#[derive(Clone, Copy)]
struct Elements {
    low: __m256i,
    high: __m256i,
}

impl Elements {
    #[target_feature(enable = "avx512f,avx512vl,gfni")]
    #[inline]
    fn zero() -> Self {
        Self { low: _mm256_setzero_si256(), high: _mm256_setzero_si256() }
    }

    #[target_feature(enable = "avx512f,avx512vl,gfni")]
    #[inline]
    fn load(block: &Block) -> Self {
        let halves: *const __m256i = block.as_ptr().cast();
        // SAFETY: a block is as long as two vectors, and these loads need no alignment.
        unsafe { Self { low: _mm256_loadu_si256(halves), high: _mm256_loadu_si256(halves.add(1)) } }
    }

    #[target_feature(enable = "avx512f,avx512vl,gfni")]
    #[inline]
    fn store(self, block: &mut Block) {
        let halves: *mut __m256i = block.as_mut_ptr().cast();
        // SAFETY: a block is as long as two vectors, and these stores need no alignment.
        unsafe {
            _mm256_storeu_si256(halves, self.low);
            _mm256_storeu_si256(halves.add(1), self.high);
        }
    }

    #[target_feature(enable = "avx512f,avx512vl,gfni")]
    #[inline]
    fn plus(self, other: Self) -> Self {
        Self { low: _mm256_xor_si256(self.low, other.low), high: _mm256_xor_si256(self.high, other.high) }
    }

    /// `self + factor * multiplier`
    #[target_feature(enable = "avx512f,avx512vl,gfni")]
    #[inline]
    fn plus_product(self, factor: Self, multiplier: &Multiplier) -> Self {
        let Self { low, high } = factor;
        Self {
            low: xor(self.low, image(low, multiplier.low_to_low), image(high, multiplier.high_to_low)),
            high: xor(self.high, image(low, multiplier.low_to_high), image(high, multiplier.high_to_high)),
        }
    }
}

/// Each of `bytes` through the matrix.
#[target_feature(enable = "avx512vl,gfni")]
#[inline]
fn image(bytes: __m256i, matrix: __m256i) -> __m256i {
    _mm256_gf2p8affine_epi64_epi8::<0>(bytes, matrix)
}

#[target_feature(enable = "avx512f,avx512vl")]
#[inline]
fn xor(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    const A_XOR_B_XOR_C: i32 = 0b1001_0110;
    _mm256_ternarylogic_epi64::<A_XOR_B_XOR_C>(a, b, c)
}
