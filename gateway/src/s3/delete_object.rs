//! DeleteObject. A missing object counts as deleted.

use s3s::dto::{DeleteObjectInput, DeleteObjectOutput, Timestamp};
use s3s::{S3Request, S3Response, S3Result};
use time::OffsetDateTime;

use super::{S3Gateway, conditions, names, request};

pub(super) async fn delete_object(
    gateway: &S3Gateway,
    request: S3Request<DeleteObjectInput>,
) -> S3Result<S3Response<DeleteObjectOutput>> {
    let headers = request::headers(&request.extensions);
    let input = request.input;
    names::only_version(input.version_id.as_deref())?;
    let modified_at = input.if_match_last_modified_time.map(unix_seconds);
    let condition = conditions::of_delete(&headers, input.if_match_size, modified_at)?;
    gateway.store.delete_object(&names::bucket(input.bucket)?, &names::key(input.key)?, condition).await?;
    Ok(S3Response::new(DeleteObjectOutput::default()))
}

/// Seconds since 1970; conditions on times have no finer precision.
pub(super) fn unix_seconds(time: Timestamp) -> i64 {
    OffsetDateTime::from(time).unix_timestamp()
}
