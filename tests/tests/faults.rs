//! Disks that disappear, come back empty, lie, or fill up, under a running gateway.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use haulout_tests::gateway::{Gateway, Scheme};
use haulout_tests::program::poll;
use haulout_tests::random;
use haulout_tests::s3::{Client, object_request};
use haulout_tests::xml;

const BUCKET: &str = "faults";
const MIB: usize = 1024 * 1024;
/// Shipping a few megabytes takes seconds; the rest is for a machine that compiles beside it.
const CERTIFIED_WITHIN: Duration = Duration::from_mins(2);
const REPAIRED_WITHIN: Duration = Duration::from_mins(2);

/// What a test stores first: an empty, a small, a middling and a large object.
const OBJECTS: [(&str, usize); 4] =
    [("empty", 0), ("small", 1_000), ("middling", 300_000), ("large", 9 * MIB + 1)];

#[test]
fn three_lost_nodes_stop_nobody() {
    let gateway = Gateway::start(Scheme::Http);
    let mut client = gateway.client();
    store_certified(&mut client);
    // Not neighbours, and among them those that hold the first slivers.
    for node in [0, 4, 9] {
        remove(&gateway.node_directories()[node]);
    }
    assert_all_readable(&mut client);

    let body = random::bytes(21, 6 * MIB);
    client.put(BUCKET, "written while three are lost", body.clone());
    client.wait_certified(BUCKET, "written while three are lost", CERTIFIED_WITHIN);
    assert!(client.get(BUCKET, "written while three are lost") == body);
    client.expect(204, object_request("DELETE", BUCKET, "small"));
    assert!(client.find(BUCKET, "small").is_none());
    let directories = gateway.node_directories();
    assert!(
        [0, 4, 9].iter().all(|&node: &usize| !directories[node].exists()),
        "a lost disk is not made up for silently"
    );
}

/// Not only what was cached or staged: the process starts anew with three directories gone.
#[test]
fn three_lost_nodes_do_not_stop_a_restart() {
    let mut gateway = Gateway::start(Scheme::Http);
    store_certified(&mut gateway.client());
    gateway.stop();
    for node in [1, 2, 3] {
        remove(&gateway.node_directories()[node]);
    }
    gateway.launch();
    assert_all_readable(&mut gateway.client());
}

#[test]
fn damaged_slivers_are_noticed_and_repaired() {
    let gateway = Gateway::start(Scheme::Http);
    let mut client = gateway.client();
    store_certified(&mut client);
    // 34 of 100 shards hold the blob itself and stand together: no gap between these nodes is as wide as that.
    for node in [0, 3, 6] {
        let damaged = damage(&gateway.node_directories()[node], Damage::Slivers);
        assert!(damaged > 0, "node {node} holds sliver files");
    }
    assert_eq!(metric(&gateway, "network_damaged_slivers_total"), 0);
    assert_all_readable(&mut client);
    gateway.wait_metric("network_damaged_slivers_total", 1.0, REPAIRED_WITHIN);
    gateway.wait_metric("network_repaired_slivers_total", 1.0, REPAIRED_WITHIN);
    assert_all_readable(&mut client);
}

/// A file without a head that makes sense is damage too, found when the node starts.
#[test]
fn damaged_files_are_noticed_and_repaired() {
    let mut gateway = Gateway::start(Scheme::Http);
    store_certified(&mut gateway.client());
    gateway.stop();
    for node in [0, 3, 6] {
        assert!(damage(&gateway.node_directories()[node], Damage::All) > 0, "node {node} holds sliver files");
    }
    gateway.launch();
    assert_all_readable(&mut gateway.client());
    gateway.wait_metric("network_damaged_slivers_total", 1.0, REPAIRED_WITHIN);
    gateway.wait_metric("network_repaired_slivers_total", 1.0, REPAIRED_WITHIN);
    assert_all_readable(&mut gateway.client());
}

