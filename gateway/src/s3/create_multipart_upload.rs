//! CreateMultipartUpload.

use haulout_index::{ChecksumAlgorithm, ChecksumKind, Protection};
use http::HeaderMap;
use s3s::dto::{CreateMultipartUploadInput, CreateMultipartUploadOutput, ServerSideEncryption};
use s3s::{S3Request, S3Response, S3Result};

use super::error::Refusal;
use super::{S3Gateway, checksums, metadata, names, request};
use crate::objects::{CreateUpload, default_kind, kind_exists};

pub(super) async fn create_multipart_upload(
    gateway: &S3Gateway,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let headers = request::headers(&request.extensions);
    let input = request.input;
    let checksum = checksum(&headers)?;
    let create = CreateUpload {
        bucket: names::bucket(input.bucket.clone())?,
        key: names::key(input.key.clone())?,
        attributes: metadata::attributes(&headers, input.metadata)?,
        checksum,
        durability: metadata::durability(&headers)?,
    };
    let protection = gateway.store.bucket(&create.bucket).await?.protection;
    let id = gateway.store.create_upload(create).await?;
    Ok(S3Response::new(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id.to_string()),
        checksum_algorithm: checksum.map(|(algorithm, _)| checksums::algorithm_dto(algorithm)),
        checksum_type: checksum.map(|(_, kind)| checksums::kind_dto(kind)),
        server_side_encryption: match protection {
            Protection::Sealed => Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
            Protection::Public => None,
        },
        ..CreateMultipartUploadOutput::default()
    }))
}

/// `x-amz-checksum-algorithm` and `x-amz-checksum-type`, if they name a pair that S3 has.
fn checksum(headers: &HeaderMap) -> Result<Option<(ChecksumAlgorithm, ChecksumKind)>, Refusal> {
    let kind =
        headers.get("x-amz-checksum-type").map(|kind| checksums::kind(kind.to_str().unwrap_or_default()));
    match (checksums::named_algorithm(headers)?, kind.transpose()?) {
        (None, None) => Ok(None),
        (None, Some(_)) => {
            Err(Refusal::Request("x-amz-checksum-type comes with x-amz-checksum-algorithm only"))
        }
        (Some(algorithm), None) => Ok(Some((algorithm, default_kind(algorithm)))),
        (Some(algorithm), Some(kind)) if kind_exists(algorithm, kind) => Ok(Some((algorithm, kind))),
        (Some(_), Some(_)) => {
            Err(Refusal::Request("the checksum algorithm does not go with this checksum type"))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn of(
        algorithm: &'static str,
        kind: &'static str,
    ) -> Result<Option<(ChecksumAlgorithm, ChecksumKind)>, Refusal> {
        let pairs = [("x-amz-checksum-algorithm", algorithm), ("x-amz-checksum-type", kind)];
        let sent = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        checksum(
            &sent
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect(),
        )
    }

    #[test]
    fn the_kind_follows_from_the_algorithm_unless_given() {
        assert_eq!(of("", "").unwrap(), None);
        assert_eq!(of("CRC32", "").unwrap(), Some((ChecksumAlgorithm::Crc32, ChecksumKind::Composite)));
        assert_eq!(
            of("CRC64NVME", "").unwrap(),
            Some((ChecksumAlgorithm::Crc64Nvme, ChecksumKind::FullObject))
        );
        assert_eq!(
            of("CRC32C", "FULL_OBJECT").unwrap(),
            Some((ChecksumAlgorithm::Crc32c, ChecksumKind::FullObject))
        );
    }

    #[test]
    fn pairs_that_s3_lacks_are_refused() {
        for (algorithm, kind) in
            [("CRC64NVME", "COMPOSITE"), ("SHA256", "FULL_OBJECT"), ("", "COMPOSITE"), ("MD4", "")]
        {
            assert!(of(algorithm, kind).is_err(), "{algorithm} {kind}");
        }
    }
}
