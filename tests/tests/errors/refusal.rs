//! A bucket in which nothing may appear.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use haulout_tests::gateway::{Gateway, Scheme};
use haulout_tests::s3::{Client, object_request};
use haulout_tests::signature::{Signer, sha256_hex};
use haulout_tests::wire::{Connection, Request, Response};
use haulout_tests::xml;

/// A fresh bucket of the shared gateway and ways to send it something wrong.
pub(crate) struct Site {
    pub(crate) bucket: String,
    pub(crate) client: Client,
    /// After the client, whose connection would otherwise keep the gateway lingering when it stops.
    pub(crate) gateway: Arc<Gateway>,
}

impl Site {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let gateway = Gateway::shared(Scheme::Http);
        let bucket = format!("refusals-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut client = gateway.client();
        client.create_bucket(&bucket);
        Self { gateway, bucket, client }
    }

    /// A PUT of five bytes.
    pub(crate) fn put(&self) -> Request {
        object_request("PUT", &self.bucket, "key").body("hello")
    }

    pub(crate) fn signer(&self) -> Signer {
        Signer::now(self.gateway.credentials())
    }

    pub(crate) fn host(&self) -> String {
        self.gateway.endpoint().authority()
    }

    /// Signs as `signer` does.
    pub(crate) fn signed_by(&self, signer: &Signer, mut request: Request) -> Request {
        let payload_hash = sha256_hex(&request.body);
        signer.sign(&mut request, &self.host(), &payload_hash);
        request
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(&self.gateway.endpoint()).expect("the gateway listens")
    }

    /// Sends `request` as it is, on a connection of its own.
    pub(crate) fn send(&self, request: &Request) -> Response {
        self.connect()
            .send(request)
            .unwrap_or_else(|error| panic!("{} {}: {error}", request.method, request.path))
    }

    /// Sends `request` as it is and insists on the error and on an empty bucket.
    pub(crate) fn refuses(&mut self, request: &Request, status: u16, code: &str) -> Response {
        let response = self.send(request);
        assert_error(&response, status, code);
        self.assert_empty();
        response
    }

    /// Like [`Site::refuses`], signed properly.
    pub(crate) fn refuses_signed(&mut self, request: Request, status: u16, code: &str) -> Response {
        let request = self.client.signed(request);
        self.refuses(&request, status, code)
    }

    /// Neither objects nor uploads.
    pub(crate) fn assert_empty(&mut self) {
        assert_eq!(self.client.list(&self.bucket), []);
        assert_eq!(self.client.uploads(&self.bucket), []);
        assert!(self.client.find(&self.bucket, "key").is_none());
    }
}

/// Checks status, code and the form every S3 error has.
pub(crate) fn assert_error(response: &Response, status: u16, code: &str) {
    let body = response.text();
    let found = (response.status, xml::text(&body, "Code"));
    assert_eq!(found, (status, Some(code.to_owned())), "{response:?}\n{body}");
    assert_eq!(response.header("content-type"), Some("application/xml"));
    assert!(xml::text(&body, "Message").is_some_and(|message| !message.is_empty()), "{body}");
    assert_eq!(xml::text(&body, "RequestId").as_deref(), response.header("x-amz-request-id"), "{body}");
    assert!(response.header("x-amz-request-id").is_some_and(|id| !id.is_empty()), "{response:?}");
}
