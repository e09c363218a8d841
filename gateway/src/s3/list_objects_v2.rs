//! ListObjects, version 2.

use haulout_index::{ListQuery, ListStart};
use s3s::dto::{ListObjectsV2Input, ListObjectsV2Output};
use s3s::{S3Request, S3Response, S3Result};

use super::error::Refusal;
use super::listing::{self, Encoding};
use super::{S3Gateway, names};

pub(super) async fn list_objects_v2(
    gateway: &S3Gateway,
    request: S3Request<ListObjectsV2Input>,
) -> S3Result<S3Response<ListObjectsV2Output>> {
    let input = request.input;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let (size, told_size) = listing::page_size("max-keys", input.max_keys)?;
    let delimiter = listing::delimiter(input.delimiter);
    let prefix = input.prefix.unwrap_or_default();
    let query = ListQuery {
        start: start(input.continuation_token.as_deref(), input.start_after.as_deref())?,
        prefix: prefix.clone(),
        delimiter: delimiter.clone(),
        max_keys: size,
    };
    let page = gateway.store.list_objects(&names::bucket(input.bucket.clone())?, query).await?;
    let with_owner = input.fetch_owner.unwrap_or(false);
    let (contents, common_prefixes) = listing::split(&page.entries, encoding, with_owner);
    Ok(S3Response::new(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(encoding.text(&prefix)),
        max_keys: Some(told_size),
        key_count: Some(i32::try_from(page.entries.len()).expect("a page has at most 1000 entries")),
        delimiter: encoding.optional(delimiter.as_deref()),
        encoding_type: encoding.dto(),
        start_after: encoding.optional(input.start_after.as_deref()),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.as_ref().map(listing::token),
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        request_charged: None,
    }))
}

/// A token goes before `start-after`, which clients repeat with every page.
fn start(token: Option<&str>, start_after: Option<&str>) -> Result<ListStart, Refusal> {
    match (token, start_after) {
        (Some(token), _) => listing::start_of_token(token),
        (None, None | Some("")) => Ok(ListStart::Beginning),
        (None, Some(key)) => Ok(ListStart::After(key.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_before_start_after() {
        let after = ListStart::After("m".into());
        assert_eq!(start(Some(&listing::token(&after)), Some("a")).unwrap(), after);
        assert_eq!(start(None, Some("a")).unwrap(), ListStart::After("a".into()));
        assert_eq!(start(None, Some("")).unwrap(), ListStart::Beginning);
        assert!(start(Some(""), None).is_err());
    }
}
