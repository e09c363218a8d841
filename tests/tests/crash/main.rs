//! `kill -9` at random moments under a mixed load: nothing acknowledged is lost, nothing else is half there.
//!
//! The clients keep a ledger of what was asked and what was acknowledged. After each restart, which needs no
//! hand, every key must hold a value that the ledger allows, whole, and listings must say what reads say.
//! `HAULOUT_CRASH_ROUNDS` sets the number of kills (5; 50 with the full data set), `HAULOUT_SEED` replays a run's
//! choices, though not its timing.

mod history;
mod load;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use haulout_tests::environment::is_full;
use haulout_tests::gateway::{Gateway, Scheme};
use haulout_tests::random::run_seed;
use haulout_tests::s3::{Client, Entry, PART_BYTES_MIN, object_request};
use haulout_tests::xml;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use history::History;
use load::{BUCKET, Load, N_SOURCES, OpenUpload, source};

const CLIENTS: u64 = 6;
const ROUNDS: usize = 5;
const ROUNDS_FULL: usize = 50;
/// Long enough to ship some blobs, short enough to hit the first requests as well.
const LOAD_LASTS: std::ops::Range<u64> = 50..2_500;
/// Around the time recovery takes.
const START_LASTS: std::ops::Range<u64> = 0..400;
const CERTIFIED_WITHIN: Duration = Duration::from_mins(3);

#[test]
fn kill_9_under_load_loses_nothing_acknowledged() {
    let mut random = StdRng::seed_from_u64(run_seed());
    let mut gateway = Gateway::start(Scheme::Http);
    let history = History::default();
    write_sources(&mut gateway.client(), &history);
    for round in 1..=rounds() {
        let uploads = Mutex::new(Vec::new());
        let lasted = load_and_kill(&mut gateway, &history, &uploads, &mut random);
        if random.random_ratio(1, 3) {
            // Recovery must bear a crash of its own.
            gateway.launch_and_kill(Duration::from_millis(random.random_range(START_LASTS)));
        }
        gateway.launch();
        let mut client = gateway.client();
        let found = check(&mut client, &history);
        let uploads = uploads.into_inner().expect("no client panicked");
        resume_uploads(&mut client, &history, &uploads);
        println!("round {round}: killed after {lasted:?}, {found} objects, {} uploads", uploads.len());
    }
    let mut client = gateway.client();
    for entry in client.list(BUCKET) {
        client.wait_certified(BUCKET, &entry.key, CERTIFIED_WITHIN);
    }
    check(&mut client, &history);
    gateway.stop();
    gateway.launch();
    check(&mut gateway.client(), &history);
}

fn rounds() -> usize {
    match std::env::var("HAULOUT_CRASH_ROUNDS") {
        Ok(text) => text.parse().expect("HAULOUT_CRASH_ROUNDS is a number"),
        Err(_) if is_full() => ROUNDS_FULL,
        Err(_) => ROUNDS,
    }
}

fn write_sources(client: &mut Client, history: &History) {
    client.create_bucket(BUCKET);
    for (key, value) in (0..N_SOURCES).map(source) {
        let write = history.begin(&key, Some(value));
        client.put(BUCKET, &key, value.bytes());
        history.acknowledge(&key, write);
    }
}

fn load_and_kill(
    gateway: &mut Gateway,
    history: &History,
    uploads: &Mutex<Vec<OpenUpload>>,
    random: &mut StdRng,
) -> Duration {
    let ending = AtomicBool::new(false);
    let load = Load { history, uploads, ending: &ending };
    let lasts = Duration::from_millis(random.random_range(LOAD_LASTS));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (mut client, seed, load) = (gateway.client(), random.random(), &load);
                scope.spawn(move || load.run(&mut client, seed))
            })
            .collect();
        // Not a wait for something to happen, but the random moment itself.
        thread::sleep(lasts);
        ending.store(true, Ordering::SeqCst);
        gateway.kill_9();
        for client in clients {
            client.join().expect("no client found anything wrong");
        }
    });
    lasts
}

/// Reads every key, compares with the ledger and with the listing, and settles the ledger on what was found.
fn check(client: &mut Client, history: &History) -> usize {
    let listed: BTreeMap<String, Entry> =
        client.list(BUCKET).into_iter().map(|entry| (entry.key.clone(), entry)).collect();
    let keys = history.keys();
    for key in listed.keys() {
        assert!(keys.contains(key), "{key:?} is listed, but nobody wrote it");
    }
    for key in keys {
        let candidates = history.candidates(&key);
        let response = client.find(BUCKET, &key);
        let found = candidates.iter().find(|candidate| match (candidate, &response) {
            (None, None) => true,
            (Some(value), Some(response)) => {
                value.length == response.body.len() && value.bytes() == response.body
            }
            _ => false,
        });
        let length = response.as_ref().map(|response| response.body.len());
        let found =
            found.unwrap_or_else(|| panic!("{key:?} holds {length:?} bytes, possible are {candidates:?}"));
        let entry = listed.get(&key).map(|entry| (entry.size, Some(entry.etag.as_str())));
        let read = response.as_ref().map(|response| {
            (u64::try_from(response.body.len()).expect("a length fits in 64 bits"), response.header("etag"))
        });
        assert_eq!(entry, read, "the listing says what the read says of {key:?}");
        history.settle(&key, *found);
    }
    listed.len()
}

/// An upload that was under way goes on where it was: its acknowledged parts are there and the rest can follow.
fn resume_uploads(client: &mut Client, history: &History, uploads: &[OpenUpload]) {
    for upload in uploads.iter().filter(|upload| !upload.completing) {
        let list = object_request("GET", BUCKET, &upload.key).query("uploadId", &upload.id);
        let etags = xml::texts(&client.expect(200, list).text(), "ETag");
        for part in &upload.parts {
            assert!(
                etags.contains(&part.etag),
                "part {} of {upload:?} was acknowledged, found are {etags:?}",
                part.number
            );
        }
        let bytes = upload.value.bytes();
        let mut parts = upload.parts.clone();
        for (number, bytes) in (1..).zip(bytes.chunks(PART_BYTES_MIN)).skip(upload.parts.len()) {
            parts.push(client.upload_part(BUCKET, &upload.key, &upload.id, number, bytes));
        }
        client.complete_upload(BUCKET, &upload.key, &upload.id, &parts);
        assert!(client.get(BUCKET, &upload.key) == bytes, "{upload:?} differs after it was resumed");
        history.settle(&upload.key, Some(upload.value));
    }
    // Those whose Complete or Create was in flight: there or not, but never in between.
    for (id, key) in client.uploads(BUCKET) {
        client.expect(204, object_request("DELETE", BUCKET, &key).query("uploadId", id));
    }
    assert_eq!(client.uploads(BUCKET), []);
}
