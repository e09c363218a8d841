//! UploadPart.

use s3s::dto::{UploadPartInput, UploadPartOutput};
use s3s::{S3Request, S3Response, S3Result};

use super::checksums::{self, set_checksum};
use super::error::Refusal;
use super::upload::upload;
use super::{S3Gateway, names, request, view};
use crate::objects::PartNumber;

pub(super) async fn upload_part(
    gateway: &S3Gateway,
    request: S3Request<UploadPartInput>,
) -> S3Result<S3Response<UploadPartOutput>> {
    let headers = request::headers(&request.extensions);
    let input = request.input;
    let number = PartNumber::parse(input.part_number).map_err(Refusal::from)?;
    let id = names::upload_id(&input.upload_id)?;
    let (bucket, key) = (names::bucket(input.bucket)?, names::key(input.key)?);
    // Before the body is asked for: a part of no upload, which may be large, is better never sent.
    let started = gateway.store.upload(&bucket, &key, id).await?;
    let default = started.checksum.map_or(checksums::DEFAULT, |(algorithm, _)| algorithm);
    let body = upload(input.body, &headers, &request.extensions, default)?;
    let part = gateway.store.upload_part(&bucket, &key, id, number, body).await?;
    let mut output = UploadPartOutput {
        e_tag: Some(view::part_etag(&part)),
        server_side_encryption: view::encryption(started.wrapped_key.as_ref()),
        ..UploadPartOutput::default()
    };
    set_checksum!(output, part.checksum.as_ref());
    Ok(S3Response::new(output))
}
