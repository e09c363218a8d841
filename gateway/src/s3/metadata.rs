//! What S3 keeps with an object besides its bytes, and the headers that ask for Haulout's own choices.

use haulout_index::{Durability, Protection, SystemMetadata};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use s3s::dto::Metadata;

use super::error::Refusal;
use super::request::Document;
use crate::objects::ObjectAttributes;

/// S3's limit on user metadata: names without their prefix and values together, in bytes.
const USER_METADATA_BYTES_MAX: usize = 2048;

const USER_PREFIX: &str = "x-amz-meta-";

const DURABILITY: &str = "x-haulout-durability";
const ENCRYPTION: &str = "x-haulout-encryption";

/// The attributes that an upload's headers give its object. `user` is what s3s read of `x-amz-meta-*`.
pub(super) fn attributes(headers: &HeaderMap, user: Option<Metadata>) -> Result<ObjectAttributes, Refusal> {
    let text = |name: HeaderName| headers.get(name).map(header_text).filter(|text| !text.is_empty());
    let system = SystemMetadata {
        content_type: text(header::CONTENT_TYPE),
        cache_control: text(header::CACHE_CONTROL),
        content_disposition: text(header::CONTENT_DISPOSITION),
        content_encoding: text(header::CONTENT_ENCODING),
        content_language: text(header::CONTENT_LANGUAGE),
        expires: text(header::EXPIRES),
        website_redirect_location: None,
    };
    Ok(ObjectAttributes { system, user_metadata: user_metadata(user.unwrap_or_default())? })
}

fn user_metadata(user: Metadata) -> Result<Vec<(String, String)>, Refusal> {
    let size = user.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > USER_METADATA_BYTES_MAX {
        return Err(Refusal::MetadataTooLarge { size, max: USER_METADATA_BYTES_MAX });
    }
    let mut user: Vec<_> = user.into_iter().collect();
    user.sort_unstable(); // A map has no order, and the same request should leave the same record.
    Ok(user)
}

/// Joins user metadata that came in several headers of one name, as S3 does; s3s would refuse it.
pub(super) fn join_repeated(headers: &mut HeaderMap) {
    let repeated: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with(USER_PREFIX) && headers.get_all(*name).iter().count() > 1)
        .cloned()
        .collect();
    for name in repeated {
        let values: Vec<&[u8]> = headers.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
        if let Ok(joined) = HeaderValue::from_bytes(&values.join(&b","[..])) {
            headers.insert(name, joined);
        }
    }
}

/// A header's text: UTF-8, or else Latin-1, which HTTP once had.
fn header_text(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}

/// `x-haulout-durability: staged|certified`; without it the bucket's, or the gateway's, default holds.
pub(super) fn durability(headers: &HeaderMap) -> Result<Option<Durability>, Refusal> {
    match headers.get(DURABILITY).map(HeaderValue::as_bytes) {
        None => Ok(None),
        Some(b"staged") => Ok(Some(Durability::Staged)),
        Some(b"certified") => Ok(Some(Durability::Certified)),
        Some(_) => Err(Refusal::Argument { name: DURABILITY, problem: "must be staged or certified" }),
    }
}

/// `x-haulout-encryption: none` of a new bucket; without it the bytes of the bucket are encrypted.
pub(super) fn protection(headers: &HeaderMap) -> Result<Protection, Refusal> {
    match headers.get(ENCRYPTION).map(HeaderValue::as_bytes) {
        None => Ok(Protection::Sealed),
        Some(b"none") => Ok(Protection::Public),
        Some(_) => Err(Refusal::Argument {
            name: ENCRYPTION,
            problem: "can only be none; without this header the bytes are encrypted",
        }),
    }
}

/// Refuses headers of our own where they mean nothing, misspelt ones among them: a write that was meant to be
/// `certified` must not pass as another.
pub(super) fn refuse_misplaced(
    headers: &HeaderMap,
    method: &Method,
    document: Option<Document>,
) -> Result<(), Refusal> {
    let mut ours = headers.keys().map(HeaderName::as_str).filter(|name| name.starts_with("x-haulout-"));
    let is_placed = |name: &str| match name {
        DURABILITY => matches!(*method, Method::PUT | Method::POST),
        ENCRYPTION => document == Some(Document::CreateBucket),
        _ => false,
    };
    if ours.all(is_placed) {
        return Ok(());
    }
    Err(Refusal::Request(
        "a header that begins with x-haulout- is unknown, or means nothing to this operation",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for &(name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn system_headers_are_kept_as_sent() {
        let sent = headers(&[("expires", "whenever"), ("content-encoding", "gzip"), ("cache-control", "")]);
        let system = attributes(&sent, None).unwrap().system;
        assert_eq!(system.expires.as_deref(), Some("whenever"));
        assert_eq!(system.content_encoding.as_deref(), Some("gzip"));
        assert_eq!((system.cache_control, system.content_type), (None, None));
    }

    #[test]
    fn two_kibibytes_of_user_metadata_are_the_limit() {
        let of = |bytes: usize| Some(Metadata::from_iter([("name".to_owned(), "v".repeat(bytes - 4))]));
        assert!(attributes(&HeaderMap::new(), of(2048)).is_ok());
        let refused = attributes(&HeaderMap::new(), of(2049));
        assert!(matches!(refused, Err(Refusal::MetadataTooLarge { size: 2049, max: 2048 })));
    }

    #[test]
    fn repeated_user_metadata_is_joined_and_nothing_else_is() {
        let mut sent = headers(&[("x-amz-meta-a", "1"), ("x-amz-meta-a", "2"), ("te", "x"), ("te", "y")]);
        join_repeated(&mut sent);
        assert_eq!(sent.get_all("x-amz-meta-a").iter().collect::<Vec<_>>(), ["1,2"]);
        assert_eq!(sent.get_all("te").iter().count(), 2);
    }

    #[test]
    fn the_choices_of_our_own_have_few_values() {
        assert_eq!(durability(&headers(&[])).unwrap(), None);
        assert_eq!(durability(&headers(&[(DURABILITY, "certified")])).unwrap(), Some(Durability::Certified));
        assert!(durability(&headers(&[(DURABILITY, "Certified")])).is_err());
        assert_eq!(protection(&headers(&[])).unwrap(), Protection::Sealed);
        assert_eq!(protection(&headers(&[(ENCRYPTION, "none")])).unwrap(), Protection::Public);
        assert!(protection(&headers(&[(ENCRYPTION, "AES256")])).is_err());
    }

    #[test]
    fn headers_of_our_own_are_refused_where_they_mean_nothing() {
        let refused = |name, method, document| {
            refuse_misplaced(&headers(&[(name, "none")]), &method, document).is_err()
        };
        assert!(!refused(DURABILITY, Method::PUT, None));
        assert!(!refused(ENCRYPTION, Method::PUT, Some(Document::CreateBucket)));
        assert!(refused(ENCRYPTION, Method::PUT, None));
        assert!(refused(DURABILITY, Method::GET, None));
        assert!(refused("x-haulout-durabilty", Method::PUT, None));
    }
}
