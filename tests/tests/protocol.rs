//! HTTP and S3 below what SDKs show: payload modes, `100 Continue`, races, addressing, HTTP/2, start and stop.

use std::process::Command;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use haulout_tests::checksum::crc32;
use haulout_tests::gateway::{Gateway, Scheme};
use haulout_tests::program;
use haulout_tests::random;
use haulout_tests::s3::{bucket_request, object_request};
use haulout_tests::signature::{
    STREAMING_SIGNED, STREAMING_SIGNED_TRAILER, STREAMING_UNSIGNED_TRAILER, Signer, UNSIGNED_PAYLOAD,
    frame_unsigned, sha256_hex,
};
use haulout_tests::wire::{Connection, Request};
use haulout_tests::xml;

const CRC32_TRAILER: &str = "x-amz-checksum-crc32";

#[test]
fn every_payload_mode_over_http() {
    every_payload_mode(Scheme::Http, "payload-modes-http");
}

#[test]
fn every_payload_mode_over_https() {
    every_payload_mode(Scheme::Https, "payload-modes-https");
}

/// The stored bytes are the body's, whatever it was wrapped in.
fn every_payload_mode(scheme: Scheme, bucket: &str) {
    let gateway = Gateway::shared(scheme);
    let mut client = gateway.client();
    client.create_bucket(bucket);
    let body = random::bytes(11, 300_001);
    let chunks: Vec<&[u8]> = body.chunks(70_000).collect();
    let checksum = crc32(&body);
    let trailer = Some((CRC32_TRAILER, checksum.as_str()));
    let hash = sha256_hex(&body);
    let modes = [
        hash.as_str(),
        UNSIGNED_PAYLOAD,
        STREAMING_UNSIGNED_TRAILER,
        STREAMING_SIGNED,
        STREAMING_SIGNED_TRAILER,
    ];
    for mode in modes {
        let mut request = object_request("PUT", bucket, mode).header("content-encoding", "gzip");
        if mode.starts_with("STREAMING") {
            request.set_header("content-encoding", "gzip,aws-chunked");
            request.set_header("x-amz-decoded-content-length", body.len().to_string());
        }
        if mode.ends_with("TRAILER") {
            request.set_header("x-amz-trailer", CRC32_TRAILER);
        }
        let signer = Signer::now(gateway.credentials());
        let chain = signer.sign(&mut request, &gateway.endpoint().authority(), mode);
        request.body = match mode {
            STREAMING_SIGNED => chain.frame(&chunks, None),
            STREAMING_SIGNED_TRAILER => chain.frame(&chunks, trailer),
            STREAMING_UNSIGNED_TRAILER => frame_unsigned(&chunks, trailer),
            _ => body.clone(),
        };
        let response = client.send_raw(&request).expect("the gateway answers");
        assert_eq!(response.status, 200, "{mode}: {}", response.text());
        let stored = client.expect(200, object_request("GET", bucket, mode));
        assert!(stored.body == body, "{mode}");
        assert_eq!(
            stored.header("content-encoding"),
            Some("gzip"),
            "only the transport's own encoding goes: {mode}"
        );
    }
}

/// One byte at a time, as the slowest network would deliver it.
#[test]
fn framing_split_anywhere() {
    let gateway = Gateway::shared(Scheme::Http);
    let mut client = gateway.client();
    client.create_bucket("split-framing");
    let mut request = object_request("PUT", "split-framing", "key")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "11")
        .header("x-amz-trailer", CRC32_TRAILER);
    let signer = Signer::now(gateway.credentials());
    let chain = signer.sign(&mut request, &gateway.endpoint().authority(), STREAMING_SIGNED_TRAILER);
    let framed = chain.frame(&[b"hello ", b"world"], Some((CRC32_TRAILER, &crc32(b"hello world"))));
    let mut connection = Connection::open(&gateway.endpoint()).expect("the gateway listens");
    request.set_header("content-length", framed.len().to_string());
    connection.send_head(&request).expect("the head is sent");
    for byte in framed {
        connection.write(&[byte]).expect("a byte is sent");
    }
    let response = connection.receive("PUT", &mut Vec::new()).expect("the gateway answers");
    assert_eq!(response.status, 200);
    assert_eq!(client.get("split-framing", "key"), b"hello world");
}

