//! The conditions that a request puts on the object it reads, writes, copies or deletes.

use std::time::{SystemTime, UNIX_EPOCH};

use haulout_index::{DeleteCondition, ETagMatch, WriteCondition};
use http::{HeaderMap, HeaderName, header};

use super::error::Refusal;
use crate::objects::{ETagCondition, IfRange, ReadConditions};

/// The conditions of a GET or HEAD. A date that is not one is no condition, as HTTP has it.
pub(super) fn of_read(headers: &HeaderMap) -> ReadConditions {
    ReadConditions {
        if_match: etags(headers, &header::IF_MATCH, Comparison::Strong),
        if_none_match: etags(headers, &header::IF_NONE_MATCH, Comparison::Weak),
        if_modified_since_ms: date_ms(headers, &header::IF_MODIFIED_SINCE),
        if_unmodified_since_ms: date_ms(headers, &header::IF_UNMODIFIED_SINCE),
        if_range: None,
    }
}

/// What `If-Range` asks of the object before its range is honoured.
pub(super) enum RangeCondition {
    /// Nothing: there is no such header.
    Absent,
    /// This must hold.
    Of(IfRange),
    /// A weak entity tag, or neither tag nor date: it never holds, so the whole object is the answer.
    Never,
}

/// Reads `If-Range`.
///
/// Source: RFC 9110, 13.1.5: only a strong entity tag or a date validates a range.
pub(super) fn of_range(headers: &HeaderMap) -> RangeCondition {
    let Some(value) = headers.get(header::IF_RANGE) else { return RangeCondition::Absent };
    let Ok(value) = value.to_str() else { return RangeCondition::Never };
    match (tags(value).as_slice(), unix_ms(value)) {
        (_, Some(date)) => RangeCondition::Of(IfRange::Date(date)),
        ([Tag { weak: false, text }], None) => RangeCondition::Of(IfRange::ETag((*text).into())),
        _ => RangeCondition::Never,
    }
}

/// The conditions on the source of a copy: `x-amz-copy-source-if-*`.
pub(super) fn of_copy_source(headers: &HeaderMap) -> ReadConditions {
    const MATCH: HeaderName = HeaderName::from_static("x-amz-copy-source-if-match");
    const NONE_MATCH: HeaderName = HeaderName::from_static("x-amz-copy-source-if-none-match");
    const MODIFIED: HeaderName = HeaderName::from_static("x-amz-copy-source-if-modified-since");
    const UNMODIFIED: HeaderName = HeaderName::from_static("x-amz-copy-source-if-unmodified-since");
    ReadConditions {
        if_match: etags(headers, &MATCH, Comparison::Strong),
        if_none_match: etags(headers, &NONE_MATCH, Comparison::Weak),
        if_modified_since_ms: date_ms(headers, &MODIFIED),
        if_unmodified_since_ms: date_ms(headers, &UNMODIFIED),
        if_range: None,
    }
}

/// The condition of a write: `If-None-Match: *` or one `If-Match`. S3 has no others, and says so rather than
/// overwrite what a client meant to protect.
pub(super) fn of_write(headers: &HeaderMap) -> Result<WriteCondition, Refusal> {
    for (name, header) in [
        (header::IF_MODIFIED_SINCE, "If-Modified-Since"),
        (header::IF_UNMODIFIED_SINCE, "If-Unmodified-Since"),
    ] {
        if headers.contains_key(name) {
            return Err(Refusal::Header { header });
        }
    }
    let matching = single_match(headers)?;
    let mut none_match = headers.get_all(header::IF_NONE_MATCH).iter();
    match (matching, none_match.next(), none_match.next()) {
        (None, None, _) => Ok(WriteCondition::None),
        (Some(etag), None, _) => Ok(WriteCondition::MustMatch(etag)),
        (None, Some(value), None) if value.as_bytes().trim_ascii() == b"*" => {
            Ok(WriteCondition::MustNotExist)
        }
        _ => Err(Refusal::Header { header: "If-None-Match" }),
    }
}

