//! Reads the documents that requests carry, and verifies them before anybody acts on them.

use std::sync::Arc;

use bytes::Bytes;
use haulout_index::ChecksumAlgorithm;
use http::request::Parts;
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use md5::{Digest as _, Md5};
use s3s::{Body, S3Error};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::checksums;
use super::error::Refusal;
use super::request::{DOCUMENT_BYTES_MAX, Document};
use super::upload::announced_length;
use crate::auth::PayloadError;
use crate::objects::{BoxError, ChecksumExpectation, ObjectError, RunningChecksum};

/// Memory for the documents of all requests under way, in bytes. A request waits for its share before its
/// document is read, and gives it back when it is answered.
#[derive(Clone, Debug)]
pub(super) struct DocumentMemory(Arc<Semaphore>);

/// The share of one request; kept in its extensions.
#[derive(Clone, Debug)]
struct Share {
    _permit: Arc<OwnedSemaphorePermit>,
}

impl DocumentMemory {
    /// Eight documents of the longest kind, or thousands of the usual ones.
    const BYTES: usize = 8 * DOCUMENT_BYTES_MAX;

    async fn share(&self, bytes: usize) -> Share {
        let bytes = u32::try_from(bytes.min(Self::BYTES)).expect("less than 4 GiB");
        let permit = Arc::clone(&self.0).acquire_many_owned(bytes).await.expect("never closed");
        Share { _permit: Arc::new(permit) }
    }
}

impl Default for DocumentMemory {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(Self::BYTES)))
    }
}

/// Reads the whole of a document and checks it against `Content-MD5` and the checksum that came with it.
pub(super) async fn read(
    body: Body,
    parts: &mut Parts,
    document: Document,
    memory: &DocumentMemory,
) -> Result<Bytes, S3Error> {
    let md5 = checksums::content_md5(&parts.headers)?;
    let expectation = match document {
        // The checksum headers of a completion are the object's.
        Document::CompleteMultipartUpload => None,
        Document::CreateBucket | Document::DeleteObjects => {
            Some(checksums::expectation(&parts.headers, &parts.extensions, checksums::DEFAULT)?)
        }
    };
    let unprotected = matches!(expectation, None | Some(ChecksumExpectation::Compute(_))) && md5.is_none();
    if document == Document::DeleteObjects && unprotected {
        return Err(Refusal::Request("DeleteObjects needs the header Content-MD5 or x-amz-checksum-*").into());
    }
    let max = document.bytes_max();
    let announced = body.size_hint().exact().or_else(|| announced_length(&parts.headers, &parts.extensions));
    let needed =
        announced.and_then(|length| usize::try_from(length).ok()).map_or(max, |length| length.min(max));
    parts.extensions.insert(memory.share(needed).await);
    let bytes = Limited::new(body, max).collect().await.map_err(|failed| failure(failed, max))?.to_bytes();
    if md5.is_some_and(|md5| Md5::digest(&bytes).as_slice() != md5) {
        return Err(Refusal::BodyMismatch { header: "Content-MD5" }.into());
    }
    match expectation {
        None | Some(ChecksumExpectation::Compute(_)) => {}
        Some(ChecksumExpectation::Match(algorithm, value)) => verify(&bytes, algorithm, &value)?,
        Some(ChecksumExpectation::Trailer(algorithm, value)) => {
            verify(&bytes, algorithm, &value().ok_or(Refusal::MissingTrailer)?)?;
        }
    }
    // To s3s an empty body is another error than a malformed one. Only CreateBucket goes without a document.
    if bytes.is_empty() && document != Document::CreateBucket {
        return Err(Refusal::MalformedXml.into());
    }
    // s3s passes over CDATA, so that a key written with it would read as another one.
    if bytes.windows(CDATA.len()).any(|window| window == CDATA) {
        return Err(Refusal::MalformedXml.into());
    }
    Ok(bytes)
}

const CDATA: &[u8] = b"<![CDATA[";