#[test]
fn continue_is_sent_when_the_body_is_wanted() {
    let gateway = Gateway::shared(Scheme::Http);
    let mut client = gateway.client();
    client.create_bucket("continue");
    let request = client.signed(expecting(object_request("PUT", "continue", "key")));
    let mut connection = Connection::open(&gateway.endpoint()).expect("the gateway listens");
    connection.send_head(&request).expect("the head is sent");
    assert_eq!(connection.receive_head().expect("the gateway answers").status, 100);
    connection.write(&request.body).expect("the body is sent");
    assert_eq!(connection.receive("PUT", &mut Vec::new()).expect("the gateway answers").status, 200);
    assert_eq!(client.get("continue", "key"), b"hello");
}

/// Otherwise a client would send gigabytes to learn that it may not.
#[test]
fn continue_is_not_sent_to_a_request_that_fails_anyway() {
    let gateway = Gateway::shared(Scheme::Http);
    let mut client = gateway.client();
    client.create_bucket("no-continue");
    client.put("no-continue", "taken", "here first");
    let put = |bucket: &str, key: &str| expecting(object_request("PUT", bucket, key));
    let mut wrong_signature = client.signed(put("no-continue", "key"));
    wrong_signature.path.push('x');
    let taken = put("no-continue", "taken").header("if-none-match", "*");
    for (request, status) in [
        (wrong_signature, 403),
        (client.signed(put("no-such-bucket", "key")), 404),
        (client.signed(taken), 412),
        (client.signed(put("no-continue", &"x".repeat(1025))), 400),
        (client.signed(put("no-continue", "key").query("annotation", "")), 501),
    ] {
        let mut connection = Connection::open(&gateway.endpoint()).expect("the gateway listens");
        connection.send_head(&request).expect("the head is sent");
        assert_eq!(
            connection.receive_head().expect("the gateway answers").status,
            status,
            "{}",
            request.target()
        );
    }
}

/// Exactly one of many creators wins, and the object is the winner's: what Delta Lake's log stands on.
#[test]
fn one_of_64_racing_creators_wins() {
    const RACERS: usize = 64;
    let gateway = Gateway::shared(Scheme::Http);
    gateway.client().create_bucket("race");
    for round in 0..3 {
        let key = format!("_delta_log/{round:020}.json");
        let start = Barrier::new(RACERS);
        let run = |racer| {
            let request = object_request("PUT", "race", &key).header("if-none-match", "*");
            let request = request.body(format!("racer {racer}"));
            start.wait();
            gateway.client().send(request).expect("the gateway answers").status
        };
        let run = &run;
        let statuses: Vec<u16> = thread::scope(|scope| {
            let racers: Vec<_> = (0..RACERS).map(|racer| scope.spawn(move || run(racer))).collect();
            racers.into_iter().map(|racer| racer.join().expect("the racer does not panic")).collect()
        });
        let winners: Vec<usize> = (0..RACERS).filter(|&racer| statuses[racer] == 200).collect();
        assert_eq!(winners.len(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [200, 409, 412].contains(status)), "{statuses:?}");
        assert_eq!(gateway.client().get("race", &key), format!("racer {}", winners[0]).into_bytes());
    }
}

/// Compare-and-swap on one key: every acknowledged increment counts.
#[test]
fn concurrent_increments_lose_nothing() {
    const THREADS: u32 = 8;
    const INCREMENTS: u32 = 5;
    let gateway = Gateway::shared(Scheme::Http);
    gateway.client().create_bucket("counter");
    gateway.client().put("counter", "key", "0");
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| (0..INCREMENTS).for_each(|_| increment(&gateway)));
        }
    });
    assert_eq!(gateway.client().get("counter", "key"), (THREADS * INCREMENTS).to_string().into_bytes());
}

