//! GetObject.

use s3s::dto::{GetObjectInput, GetObjectOutput};
use s3s::{S3Request, S3Response, S3Result};

use super::view::{self, Overrides, Read};
use super::{S3Gateway, names, request};

pub(super) async fn get_object(
    gateway: &S3Gateway,
    request: S3Request<GetObjectInput>,
) -> S3Result<S3Response<GetObjectOutput>> {
    let headers = request::headers(&request.extensions);
    let input = request.input;
    names::only_version(input.version_id.as_deref())?;
    let overrides = Overrides {
        content_type: input.response_content_type,
        content_language: input.response_content_language,
        content_encoding: input.response_content_encoding,
        content_disposition: input.response_content_disposition,
        cache_control: input.response_cache_control,
        expires: input.response_expires,
    };
    let read = Read::parse(&headers, input.part_number, overrides)?;
    let (bucket, key) = (names::bucket(input.bucket)?, names::key(input.key)?);
    let object = gateway.store.get_object(&bucket, &key, read.request.clone()).await?;
    let metadata = view::user_metadata(&object.view.record);
    let headers = read.headers(&object.view);
    let output = GetObjectOutput { body: Some(view::body(object)), metadata, ..GetObjectOutput::default() };
    Ok(S3Response::with_headers(output, headers))
}
