//! ListParts.

use haulout_index::PartRecord;
use s3s::dto::{ListPartsInput, ListPartsOutput, Part, StorageClass};
use s3s::{S3Request, S3Response, S3Result};

use super::checksums::{self, set_checksum};
use super::error::Refusal;
use super::{S3Gateway, listing, names, owner, view};

pub(super) async fn list_parts(
    gateway: &S3Gateway,
    request: S3Request<ListPartsInput>,
) -> S3Result<S3Response<ListPartsOutput>> {
    let input = request.input;
    let (size, told_size) = listing::page_size("max-parts", input.max_parts)?;
    let after = marker(input.part_number_marker)?;
    let id = names::upload_id(&input.upload_id)?;
    let (bucket, key) = (names::bucket(input.bucket.clone())?, names::key(input.key.clone())?);
    let (upload, page) = gateway.store.list_parts(&bucket, &key, id, after, size).await?;
    let last = page.parts.last().map_or(after, |part| part.number);
    Ok(S3Response::new(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        owner: Some(owner::owner()),
        initiator: Some(owner::initiator()),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        checksum_algorithm: upload.checksum.map(|(algorithm, _)| checksums::algorithm_dto(algorithm)),
        checksum_type: upload.checksum.map(|(_, kind)| checksums::kind_dto(kind)),
        part_number_marker: Some(i32::from(after)),
        next_part_number_marker: Some(i32::from(last)),
        max_parts: Some(told_size),
        is_truncated: Some(page.next.is_some()),
        parts: Some(page.parts.iter().map(part).collect()),
        ..ListPartsOutput::default()
    }))
}

/// Part numbers above it are listed. Beyond all of them it is legal, and lists none.
fn marker(marker: Option<i32>) -> Result<u16, Refusal> {
    let marker = marker.unwrap_or(0).min(i32::from(u16::MAX));
    u16::try_from(marker)
        .map_err(|_| Refusal::Argument { name: "part-number-marker", problem: "must not be negative" })
}

fn part(part: &PartRecord) -> Part {
    let mut answer = Part {
        part_number: Some(i32::from(part.number)),
        size: Some(view::length(part.size)),
        e_tag: Some(view::part_etag(part)),
        last_modified: Some(view::timestamp(part.modified_at_ms)),
        ..Part::default()
    };
    set_checksum!(answer, part.checksum.as_ref());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_not_negative_and_may_be_large() {
        assert_eq!(marker(None).unwrap(), 0);
        assert_eq!(marker(Some(i32::MAX)).unwrap(), u16::MAX);
        assert!(marker(Some(-1)).is_err());
    }
}
