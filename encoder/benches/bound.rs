//! Encoding against the sum of its parts: what hashing all symbols and running both codes takes by itself.
//!
//! `cargo bench -p haulout-encoder --bench bound [-- MIB [N_SHARDS [ROUNDS]]]`. Everything is measured in each of
//! several rounds, one after the other, and the best round counts: a busy machine slows all of it alike. Prints MiB/s
//! of blob.

mod support;

use std::hint::black_box;
use std::ops::Range;
use std::time::Instant;

use blake2b_simd::Params;
use blake2b_simd::many::{HashManyJob, hash_many};
use bytes::Bytes;
use haulout_encoder::{
    Axis, BlobSource as _, EncodedBlob, EncodingConfig, Sliver, SliverMemory, SliverPairIndex, SliverSink,
    Verification, compute_metadata, decode_with, encode, encode_to, parts, verify_slivers,
};
use reed_solomon_simd::ReedSolomonEncoder;
use support::{blob, pool, thread_counts};

/// Bytes of each symbol that the library's code works on at a time: about the best on a second-level cache of 1 MiB.
const LIBRARY_PIECE_BYTES: usize = 512;

/// Seconds that each part of encoding takes by itself, in the best round.
struct Parts {
    hash: f64,
    rows: f64,
    columns: f64,
}

impl Default for Parts {
    fn default() -> Self {
        Self { hash: f64::INFINITY, rows: f64::INFINITY, columns: f64::INFINITY }
    }
}

impl Parts {
    fn measure(&mut self, [hash, rows, columns]: [f64; 3]) {
        self.hash = self.hash.min(hash);
        self.rows = self.rows.min(rows);
        self.columns = self.columns.min(columns);
    }

    fn of_encoding(&self) -> f64 {
        self.hash + self.rows + self.columns
    }
}

/// Seconds that the parts of something take by themselves.
type Bound = fn(&Comparison, &Parts) -> f64;

/// What is measured as a whole, and the parts it cannot do without.
const WHOLE: [(&str, Bound); 6] = [
    ("encode into ready memory", |_, parts| parts.of_encoding()),
    ("encode into new memory", |_, parts| parts.of_encoding()),
    ("blob ID", |_, parts| parts.of_encoding()),
    // Of the rows, only those of the blob.
    ("decode its rows, all verified", |this, parts| {
        parts.rows + parts.hash * this.n_rows as f64 / this.n as f64
    }),
    // Decoding has no yardstick of its own; it ends with computing the blob ID.
    ("decode from parity rows only", |_, parts| parts.of_encoding()),
    // Each symbol is in a row and in a column, and all rows are extended.
    ("verify all slivers", |this, parts| {
        2.0 * parts.hash + parts.rows * this.n as f64 / this.n_rows as f64 + parts.columns
    }),
];

struct Whole {
    threads: usize,
    pool: rayon::ThreadPool,
    /// Seconds of the best round, in the order of [`WHOLE`].
    best: [f64; WHOLE.len()],
}

impl Whole {
    fn new(threads: usize) -> Self {
        Self { threads, pool: pool(threads), best: [f64::INFINITY; WHOLE.len()] }
    }

    fn measure(&mut self, blob: &Comparison, ready: &dyn SliverSink, encoded: &EncodedBlob) {
        let (config, metadata) = (blob.config, &encoded.metadata);
        let last = config.n_shards() - config.n_rows();
        let works: [&(dyn Fn() + Sync); WHOLE.len()] = [
            &|| drop(encode_to(config, &blob.blob, ready, u64::MAX).expect("memory can be read and written")),
            &|| drop(encode(config, blob.blob.clone()).expect("the blob is not too large")),
            &|| drop(compute_metadata(config, &blob.blob).expect("the blob is not too large")),
            &|| {
                let rows = slivers(encoded, &[Axis::Primary], 0..config.n_rows());
                assert!(verify_slivers(config, metadata, &rows).iter().all(Result::is_ok));
                let rows = rows.into_iter().map(|(_, sliver)| sliver);
                drop(decode_with(config, metadata, rows, Verification::Systematic).expect("enough slivers"));
            },
            &|| {
                let rows = slivers(encoded, &[Axis::Primary], last..config.n_shards());
                let rows = rows.into_iter().map(|(_, sliver)| sliver);
                drop(decode_with(config, metadata, rows, Verification::Full).expect("enough slivers"));
            },
            &|| {
                let all = slivers(encoded, &Axis::BOTH, 0..config.n_shards());
                assert!(verify_slivers(config, metadata, &all).iter().all(Result::is_ok));
            },
        ];
        for (best, work) in self.best.iter_mut().zip(works) {
            let started = Instant::now();
            self.pool.install(work);
            *best = best.min(started.elapsed().as_secs_f64());
        }
    }
}