fn increment(gateway: &Gateway) {
    let mut client = gateway.client();
    loop {
        let current = client.expect(200, object_request("GET", "counter", "key"));
        let value: u32 = current.text().parse().expect("the counter is a number");
        let etag = current.header("etag").expect("a GET answers with an ETag").to_owned();
        let request =
            object_request("PUT", "counter", "key").header("if-match", etag).body((value + 1).to_string());
        let response = client.send(request).expect("the gateway answers");
        match response.status {
            200 => return,
            409 | 412 => {}
            status => panic!("{status}: {}", response.text()),
        }
    }
}

#[test]
fn virtual_host_style() {
    let gateway = Gateway::shared(Scheme::Http);
    let mut client = gateway.client();
    client.create_bucket("by-host");
    let host = format!("by-host.localhost:{}", gateway.endpoint().address.port());
    let mut send = |mut request: Request| {
        let hash = sha256_hex(&request.body);
        Signer::now(gateway.credentials()).sign(&mut request, &host, &hash);
        client.send_raw(&request).expect("the gateway answers")
    };
    assert_eq!(send(Request::new("PUT", "/a%20key/below").body("hello")).status, 200);
    assert_eq!(send(Request::new("GET", "/a%20key/below")).body, b"hello");
    let listing = send(Request::new("GET", "/").query("list-type", "2"));
    assert_eq!(xml::texts(&listing.text(), "Key"), ["a key/below"]);
    assert_eq!(client.get("by-host", "a key/below"), b"hello", "both styles see one object");
}

/// Keys are bytes to S3: nothing on the way may resolve dots, merge slashes or decode twice.
#[test]
fn keys_are_taken_as_they_are() {
    let gateway = Gateway::shared(Scheme::Http);
    let mut client = gateway.client();
    client.create_bucket("raw-keys");
    let keys = [
        "..", ".", "../..", "a/../b", "a/./b", "a//b", "/", "//", "/a", "a/", "%2F", "%252F", "+", " ", "?",
        "#", ";", "=", "&",
    ];
    for key in keys {
        client.put("raw-keys", key, key);
    }
    for key in keys {
        assert_eq!(client.get("raw-keys", key), key.as_bytes(), "{key:?}");
    }
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    let listed = client.list("raw-keys");
    assert_eq!(listed.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), sorted);
}

/// A Latin client may send a header as UTF-8; S3 answers in RFC 2047.
#[test]
fn metadata_beyond_ascii() {
    let gateway = Gateway::shared(Scheme::Http);
    let mut client = gateway.client();
    client.create_bucket("metadata");
    let request = object_request("PUT", "metadata", "key").header("x-amz-meta-name", "=?UTF-8?Q?caf=C3=A9?=");
    client.expect(200, request);
    let head = client.expect(200, object_request("HEAD", "metadata", "key"));
    let name = head.header("x-amz-meta-name").expect("the metadata is there");
    assert!(["=?UTF-8?Q?caf=C3=A9?=", "=?UTF-8?B?Y2Fmw6k=?="].contains(&name), "{name}");
}

/// Tools learn an object's size from HEAD, and compare it with what they sent.
#[test]
fn head_says_what_get_says() {
    let gateway = Gateway::shared(Scheme::Http);
    let mut client = gateway.client();
    client.create_bucket("head");
    for length in [0, 1, 70_001] {
        let key = format!("{length} bytes");
        client.put("head", &key, random::bytes(14, length));
        for range in [None, Some("bytes=0-0")].into_iter().filter(|range| length > 0 || range.is_none()) {
            let request = |method| {
                let request = object_request(method, "head", &key);
                if let Some(range) = range { request.header("range", range) } else { request }
            };
            let status = if range.is_some() { 206 } else { 200 };
            let (head, get) = (client.expect(status, request("HEAD")), client.expect(status, request("GET")));
            assert_eq!(head.body, [], "a HEAD's answer has no body");
            for name in
                ["content-length", "content-range", "etag", "last-modified", "content-type", "accept-ranges"]
            {
                assert_eq!(head.header(name), get.header(name), "{name} of {key}, range {range:?}");
            }
            assert_eq!(get.header("content-length"), Some(get.body.len().to_string().as_str()));
        }
    }
}