/// Three other nodes are lost after the repair: without it, six would be, and nothing readable.
#[test]
fn an_emptied_node_is_filled_again() {
    let mut gateway = Gateway::start(Scheme::Http);
    store_certified(&mut gateway.client());
    let directories = gateway.node_directories();
    let sizes: Vec<u64> = directories.iter().map(|directory| size_of(directory)).collect();
    for node in [0, 1, 2] {
        remove(&directories[node]);
        fs::create_dir(&directories[node]).expect("the directory is made anew");
    }
    // Slivers have their place in files of fixed size, so a repaired node weighs about what it did.
    let refilled =
        || [0, 1, 2].iter().all(|&node: &usize| size_of(&directories[node]) >= sizes[node] * 9 / 10);
    let repaired = poll(REPAIRED_WITHIN, Duration::from_millis(100), || refilled().then_some(()));
    assert!(
        repaired.is_some(),
        "{sizes:?}: {:?}",
        directories.iter().map(|path| size_of(path)).collect::<Vec<_>>()
    );
    let mut repaired_before = -1;
    let settled = poll(REPAIRED_WITHIN, Duration::from_secs(1), || {
        let repaired_now = metric(&gateway, "network_repaired_slivers_total");
        let same = repaired_now == repaired_before;
        repaired_before = repaired_now;
        (same && repaired_now > 0).then_some(())
    });
    assert!(settled.is_some(), "slivers are repaired one by one: {repaired_before}");

    gateway.stop();
    for node in [3, 4, 5, 6, 7, 8] {
        remove(&directories[node]);
    }
    gateway.launch();
    // 40 shards are left, 34 are needed; 30 of the 40 are what the repair made.
    assert_all_readable(&mut gateway.client());
}

/// Too few nodes to certify anything: staging fills up, and the gateway says so before it takes a byte more.
#[test]
fn full_staging_slows_writers_down() {
    // Segments smaller than they are by default, or staging would have to be larger.
    let settings = [("staging.max_bytes", "33554432"), ("staging.segment_bytes", "4194304")];
    let gateway = Gateway::start_with(Scheme::Http, &settings);
    let mut client = gateway.client();
    client.create_bucket(BUCKET);
    client.put(BUCKET, "first", "x");
    client.wait_certified(BUCKET, "first", CERTIFIED_WITHIN);
    let directories = gateway.node_directories();
    for directory in &directories[..5] {
        remove(directory);
    }
    let body = random::bytes(22, 4 * MIB);
    let mut stored = Vec::new();
    let refusal = loop {
        let key = format!("object-{:02}", stored.len());
        let response =
            client.send(object_request("PUT", BUCKET, &key).body(body.clone())).expect("the gateway answers");
        match response.status {
            200 => stored.push(key),
            _ => break (key, response),
        }
        assert!(stored.len() <= 8, "32 MiB hold no more than eight objects of 4 MiB");
    };
    let (refused_key, response) = refusal;
    assert_eq!((response.status, xml::text(&response.text(), "Code").as_deref()), (503, Some("SlowDown")));
    let seconds: u64 =
        response.header("retry-after").expect("the client is told when").parse().expect("in seconds");
    assert!((1..=3600).contains(&seconds), "{seconds}");
    assert!(stored.len() >= 4, "staging holds about what it was given: {stored:?}");

    assert!(client.find(BUCKET, &refused_key).is_none());
    let listed: Vec<String> = client.list(BUCKET).into_iter().map(|entry| entry.key).collect();
    assert_eq!(listed, [vec!["first".to_owned()], stored.clone()].concat());
    for key in &stored {
        assert!(client.get(BUCKET, key) == body, "reads go on: {key}");
    }

    for directory in &directories[..5] {
        fs::create_dir(directory).expect("the directory is made anew");
    }
    for key in &stored {
        client.wait_certified(BUCKET, key, CERTIFIED_WITHIN);
    }
    let accepted = poll(CERTIFIED_WITHIN, Duration::from_millis(200), || {
        let request = object_request("PUT", BUCKET, &refused_key).body(body.clone());
        (client.send(request).expect("the gateway answers").status == 200).then_some(())
    });
    assert!(accepted.is_some(), "writes go on once staging was shipped");
    assert!(client.get(BUCKET, &refused_key) == body);
}

