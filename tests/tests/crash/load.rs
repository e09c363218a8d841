//! The mixed load: many clients that write, overwrite, delete, copy and read the same few keys.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use haulout_tests::s3::{Client, PART_BYTES_MIN, Part, complete_request, object_request, part_request};
use haulout_tests::wire::{Request, Response, percent_encode};
use haulout_tests::xml;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::history::{Content, History, Value, Write};

pub(crate) const BUCKET: &str = "crash";
/// Few, so that writes to one key meet.
const N_KEYS: usize = 30;
/// Sources of copies, written once at the start.
pub(crate) const N_SOURCES: u64 = 6;
const MIB: usize = 1024 * 1024;

/// What all clients of a round share.
pub(crate) struct Load<'test> {
    pub(crate) history: &'test History,
    pub(crate) uploads: &'test Mutex<Vec<OpenUpload>>,
    /// Set just before the server is killed: from then on connections may break.
    pub(crate) ending: &'test AtomicBool,
}

/// A multipart upload and what of it was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct OpenUpload {
    pub(crate) key: String,
    pub(crate) id: String,
    pub(crate) value: Value,
    pub(crate) parts: Vec<Part>,
    /// Whether Complete was sent, after which the upload may be gone.
    pub(crate) completing: bool,
}

/// Why a client stops.
enum Stop {
    /// The connection broke: the server was killed, or a bug cut the answer short.
    Gone(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

/// The value a source of copies has.
pub(crate) fn source(index: u64) -> (String, Value) {
    // Inline small, a segment's worth, and larger than one staged piece.
    let length =
        [0, 900, 70_000, 300_000, 2 * MIB, 7 * MIB + 1][usize::try_from(index).expect("few sources") % 6];
    (format!("source/{index}"), Value { seed: index, length })
}

impl Load<'_> {
    /// Runs one client until the server goes away.
    pub(crate) fn run(&self, client: &mut Client, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        while !self.ending.load(Ordering::SeqCst) {
            if let Err(Stop::Gone(error)) = self.step(client, &mut random) {
                let expected = self.ending.load(Ordering::SeqCst);
                assert!(expected, "the connection broke while the server ran: {error}");
                return;
            }
        }
    }

    fn step(&self, client: &mut Client, random: &mut StdRng) -> Result<(), Stop> {
        let key = format!("key {:02}", random.random_range(0..N_KEYS));
        match random.random_range(0..100) {
            0..35 => self.put(client, &key, value(random, 0..20_000), random.random()),
            35..45 => self.put(client, &key, value(random, MIB..6 * MIB), false),
            45..55 => self.multipart(client, &key, value(random, PART_BYTES_MIN..PART_BYTES_MIN + MIB)),
            55..70 => self.delete(client, &key),
            70..85 => self.copy(client, &key, random.random_range(0..N_SOURCES)),
            _ => self.read(client, &key),
        }
    }

    /// Now and then as a creation, which an existing object refuses.
    fn put(&self, client: &mut Client, key: &str, value: Value, create_only: bool) -> Result<(), Stop> {
        let mut request = object_request("PUT", BUCKET, key).body(value.bytes());
        if create_only && value.seed.is_multiple_of(4) {
            request = request.header("if-none-match", "*");
        }
        self.write(client, key, Some(value), request)
    }

    fn delete(&self, client: &mut Client, key: &str) -> Result<(), Stop> {
        self.write(client, key, None, object_request("DELETE", BUCKET, key))
    }

    fn copy(&self, client: &mut Client, key: &str, index: u64) -> Result<(), Stop> {
        let (source, value) = source(index);
        let source = format!("/{BUCKET}/{}", percent_encode(&source, "/"));
        self.write(
            client,
            key,
            Some(value),
            object_request("PUT", BUCKET, key).header("x-amz-copy-source", source),
        )
    }

    fn write(&self, client: &mut Client, key: &str, content: Content, request: Request) -> Result<(), Stop> {
        let write = self.history.begin(key, content);
        let response = client.send(request)?;
        self.note(key, write, &response);
        Ok(())
    }

    fn multipart(&self, client: &mut Client, key: &str, value: Value) -> Result<(), Stop> {
        let response = client.send(object_request("POST", BUCKET, key).query("uploads", ""))?;
        if response.status == 503 {
            return Ok(());
        }
        assert_eq!(response.status, 200, "{}", response.text());
        let id = xml::text(&response.text(), "UploadId").expect("an upload has an ID");
        let open =
            OpenUpload { key: key.to_owned(), id: id.clone(), value, parts: Vec::new(), completing: false };
        self.uploads.lock().expect("no client panicked").push(open);

        for (number, bytes) in (1..).zip(value.bytes().chunks(PART_BYTES_MIN)) {
            let response = client.send(part_request(BUCKET, key, &id, number).body(bytes))?;
            if response.status == 503 {
                return Ok(()); // Stays open, to be resumed after the crash.
            }
            assert_eq!(response.status, 200, "{}", response.text());
            let etag = response.header("etag").expect("a part has an ETag").to_owned();
            self.with_upload(&id, |upload| upload.parts.push(Part { number, etag }));
        }
        let parts = self.with_upload(&id, |upload| {
            upload.completing = true;
            upload.parts.clone()
        });
        let write = self.history.begin(key, Some(value));
        let response = client.send(complete_request(BUCKET, key, &id, &parts))?;
        self.note(key, write, &response);
        Ok(())
    }

    /// Whole and of this key, whichever of its values it is.
    fn read(&self, client: &mut Client, key: &str) -> Result<(), Stop> {
        let response = client.send(object_request("GET", BUCKET, key))?;
        match response.status {
            200 => {
                let values = self.history.ever(key);
                let known = values
                    .iter()
                    .any(|value| value.length == response.body.len() && value.bytes() == response.body);
                assert!(known, "{key} holds {} bytes that nobody wrote", response.body.len());
            }
            404 | 503 => {}
            status => panic!("GET {key}: {status} {}", response.text()),
        }
        Ok(())
    }

    fn note(&self, key: &str, write: Write, response: &Response) {
        match response.status {
            // A long Complete may fail after its 200 was sent.
            200 | 204 if !response.text().contains("<Error>") => self.history.acknowledge(key, write),
            // Asked to come back later, or lost a race: nothing happened.
            409 | 412 | 503 => self.history.forget(key, write),
            status => panic!("{key}: {status} {}", response.text()),
        }
    }

    fn with_upload<T>(&self, id: &str, work: impl FnOnce(&mut OpenUpload) -> T) -> T {
        let mut uploads = self.uploads.lock().expect("no client panicked");
        work(uploads.iter_mut().find(|upload| upload.id == id).expect("the upload was noted"))
    }
}

fn value(random: &mut StdRng, lengths: std::ops::Range<usize>) -> Value {
    // Edges more often than chance would have them.
    let edges = [lengths.start, lengths.end - 1];
    let length = if random.random_ratio(1, 8) {
        *edges.choose(random).expect("there are two edges")
    } else {
        random.random_range(lengths)
    };
    Value { seed: random.random(), length }
}
