//! Blobs and slivers that are not in memory: the same results, whatever the memory and the number of threads.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the failure; clippy spares only the test functions"
)]

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use haulout_encoder::{
    Axis, BlobSink, BlobSource, DecodeError, EncodedBlob, EncodingConfig, FileBlob, GivenSlivers, Sliver,
    SliverError, SliverIndex, SliverPairIndex, SliverReader, SliverSink, SliverSpool, StreamDecodeError,
    StreamError, compute_metadata_of, decode_to, encode, encode_to, verify_slivers,
};
use proptest::prelude::*;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, RngCore as _, SeedableRng as _, rngs::StdRng};

fn random_blob(bytes: usize, seed: u64) -> Vec<u8> {
    let mut blob = vec![0; bytes];
    StdRng::seed_from_u64(seed).fill_bytes(&mut blob);
    blob
}

fn file_of(data: &[u8]) -> FileBlob {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(data).unwrap();
    FileBlob::new(file).unwrap()
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// Encodes from one file to another.
fn encode_in_files(config: EncodingConfig, blob: &[u8], memory_bytes: u64) -> EncodedBlob {
    let source = file_of(blob);
    let files = (0..1 + blob.len() % 3).map(|_| tempfile::tempfile().unwrap());
    let spool = SliverSpool::new(files.collect(), config, source.blob_bytes()).unwrap();
    let metadata = encode_to(config, &source, &spool, memory_bytes).unwrap();
    EncodedBlob::new(metadata, Arc::new(source), Arc::new(spool))
}

/// Slivers that are read one by one, as from nodes.
struct Slivers<'a>(Axis, &'a EncodedBlob);

impl SliverReader for Slivers<'_> {
    fn read_exact_at(&self, index: SliverIndex, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let pair = self.0.pair_index(index, self.1.metadata.config().n_shards());
        let start = usize::try_from(offset).unwrap();
        buffer.copy_from_slice(&self.1.sliver(self.0, pair)?.data[start..][..buffer.len()]);
        Ok(())
    }
}

struct FileSink(File);

impl BlobSink for FileSink {
    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// From files and within little memory, on any number of threads, come the same slivers as in memory.
    #[test]
    fn streaming_gives_what_memory_gives(
        n_shards in 4_u16..120, bytes in 0_usize..200_000, memory in 0_u64..4_000_000, threads in 1_usize..5, seed: u64,
    ) {
        let config = EncodingConfig::new(n_shards).unwrap();
        let blob = random_blob(bytes, seed);
        prop_assume!(u64::try_from(bytes).unwrap() <= config.max_blob_bytes());
        let expected = encode(config, blob.clone()).unwrap();
        let streamed = pool(threads).install(|| encode_in_files(config, &blob, memory));
        prop_assert_eq!(&streamed.metadata, &expected.metadata);
        for pair in expected.pairs() {
            for axis in Axis::BOTH {
                prop_assert_eq!(streamed.sliver(axis, pair).unwrap(), expected.sliver(axis, pair).unwrap());
            }
        }
        let identified = pool(threads).install(|| compute_metadata_of(config, &file_of(&blob), memory));
        prop_assert_eq!(identified.unwrap(), expected.metadata);
    }

    /// Any sufficient subset of either axis decodes into a file.
    #[test]
    fn any_sufficient_subset_decodes_into_a_file(
        n_shards in 4_u16..80, bytes in 0_usize..200_000, threads in 1_usize..4, seed: u64,
    ) {
        let config = EncodingConfig::new(n_shards).unwrap();
        let blob = random_blob(bytes, seed);
        prop_assume!(u64::try_from(bytes).unwrap() <= config.max_blob_bytes());
        let encoded = encode(config, blob.clone()).unwrap();
        for (axis, needed) in [(Axis::Primary, config.n_rows()), (Axis::Secondary, config.n_columns())] {
            let mut given: Vec<_> = (0..n_shards).map(SliverIndex).collect();
            given.shuffle(&mut StdRng::seed_from_u64(seed));
            given.truncate(needed.into());
            let file = tempfile::tempfile().unwrap();
            let sink = FileSink(file.try_clone().unwrap());
            pool(threads)
                .install(|| {
                    let data = &Slivers(axis, &encoded);
                    decode_to(config, &encoded.metadata, GivenSlivers { axis, indexes: &given, data }, &sink)
                })
                .unwrap();
            let mut decoded = Vec::new();
            (&file).read_to_end(&mut decoded).unwrap();
            prop_assert!(decoded == blob, "{axis:?}");
        }
    }

    /// Of many slivers exactly the damaged ones are refused, each with its own verdict.
    #[test]
    fn bulk_verification_finds_the_damaged_slivers(
        n_shards in 4_u16..60, bytes in 1_usize..100_000, threads in 1_usize..4, seed: u64,
    ) {
        let config = EncodingConfig::new(n_shards).unwrap();
        let blob = random_blob(bytes, seed);
        prop_assume!(u64::try_from(bytes).unwrap() <= config.max_blob_bytes());
        let encoded = encode(config, blob).unwrap();
        let mut random = StdRng::seed_from_u64(seed);
        let mut slivers: Vec<(SliverPairIndex, Sliver)> = encoded
            .pairs()
            .flat_map(|pair| Axis::BOTH.map(|axis| (pair, encoded.sliver(axis, pair).unwrap())))
            .collect();
        slivers.shuffle(&mut random);
        let damaged: Vec<bool> = slivers
            .iter_mut()
            .map(|(_, sliver)| {
                let is_damaged = random.random_bool(0.2);
                if is_damaged {
                    let mut data = sliver.data.to_vec();
                    let position = random.random_range(0..data.len());
                    data[position] ^= 1 << random.random_range(0..8);
                    sliver.data = data.into();
                }
                is_damaged
            })
            .collect();
        let verdicts = pool(threads).install(|| verify_slivers(config, &encoded.metadata, &slivers));
        for (verdict, is_damaged) in verdicts.iter().zip(damaged) {
            prop_assert_eq!(matches!(verdict, Err(SliverError::RootMismatch { .. })), is_damaged, "{:?}", verdict);
        }
    }
}

