//! UploadPartCopy.

use s3s::dto::{CopyPartResult, UploadPartCopyInput, UploadPartCopyOutput};
use s3s::{S3Request, S3Response, S3Result};

use super::checksums::set_checksum;
use super::copy_source::copy_source;
use super::error::Refusal;
use super::{S3Gateway, names, range, request, view};
use crate::objects::PartNumber;

pub(super) async fn upload_part_copy(
    gateway: &S3Gateway,
    request: S3Request<UploadPartCopyInput>,
) -> S3Result<S3Response<UploadPartCopyOutput>> {
    let headers = request::headers(&request.extensions);
    let input = request.input;
    let number = PartNumber::parse(input.part_number).map_err(Refusal::from)?;
    let id = names::upload_id(&input.upload_id)?;
    let (bucket, key) = (names::bucket(input.bucket)?, names::key(input.key)?);
    let source = copy_source(input.copy_source, &headers)?;
    let range = input.copy_source_range.as_deref().map(range::of_part_copy).transpose()?;
    let started = gateway.store.upload(&bucket, &key, id).await?;
    let part = gateway.store.upload_part_copy(&bucket, &key, id, number, source, range).await?;
    let mut result = CopyPartResult {
        e_tag: Some(view::part_etag(&part)),
        last_modified: Some(view::timestamp(part.modified_at_ms)),
        ..CopyPartResult::default()
    };
    set_checksum!(result, part.checksum.as_ref());
    Ok(S3Response::new(UploadPartCopyOutput {
        copy_part_result: Some(result),
        server_side_encryption: view::encryption(started.wrapped_key.as_ref()),
        ..UploadPartCopyOutput::default()
    }))
}
