//! Headers that presigners move into the URL.
//!
//! A browser that follows a presigned URL sends few headers of its own, so SDKs put `x-amz-*` ones into the query, where
//! S3 reads them as if they were headers. We turn them back, so that whatever reads headers sees them.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::AuthError;
use super::query::{Item, Query};

/// Items of a presigned URL that are about the signature alone. Compared without regard to case.
const CONSUMED: [&str; 11] = [
    "awsaccesskeyid",
    "expires",
    "signature",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-signature",
    "x-amz-security-token",
    "x-amz-content-sha256",
];

/// Items that are not taken for headers. SDKs compute a default checksum over the body they have when presigning, which
/// is none: held against the real body, the URL would be good for empty objects only. AWS ignores them too.
const DISREGARDED: [&str; 8] = [
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-trailer",
    "x-amz-decoded-content-length",
];

/// Signature Version 2 presigners move these as well.
const VERSION_2_HEADERS: [&str; 2] = ["content-md5", "content-type"];

/// The headers that the query of a presigned URL holds, but `headers` does not.
pub(crate) fn hoisted_headers(
    headers: &HeaderMap,
    query: &Query<'_>,
) -> Result<Vec<(HeaderName, HeaderValue)>, AuthError> {
    let mut hoisted: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for item in query.items() {
        let Some(name) = header_name(item) else { continue };
        let refused = || AuthError::InvalidHoistedHeader { name: name.clone() };
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        let value = HeaderValue::from_bytes(&item.value).map_err(|_| refused())?;
        if hoisted.iter().any(|(other, _)| *other == header) {
            return Err(refused());
        }
        if !headers.contains_key(&header) {
            hoisted.push((header, value));
        }
    }
    Ok(hoisted)
}

/// The query of a presigned URL without what the signature needed and what became headers; none if nothing is left.
pub(crate) fn remaining_query(query: &Query<'_>) -> Option<String> {
    let remains = |item: &&Item<'_>| {
        let name = lower_case(item);
        !CONSUMED.contains(&name.as_str()) && !is_header(&name)
    };
    let items: Vec<&str> = query.items().iter().filter(remains).map(|item| item.wire).collect();
    (!items.is_empty()).then(|| items.join("&"))
}

/// The header that an item stands for, in lower case; none if it is not one, or not to be read.
fn header_name(item: &Item<'_>) -> Option<String> {
    let name = lower_case(item);
    let read = !CONSUMED.contains(&name.as_str()) && !DISREGARDED.contains(&name.as_str());
    (is_header(&name) && read).then_some(name)
}

fn is_header(name: &str) -> bool {
    name.starts_with("x-amz-") || VERSION_2_HEADERS.contains(&name)
}

fn lower_case(item: &Item<'_>) -> String {
    String::from_utf8_lossy(&item.name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hoisted(query: &str) -> Result<Vec<(HeaderName, HeaderValue)>, AuthError> {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-acl", HeaderValue::from_static("private"));
        hoisted_headers(&headers, &Query::parse(Some(query)).unwrap())
    }

    #[test]
    fn metadata_becomes_headers_and_signing_items_do_not() {
        let found =
            hoisted("X-Amz-Meta-A=b%20c&X-Amz-Date=1&partNumber=1&x-amz-acl=x&content-type=text%2Fplain")
                .unwrap();
        let expected = [("x-amz-meta-a", "b c"), ("content-type", "text/plain")];
        let found: Vec<_> =
            found.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_default_checksum_of_nothing_is_not_held_against_the_body() {
        assert!(
            hoisted("x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32")
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn values_that_no_header_could_have_are_refused() {
        for query in ["x-amz-meta-a=%0d%0aX: y", "x-amz-meta-a%20=1", "x-amz-meta-a=1&x-amz-meta-a=2"] {
            assert!(matches!(hoisted(query), Err(AuthError::InvalidHoistedHeader { .. })), "{query}");
        }
    }

    #[test]
    fn the_rest_of_the_query_stays_as_it_was() {
        let query = "uploadId=a%2Bb&X-Amz-Signature=s&partNumber=1&x-amz-meta-a=1&Expires=1&versions";
        assert_eq!(
            remaining_query(&Query::parse(Some(query)).unwrap()).unwrap(),
            "uploadId=a%2Bb&partNumber=1&versions"
        );
        assert_eq!(remaining_query(&Query::parse(Some("Signature=s")).unwrap()), None);
    }
}