/// The conditions of a DELETE. `size` in bytes, `modified_at` with the precision of seconds.
pub(super) fn of_delete(
    headers: &HeaderMap,
    size: Option<i64>,
    modified_at: Option<i64>,
) -> Result<DeleteCondition, Refusal> {
    for (name, header) in [
        (header::IF_NONE_MATCH, "If-None-Match"),
        (header::IF_MODIFIED_SINCE, "If-Modified-Since"),
        (header::IF_UNMODIFIED_SINCE, "If-Unmodified-Since"),
    ] {
        if headers.contains_key(name) {
            return Err(Refusal::Header { header });
        }
    }
    delete_condition(single_match(headers)?, size, modified_at)
}

/// As [`of_delete`], of one key of a DeleteObjects document.
pub(super) fn delete_condition(
    etag: Option<ETagMatch>,
    size: Option<i64>,
    modified_at: Option<i64>,
) -> Result<DeleteCondition, Refusal> {
    Ok(DeleteCondition {
        etag,
        size: not_negative("Size", size)?,
        modified_at_seconds: not_negative("LastModifiedTime", modified_at)?,
    })
}

fn not_negative(name: &'static str, value: Option<i64>) -> Result<Option<u64>, Refusal> {
    value
        .map(|value| {
            u64::try_from(value).map_err(|_| Refusal::Argument { name, problem: "must not be negative" })
        })
        .transpose()
}

fn single_match(headers: &HeaderMap) -> Result<Option<ETagMatch>, Refusal> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let (Some(value), second) = (values.next(), values.next()) else { return Ok(None) };
    let several = Refusal::Header { header: "If-Match" };
    let Ok(value) = value.to_str() else { return Err(several) };
    match (value.trim(), tags(value).as_slice(), second) {
        ("*", _, None) => Ok(Some(ETagMatch::Any)),
        // A weak tag equals no other in strong comparison; the prefix makes sure of it.
        (_, [Tag { weak: true, text }], None) => Ok(Some(ETagMatch::Exactly(format!("W/{text}")))),
        (_, [Tag { weak: false, text }], None) => Ok(Some(ETagMatch::Exactly((*text).into()))),
        _ => Err(several),
    }
}

#[derive(Clone, Copy)]
enum Comparison {
    /// A weak tag matches nothing.
    Strong,
    /// A weak tag matches as if it were strong.
    Weak,
}

fn etags(headers: &HeaderMap, name: &HeaderName, comparison: Comparison) -> Option<ETagCondition> {
    let mut values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .filter(|value| !value.is_empty())
        .peekable();
    values.peek()?;
    let mut all = Vec::new();
    for value in values {
        if value.trim() == "*" {
            return Some(ETagCondition::Any);
        }
        let comparable = |tag: &Tag<'_>| matches!(comparison, Comparison::Weak) || !tag.weak;
        all.extend(tags(value).iter().filter(|tag| comparable(tag)).map(|tag| tag.text.to_owned()));
    }
    Some(ETagCondition::AnyOf(all))
}

struct Tag<'a> {
    weak: bool,
    /// Without quotes.
    text: &'a str,
}

/// The entity tags of a list. Clients also send them without quotes, which S3 accepts.
fn tags(list: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut rest = list.trim();
    while !rest.is_empty() {
        let (weak, tag) = rest.strip_prefix("W/").map_or((false, rest), |tag| (true, tag));
        let (text, after) = match tag.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
            Some((text, after)) => (text, after.split_once(',').map_or("", |(_, after)| after)),
            None => tag.split_once(',').unwrap_or((tag, "")),
        };
        let text = text.trim();
        if !text.is_empty() {
            tags.push(Tag { weak, text });
        }
        rest = after.trim_start();
    }
    tags
}

fn date_ms(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    unix_ms(headers.get(name)?.to_str().ok()?)
}

