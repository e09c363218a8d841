//! ListMultipartUploads.

use haulout_index::{UploadEntry, UploadId, UploadQuery, UploadRecord};
use s3s::dto::{ListMultipartUploadsInput, ListMultipartUploadsOutput, MultipartUpload, StorageClass};
use s3s::{S3Request, S3Response, S3Result};

use super::error::Refusal;
use super::listing::{self, Encoding};
use super::{S3Gateway, checksums, names, owner, view};

pub(super) async fn list_multipart_uploads(
    gateway: &S3Gateway,
    request: S3Request<ListMultipartUploadsInput>,
) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
    let input = request.input;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let (size, told_size) = listing::page_size("max-uploads", input.max_uploads)?;
    let delimiter = listing::delimiter(input.delimiter);
    let prefix = input.prefix.unwrap_or_default();
    let key_marker = input.key_marker.filter(|marker| !marker.is_empty());
    let upload_id_marker = upload_id_marker(key_marker.as_deref(), input.upload_id_marker.as_deref())?;
    let query = UploadQuery {
        prefix: prefix.clone(),
        delimiter: delimiter.clone(),
        key_marker: key_marker.clone(),
        upload_id_marker,
        max: size,
    };
    let page = gateway.store.list_uploads(&names::bucket(input.bucket.clone())?, query).await?;
    let (mut uploads, mut common_prefixes) = (Vec::new(), Vec::new());
    for entry in &page.entries {
        match entry {
            UploadEntry::Upload(record) => uploads.push(upload(record, encoding)),
            UploadEntry::CommonPrefix(prefix) => common_prefixes.push(encoding.common_prefix(prefix)),
        }
    }
    let is_truncated = page.next.is_some();
    let (next_key, next_id) = page.next.unzip();
    Ok(S3Response::new(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: Some(encoding.text(&prefix)),
        delimiter: encoding.optional(delimiter.as_deref()),
        encoding_type: encoding.dto(),
        key_marker: Some(encoding.text(key_marker.as_deref().unwrap_or_default())),
        upload_id_marker: Some(upload_id_marker.map(|id| id.to_string()).unwrap_or_default()),
        next_key_marker: encoding.optional(next_key.as_deref()),
        next_upload_id_marker: next_id.flatten().map(|id| id.to_string()),
        max_uploads: Some(told_size),
        is_truncated: Some(is_truncated),
        uploads: Some(uploads),
        common_prefixes: Some(common_prefixes),
        request_charged: None,
    }))
}

/// Without a key marker S3 ignores it.
fn upload_id_marker(key_marker: Option<&str>, marker: Option<&str>) -> Result<Option<UploadId>, Refusal> {
    let Some(marker) = marker.filter(|marker| key_marker.is_some() && !marker.is_empty()) else {
        return Ok(None);
    };
    let malformed = Refusal::Argument { name: "upload-id-marker", problem: "is not the id of an upload" };
    marker.parse().map(Some).map_err(|_| malformed)
}

fn upload(record: &UploadRecord, encoding: Encoding) -> MultipartUpload {
    MultipartUpload {
        key: Some(encoding.text(record.key.as_str())),
        upload_id: Some(record.id.to_string()),
        initiated: Some(view::timestamp(record.initiated_at_ms)),
        owner: Some(owner::owner()),
        initiator: Some(owner::initiator()),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        checksum_algorithm: record.checksum.map(|(algorithm, _)| checksums::algorithm_dto(algorithm)),
        checksum_type: record.checksum.map(|(_, kind)| checksums::kind_dto(kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_id_marker_needs_a_key_marker() {
        let id = "018bcfe568007000800000000000000a";
        assert_eq!(upload_id_marker(None, Some(id)).unwrap(), None);
        assert_eq!(upload_id_marker(Some("k"), Some(id)).unwrap().unwrap().to_string(), id);
        assert_eq!(upload_id_marker(Some("k"), Some("")).unwrap(), None);
        assert!(upload_id_marker(Some("k"), Some("x")).is_err());
    }
}
