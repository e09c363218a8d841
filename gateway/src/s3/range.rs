//! Byte ranges: `Range` of a read, which S3 ignores when malformed, and the strict one of a part copy.

use std::ops;

use http::{HeaderMap, header};

use super::error::Refusal;
use crate::objects::RangeRequest;

/// The range that a read asks for. S3 has single ranges only: several, another unit and anything malformed
/// read as no range at all, and the whole object is the answer.
///
/// Source: RFC 9110, 14.2: a recipient ignores a Range header that it does not understand.
pub(super) fn of_read(headers: &HeaderMap) -> Option<RangeRequest> {
    let mut values = headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (unit, range) = value.to_str().ok()?.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    match range.trim().split_once('-')? {
        ("", last) => Some(RangeRequest::Last(number(last)?)),
        (first, "") => Some(RangeRequest::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(RangeRequest::FromTo(first, last))
        }
    }
}

/// `x-amz-copy-source-range`: `bytes=first-last`, both given, `last` included. Unlike a read's, never ignored.
pub(super) fn of_part_copy(raw: &str) -> Result<ops::Range<u64>, Refusal> {
    let strict = || {
        let (first, last) = raw.strip_prefix("bytes=")?.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?.checked_add(1)?);
        (first < last).then_some(first..last)
    };
    strict().ok_or(Refusal::Argument {
        name: "x-amz-copy-source-range",
        problem: "must be bytes=first-last, where first and last are the positions of the first and last byte",
    })
}

/// Digits only. A number beyond 64 bits is beyond every object, as the largest of them is.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(value: &str) -> Option<RangeRequest> {
        let value = HeaderValue::from_str(value).unwrap();
        of_read(&HeaderMap::from_iter([(header::RANGE, value)]))
    }

    #[test]
    fn all_three_forms_of_a_read_range() {
        assert_eq!(read("bytes=0-0"), Some(RangeRequest::FromTo(0, 0)));
        assert_eq!(read("bytes=5-99999999999999999999"), Some(RangeRequest::FromTo(5, u64::MAX)));
        assert_eq!(read("bytes=7-"), Some(RangeRequest::From(7)));
        assert_eq!(read("Bytes=-3"), Some(RangeRequest::Last(3)));
        assert_eq!(read("bytes=-0"), Some(RangeRequest::Last(0)));
    }

    #[test]
    fn a_range_that_s3_does_not_understand_is_no_range() {
        for ignored in
            ["bytes=5-2", "bytes=0-1,4-5", "bytes=", "bytes=-", "bytes=a-b", "bytes=+1-2", "items=0-1", ""]
        {
            assert_eq!(read(ignored), None, "{ignored}");
        }
    }

    #[test]
    fn the_range_of_a_part_copy_is_strict() {
        assert_eq!(of_part_copy("bytes=0-9").unwrap(), 0..10);
        for refused in
            ["bytes=0-", "bytes=-5", "0-9", "bytes=9-0", "bytes=0-18446744073709551615", "bytes=0-1,2-3", ""]
        {
            assert!(of_part_copy(refused).is_err(), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = of_part_copy(&text);
            if let Ok(value) = HeaderValue::from_str(&text) {
                let _ = of_read(&HeaderMap::from_iter([(header::RANGE, value)]));
            }
        }
    }
}
