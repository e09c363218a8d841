//! Speed of encoding, decoding and verifying, in bytes of blob.
//!
//! `cargo bench -p haulout-encoder --bench encode`, or with `-- decode/n1000` for a part. Inputs are fixed. The 1 GiB
//! blobs need 6 GiB of memory; `HAULOUT_BENCH_MAX_MIB=256` leaves them out.

mod support;

use std::time::Duration;

use bytes::Bytes;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use haulout_encoder::{
    Axis, BlobSource as _, EncodedBlob, EncodingConfig, Sliver, SliverMemory, SliverPairIndex, Verification,
    compute_metadata, decode_with, encode, encode_to, verify_slivers,
};
use support::{blob, pool, thread_counts};

const BLOB_BYTES: [usize; 5] = [64 << 10, 1 << 20, 32 << 20, 256 << 20, 1 << 30];
const N_SHARDS: [u16; 2] = [100, 1000];

fn max_blob_bytes() -> usize {
    let mib =
        std::env::var("HAULOUT_BENCH_MAX_MIB").map(|text| text.parse::<usize>().expect("a number of MiB"));
    mib.map_or(usize::MAX, |mib| mib << 20)
}

/// Calls `measure` with each number of shards and blob size, to benchmark one thread and all of them.
fn for_all(criterion: &mut Criterion, name: &str, measure: impl Fn(&mut Case<'_, '_>)) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for n_shards in N_SHARDS {
        let config = EncodingConfig::new(n_shards).expect("100 and 1000 shards are supported");
        for bytes in BLOB_BYTES.into_iter().filter(|bytes| *bytes <= max_blob_bytes()) {
            let length = u64::try_from(bytes).expect("1 GiB fits 64 bits");
            if length > config.max_blob_bytes() {
                continue; // At 100 shards, a blob ends at 142 MiB.
            }
            group.throughput(Throughput::Bytes(length));
            measure(&mut Case { group: &mut group, config, bytes, blob: blob(bytes).into() });
        }
    }
    group.finish();
}

/// One number of shards and one blob.
struct Case<'a, 'g> {
    group: &'a mut BenchmarkGroup<'g, WallTime>,
    config: EncodingConfig,
    bytes: usize,
    blob: Bytes,
}

impl Case<'_, '_> {
    fn measure(&mut self, work: impl Fn() + Sync) {
        for threads in thread_counts() {
            let pool = pool(threads);
            let id = BenchmarkId::new(format!("n{}/{threads} threads", self.config.n_shards()), self.bytes);
            self.group.bench_function(id, |bencher| pool.install(|| bencher.iter(&work)));
        }
    }

    fn encoded(&self) -> EncodedBlob {
        encode(self.config, self.blob.clone()).expect("the blob is not too large")
    }

    /// The primary slivers from pair `first` on, as many as decode.
    fn slivers(&self, encoded: &EncodedBlob, first: u16) -> Vec<(SliverPairIndex, Sliver)> {
        let pairs = (first..first + self.config.n_rows()).map(SliverPairIndex);
        pairs.map(|pair| (pair, encoded.sliver(Axis::Primary, pair).expect("it is in memory"))).collect()
    }
}

/// Into memory that is ready.
fn encoding(criterion: &mut Criterion) {
    for_all(criterion, "encode", |case| {
        let (config, blob) = (case.config, case.blob.clone());
        let mut memory = SliverMemory::new(config, blob.blob_bytes()).expect("the blob is not too large");
        let slivers = memory.sink();
        case.measure(|| {
            encode_to(config, &blob, &slivers, u64::MAX).expect("memory can be read and written");
        });
    });
}

fn blob_id(criterion: &mut Criterion) {
    for_all(criterion, "blob_id", |case| {
        let (config, blob) = (case.config, case.blob.clone());
        case.measure(|| {
            compute_metadata(config, &blob).expect("the blob is not too large");
        });
    });
}

/// The blob's own rows, each of them verified.
fn decode_systematic(criterion: &mut Criterion) {
    for_all(criterion, "decode_systematic", |case| {
        let (config, encoded) = (case.config, case.encoded());
        let slivers = case.slivers(&encoded, 0);
        let metadata = &encoded.metadata;
        case.measure(|| {
            assert!(verify_slivers(config, metadata, &slivers).iter().all(Result::is_ok));
            let slivers = slivers.iter().map(|(_, sliver)| sliver.clone());
            decode_with(config, metadata, slivers, Verification::Systematic)
                .expect("there are enough slivers");
        });
    });
}

/// No row of the blob itself; the result is encoded again to check it.
fn decode_worst_case(criterion: &mut Criterion) {
    for_all(criterion, "decode_worst_case", |case| {
        let (config, encoded) = (case.config, case.encoded());
        let slivers = case.slivers(&encoded, config.n_shards() - config.n_rows());
        case.measure(|| {
            let slivers = slivers.iter().map(|(_, sliver)| sliver.clone());
            decode_with(config, &encoded.metadata, slivers, Verification::Full)
                .expect("there are enough slivers");
        });
    });
}

/// All slivers of a blob.
fn verify(criterion: &mut Criterion) {
    for_all(criterion, "verify", |case| {
        let (config, encoded) = (case.config, case.encoded());
        let both = encoded.pairs().flat_map(|pair| Axis::BOTH.map(|axis| (pair, axis)));
        let slivers: Vec<_> =
            both.map(|(pair, axis)| (pair, encoded.sliver(axis, pair).expect("it is in memory"))).collect();
        case.measure(|| {
            assert!(verify_slivers(config, &encoded.metadata, &slivers).iter().all(Result::is_ok));
        });
    });
}

criterion_group!(benches, encoding, blob_id, decode_systematic, decode_worst_case, verify);
criterion_main!(benches);
