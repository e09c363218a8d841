//! PutObject.

use http::Uri;
use s3s::dto::{PutObjectInput, PutObjectOutput};
use s3s::{S3Request, S3Response, S3Result};

use super::checksums::{self, set_checksum};
use super::error::Refusal;
use super::upload::upload;
use super::{S3Gateway, conditions, metadata, names, request, view};
use crate::objects::PutObject;

pub(super) async fn put_object(
    gateway: &S3Gateway,
    request: S3Request<PutObjectInput>,
) -> S3Result<S3Response<PutObjectOutput>> {
    let headers = request::headers(&request.extensions);
    refuse_half_a_part(&request.uri)?;
    let input = request.input;
    let put = PutObject {
        bucket: names::bucket(input.bucket)?,
        key: names::key(input.key)?,
        attributes: metadata::attributes(&headers, input.metadata)?,
        condition: conditions::of_write(&headers)?,
        durability: metadata::durability(&headers)?,
        body: upload(input.body, &headers, &request.extensions, checksums::DEFAULT)?,
    };
    let record = gateway.store.put_object(put).await?.record;
    let mut output = PutObjectOutput {
        e_tag: Some(view::etag(&record)),
        server_side_encryption: view::encryption(record.wrapped_key.as_ref()),
        checksum_type: record.checksum.as_ref().map(|checksum| checksums::kind_dto(checksum.kind)),
        ..PutObjectOutput::default()
    };
    set_checksum!(output, record.checksum.as_ref());
    Ok(S3Response::new(output))
}

/// An UploadPart without its number, or without its upload, must not overwrite the object.
fn refuse_half_a_part(uri: &Uri) -> Result<(), Refusal> {
    let mut items =
        uri.query().unwrap_or_default().split('&').map(|item| item.split('=').next().unwrap_or(item));
    match items.find(|item| matches!(*item, "uploadId" | "partNumber")) {
        None => Ok(()),
        Some(_) => Err(Refusal::Request("UploadPart needs both uploadId and partNumber")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_upload_part_is_no_put_object() {
        for uri in ["/b/k?uploadId=1", "/b/k?x-id=PutObject&partNumber=2", "/b/k?uploadId"] {
            assert!(refuse_half_a_part(&Uri::from_static(uri)).is_err(), "{uri}");
        }
        assert!(refuse_half_a_part(&Uri::from_static("/b/uploadId=1?x-id=PutObject")).is_ok());
    }
}
