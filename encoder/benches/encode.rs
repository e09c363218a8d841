//! Speed of encoding, hashing alone, and decoding.
//!
//! `cargo bench -p haulout-encoder`, or `cargo bench -p haulout-encoder -- encode/n100` for a part. Inputs are fixed.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use haulout_encoder::{Axis, EncodingConfig, Verification, compute_metadata, decode_with, encode};
use rand::{RngCore as _, SeedableRng as _, rngs::StdRng};

const BLOB_BYTES: [usize; 3] = [64 * 1024, 1024 * 1024, 16 * 1024 * 1024];
const N_SHARDS: [u16; 2] = [100, 1000];
const THREADS: [usize; 2] = [1, 2];

fn blob(bytes: usize) -> Vec<u8> {
    let mut blob = vec![0; bytes];
    StdRng::seed_from_u64(20).fill_bytes(&mut blob);
    blob
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started")
}

/// Runs `measured` for each number of shards, blob size and number of threads.
fn for_all(
    criterion: &mut Criterion,
    name: &str,
    blob_bytes: &[usize],
    measured: impl Fn(EncodingConfig, &[u8]) + Sync,
) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for n_shards in N_SHARDS {
        let config = EncodingConfig::new(n_shards).expect("100 and 1000 shards are supported");
        for &bytes in blob_bytes {
            group.throughput(Throughput::Bytes(u64::try_from(bytes).expect("16 MiB fit 64 bits")));
            for threads in THREADS {
                let pool = pool(threads);
                let blob = blob(bytes);
                let id = BenchmarkId::new(format!("n{n_shards}/{threads} threads"), bytes);
                group.bench_function(id, |bencher| pool.install(|| bencher.iter(|| measured(config, &blob))));
            }
        }
    }
    group.finish();
}

fn encoding(criterion: &mut Criterion) {
    for_all(criterion, "encode", &BLOB_BYTES, |config, blob| {
        encode(config, blob).expect("16 MiB can be encoded");
    });
}

fn metadata(criterion: &mut Criterion) {
    for_all(criterion, "metadata", &BLOB_BYTES[2..], |config, blob| {
        compute_metadata(config, blob).expect("16 MiB can be encoded");
    });
}

/// The worst case: no row of the blob itself is there.
fn decoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for n_shards in N_SHARDS {
        let config = EncodingConfig::new(n_shards).expect("100 and 1000 shards are supported");
        let blob = blob(BLOB_BYTES[2]);
        let encoded = encode(config, &blob).expect("16 MiB can be encoded");
        let last = encoded.pairs().skip(usize::from(config.max_faulty() * 2));
        let slivers: Vec<_> = last.map(|pair| encoded.sliver(Axis::Primary, pair)).collect();
        group.throughput(Throughput::Bytes(u64::try_from(blob.len()).expect("16 MiB fit 64 bits")));
        group.bench_function(format!("n{n_shards}, parity only"), |bencher| {
            bencher.iter(|| {
                decode_with(config, &encoded.metadata, slivers.iter().cloned(), Verification::Skip)
                    .expect("there are enough slivers")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, encoding, metadata, decoding);
criterion_main!(benches);