/// Staged or certified, an object is there after a restart, and what was not shipped yet is shipped then.
#[test]
fn a_restart_keeps_everything() {
    let mut gateway = Gateway::start(Scheme::Http);
    store_certified(&mut gateway.client());
    let body = random::bytes(23, 2 * MIB);
    gateway.client().put(BUCKET, "just before", body.clone());
    assert!(gateway.stop().success());
    gateway.launch();
    let mut client = gateway.client();
    assert_all_readable(&mut client);
    assert!(client.get(BUCKET, "just before") == body);
    client.wait_certified(BUCKET, "just before", CERTIFIED_WITHIN);
    assert!(client.get(BUCKET, "just before") == body);
}

/// With durability `certified`, the answer to the PUT already stands on the network.
#[test]
fn a_certified_put_is_certified_when_it_is_answered() {
    let gateway = Gateway::start(Scheme::Http);
    let mut client = gateway.client();
    client.create_bucket(BUCKET);
    let request = object_request("PUT", BUCKET, "key").header("x-haulout-durability", "certified");
    client.expect(200, request.body(random::bytes(24, MIB)));
    let head = client.expect(200, object_request("HEAD", BUCKET, "key"));
    assert_eq!(head.header("x-amz-replication-status"), Some("COMPLETED"));
    assert!(head.header("x-haulout-blob-id").is_some_and(|id| !id.is_empty()), "{head:?}");
    assert!(head.header("x-haulout-end-epoch").is_some(), "{head:?}");
}

fn store_certified(client: &mut Client) {
    client.create_bucket(BUCKET);
    for (seed, (key, length)) in (0..).zip(OBJECTS) {
        client.put(BUCKET, key, random::bytes(seed, length));
    }
    for (key, _) in OBJECTS {
        client.wait_certified(BUCKET, key, CERTIFIED_WITHIN);
    }
}

fn assert_all_readable(client: &mut Client) {
    for (seed, (key, length)) in (0..).zip(OBJECTS) {
        assert!(client.get(BUCKET, key) == random::bytes(seed, length), "{key} differs");
    }
    let range =
        client.expect(206, object_request("GET", BUCKET, "large").header("range", "bytes=5000000-5000099"));
    assert_eq!(range.body, random::bytes(3, OBJECTS[3].1)[5_000_000..5_000_100]);
}

fn remove(directory: &Path) {
    // The node may be writing a file into it at this moment.
    let removed =
        poll(Duration::from_secs(10), Duration::from_millis(10), || fs::remove_dir_all(directory).ok());
    assert!(removed.is_some() || !directory.exists(), "{} is removed", directory.display());
}

fn metric(gateway: &Gateway, name: &str) -> i64 {
    let text = format!("{:.0}", gateway.metric(name));
    text.parse().expect("a counter is a whole number")
}

/// What of a sliver file is damaged.
#[derive(Clone, Copy)]
enum Damage {
    /// Its head as well, without which nothing in it can be found.
    All,
    /// What stands behind the head, wherever that ends: a quarter of every file is spared.
    Slivers,
}

/// Flips bytes throughout every sliver file of a node and says how many files that were.
fn damage(directory: &Path, what: Damage) -> usize {
    /// Close enough that no sliver stays whole by chance.
    const STRIDE: usize = 101;
    /// A marker or lock is no sliver file.
    const SLIVER_FILE_BYTES_MIN: usize = 1024;
    let mut damaged = 0;
    for path in files_below(directory) {
        let mut bytes = fs::read(&path).expect("the file is read");
        if bytes.len() < SLIVER_FILE_BYTES_MIN {
            continue;
        }
        let start = match what {
            Damage::All => 0,
            Damage::Slivers => bytes.len() / 4,
        };
        bytes[start..].iter_mut().step_by(STRIDE).for_each(|byte| *byte ^= 0x55);
        fs::write(&path, bytes).expect("the file is written");
        damaged += 1;
    }
    damaged
}

fn size_of(directory: &Path) -> u64 {
    files_below(directory)
        .iter()
        .filter_map(|path| fs::metadata(path).ok())
        .map(|metadata| metadata.len())
        .sum()
}

/// Regular files below `directory`; those that vanish meanwhile are left out.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut directories = vec![directory.to_path_buf()];
    while let Some(next) = directories.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => directories.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files
}