fn slivers(encoded: &EncodedBlob, axes: &[Axis], pairs: Range<u16>) -> Vec<(SliverPairIndex, Sliver)> {
    let both = pairs.map(SliverPairIndex).flat_map(|pair| axes.iter().map(move |axis| (pair, *axis)));
    both.map(|(pair, axis)| (pair, encoded.sliver(axis, pair).expect("it is in memory"))).collect()
}

fn main() {
    // Cargo adds `--bench`; a filter is for the other benchmark.
    let arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let Ok(arguments) = arguments.map(|text| text.parse()).collect::<Result<Vec<usize>, _>>() else {
        println!("bound takes numbers only: MIB [N_SHARDS [ROUNDS]]");
        return;
    };
    let argument = |position: usize, default| arguments.get(position).copied().unwrap_or(default);
    let (mib, n_shards, rounds) = (argument(0, 256), argument(1, 1000), argument(2, 5));
    let n_shards = u16::try_from(n_shards).expect("at most 1000 shards");
    let config = EncodingConfig::new(n_shards).expect("4 to 1000 shards");
    Comparison::new(config, mib << 20).run(rounds);
}

/// One blob, encoded in every way.
struct Comparison {
    config: EncodingConfig,
    blob: Bytes,
    symbol_size: usize,
    n: usize,
    n_rows: usize,
    n_columns: usize,
    /// Some columns' worth of symbols, to hash and to extend.
    sample: Vec<u8>,
    /// Columns in the sample.
    sample_columns: usize,
}

impl Comparison {
    fn new(config: EncodingConfig, blob_bytes: usize) -> Self {
        let length = u64::try_from(blob_bytes).expect("memory is shorter than 2^64 bytes");
        let symbol_size = usize::from(config.symbol_size_bytes(length).expect("the blob is not too large"));
        let [n, n_rows, n_columns] =
            [config.n_shards(), config.n_rows(), config.n_columns()].map(usize::from);
        // As many as do not fit the processor's caches, as a blob does not.
        let sample_columns = ((64 << 20) / (n * symbol_size)).clamp(1, n);
        let sample = blob(sample_columns * n * symbol_size);
        Self {
            config,
            blob: blob(blob_bytes).into(),
            symbol_size,
            n,
            n_rows,
            n_columns,
            sample,
            sample_columns,
        }
    }

    fn run(&self, rounds: usize) {
        let [mut library, mut own] = [Parts::default(), Parts::default()];
        let mut whole: Vec<_> = thread_counts().into_iter().map(Whole::new).collect();
        let mut memory =
            SliverMemory::new(self.config, self.blob.blob_bytes()).expect("the blob is not too large");
        let slivers = memory.sink();
        let encoded = encode(self.config, self.blob.clone()).expect("the blob is not too large");
        for _ in 0..rounds {
            library.measure([
                self.hash_with_library(),
                self.rows_with_library(),
                self.columns_with_library(),
            ]);
            own.measure([self.hash(), self.rows(), self.columns()]);
            for whole in &mut whole {
                whole.measure(self, &slivers, &encoded);
            }
        }
        println!(
            "{} MiB, n_shards = {}, symbols of {} bytes, best of {rounds}",
            self.blob.len() >> 20,
            self.n,
            self.symbol_size
        );
        println!("\nThe parts, 1 thread:");
        for (name, parts) in [("libraries", &library), ("ours", &own)] {
            self.print(&format!("hash all symbols, {name}"), parts.hash, "");
            self.print(&format!("extend all rows, {name}"), parts.rows, "");
            self.print(&format!("extend all columns, {name}"), parts.columns, "");
            self.print(&format!("sum of parts, {name}"), parts.of_encoding(), "");
        }
        let single = whole[0].best;
        for Whole { threads, best, .. } in &whole {
            println!("\nThe whole, {threads} threads, and its parts' sum divided by them:");
            for ((name, bound), (best, single)) in WHOLE.iter().zip(best.iter().zip(single)) {
                let [of_library, of_own] =
                    [&library, &own].map(|parts| 100.0 * bound(self, parts) / *threads as f64 / best);
                let speedup = single / best;
                let remark = format!(
                    "{of_library:4.0} % of libraries, {of_own:3.0} % of ours, {speedup:.2}x of 1 thread"
                );
                self.print(name, *best, &remark);
            }
        }
    }

