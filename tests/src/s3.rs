//! A small S3 client over [`wire`](crate::wire): one signed request, one answer, nothing retried.

use std::io::{self, Write};
use std::time::Duration;

use crate::program::poll;
use crate::signature::{Credentials, Signer, sha256_hex};
use crate::wire::{Connection, Endpoint, Request, Response, percent_encode};
use crate::xml;

/// The smallest part S3 accepts anywhere but at the end of a multipart upload.
pub const PART_BYTES_MIN: usize = 5 * 1024 * 1024;

/// A client with one kept connection.
pub struct Client {
    endpoint: Endpoint,
    credentials: Credentials,
    connection: Option<Connection>,
}

/// A part of a multipart upload as Complete names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1.
    pub number: u16,
    /// The ETag of its UploadPart, quotes included.
    pub etag: String,
}

/// An entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The size in bytes.
    pub size: u64,
    /// The ETag, quotes included.
    pub etag: String,
}

/// A request for `bucket`/`key`, path style.
#[must_use]
pub fn object_request(method: &'static str, bucket: &str, key: &str) -> Request {
    Request::new(method, format!("/{bucket}/{}", percent_encode(key, "/")))
}

/// A request for `bucket` itself.
#[must_use]
pub fn bucket_request(method: &'static str, bucket: &str) -> Request {
    Request::new(method, format!("/{bucket}"))
}

/// The XML body of CompleteMultipartUpload.
#[must_use]
pub fn complete_body(parts: &[Part]) -> String {
    let parts: String = parts
        .iter()
        .map(|part| {
            format!("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", part.number, part.etag)
        })
        .collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
}

impl Client {
    /// A client that has not connected yet.
    #[must_use]
    pub fn new(endpoint: Endpoint, credentials: Credentials) -> Self {
        Self { endpoint, credentials, connection: None }
    }

    /// Signs `request` now, its body's SHA-256 included, without sending it.
    #[must_use]
    pub fn signed(&self, mut request: Request) -> Request {
        let payload_hash = sha256_hex(&request.body);
        Signer::now(self.credentials.clone()).sign(&mut request, &self.endpoint.authority(), &payload_hash);
        request
    }

    /// Signs and sends `request`.
    ///
    /// # Errors
    /// If the connection breaks before the whole answer was read: the request may or may not have taken effect.
    pub fn send(&mut self, request: Request) -> io::Result<Response> {
        let request = self.signed(request);
        self.send_raw(&request)
    }

