//! GetObjectAttributes.

use haulout_index::PartSummary;
use http::HeaderMap;
use s3s::dto::{
    Checksum, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts,
    ObjectAttributes, ObjectPart, StorageClass,
};
use s3s::{S3Request, S3Response, S3Result};

use super::checksums::{self, set_checksum};
use super::error::Refusal;
use super::{S3Gateway, listing, names, request, view};

pub(super) async fn get_object_attributes(
    gateway: &S3Gateway,
    request: S3Request<GetObjectAttributesInput>,
) -> S3Result<S3Response<GetObjectAttributesOutput>> {
    let wanted = Wanted::of(&request::headers(&request.extensions))?;
    let input = request.input;
    names::only_version(input.version_id.as_deref())?;
    let page = PageOfParts::of(input.max_parts, input.part_number_marker)?;
    let (bucket, key) = (names::bucket(input.bucket)?, names::key(input.key)?);
    let (object, parts) = gateway.store.object_parts(&bucket, &key).await?;
    let record = &object.record;
    let mut checksum = Checksum {
        checksum_type: record.checksum.as_ref().map(|checksum| checksums::kind_dto(checksum.kind)),
        ..Checksum::default()
    };
    set_checksum!(checksum, record.checksum.as_ref());
    Ok(S3Response::new(GetObjectAttributesOutput {
        last_modified: Some(view::timestamp(record.modified_at_ms)),
        e_tag: wanted.etag.then(|| view::etag(record)),
        checksum: (wanted.checksum && record.checksum.is_some()).then_some(checksum),
        object_parts: (wanted.parts && !parts.is_empty()).then(|| page.take(&parts)),
        storage_class: wanted.storage_class.then(|| StorageClass::from_static(StorageClass::STANDARD)),
        object_size: wanted.size.then(|| view::length(record.size)),
        ..GetObjectAttributesOutput::default()
    }))
}

/// What the client asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    etag: bool,
    checksum: bool,
    parts: bool,
    storage_class: bool,
    size: bool,
}

impl Wanted {
    /// Reads `x-amz-object-attributes`: lists with commas, in one header or several.
    fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut wanted = Self::default();
        for list in headers.get_all("x-amz-object-attributes") {
            for name in list.to_str().unwrap_or_default().split(',').map(str::trim) {
                match name {
                    ObjectAttributes::ETAG => wanted.etag = true,
                    ObjectAttributes::CHECKSUM => wanted.checksum = true,
                    ObjectAttributes::OBJECT_PARTS => wanted.parts = true,
                    ObjectAttributes::STORAGE_CLASS => wanted.storage_class = true,
                    ObjectAttributes::OBJECT_SIZE => wanted.size = true,
                    _ => {
                        return Err(Refusal::Argument {
                            name: "x-amz-object-attributes",
                            problem: "lists ETag, Checksum, ObjectParts, StorageClass and ObjectSize only",
                        });
                    }
                }
            }
        }
        Ok(wanted)
    }
}

/// Which parts to tell of.
struct PageOfParts {
    size: usize,
    told_size: i32,
    /// Part numbers above it.
    after: i32,
}

impl PageOfParts {
    fn of(max_parts: Option<i32>, marker: Option<i32>) -> Result<Self, Refusal> {
        let (size, told_size) = listing::page_size("x-amz-max-parts", max_parts)?;
        let after = marker.unwrap_or(0);
        if after < 0 {
            return Err(Refusal::Argument {
                name: "x-amz-part-number-marker",
                problem: "must not be negative",
            });
        }
        Ok(Self { size, told_size, after })
    }

    fn take(&self, parts: &[PartSummary]) -> GetObjectAttributesParts {
        let total = i32::try_from(parts.len()).expect("an object has at most 10,000 parts");
        let mut rest = parts.iter().filter(|part| i32::from(part.number) > self.after);
        let page: Vec<&PartSummary> = rest.by_ref().take(self.size).collect();
        let last = page.last().map_or(self.after, |part| i32::from(part.number));
        GetObjectAttributesParts {
            total_parts_count: Some(total),
            part_number_marker: Some(self.after),
            next_part_number_marker: Some(last),
            max_parts: Some(self.told_size),
            is_truncated: Some(rest.next().is_some()),
            parts: Some(page.into_iter().map(object_part).collect()),
        }
    }
}

fn object_part(part: &PartSummary) -> ObjectPart {
    let mut answer = ObjectPart {
        part_number: Some(i32::from(part.number)),
        size: Some(view::length(part.size)),
        ..ObjectPart::default()
    };
    set_checksum!(answer, part.checksum.as_ref());
    answer
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parts(numbers: &[u16]) -> Vec<PartSummary> {
        numbers.iter().map(|&number| PartSummary { number, size: 5, checksum: None }).collect()
    }

    #[test]
    fn attributes_come_in_lists_and_headers() {
        let mut headers = HeaderMap::new();
        headers.append("x-amz-object-attributes", HeaderValue::from_static("ETag, ObjectSize"));
        headers.append("x-amz-object-attributes", HeaderValue::from_static("Checksum"));
        let wanted = Wanted { etag: true, size: true, checksum: true, ..Wanted::default() };
        assert_eq!(Wanted::of(&headers).unwrap(), wanted);
        headers.append("x-amz-object-attributes", HeaderValue::from_static("Color"));
        assert!(Wanted::of(&headers).is_err());
    }

    #[test]
    fn parts_come_in_pages() {
        let parts = parts(&[1, 2, 5]);
        let first = PageOfParts::of(Some(2), None).unwrap().take(&parts);
        assert_eq!((first.is_truncated, first.next_part_number_marker), (Some(true), Some(2)));
        let second = PageOfParts::of(Some(2), Some(2)).unwrap().take(&parts);
        assert_eq!((second.is_truncated, second.parts.unwrap().len()), (Some(false), 1));
        assert_eq!(second.total_parts_count, Some(3));
    }
}
