//! The body of an upload, and what it must turn out to be.

use haulout_index::ChecksumAlgorithm;
use http::{Extensions, HeaderMap, HeaderValue, header};
use s3s::dto::StreamingBlob;

use super::checksums;
use super::error::Refusal;
use crate::auth::PayloadInfo;
use crate::objects::{UPLOAD_BYTES_MAX, Upload};

/// Takes the body of a request, unread: a client that waits for `100 Continue` sends it once it is polled.
///
/// `default` is the checksum to compute if the client names none.
pub(super) fn upload(
    body: Option<StreamingBlob>,
    headers: &HeaderMap,
    extensions: &Extensions,
    default: ChecksumAlgorithm,
) -> Result<Upload, Refusal> {
    let length = announced_length(headers, extensions).ok_or(Refusal::MissingContentLength)?;
    if length > UPLOAD_BYTES_MAX {
        return Err(Refusal::EntityTooLarge { size: length, max: UPLOAD_BYTES_MAX });
    }
    let content_md5 = checksums::content_md5(headers)?;
    let checksum = checksums::expectation(headers, extensions, default)?;
    let stream: crate::objects::ByteStream = match body {
        Some(body) => Box::pin(body),
        None => Box::pin(futures::stream::empty()),
    };
    Ok(Upload { stream, length: Some(length), content_md5, checksum })
}

/// The length of the decoded body in bytes: what the outer layer found out, or else `Content-Length`.
pub(super) fn announced_length(headers: &HeaderMap, extensions: &Extensions) -> Option<u64> {
    let decoded = extensions.get::<PayloadInfo>().and_then(|payload| payload.decoded_length);
    decoded.or_else(|| headers.get(header::CONTENT_LENGTH).and_then(number))
}

fn number(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_length(length: &str) -> Result<Upload, Refusal> {
        let headers =
            HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from_str(length).unwrap())]);
        upload(None, &headers, &Extensions::new(), checksums::DEFAULT)
    }

    #[test]
    fn five_gibibytes_are_the_limit_and_known_before_reading() {
        assert_eq!(of_length("5368709120").unwrap().length, Some(5 << 30));
        assert!(matches!(of_length("5368709121"), Err(Refusal::EntityTooLarge { .. })));
    }

    #[test]
    fn a_body_without_a_length_is_refused() {
        assert!(matches!(of_length("many"), Err(Refusal::MissingContentLength)));
    }
}
