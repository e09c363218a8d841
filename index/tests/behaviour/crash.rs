//! A process killed while it writes, and logs that a crash or a bad disk leaves: all that was acknowledged is
//! there or missed aloud, and what was not is whole or absent.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use haulout_index::{
    BucketId, BucketRecord, CommitObject, Durability, ETag, ExtentId, ExtentLocation, ExtentRecord,
    ExtentRef, FrameCheck, Index, IndexConfig, Layout, NewExtent, ObjectRecord, OpenError, Protection,
    StagingFileId, SystemMetadata, VersionId, WriteCondition,
};

use crate::fixture::{bucket, object_key};

const DIRECTORY: &str = "HAULOUT_INDEX_CRASH_TEST_DIRECTORY";
const WRITERS: u64 = 4;

#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 1..=4 {
        let before = acknowledged.len();
        acknowledged.extend(run_and_kill(directory.path(), Duration::from_millis(150 * round)));
        assert!(acknowledged.len() > before, "the writer got going");
        let index = Index::open(directory.path(), config()).await.unwrap();
        for number in &acknowledged {
            let key = object_key(&number.to_string());
            let (record, layout) =
                index.object_with_layout(&bucket(), &key).await.unwrap().expect("acknowledged");
            assert_eq!(record.size, *number);
            let extents = index.extents(&[layout.extents[0].id]).await.unwrap();
            assert_eq!(extents[0].as_ref().unwrap().stored_length, *number);
        }
        // No extent without its object: as many staged as objects are listed.
        let query = haulout_index::ListQuery {
            prefix: String::new(),
            delimiter: None,
            start: Default::default(),
            max_keys: usize::MAX,
        };
        let listed = index.list_objects(&bucket(), query).await.unwrap().entries.len();
        assert!(listed >= acknowledged.len());
        assert_eq!(index.staged_extents(None, usize::MAX).await.unwrap().len(), listed);
    }
}

/// Commits objects 1 to 20, closes the index, and lets `damage` change the bytes of its log.
async fn with_damaged_log(directory: &Path, damage: impl FnOnce(&mut Vec<u8>)) {
    let index = Index::open(directory, config()).await.unwrap();
    index.create_bucket(&bucket(), bucket_record()).await.unwrap();
    for number in 1..=20 {
        index.commit_object(object(number)).await.unwrap();
    }
    drop(index);
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    let log = logs.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let mut bytes = fs::read(&log).unwrap();
    damage(&mut bytes);
    fs::write(&log, bytes).unwrap();
}

#[tokio::test]
async fn a_torn_last_write_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    with_damaged_log(directory.path(), |log| log.truncate(log.len() - 10)).await;
    let index = Index::open(directory.path(), config()).await.unwrap();
    assert!(index.object(&bucket(), &object_key("19")).await.unwrap().is_some());
    assert_eq!(index.object(&bucket(), &object_key("20")).await.unwrap(), None);
    assert_eq!(index.staged_extents(None, 100).await.unwrap().len(), 19);
}

/// What was acknowledged behind the damage must not vanish without a word.
#[tokio::test]
async fn damage_before_the_last_write_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    with_damaged_log(directory.path(), |log| {
        let middle = log.len() / 2;
        log[middle] ^= 1;
    })
    .await;
    let opened = Index::open(directory.path(), config()).await;
    assert!(matches!(opened, Err(OpenError::Storage(_))));
}

/// Write buffers so small that kills also hit flushes and changes of the log.
fn config() -> IndexConfig {
    IndexConfig { write_buffer_bytes: IndexConfig::MIN_WRITE_BUFFER_BYTES, ..IndexConfig::default() }
}

/// Runs [`writes_until_killed`] in a process of its own; the numbers it printed as acknowledged.
fn run_and_kill(directory: &Path, after_first: Duration) -> Vec<u64> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "crash::writes_until_killed", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Each line is whole: a kill cuts only the last, which then has no full stop.
    let mut numbers = lines.map_while(Result::ok).filter_map(|line| line.strip_suffix('.')?.parse().ok());
    let first = numbers.next().expect("the writer acknowledges something");
    std::thread::sleep(after_first);
    child.kill().unwrap();
    child.wait().unwrap();
    std::iter::once(first).chain(numbers).collect()
}

/// Not a test: the process that [`what_was_acknowledged_before_a_kill_is_there`] kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs until it is killed, as a child of another test"]
async fn writes_until_killed() {
    let Ok(directory) = env::var(DIRECTORY) else { return };
    let index = Index::open(directory, config()).await.unwrap();
    let first = match index.create_bucket(&bucket(), bucket_record()).await {
        Ok(()) => 1,
        Err(_exists) => 1 + 1_000_000 * u64::from(std::process::id()),
    };
    let writers = (0..WRITERS).map(|writer| tokio::spawn(write(index.clone(), first + writer)));
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

fn bucket_record() -> BucketRecord {
    BucketRecord {
        id: BucketId::from_bytes([1; 16]),
        created_at_ms: 0,
        durability: Durability::Staged,
        protection: Protection::Sealed,
    }
}

async fn write(index: Index, first: u64) {
    for number in (first..).step_by(usize::try_from(WRITERS).unwrap()) {
        index.commit_object(object(number)).await.unwrap();
        println!("{number}.");
    }
}

fn object(number: u64) -> CommitObject {
    let id = u128::from(number).to_be_bytes();
    let location = ExtentLocation::Staged { file: StagingFileId::from_bytes(id), offset: 0 };
    let record = ExtentRecord { stored_length: number, frames: FrameCheck::Sealed, location };
    let extent = NewExtent { id: ExtentId::from_bytes(id), record };
    CommitObject {
        bucket: bucket(),
        key: object_key(&number.to_string()),
        record: ObjectRecord {
            version_id: VersionId::from_bytes(id),
            modified_at_ms: 0,
            size: number,
            etag: ETag { md5: id, parts: None },
            digest: None,
            checksum: None,
            system: SystemMetadata::default(),
            user_metadata: vec![("long".into(), "x".repeat(4_000))],
            wrapped_key: None,
            upload_id: None,
            part_count: None,
            durability: Durability::Staged,
        },
        layout: Layout { extents: vec![ExtentRef { id: extent.id, length: number }], parts: Vec::new() },
        extents: vec![extent],
        condition: WriteCondition::None,
        upload: None,
    }
}