fn verify(bytes: &[u8], algorithm: ChecksumAlgorithm, expected: &[u8]) -> Result<(), Refusal> {
    let mut running = RunningChecksum::new(algorithm);
    running.update(bytes);
    if running.finish().value == expected {
        return Ok(());
    }
    Err(Refusal::BodyMismatch { header: checksums::header_name(algorithm) })
}

fn failure(failed: BoxError, max: usize) -> S3Error {
    if failed.is::<LengthLimitError>() {
        return Refusal::DocumentTooLong { max }.into();
    }
    match failed.downcast::<PayloadError>() {
        Ok(payload) => ObjectError::Payload(*payload).into(),
        Err(transport) => Refusal::IncompleteBody(transport).into(),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const TEXT: &str = "hello";

    async fn code(document: Document, headers: &[(&str, &str)]) -> Option<String> {
        let request =
            headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        let (mut parts, body) = request.body(Body::from(TEXT.to_owned())).unwrap().into_parts();
        let read = read(body, &mut parts, document, &DocumentMemory::default()).await;
        read.err().map(|refused| refused.code().as_str().to_owned())
    }

    #[tokio::test]
    async fn a_bulk_delete_is_protected_by_md5_or_any_checksum() {
        let md5 = ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==");
        assert_eq!(code(Document::DeleteObjects, &[md5]).await, None);
        assert_eq!(code(Document::DeleteObjects, &[("x-amz-checksum-crc32", "NhCmhg==")]).await, None);
        assert_eq!(code(Document::DeleteObjects, &[]).await.as_deref(), Some("InvalidRequest"));
    }

    #[tokio::test]
    async fn what_does_not_match_is_refused() {
        let wrong = [("content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="), ("x-amz-checksum-crc32", "AAAAAA==")];
        for header in wrong {
            assert_eq!(
                code(Document::DeleteObjects, &[header]).await.as_deref(),
                Some("BadDigest"),
                "{header:?}"
            );
        }
        assert_eq!(
            code(Document::CreateBucket, &[("content-md5", "no")]).await.as_deref(),
            Some("InvalidDigest")
        );
    }

    #[tokio::test]
    async fn the_checksum_of_a_completion_is_not_that_of_its_document() {
        assert_eq!(
            code(Document::CompleteMultipartUpload, &[("x-amz-checksum-crc32", "AAAAAA==")]).await,
            None
        );
    }

    #[tokio::test]
    async fn a_document_has_a_longest_length() {
        let body = vec![b' '; (64 << 10) + 1];
        assert_eq!(code_of(body).await.as_deref(), Some("MaxMessageLengthExceeded"));
    }

    #[tokio::test]
    async fn cdata_is_refused_rather_than_passed_over() {
        let body = b"<Delete><Object><Key>a<![CDATA[b]]></Key></Object></Delete>".to_vec();
        assert_eq!(code_of(body).await.as_deref(), Some("MalformedXML"));
    }

    async fn code_of(body: Vec<u8>) -> Option<String> {
        let (mut parts, ()) = Request::builder().body(()).unwrap().into_parts();
        let memory = DocumentMemory::default();
        let read = read(Body::from(body), &mut parts, Document::CreateBucket, &memory).await;
        read.err().map(|refused| refused.code().as_str().to_owned())
    }

    #[tokio::test]
    async fn memory_is_shared_out_until_the_request_ends() {
        let memory = DocumentMemory(Arc::new(Semaphore::new(TEXT.len())));
        let (mut first, ()) = Request::builder().body(()).unwrap().into_parts();
        read(Body::from(TEXT.to_owned()), &mut first, Document::CreateBucket, &memory).await.unwrap();
        let (mut second, ()) = Request::builder().body(()).unwrap().into_parts();
        let mut waiting =
            Box::pin(read(Body::from(TEXT.to_owned()), &mut second, Document::CreateBucket, &memory));
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(first);
        assert!(waiting.await.is_ok());
    }
}
