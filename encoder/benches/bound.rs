//! Encoding against the sum of its parts: what hashing all symbols and running both codes takes by itself.
//!
//! `cargo bench -p haulout-encoder --bench bound [-- MIB [N_SHARDS [ROUNDS]]]`. Everything is measured in each of several rounds,
//! one after the other, and the best round counts: a busy machine slows all of it alike. Prints MiB/s of blob.

mod support;

use std::hint::black_box;
use std::time::Instant;

use blake2b_simd::Params;
use blake2b_simd::many::{HashManyJob, hash_many};
use bytes::Bytes;
use haulout_encoder::{EncodingConfig, compute_metadata, encode, encode_to, parts};
use reed_solomon_simd::ReedSolomonEncoder;
use support::{MemorySpool, blob, pool, thread_counts};

/// Bytes of each symbol that the library's code works on at a time: about the best on a second-level cache of 1 MiB.
const LIBRARY_PIECE_BYTES: usize = 512;

struct Measured {
    name: String,
    /// Seconds of the best round.
    best: f64,
}

impl Measured {
    fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), best: f64::INFINITY }
    }

    fn measure(&mut self, work: impl FnOnce()) {
        let started = Instant::now();
        work();
        self.best = self.best.min(started.elapsed().as_secs_f64());
    }
}

fn main() {
    // Cargo adds `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let mut argument =
        |default: usize| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (mib, n_shards, rounds) = (argument(256), argument(1000), argument(5));
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
        let library = [
            ("hash all symbols (blake2b_simd, many)", Self::hash_with_library as fn(&Self) -> f64),
            ("extend all rows (reed-solomon-simd)", Self::rows_with_library),
            ("extend all columns (reed-solomon-simd)", Self::columns_with_library),
        ];
        let own = [
            ("hash all symbols (ours)", Self::hash as fn(&Self) -> f64),
            ("extend all rows (ours)", Self::rows),
            ("extend all columns (ours)", Self::columns),
        ];
        let mut library = library.map(|(name, part)| (Measured::new(name), part));
        let mut own = own.map(|(name, part)| (Measured::new(name), part));
        let threads = thread_counts();
        let mut whole: Vec<_> = threads
            .iter()
            .map(|threads| {
                let name = |what| Measured::new(format!("{what}, {threads} threads"));
                (
                    *threads,
                    pool(*threads),
                    [name("encode"), name("encode into fresh memory"), name("blob ID")],
                )
            })
            .collect();
        let spool = MemorySpool::new(self.config, self.blob.len());
        for _ in 0..rounds {
            for (measured, part) in library.iter_mut().chain(&mut own) {
                measured.best = measured.best.min(part(self));
            }
            for (_, pool, [encoded, fresh, identified]) in &mut whole {
                encoded.measure(|| {
                    let metadata = pool.install(|| encode_to(self.config, &self.blob, &spool, u64::MAX));
                    black_box(metadata).expect("memory can be read and written");
                });
                fresh.measure(|| {
                    let encoded = pool.install(|| encode(self.config, self.blob.clone()));
                    black_box(encoded).expect("the blob is not too large");
                });
                identified.measure(|| {
                    let metadata = pool.install(|| compute_metadata(self.config, &self.blob));
                    black_box(metadata).expect("the blob is not too large");
                });
            }
        }
        println!(
            "{} MiB, n_shards = {}, symbols of {} bytes, best of {rounds}",
            self.blob.len() >> 20,
            self.n,
            self.symbol_size
        );
        let bounds = [("libraries", &library), ("our parts", &own)].map(|(name, parts)| {
            for (measured, _) in parts {
                self.print(measured, "");
            }
            let bound = Measured {
                name: format!("bound of the {name}, 1 thread"),
                best: parts.iter().map(|(part, _)| part.best).sum(),
            };
            self.print(&bound, "");
            bound.best
        });
        let single = whole[0].2.each_ref().map(|measured| measured.best);
        for (threads, _, measured) in &whole {
            for (measured, single) in measured.iter().zip(single) {
                let threads = *threads as f64;
                let [library, own] = bounds.map(|bound| 100.0 * bound / threads / measured.best);
                let speedup = single / measured.best;
                self.print(measured, &format!("{library:4.0} % of the libraries' bound, {own:3.0} % of our parts', {speedup:.2}x of 1 thread"));
            }
        }
    }

    fn print(&self, measured: &Measured, remark: &str) {
        let mib_per_second = self.blob.len() as f64 / f64::from(1 << 20) / measured.best;
        println!(
            "{:45} {mib_per_second:6.0} MiB/s  {:8.1} ms  {remark}",
            measured.name,
            1000.0 * measured.best
        );
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
