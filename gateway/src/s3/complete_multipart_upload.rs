//! CompleteMultipartUpload. A completion that is repeated because its answer was lost succeeds again.

use haulout_index::{BucketName, ChecksumAlgorithm, ObjectKey, UploadId};
use http::{HeaderMap, Uri, header};
use s3s::dto::{
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedMultipartUpload, CompletedPart,
};
use s3s::{S3Request, S3Response, S3Result};

use super::checksums::{self, set_checksum};
use super::error::Refusal;
use super::listing::Encoding;
use super::{S3Gateway, conditions, names, request, view};
use crate::objects::{CompletePart, CompleteUpload, ObjectError, PartNumber};

/// S3's limit on the parts of an object.
const PARTS_MAX: usize = 10_000;

pub(super) async fn complete_multipart_upload(
    gateway: &S3Gateway,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let headers = request::headers(&request.extensions);
    let input = request.input;
    let complete = CompleteUpload {
        bucket: names::bucket(input.bucket.clone())?,
        key: names::key(input.key.clone())?,
        upload: names::upload_id(&input.upload_id)?,
        parts: parts(input.multipart_upload.unwrap_or_default())?,
        condition: conditions::of_write(&headers)?,
        checksum: checksums::in_completion(&headers)?,
        size: size(input.mpu_object_size)?,
    };
    check_kind(gateway, &headers, &complete.bucket, &complete.key, complete.upload).await?;
    let record = gateway.store.complete_upload(complete).await?.record;
    let mut output = CompleteMultipartUploadOutput {
        location: Some(location(&headers, &request.uri, &input.bucket, &input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(view::etag(&record)),
        server_side_encryption: view::encryption(record.wrapped_key.as_ref()),
        checksum_type: record.checksum.as_ref().map(|checksum| checksums::kind_dto(checksum.kind)),
        ..CompleteMultipartUploadOutput::default()
    };
    set_checksum!(output, record.checksum.as_ref());
    Ok(S3Response::new(output))
}

fn parts(document: CompletedMultipartUpload) -> Result<Vec<CompletePart>, Refusal> {
    let parts = document.parts.unwrap_or_default();
    if !(1..=PARTS_MAX).contains(&parts.len()) {
        return Err(Refusal::MalformedXml);
    }
    parts.into_iter().map(part).collect()
}

fn part(part: CompletedPart) -> Result<CompletePart, Refusal> {
    let (Some(number), Some(etag)) = (part.part_number, part.e_tag) else {
        return Err(Refusal::MalformedXml);
    };
    let mut sent = [
        (ChecksumAlgorithm::Crc32, part.checksum_crc32),
        (ChecksumAlgorithm::Crc32c, part.checksum_crc32c),
        (ChecksumAlgorithm::Crc64Nvme, part.checksum_crc64nvme),
        (ChecksumAlgorithm::Sha1, part.checksum_sha1),
        (ChecksumAlgorithm::Sha256, part.checksum_sha256),
    ]
    .into_iter()
    .filter_map(|(algorithm, value)| Some((algorithm, value?)));
    let checksum = match (sent.next(), sent.next()) {
        (None, _) => None,
        (Some((algorithm, value)), None) => Some((algorithm, checksums::value(algorithm, &value)?)),
        (Some(_), Some(_)) => return Err(Refusal::Request("a part has at most one checksum")),
    };
    Ok(CompletePart { number: PartNumber::parse(number)?, etag: etag.into_value(), checksum })
}

fn size(announced: Option<i64>) -> Result<Option<u64>, Refusal> {
    let negative = Refusal::Argument { name: "x-amz-mp-object-size", problem: "must not be negative" };
    announced.map(u64::try_from).transpose().map_err(|_| negative)
}

/// A client that names the checksum's type is told if the upload was begun with another.
async fn check_kind(
    gateway: &S3Gateway,
    headers: &HeaderMap,
    bucket: &BucketName,
    key: &ObjectKey,
    upload: UploadId,
) -> S3Result<()> {
    let Some(asked) = headers.get("x-amz-checksum-type") else { return Ok(()) };
    let asked = checksums::kind(asked.to_str().unwrap_or_default())?;
    match gateway.store.upload(bucket, key, upload).await {
        Ok(started) if started.checksum.is_some_and(|(_, kind)| kind != asked) => {
            Err(Refusal::Request("the upload was begun with another checksum type").into())
        }
        // No longer there if this is a repetition, which the completion itself finds out.
        Ok(_) | Err(ObjectError::NoSuchUpload) => Ok(()),
        Err(failed) => Err(failed.into()),
    }
}

/// Where the object is, by path whatever way the client addresses.
fn location(headers: &HeaderMap, uri: &Uri, bucket: &str, key: &str) -> String {
    let scheme = uri.scheme_str().unwrap_or("http");
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(|authority| authority.as_str())).unwrap_or_default();
    format!("{scheme}://{host}/{bucket}/{}", Encoding::Url.text(key))
}

#[cfg(test)]
mod tests {
    use s3s::dto::ETag;

    use super::*;

    fn sent(number: Option<i32>, etag: Option<&str>) -> CompletedPart {
        CompletedPart {
            part_number: number,
            e_tag: etag.map(|etag| ETag::Strong(etag.into())),
            ..CompletedPart::default()
        }
    }

    fn document(parts: Vec<CompletedPart>) -> CompletedMultipartUpload {
        CompletedMultipartUpload { parts: Some(parts) }
    }

    #[test]
    fn a_part_has_number_and_tag() {
        let read = parts(document(vec![sent(Some(2), Some("a"))])).unwrap();
        assert_eq!((read[0].number, read[0].etag.as_str()), (PartNumber::parse(2).unwrap(), "a"));
        for incomplete in [sent(None, Some("a")), sent(Some(1), None)] {
            assert!(matches!(parts(document(vec![incomplete])), Err(Refusal::MalformedXml)));
        }
        assert!(matches!(parts(document(vec![sent(Some(10_001), Some("a"))])), Err(Refusal::PartNumber(_))));
    }

    #[test]
    fn there_are_one_to_ten_thousand_parts() {
        assert!(matches!(parts(document(vec![])), Err(Refusal::MalformedXml)));
        let many = (0..10_001).map(|_| sent(Some(1), Some("a"))).collect();
        assert!(matches!(parts(document(many)), Err(Refusal::MalformedXml)));
    }

    #[test]
    fn a_part_has_one_checksum_of_the_right_form() {
        let with = |crc32: Option<&str>, sha1: Option<&str>| {
            part(CompletedPart {
                checksum_crc32: crc32.map(str::to_owned),
                checksum_sha1: sha1.map(str::to_owned),
                ..sent(Some(1), Some("a"))
            })
        };
        let read = with(Some("NhCmhg=="), None).unwrap();
        assert_eq!(read.checksum, Some((ChecksumAlgorithm::Crc32, vec![0x36, 0x10, 0xa6, 0x86])));
        assert!(with(Some("NhCmhg"), None).is_err());
        assert!(with(Some("NhCmhg=="), Some("qvTGHdzF6KLavt4PO0gs2a6pQ00=")).is_err());
    }

    #[test]
    fn the_location_is_a_url_of_the_object() {
        let headers =
            HeaderMap::from_iter([(header::HOST, http::HeaderValue::from_static("localhost:9000"))]);
        let location = location(&headers, &Uri::from_static("/b/a%20b"), "b", "a b");
        assert_eq!(location, "http://localhost:9000/b/a%20b");
    }
}