    fn print(&self, name: &str, seconds: f64, remark: &str) {
        let mib_per_second = self.blob.len() as f64 / f64::from(1 << 20) / seconds;
        println!("{name:34} {mib_per_second:6.0} MiB/s {:8.1} ms  {remark}", 1000.0 * seconds);
    }

    /// Seconds for all columns, from those for the sample.
    fn scaled(&self, columns: usize, work: impl FnOnce()) -> f64 {
        let started = Instant::now();
        work();
        started.elapsed().as_secs_f64() * columns as f64 / self.sample_columns as f64
    }

    fn hash(&self) -> f64 {
        self.scaled(self.n, || parts::hash_leaves(&self.sample, self.symbol_size))
    }

    /// Four at a time, without the prefix of a leaf, which would have to be copied.
    fn hash_with_library(&self) -> f64 {
        let mut params = Params::new();
        params.hash_length(32);
        self.scaled(self.n, || {
            let mut symbols = self.sample.chunks(self.symbol_size);
            while symbols.len() > 0 {
                let mut jobs: [HashManyJob<'_>; 4] =
                    std::array::from_fn(|_| HashManyJob::new(&params, symbols.next().unwrap_or_default()));
                hash_many(jobs.iter_mut());
                black_box(jobs.map(|job| job.to_hash()));
            }
        })
    }

    /// A sample has `n` symbols a column; as rows it is read as so many whole ones.
    fn rows(&self) -> f64 {
        let rows = self.sample.len() / (self.n_columns * self.symbol_size);
        let lines = &self.sample[..rows * self.n_columns * self.symbol_size];
        let work = || parts::extend_lines(lines, self.symbol_size, self.n_columns, self.n - self.n_columns);
        self.scaled(self.n_rows, work) * self.sample_columns as f64 / rows as f64
    }

    fn columns(&self) -> f64 {
        let columns = self.sample.len() / (self.n_rows * self.symbol_size);
        let lines = &self.sample[..columns * self.n_rows * self.symbol_size];
        let work = || parts::extend_lines(lines, self.symbol_size, self.n_rows, self.n - self.n_rows);
        self.scaled(self.n, work) * self.sample_columns as f64 / columns as f64
    }

    fn rows_with_library(&self) -> f64 {
        self.library(self.n_columns, self.n_rows)
    }

    fn columns_with_library(&self) -> f64 {
        self.library(self.n_rows, self.n)
    }

    /// Seconds to extend `lines` lines of `source` symbols, in pieces or whole, whichever is faster.
    fn library(&self, source: usize, lines: usize) -> f64 {
        let sample_lines = self.sample.len() / (source * self.symbol_size);
        let extend = |piece_bytes: usize| {
            let piece_bytes = piece_bytes.min(self.symbol_size);
            let mut encoder =
                ReedSolomonEncoder::new(source, self.n - source, piece_bytes).expect("a supported code");
            let started = Instant::now();
            for line in self.sample.chunks_exact(source * self.symbol_size) {
                for start in (0..self.symbol_size).step_by(piece_bytes) {
                    let piece = start..self.symbol_size.min(start + piece_bytes);
                    encoder.reset(source, self.n - source, piece.len()).expect("a supported code");
                    for symbol in line.chunks(self.symbol_size) {
                        encoder.add_original_shard(&symbol[piece.clone()]).expect("as many as announced");
                    }
                    black_box(encoder.encode().expect("all symbols are there"));
                }
            }
            started.elapsed().as_secs_f64()
        };
        extend(LIBRARY_PIECE_BYTES).min(extend(self.symbol_size)) * lines as f64 / sample_lines as f64
    }
}
