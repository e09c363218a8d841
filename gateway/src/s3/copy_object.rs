//! CopyObject.

use http::HeaderMap;
use s3s::dto::{CopyObjectInput, CopyObjectOutput, CopyObjectResult, Metadata, MetadataDirective};
use s3s::{S3Request, S3Response, S3Result};

use super::checksums::{self, set_checksum};
use super::copy_source::copy_source;
use super::error::Refusal;
use super::{S3Gateway, conditions, metadata, names, request, view};
use crate::objects::{CopyObject, ObjectAttributes};

pub(super) async fn copy_object(
    gateway: &S3Gateway,
    request: S3Request<CopyObjectInput>,
) -> S3Result<S3Response<CopyObjectOutput>> {
    let headers = request::headers(&request.extensions);
    let input = request.input;
    let copy = CopyObject {
        source: copy_source(input.copy_source, &headers)?,
        bucket: names::bucket(input.bucket)?,
        key: names::key(input.key)?,
        attributes: new_attributes(input.metadata_directive.as_ref(), &headers, input.metadata)?,
        checksum_algorithm: checksums::named_algorithm(&headers)?,
        condition: conditions::of_write(&headers)?,
        durability: metadata::durability(&headers)?,
    };
    let record = gateway.store.copy_object(copy).await?.record;
    let mut result = CopyObjectResult {
        e_tag: Some(view::etag(&record)),
        last_modified: Some(view::timestamp(record.modified_at_ms)),
        checksum_type: record.checksum.as_ref().map(|checksum| checksums::kind_dto(checksum.kind)),
        ..CopyObjectResult::default()
    };
    set_checksum!(result, record.checksum.as_ref());
    Ok(S3Response::new(CopyObjectOutput {
        copy_object_result: Some(result),
        server_side_encryption: view::encryption(record.wrapped_key.as_ref()),
        ..CopyObjectOutput::default()
    }))
}

/// The attributes that replace the source's; `None` keeps those, whatever other headers say.
fn new_attributes(
    directive: Option<&MetadataDirective>,
    headers: &HeaderMap,
    user: Option<Metadata>,
) -> Result<Option<ObjectAttributes>, Refusal> {
    match directive.map(MetadataDirective::as_str) {
        None | Some(MetadataDirective::COPY) => Ok(None),
        Some(MetadataDirective::REPLACE) => metadata::attributes(headers, user).map(Some),
        Some(_) => {
            Err(Refusal::Argument { name: "x-amz-metadata-directive", problem: "must be COPY or REPLACE" })
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};

    use super::*;

    #[test]
    fn only_replace_reads_the_headers() {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))]);
        let of = |directive| new_attributes(Some(&MetadataDirective::from_static(directive)), &headers, None);
        assert!(new_attributes(None, &headers, None).unwrap().is_none());
        assert!(of("COPY").unwrap().is_none());
        let replaced = of("REPLACE").unwrap().unwrap();
        assert_eq!(replaced.system.content_type.as_deref(), Some("text/plain"));
        assert!(of("replace").is_err());
    }
}