/// A date in any of HTTP's three forms, as milliseconds since 1970.
fn unix_ms(text: &str) -> Option<u64> {
    let date: SystemTime = httpdate::parse_http_date(text).ok()?;
    u64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    fn any_of(tags: &[&str]) -> Option<ETagCondition> {
        Some(ETagCondition::AnyOf(tags.iter().map(|&tag| tag.into()).collect()))
    }

    #[test]
    fn lists_of_tags_quoted_or_not() {
        let read = |value| of_read(&with(header::IF_NONE_MATCH, value)).if_none_match;
        assert_eq!(read("\"a\", W/\"b\" ,c"), any_of(&["a", "b", "c"]));
        assert_eq!(read("\"a,b\""), any_of(&["a,b"]));
        assert_eq!(read(" * "), Some(ETagCondition::Any));
        assert_eq!(read(""), None);
    }

    #[test]
    fn a_weak_tag_never_satisfies_if_match() {
        assert_eq!(of_read(&with(header::IF_MATCH, "W/\"a\"")).if_match, any_of(&[]));
    }

    #[test]
    fn dates_in_three_forms_and_no_others() {
        let read = |value| of_read(&with(header::IF_MODIFIED_SINCE, value)).if_modified_since_ms;
        for form in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(read(form), Some(784_111_777_000), "{form}");
        }
        assert_eq!(read("yesterday"), None);
    }

    #[test]
    fn a_write_knows_two_conditions() {
        let write = |name, value| of_write(&with(name, value));
        assert_eq!(write(header::IF_NONE_MATCH, "*").unwrap(), WriteCondition::MustNotExist);
        let exactly = WriteCondition::MustMatch(ETagMatch::Exactly("a".into()));
        assert_eq!(write(header::IF_MATCH, "\"a\"").unwrap(), exactly);
        assert_eq!(write(header::IF_MATCH, "a").unwrap(), exactly);
        assert_eq!(write(header::IF_MATCH, "*").unwrap(), WriteCondition::MustMatch(ETagMatch::Any));
        assert_eq!(of_write(&HeaderMap::new()).unwrap(), WriteCondition::None);
    }

    #[test]
    fn a_write_refuses_the_conditions_that_s3_lacks() {
        for (name, value) in [
            (header::IF_NONE_MATCH, "\"a\""),
            (header::IF_MATCH, "\"a\", \"b\""),
            (header::IF_UNMODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:37 GMT"),
        ] {
            assert!(matches!(of_write(&with(name, value)), Err(Refusal::Header { .. })), "{value}");
        }
        let mut both = with(header::IF_MATCH, "\"a\"");
        both.extend(with(header::IF_NONE_MATCH, "*"));
        assert!(of_write(&both).is_err());
    }

    #[test]
    fn only_a_strong_tag_or_a_date_validates_a_range() {
        let condition = |value| of_range(&with(header::IF_RANGE, value));
        assert!(matches!(condition("\"a\""), RangeCondition::Of(IfRange::ETag(tag)) if tag == "a"));
        let date = condition("Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(matches!(date, RangeCondition::Of(IfRange::Date(784_111_777_000))));
        assert!(matches!(condition("W/\"a\""), RangeCondition::Never));
        assert!(matches!(of_range(&HeaderMap::new()), RangeCondition::Absent));
    }

    #[test]
    fn a_delete_may_ask_for_tag_size_and_time() {
        let condition = of_delete(&with(header::IF_MATCH, "\"a\""), Some(3), Some(9)).unwrap();
        assert_eq!(condition.etag, Some(ETagMatch::Exactly("a".into())));
        assert_eq!((condition.size, condition.modified_at_seconds), (Some(3), Some(9)));
        assert!(of_delete(&HeaderMap::new(), Some(-1), None).is_err());
    }

    proptest! {
        #[test]
        fn every_list_ends(list in "[\\x20-\\x7e]{0,60}") {
            tags(&list);
        }
    }
}