    /// Sends `request` as it is.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn send_raw(&mut self, request: &Request) -> io::Result<Response> {
        let mut body = Vec::new();
        let mut response = self.send_raw_into(request, &mut body)?;
        response.body = body;
        Ok(response)
    }

    /// Signs and sends `request`, the answer's body going to `sink`.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn send_into(&mut self, request: Request, sink: &mut dyn Write) -> io::Result<Response> {
        let request = self.signed(request);
        self.send_raw_into(&request, sink)
    }

    fn send_raw_into(&mut self, request: &Request, sink: &mut dyn Write) -> io::Result<Response> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.endpoint)?,
        };
        let response = connection.send_into(request, sink)?;
        if !response.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            self.connection = Some(connection);
        }
        Ok(response)
    }

    /// Forgets the kept connection, as after the server was killed.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Signs and sends `request` and insists on `status`.
    ///
    /// # Panics
    /// With the answer if it has another status, or if there is none.
    pub fn expect(&mut self, status: u16, request: Request) -> Response {
        let what = format!("{} {}", request.method, request.target());
        let response = self.send(request).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(response.status, status, "{what}: {response:?}\n{}", response.text());
        response
    }

    /// Makes a bucket.
    pub fn create_bucket(&mut self, bucket: &str) {
        self.expect(200, bucket_request("PUT", bucket));
    }

    /// Stores an object in one request and returns its ETag.
    ///
    /// # Panics
    /// If the server refuses or sends no ETag.
    pub fn put(&mut self, bucket: &str, key: &str, body: impl Into<Vec<u8>>) -> String {
        let response = self.expect(200, object_request("PUT", bucket, key).body(body));
        response.header("etag").expect("PutObject answers with an ETag").to_owned()
    }

    /// Reads a whole object.
    pub fn get(&mut self, bucket: &str, key: &str) -> Vec<u8> {
        self.expect(200, object_request("GET", bucket, key)).body
    }

    /// Reads an object if it exists.
    ///
    /// # Panics
    /// On any answer but 200 and 404.
    pub fn find(&mut self, bucket: &str, key: &str) -> Option<Response> {
        let response = self.send(object_request("GET", bucket, key));
        let response = response.unwrap_or_else(|error| panic!("GET {bucket}/{key}: {error}"));
        match response.status {
            200 => Some(response),
            404 => None,
            status => panic!("GET {bucket}/{key}: {status} {}", response.text()),
        }
    }

    /// Every object of a bucket, by ListObjectsV2 pages of 1000.
    ///
    /// # Panics
    /// If an entry lacks a size or an ETag.
    pub fn list(&mut self, bucket: &str) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut request = bucket_request("GET", bucket).query("list-type", "2");
            if let Some(token) = token.take() {
                request = request.query("continuation-token", token);
            }
            let page = self.expect(200, request).text();
            entries.extend(xml::texts(&page, "Contents").iter().map(|contents| Entry::parse(contents)));
            token = xml::text(&page, "NextContinuationToken");
            if token.is_none() {
                return entries;
            }
        }
    }

    /// Upload IDs and keys of all multipart uploads in progress.
    ///
    /// # Panics
    /// If there are more than one page holds.
    pub fn uploads(&mut self, bucket: &str) -> Vec<(String, String)> {
        let page = self.expect(200, bucket_request("GET", bucket).query("uploads", "")).text();
        assert_eq!(
            xml::text(&page, "IsTruncated").as_deref(),
            Some("false"),
            "more uploads than one page holds"
        );
        let of_upload = |upload: &String| Some((xml::text(upload, "UploadId")?, xml::text(upload, "Key")?));
        xml::texts(&page, "Upload")
            .iter()
            .map(|upload| of_upload(upload).expect("an upload has an ID and a key"))
            .collect()
    }

    /// Starts a multipart upload and returns its ID.
    ///
    /// # Panics
    /// If the server refuses or names no upload.
    pub fn create_upload(&mut self, bucket: &str, key: &str) -> String {
        let response = self.expect(200, object_request("POST", bucket, key).query("uploads", ""));
        xml::text(&response.text(), "UploadId").expect("CreateMultipartUpload answers with an upload ID")
    }

    /// Uploads one part.
    ///
    /// # Panics
    /// If the server refuses or sends no ETag.
    pub fn upload_part(
        &mut self,
        bucket: &str,
        key: &str,
        upload: &str,
        number: u16,
        body: impl Into<Vec<u8>>,
    ) -> Part {
        let response = self.expect(200, part_request(bucket, key, upload, number).body(body));
        Part { number, etag: response.header("etag").expect("UploadPart answers with an ETag").to_owned() }
    }

    /// Completes a multipart upload.
    ///
    /// # Panics
    /// If the answer is an error, be it inside a 200.
    pub fn complete_upload(&mut self, bucket: &str, key: &str, upload: &str, parts: &[Part]) {
        let response = self.expect(200, complete_request(bucket, key, upload, parts));
        assert!(response.text().contains("<CompleteMultipartUploadResult"), "{}", response.text());
    }

    /// Waits until HEAD says that the network holds the object (`x-amz-replication-status: COMPLETED`).
    ///
    /// # Panics
    /// If that takes longer than `limit`.
    pub fn wait_certified(&mut self, bucket: &str, key: &str, limit: Duration) {
        let mut last = None;
        let certified = poll(limit, Duration::from_millis(50), || {
            let response = self.expect(200, object_request("HEAD", bucket, key));
            last = response.header("x-amz-replication-status").map(str::to_owned);
            (last.as_deref() == Some("COMPLETED")).then_some(())
        });
        assert!(
            certified.is_some(),
            "{bucket}/{key} is not certified after {limit:?}, its status is {last:?}"
        );
    }
}

/// An UploadPart request without a body.
#[must_use]
pub fn part_request(bucket: &str, key: &str, upload: &str, number: u16) -> Request {
    object_request("PUT", bucket, key).query("partNumber", number.to_string()).query("uploadId", upload)
}

/// A CompleteMultipartUpload request.
#[must_use]
pub fn complete_request(bucket: &str, key: &str, upload: &str, parts: &[Part]) -> Request {
    object_request("POST", bucket, key).query("uploadId", upload).body(complete_body(parts))
}

impl Entry {
    fn parse(contents: &str) -> Self {
        let text = |name| xml::text(contents, name).unwrap_or_else(|| panic!("no {name} in {contents}"));
        Self { key: text("Key"), size: text("Size").parse().expect("Size is a number"), etag: text("ETag") }
    }
}
