//! AbortMultipartUpload.

use s3s::dto::{AbortMultipartUploadInput, AbortMultipartUploadOutput};
use s3s::{S3Request, S3Response, S3Result};

use super::error::Refusal;
use super::{S3Gateway, names};

pub(super) async fn abort_multipart_upload(
    gateway: &S3Gateway,
    request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    let input = request.input;
    if input.if_match_initiated_time.is_some() {
        return Err(Refusal::Header { header: "x-amz-if-match-initiated-time" }.into());
    }
    let id = names::upload_id(&input.upload_id)?;
    gateway.store.abort_upload(&names::bucket(input.bucket)?, &names::key(input.key)?, id).await?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}
