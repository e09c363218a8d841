use bytes::BytesMut;
use haulout_encoder::{EncodedBlob, SliverPairIndex, encode};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const N_PAIRS: usize = 3;
const RUN: NonZeroU64 = NonZeroU64::MIN;

fn config() -> EncodingConfig {
    EncodingConfig::new(7).unwrap()
}

fn blob() -> EncodedBlob {
    encode(config(), &b"a blob of a few symbols, more or less"[..]).unwrap()
}

/// The first pairs, as if they were the node's.
fn slivers(blob: &EncodedBlob) -> Vec<(Slot, Bytes)> {
    let slot = |pair: u16, axis| {
        let data = blob.sliver(axis, SliverPairIndex(pair)).unwrap().data;
        (Slot { pair: usize::from(pair), axis }, data)
    };
    (0..3).flat_map(|pair| Axis::BOTH.map(|axis| slot(pair, axis))).collect()
}

fn create(directory: &Path, blob: &EncodedBlob) -> std::path::PathBuf {
    let path = directory.join("blob");
    BlobFile::create(&path, &directory.join("temporary"), N_PAIRS, &blob.metadata).unwrap();
    path
}

fn open(path: &Path, blob: &EncodedBlob) -> Result<Option<BlobFile>, BlobFileError> {
    BlobFile::open(path, config(), N_PAIRS, blob.metadata.blob_id())
}

fn fill(file: &mut BlobFile, slivers: &[(Slot, Bytes)]) {
    file.fill(slivers.iter().map(|(slot, data)| (*slot, &data[..])), RUN).unwrap();
}

#[test]
fn what_is_filled_comes_back_and_the_rest_is_missing() {
    let (directory, blob) = (tempfile::tempdir().unwrap(), blob());
    let path = create(directory.path(), &blob);
    let slivers = slivers(&blob);
    fill(&mut open(&path, &blob).unwrap().unwrap(), &slivers[1..]);

    let file = open(&path, &blob).unwrap().unwrap();
    assert_eq!(file.metadata().unwrap(), blob.metadata);
    assert_eq!(file.missing(), [slivers[0].0]);
    assert_eq!(file.sliver(slivers[0].0).unwrap(), None);
    assert_eq!(file.symbol(slivers[0].0, SliverIndex(0)).unwrap(), None);
    for (slot, data) in &slivers[1..] {
        assert_eq!(file.sliver(*slot).unwrap().as_ref(), Some(data));
        let size = usize::from(file.symbol_size());
        let second = data.slice(size..2 * size);
        assert_eq!(file.symbol(*slot, SliverIndex(1)).unwrap(), Some(second));
    }
}

#[test]
fn slivers_of_an_earlier_run_are_doubtful_until_sealed() {
    let (directory, blob) = (tempfile::tempdir().unwrap(), blob());
    let path = create(directory.path(), &blob);
    let later = NonZeroU64::new(2).unwrap();
    let mut file = open(&path, &blob).unwrap().unwrap();
    fill(&mut file, &slivers(&blob));
    assert_eq!(file.doubtful(RUN), []);
    assert_eq!(open(&path, &blob).unwrap().unwrap().doubtful(later).len(), 2 * N_PAIRS);
    file.seal().unwrap();
    let file = open(&path, &blob).unwrap().unwrap();
    assert!(file.is_sealed());
    assert_eq!(file.doubtful(later), []);
}

#[test]
fn a_file_is_for_one_blob_and_shape() {
    let (directory, blob) = (tempfile::tempdir().unwrap(), blob());
    let path = create(directory.path(), &blob);
    let foreign = |config, n_pairs, blob_id| {
        matches!(BlobFile::open(&path, config, n_pairs, blob_id), Err(BlobFileError::ForeignHeader))
    };
    let blob_id = blob.metadata.blob_id();
    assert!(foreign(config(), N_PAIRS, &BlobId([0; 32])));
    assert!(foreign(config(), N_PAIRS - 1, blob_id));
    assert!(foreign(EncodingConfig::new(8).unwrap(), N_PAIRS, blob_id));
    let nothing = directory.path().join("nothing");
    assert!(BlobFile::open(&nothing, config(), N_PAIRS, blob_id).unwrap().is_none());
}

/// Uses all of a file that may be anything; damage must surface as an error or as other bytes, never as a panic.
fn use_all(path: &Path, blob: &EncodedBlob) {
    let Ok(Some(mut file)) = open(path, blob) else { return };
    if let Ok(metadata) = file.metadata() {
        assert_eq!(&metadata, &blob.metadata, "metadata that verifies is the blob's");
    }
    let _ = (file.missing(), file.doubtful(RUN));
    for slot in (0..N_PAIRS).flat_map(|pair| Axis::BOTH.map(|axis| Slot { pair, axis })) {
        let _ = (file.sliver(slot), file.symbol(slot, SliverIndex(2)));
    }
    let _ = file.seal();
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..2000)) {
        let (directory, blob) = (tempfile::tempdir().unwrap(), blob());
        let path = directory.path().join("blob");
        fs::write(&path, bytes).unwrap();
        use_all(&path, &blob);
    }

    #[test]
    fn damaged_files_are_read_without_panic(at in 0_usize..1200, flip in 1..=u8::MAX, length in 0_usize..1200) {
        let (directory, blob) = (tempfile::tempdir().unwrap(), blob());
        let path = create(directory.path(), &blob);
        fill(&mut open(&path, &blob).unwrap().unwrap(), &slivers(&blob));
        let whole = fs::read(&path).unwrap();
        let mut flipped = BytesMut::from(&whole[..]);
        let at = at % whole.len();
        flipped[at] ^= flip;
        fs::write(&path, &flipped).unwrap();
        use_all(&path, &blob);
        fs::write(&path, &whole[..length % whole.len()]).unwrap();
        use_all(&path, &blob);
    }
}
