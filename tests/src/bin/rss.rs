//! Two gibibytes through PUT and GET: how fast, and how much memory the server takes.
//!
//! Eight clients at once upload 256 MiB each in parts of 8 MiB, then read them back; meanwhile the server's
//! resident set is sampled as the operating system counts it. Ends with status 1 if the peak is above the limit
//! of 400 MiB or if a byte is wrong. Payloads are not signed, so that the client's hashing does not set the pace.

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use haulout_tests::gateway::{Gateway, Scheme};
use haulout_tests::random;
use haulout_tests::s3::{Client, Part, bucket_request, object_request, part_request};
use haulout_tests::signature::{Signer, UNSIGNED_PAYLOAD};
use haulout_tests::wire::{Request, Response};

const BUCKET: &str = "rss";
const CLIENTS: u64 = 8;
const OBJECT_BYTES: u64 = 256 * MIB;
const PART_BYTES: u64 = 8 * MIB;
const MIB: u64 = 1024 * 1024;
/// What the README promises.
const RSS_LIMIT_MIB: u64 = 400;
const SAMPLE_INTERVAL: Duration = Duration::from_millis(50);
/// A gateway that is full asks to wait; the wait is part of what is measured.
const RETRIES_MAX: u32 = 10_000;
const RETRY_PAUSE: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let gateway = Gateway::start(Scheme::Http);
    gateway.client().expect(200, bucket_request("PUT", BUCKET));
    let (finished, peak) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| sample(gateway.process_id(), &finished, &peak));
        report("start", None, &gateway, &peak);
        let slowed_down = AtomicU64::new(0);
        let took = all_at_once(|index| upload(&gateway, index, &slowed_down));
        report("PUT", Some(took), &gateway, &peak);
        println!(
            "{:>9} SlowDown answers, each retried after {RETRY_PAUSE:?}",
            slowed_down.load(Ordering::Relaxed)
        );
        let took = all_at_once(|index| download(&gateway, index));
        report("GET", Some(took), &gateway, &peak);
        finished.store(true, Ordering::SeqCst);
    });
    let high_water = memory(gateway.process_id(), "VmHWM:");
    let anonymous = memory(gateway.process_id(), "RssAnon:");
    println!(
        "peak RSS {high_water} MiB (VmHWM), limit {RSS_LIMIT_MIB} MiB; anonymous memory now {anonymous} MiB"
    );
    if high_water > RSS_LIMIT_MIB { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn all_at_once(work: impl Fn(u64) + Sync) -> Duration {
    let started = Instant::now();
    thread::scope(|scope| {
        let work = &work;
        (0..CLIENTS).for_each(|index| drop(scope.spawn(move || work(index))));
    });
    started.elapsed()
}

fn report(phase: &str, took: Option<Duration>, gateway: &Gateway, peak: &AtomicU64) {
    let now = memory(gateway.process_id(), "VmRSS:");
    let speed = took.map_or_else(String::new, |took| {
        let mib = u32::try_from(CLIENTS * OBJECT_BYTES / MIB).expect("a few thousand");
        format!("{:6.1} s, {:7.1} MiB/s, ", took.as_secs_f64(), f64::from(mib) / took.as_secs_f64())
    });
    println!(
        "{phase:>9} {speed}RSS now {now} MiB, highest so far {} MiB",
        peak.load(Ordering::SeqCst).max(now)
    );
}

fn sample(process_id: u32, finished: &AtomicBool, peak: &AtomicU64) {
    while !finished.load(Ordering::SeqCst) {
        peak.fetch_max(memory(process_id, "VmRSS:"), Ordering::SeqCst);
        thread::sleep(SAMPLE_INTERVAL);
    }
}

/// A line of `/proc/<pid>/status` in MiB.
fn memory(process_id: u32, name: &str) -> u64 {
    let status =
        fs::read_to_string(format!("/proc/{process_id}/status")).expect("the gateway runs, on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel counts memory");
    let kibibytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("in kB");
    kibibytes / 1024
}

fn part_bytes(object: u64, part: u64) -> Vec<u8> {
    random::bytes(object * 1_000 + part, usize::try_from(PART_BYTES).expect("the tests run on 64 bits"))
}

fn upload(gateway: &Gateway, index: u64, slowed_down: &AtomicU64) {
    let (mut client, key) = (gateway.client(), format!("object-{index}"));
    let upload = client.create_upload(BUCKET, &key);
    let parts: Vec<Part> = (0..OBJECT_BYTES / PART_BYTES)
        .map(|part| {
            let number = u16::try_from(part + 1).expect("few parts");
            let request = part_request(BUCKET, &key, &upload, number).body(part_bytes(index, part));
            let response = patiently(gateway, &mut client, request, slowed_down);
            Part { number, etag: response.header("etag").expect("a part has an ETag").to_owned() }
        })
        .collect();
    client.complete_upload(BUCKET, &key, &upload, &parts);
}

/// Sends until the gateway takes it.
fn patiently(gateway: &Gateway, client: &mut Client, request: Request, slowed_down: &AtomicU64) -> Response {
    for _ in 0..RETRIES_MAX {
        let mut request = request.clone();
        Signer::now(gateway.credentials()).sign(
            &mut request,
            &gateway.endpoint().authority(),
            UNSIGNED_PAYLOAD,
        );
        let response = client.send_raw(&request).expect("the gateway answers");
        match response.status {
            200 => return response,
            503 => slowed_down.fetch_add(1, Ordering::Relaxed),
            status => panic!("{status}: {}", response.text()),
        };
        thread::sleep(RETRY_PAUSE);
    }
    panic!("the gateway did not take a part in {RETRIES_MAX} attempts");
}

fn download(gateway: &Gateway, index: u64) {
    let mut sink = Hasher(digest::Context::new(&digest::SHA256));
    let request = object_request("GET", BUCKET, &format!("object-{index}"));
    let response = gateway.client().send_into(request, &mut sink).expect("the object is read to its end");
    assert_eq!(response.status, 200);
    let mut expected = digest::Context::new(&digest::SHA256);
    for part in 0..OBJECT_BYTES / PART_BYTES {
        expected.update(&part_bytes(index, part));
    }
    assert_eq!(sink.0.finish().as_ref(), expected.finish().as_ref(), "object {index} differs");
}

struct Hasher(digest::Context);

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
