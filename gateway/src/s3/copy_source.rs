//! `x-amz-copy-source` and the conditions that come with it.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use s3s::dto;

use super::error::Refusal;
use super::{conditions, names};
use crate::objects::CopySource;

const COPY_SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");

/// The object to copy from.
pub(super) fn copy_source(source: dto::CopySource, headers: &HeaderMap) -> Result<CopySource, Refusal> {
    let dto::CopySource::Bucket { bucket, key, version_id } = source else {
        return Err(Refusal::Operation("copying from an access point"));
    };
    names::only_version(version_id.as_deref())?;
    Ok(CopySource {
        bucket: names::bucket(bucket.into())?,
        key: names::key(key.into())?,
        conditions: conditions::of_copy_source(headers),
    })
}

/// Percent-encodes the bytes of a copy source that should have been: some clients send the key as it is, and
/// s3s reads ASCII only.
pub(super) fn encode_raw_bytes(headers: &mut HeaderMap) {
    let Some(value) = headers.get(COPY_SOURCE).filter(|value| !value.as_bytes().is_ascii()) else { return };
    let encoded: String = value
        .as_bytes()
        .iter()
        .map(|byte| match byte.is_ascii() {
            true => char::from(*byte).to_string(),
            false => percent_encode(&[*byte], NON_ALPHANUMERIC).to_string(),
        })
        .collect();
    if let Ok(encoded) = HeaderValue::from_str(&encoded) {
        headers.insert(COPY_SOURCE, encoded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Result<(String, String), Refusal> {
        let mut headers =
            HeaderMap::from_iter([(COPY_SOURCE, HeaderValue::from_bytes(raw.as_bytes()).unwrap())]);
        encode_raw_bytes(&mut headers);
        let source = dto::CopySource::parse(headers[COPY_SOURCE].to_str().unwrap()).unwrap();
        let source = copy_source(source, &headers)?;
        Ok((source.bucket.to_string(), source.key.to_string()))
    }

    #[test]
    fn the_slash_in_front_is_optional_and_the_key_is_decoded_once() {
        for raw in ["bucket/a%20b%2Bc%252F", "/bucket/a%20b%2Bc%252F", "bucket%2Fa%20b+c%252F"] {
            assert_eq!(parse(raw).unwrap(), ("bucket".into(), "a b+c%2F".into()), "{raw}");
        }
    }

    #[test]
    fn a_key_that_was_not_encoded_is_read_as_it_is() {
        assert_eq!(parse("bucket/é 日").unwrap().1, "é 日");
    }

    #[test]
    fn the_null_version_is_the_only_one() {
        assert_eq!(parse("bucket/key?versionId=null").unwrap().1, "key");
        assert!(matches!(parse("bucket/key?versionId=3HL4"), Err(Refusal::Version)));
    }

    #[test]
    fn access_points_are_not_implemented() {
        let arn = "arn:aws:s3:eu-west-1:123456789012:accesspoint/name/object/key";
        assert!(matches!(parse(arn), Err(Refusal::Operation(_))));
    }
}
