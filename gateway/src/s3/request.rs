//! The near end: what must happen to a request before s3s can read it as S3 would.

use std::sync::Arc;

use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use s3s::{Body, S3Error};

use super::error::Refusal;
use super::xml_body::{self, DocumentMemory};
use super::{copy_source, metadata, owner};
use crate::addressing::{Level, VirtualHosts};

/// The longest document that any operation takes: a thousand keys of 1024 bytes, each byte written as an entity.
pub(super) const DOCUMENT_BYTES_MAX: usize = 8 << 20;

/// Headers that s3s refuses where S3 ignores them, or reads as less than they say. Our operations read them
/// as they were sent; s3s is not shown them.
const SET_ASIDE: [HeaderName; 15] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    HeaderName::from_static("x-amz-copy-source-if-match"),
    HeaderName::from_static("x-amz-copy-source-if-none-match"),
    HeaderName::from_static("x-amz-copy-source-if-modified-since"),
    HeaderName::from_static("x-amz-copy-source-if-unmodified-since"),
    header::EXPIRES,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
];

/// A request's headers as they were sent, in its extensions.
#[derive(Clone, Debug)]
struct AsSent(Arc<HeaderMap>);

/// The headers of a request as they were sent.
pub(super) fn headers(extensions: &Extensions) -> Arc<HeaderMap> {
    extensions.get::<AsSent>().map(|headers| Arc::clone(&headers.0)).unwrap_or_default()
}

/// Makes a request fit for s3s. Reads the body of operations that take a document, and no other body.
pub(super) async fn prepare(
    request: Request<Body>,
    hosts: &VirtualHosts,
    memory: &DocumentMemory,
) -> Result<Request<Body>, S3Error> {
    let (mut parts, mut body) = request.into_parts();
    metadata::join_repeated(&mut parts.headers);
    copy_source::encode_raw_bytes(&mut parts.headers);
    check_expected_owner(&parts.headers)?;
    let document = Document::of(&parts, hosts);
    metadata::refuse_misplaced(&parts.headers, &parts.method, document)?;
    if let Some(document) = document {
        let read = xml_body::read(body, &mut parts, document, memory).await?;
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(read.len()));
        body = Body::from(read);
    }
    parts.extensions.insert(AsSent(Arc::new(parts.headers.clone())));
    SET_ASIDE.iter().for_each(|name| while parts.headers.remove(name).is_some() {});
    Ok(Request::from_parts(parts, body))
}

/// The operations whose body is a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Document {
    CreateBucket,
    DeleteObjects,
    CompleteMultipartUpload,
}

impl Document {
    fn of(parts: &Parts, hosts: &VirtualHosts) -> Option<Self> {
        let query = parts.uri.query().unwrap_or_default();
        let has = |wanted: &str| query.split('&').any(|item| item.split('=').next() == Some(wanted));
        match parts.method {
            Method::PUT if Level::of(parts, hosts) == Level::Bucket => Some(Self::CreateBucket),
            Method::POST if has("delete") => Some(Self::DeleteObjects),
            Method::POST if has("uploadId") => Some(Self::CompleteMultipartUpload),
            _ => None,
        }
    }

    /// The longest that one is read, in bytes.
    pub(super) fn bytes_max(self) -> usize {
        match self {
            Self::CreateBucket => 64 << 10,
            // Ten thousand parts with a checksum each take about half of it.
            Self::CompleteMultipartUpload => 4 << 20,
            Self::DeleteObjects => DOCUMENT_BYTES_MAX,
        }
    }
}

/// A client that names the owner it expects wants nothing done if it is wrong.
fn check_expected_owner(headers: &HeaderMap) -> Result<(), Refusal> {
    let names = ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"];
    let mut expected = names.iter().flat_map(|name| headers.get_all(*name));
    if expected.all(|expected| expected == owner::ID) { Ok(()) } else { Err(Refusal::NotTheOwner) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: Method, uri: &str) -> Parts {
        Request::builder()
            .method(method)
            .uri(uri)
            .header("host", "127.0.0.1")
            .body(())
            .unwrap()
            .into_parts()
            .0
    }

    async fn prepared(request: Request<Body>) -> Request<Body> {
        prepare(request, &VirtualHosts::default(), &DocumentMemory::default()).await.unwrap()
    }

    #[test]
    fn documents_are_recognised_by_method_path_and_query() {
        let hosts = VirtualHosts::new(["localhost"]);
        for (method, uri, document) in [
            (Method::PUT, "/bucket", Some(Document::CreateBucket)),
            (Method::PUT, "/bucket/", Some(Document::CreateBucket)),
            (Method::PUT, "/bucket/key", None),
            (Method::POST, "/bucket?delete", Some(Document::DeleteObjects)),
            (Method::POST, "/bucket/key?uploads=", None),
            (Method::POST, "/bucket/key?x-id=C&uploadId=1", Some(Document::CompleteMultipartUpload)),
            (Method::GET, "/bucket/key?uploadId=1", None),
        ] {
            assert_eq!(Document::of(&parts(method, uri), &hosts), document, "{uri}");
        }
        let mut by_host = parts(Method::PUT, "/");
        by_host.headers.insert(header::HOST, HeaderValue::from_static("bucket.localhost:9000"));
        assert_eq!(Document::of(&by_host, &hosts), Some(Document::CreateBucket));
        by_host.uri = "/key".parse().unwrap();
        assert_eq!(Document::of(&by_host, &hosts), None);
    }

    #[tokio::test]
    async fn delicate_headers_are_shown_to_us_only() {
        let request =
            Request::builder().uri("/b/k").header("range", "bytes=9-1").header("if-match", "\"a\", \"b\"");
        let request = prepared(request.body(Body::empty()).unwrap()).await;
        assert!(!request.headers().contains_key("range") && !request.headers().contains_key("if-match"));
        assert_eq!(headers(request.extensions())["range"], "bytes=9-1");
    }

    #[tokio::test]
    async fn another_expected_owner_is_refused() {
        let request = Request::builder().uri("/b").header("x-amz-expected-bucket-owner", "111122223333");
        let request = request.body(Body::empty()).unwrap();
        let prepared_for_another =
            prepare(request, &VirtualHosts::default(), &DocumentMemory::default()).await;
        let refused = prepared_for_another.unwrap_err();
        assert_eq!(refused.code().as_str(), "AccessDenied");
        let request = Request::builder().uri("/b").header("x-amz-expected-bucket-owner", owner::ID);
        prepared(request.body(Body::empty()).unwrap()).await;
    }
}
