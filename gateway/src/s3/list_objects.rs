//! ListObjects, version 1.

use haulout_index::{ListQuery, ListStart};
use s3s::dto::{ListObjectsInput, ListObjectsOutput};
use s3s::{S3Request, S3Response, S3Result};

use super::listing::{self, Encoding};
use super::{S3Gateway, names};

pub(super) async fn list_objects(
    gateway: &S3Gateway,
    request: S3Request<ListObjectsInput>,
) -> S3Result<S3Response<ListObjectsOutput>> {
    let input = request.input;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let (size, told_size) = listing::page_size("max-keys", input.max_keys)?;
    let delimiter = listing::delimiter(input.delimiter);
    let prefix = input.prefix.unwrap_or_default();
    let marker = input.marker.unwrap_or_default();
    let query = ListQuery {
        start: start(&marker, &prefix, delimiter.as_deref()),
        prefix: prefix.clone(),
        delimiter: delimiter.clone(),
        max_keys: size,
    };
    let page = gateway.store.list_objects(&names::bucket(input.bucket.clone())?, query).await?;
    let (contents, common_prefixes) = listing::split(&page.entries, encoding, true);
    Ok(S3Response::new(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(encoding.text(&prefix)),
        marker: Some(encoding.text(&marker)),
        max_keys: Some(told_size),
        delimiter: encoding.optional(delimiter.as_deref()),
        encoding_type: encoding.dto(),
        is_truncated: Some(page.next.is_some()),
        // S3 tells it of listings with a delimiter only; it is true of all.
        next_marker: page.next.as_ref().map(|next| encoding.text(marker_of(next))),
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        request_charged: None,
    }))
}

/// A marker that is a common prefix of this very listing, which is how the page before it told where it ended,
/// goes on behind all that the prefix stands for.
fn start(marker: &str, prefix: &str, delimiter: Option<&str>) -> ListStart {
    if marker.is_empty() {
        return ListStart::Beginning;
    }
    let rest = marker.strip_prefix(prefix);
    let is_common_prefix = rest.zip(delimiter).is_some_and(|(rest, delimiter)| {
        rest.find(delimiter).is_some_and(|position| position + delimiter.len() == rest.len())
    });
    if is_common_prefix { ListStart::AfterPrefix(marker.into()) } else { ListStart::After(marker.into()) }
}

fn marker_of(next: &ListStart) -> &str {
    match next {
        ListStart::Beginning => "",
        ListStart::After(text) | ListStart::AfterPrefix(text) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_that_is_a_common_prefix_skips_it() {
        let skips = |marker, prefix, delimiter| {
            matches!(start(marker, prefix, Some(delimiter)), ListStart::AfterPrefix(_))
        };
        assert!(skips("a/", "", "/"));
        assert!(skips("photos/2024/", "photos/", "/"));
        assert!(skips("a--", "", "--"));
        assert!(!skips("a/b", "", "/"));
        assert!(!skips("a/b/", "", "/"));
        assert!(!skips("b/", "a/", "/"));
    }

    #[test]
    fn other_markers_are_keys() {
        assert_eq!(start("", "", Some("/")), ListStart::Beginning);
        assert_eq!(start("a/", "", None), ListStart::After("a/".into()));
    }
}