#[test]
fn bulk_verification_knows_a_sliver_in_the_wrong_place() {
    let config = EncodingConfig::new(10).unwrap();
    let encoded = encode(config, random_blob(1000, 1)).unwrap();
    let [first, second] = [SliverPairIndex(0), SliverPairIndex(1)];
    let primary = |pair| encoded.sliver(Axis::Primary, pair).unwrap();
    let verdicts =
        verify_slivers(config, &encoded.metadata, &[(first, primary(first)), (first, primary(second))]);
    let expected = Err(SliverError::WrongPair { expected: SliverIndex(0), found: SliverIndex(1) });
    assert_eq!(verdicts, [Ok(()), expected]);
}

/// A blob that counts how much of it is read.
struct Counted(FileBlob, AtomicU64);

impl BlobSource for Counted {
    fn blob_bytes(&self) -> u64 {
        self.0.blob_bytes()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.1.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.0.read_exact_at(buffer, offset)
    }
}

/// Once by rows and once by columns; with less memory more often, but never in vain.
#[test]
fn enough_memory_spares_reading_again() {
    let config = EncodingConfig::new(1000).unwrap();
    let bytes = 8_000_000;
    let blob = random_blob(bytes, 5);
    let expected = encode(config, blob.clone()).unwrap();
    let useful = config.stream_memory_bytes(bytes as u64, 2).unwrap();
    let reads = |memory_bytes| {
        let counted = Counted(file_of(&blob), AtomicU64::new(0));
        let spool = SliverSpool::new(vec![tempfile::tempfile().unwrap()], config, bytes as u64).unwrap();
        let metadata = pool(2).install(|| encode_to(config, &counted, &spool, memory_bytes)).unwrap();
        assert_eq!(metadata, expected.metadata);
        counted.1.into_inner() / bytes as u64
    };
    assert_eq!(reads(*useful.end()), 2);
    assert!(reads(useful.end() - 1) > 2);
    assert!(reads(0) > 2);
}

/// Symbols too large for one run of the code, which small numbers of shards never have.
#[test]
fn large_symbols_of_many_shards_stream() {
    let config = EncodingConfig::new(400).unwrap();
    let blob = random_blob(134 * 267 * 5000 - 77, 6);
    let expected = encode(config, blob.clone()).unwrap();
    let streamed = encode_in_files(config, &blob, 0);
    assert_eq!(streamed.metadata, expected.metadata);
    let pair = SliverPairIndex(399);
    for axis in Axis::BOTH {
        assert_eq!(streamed.sliver(axis, pair).unwrap(), expected.sliver(axis, pair).unwrap());
    }
}

/// A disk that is full after some writes.
struct FullDisk(AtomicUsize);

impl SliverSink for FullDisk {
    fn write_all_at(&self, _: Axis, _: SliverIndex, _: &[u8], _: u64) -> io::Result<()> {
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::ErrorKind::StorageFull.into()),
        }
    }
}

#[test]
fn a_full_disk_ends_the_encoding_with_its_error() {
    let config = EncodingConfig::new(100).unwrap();
    let blob = file_of(&random_blob(300_000, 2));
    for writes in [0, 1, 100] {
        let error = encode_to(config, &blob, &FullDisk(writes.into()), 0).unwrap_err();
        assert!(matches!(error, StreamError::Io(error) if error.kind() == io::ErrorKind::StorageFull));
    }
}

#[test]
fn a_file_that_shrinks_ends_the_encoding_with_an_error() {
    let config = EncodingConfig::new(100).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&random_blob(300_000, 3)).unwrap();
    let blob = FileBlob::new(file.try_clone().unwrap()).unwrap();
    file.set_len(100).unwrap();
    let error = compute_metadata_of(config, &blob, u64::MAX).unwrap_err();
    assert!(matches!(error, StreamError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof));
}

#[test]
fn too_few_slivers_do_not_decode_into_a_file() {
    let config = EncodingConfig::new(10).unwrap();
    let encoded = encode(config, random_blob(1000, 4)).unwrap();
    let sink = FileSink(tempfile::tempfile().unwrap());
    let refused = |indexes: [u16; 5]| {
        let indexes = &indexes.map(SliverIndex);
        let given = GivenSlivers { axis: Axis::Primary, indexes, data: &Slivers(Axis::Primary, &encoded) };
        match decode_to(config, &encoded.metadata, given, &sink).unwrap_err() {
            StreamDecodeError::Decode(error) => error,
            StreamDecodeError::Io(error) => panic!("{error}"),
        }
    };
    assert_eq!(refused([0, 0, 1, 2, 2]), DecodeError::NotEnoughSlivers { received: 3, needed: 4 });
    let index = SliverIndex(10);
    let source = SliverError::IndexTooLarge { index: 10, n_shards: 10 };
    assert_eq!(refused([0, 1, 2, 3, 10]), DecodeError::InvalidSliver { index, source });
}