#[test]
fn a_connection_survives_errors() {
    let gateway = Gateway::shared(Scheme::Http);
    let client = gateway.client();
    let mut connection = Connection::open(&gateway.endpoint()).expect("the gateway listens");
    for status in [404, 200, 404, 200] {
        let request = match status {
            200 => Request::new("GET", "/"),
            _ => object_request("GET", "no-such-bucket", "key"),
        };
        let response = connection.send(&client.signed(request)).expect("the connection is kept");
        assert_eq!(response.status, status);
    }
}

#[test]
fn http2_over_tls() {
    let gateway = Gateway::shared(Scheme::Https);
    let mut client = gateway.client();
    client.create_bucket("http2");
    let body = random::bytes(12, 3_000_000);
    client.put("http2", "key", body.clone());
    let scratch = tempfile::TempDir::new().expect("a temporary directory is made");
    let (source, fetched) = (scratch.path().join("source"), scratch.path().join("fetched"));
    std::fs::write(&source, &body).expect("the file is written");

    let curl = |method: &'static str, key: &str, arguments: &[&std::ffi::OsStr]| {
        let mut request = object_request(method, "http2", key);
        Signer::now(gateway.credentials()).presign(&mut request, &gateway.endpoint().authority(), 600);
        let mut command = Command::new("curl");
        command.args([
            "--silent",
            "--show-error",
            "--fail-with-body",
            "--http2",
            "--write-out",
            "%{http_version}",
        ]);
        command.arg("--cacert").arg(gateway.ca_file().expect("https has a CA")).args(arguments);
        let version = program::run(command.arg(format!("{}{}", gateway.url(), request.target())));
        assert_eq!(version.text(), "2");
    };
    curl("GET", "key", &["--output".as_ref(), fetched.as_os_str()]);
    assert!(std::fs::read(&fetched).expect("curl wrote the file") == body);
    curl("PUT", "copy", &["--upload-file".as_ref(), source.as_os_str()]);
    assert!(client.get("http2", "copy") == body);
}

/// Ctrl-C lets an upload that is under way finish, takes no new ones, and loses nothing.
#[test]
fn stopping_finishes_what_is_under_way() {
    let mut gateway = Gateway::start(Scheme::Http);
    let mut client = gateway.client();
    client.create_bucket("drain");
    let body = random::bytes(13, 400_000);
    let request = client.signed(object_request("PUT", "drain", "key").body(body.clone()));
    let mut connection = Connection::open(&gateway.endpoint()).expect("the gateway listens");
    connection.send_head(&request).expect("the head is sent");
    connection.write(&body[..200_000]).expect("half of the body is sent");
    // The gateway has begun with the request once its metrics count it.
    gateway.wait_metric("gateway_requests_in_flight", 1.0, Duration::from_secs(10));

    client.disconnect();
    let endpoint = gateway.endpoint();
    let (status, stored) = thread::scope(|scope| {
        let upload = scope.spawn(|| {
            let refused = || Connection::open(&endpoint).is_err().then_some(());
            let closed = program::poll(Duration::from_secs(10), Duration::from_millis(10), refused);
            assert!(closed.is_some(), "no new connections are taken");
            connection.write(&body[200_000..]).expect("the other half is sent");
            connection.receive("PUT", &mut Vec::new()).expect("the gateway answers").status
        });
        (gateway.stop(), upload.join().expect("the upload does not panic"))
    });
    assert_eq!(stored, 200);
    assert!(status.success(), "{status}");
    gateway.launch();
    assert!(gateway.client().get("drain", "key") == body);
}

#[test]
fn buckets_are_listed() {
    let gateway = Arc::clone(&Gateway::shared(Scheme::Http));
    let mut client = gateway.client();
    client.create_bucket("listed-bucket");
    let listing = client.expect(200, Request::new("GET", "/")).text();
    assert!(xml::texts(&listing, "Name").contains(&"listed-bucket".to_owned()), "{listing}");
    client.expect(204, bucket_request("DELETE", "listed-bucket"));
    client.expect(404, bucket_request("HEAD", "listed-bucket"));
}

fn expecting(request: Request) -> Request {
    request.header("expect", "100-continue").body("hello")
}
