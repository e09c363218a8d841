//! ListBuckets.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use haulout_index::{BucketName, BucketQuery};
use s3s::dto::{Bucket, ListBucketsInput, ListBucketsOutput};
use s3s::{S3Request, S3Response, S3Result};

use super::error::Refusal;
use super::{S3Gateway, owner, view};

/// S3's limit on `max-buckets`, which also is the page of a client that asks for none.
const PAGE_MAX: i32 = 10_000;

pub(super) async fn list_buckets(
    gateway: &S3Gateway,
    request: S3Request<ListBucketsInput>,
) -> S3Result<S3Response<ListBucketsOutput>> {
    let input = request.input;
    let max = page_size(input.max_buckets)?;
    let after = input.continuation_token.filter(|token| !token.is_empty());
    let after = after.as_deref().map(name_of_token).transpose()?;
    let prefix = input.prefix.filter(|prefix| !prefix.is_empty());
    let mut output =
        ListBucketsOutput { owner: Some(owner::owner()), prefix: prefix.clone(), ..Default::default() };
    if input.bucket_region.is_some_and(|region| region != gateway.region) {
        output.buckets = Some(Vec::new()); // Every bucket is in our region.
        return Ok(S3Response::new(output));
    }
    let page = gateway.store.list_buckets(BucketQuery { prefix, after, max }).await?;
    let bucket = |(name, record): &(BucketName, haulout_index::BucketRecord)| Bucket {
        name: Some(name.to_string()),
        creation_date: Some(view::timestamp(record.created_at_ms)),
        bucket_region: Some(gateway.region.clone()),
    };
    output.buckets = Some(page.buckets.iter().map(bucket).collect());
    output.continuation_token = page.next.map(|last| BASE64URL.encode(last.as_str()));
    Ok(S3Response::new(output))
}

fn page_size(asked: Option<i32>) -> Result<usize, Refusal> {
    let asked = asked.unwrap_or(PAGE_MAX);
    let out_of_range = Refusal::Argument { name: "max-buckets", problem: "must be between 1 and 10000" };
    usize::try_from(asked).ok().filter(|_| (1..=PAGE_MAX).contains(&asked)).ok_or(out_of_range)
}

fn name_of_token(token: &str) -> Result<BucketName, Refusal> {
    let malformed =
        || Refusal::Argument { name: "continuation-token", problem: "is not one that was given out" };
    let name =
        BASE64URL.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(malformed)?;
    BucketName::parse(name).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_one_to_ten_thousand_buckets() {
        assert_eq!(page_size(None).unwrap(), 10_000);
        assert_eq!(page_size(Some(1)).unwrap(), 1);
        for refused in [0, -1, 10_001] {
            assert!(page_size(Some(refused)).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_token_is_a_name_in_disguise() {
        assert_eq!(name_of_token(&BASE64URL.encode("photos")).unwrap().as_str(), "photos");
        for malformed in ["photos!", &BASE64URL.encode("No")] {
            assert!(name_of_token(malformed).is_err(), "{malformed}");
        }
    }
}
