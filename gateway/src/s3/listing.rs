//! What all listings share: page sizes, URL encoding, continuation tokens, entries.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use haulout_index::{ListEntry, ListStart, ObjectKey, ObjectRecord};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{CommonPrefix, EncodingType, Object, ObjectStorageClass};

use super::error::Refusal;
use super::{checksums, owner, view};

/// S3's page size: the default, and the most that a client gets however much it asks for.
pub(super) const PAGE_MAX: usize = 1000;

/// The size of a page from what the client asked for, and the number to tell it.
pub(super) fn page_size(name: &'static str, asked: Option<i32>) -> Result<(usize, i32), Refusal> {
    let most = i32::try_from(PAGE_MAX).expect("1000 fits");
    let asked = asked.unwrap_or(most).min(most);
    let size =
        usize::try_from(asked).map_err(|_| Refusal::Argument { name, problem: "must not be negative" })?;
    Ok((size, asked))
}

/// A delimiter that divides: the empty one does not.
pub(super) fn delimiter(delimiter: Option<String>) -> Option<String> {
    delimiter.filter(|delimiter| !delimiter.is_empty())
}

/// How the texts of a listing are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As they are; XML escapes what it must.
    Plain,
    /// Percent-encoded, for characters that no XML document can hold.
    Url,
}

/// All but `/` and RFC 3986's unreserved characters. A space becomes `%20`, which every client's decoder
/// reads alike, where `+` depends on the decoder.
const URL_ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b'*');

impl Encoding {
    /// Reads `encoding-type`.
    pub(super) fn of(asked: Option<&EncodingType>) -> Result<Self, Refusal> {
        match asked.map(EncodingType::as_str) {
            None | Some("") => Ok(Self::Plain),
            Some(EncodingType::URL) => Ok(Self::Url),
            Some(_) => Err(Refusal::Argument { name: "encoding-type", problem: "can only be url" }),
        }
    }

    pub(super) fn text(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Url => utf8_percent_encode(text, URL_ENCODED).to_string(),
        }
    }

    pub(super) fn optional(self, text: Option<&str>) -> Option<String> {
        text.map(|text| self.text(text))
    }

    /// For the answer's `EncodingType`.
    pub(super) fn dto(self) -> Option<EncodingType> {
        match self {
            Self::Plain => None,
            Self::Url => Some(EncodingType::from_static(EncodingType::URL)),
        }
    }

    pub(super) fn common_prefix(self, prefix: &str) -> CommonPrefix {
        CommonPrefix { prefix: Some(self.text(prefix)) }
    }
}

/// An entry of ListObjects.
pub(super) fn object(key: &ObjectKey, record: &ObjectRecord, encoding: Encoding, with_owner: bool) -> Object {
    Object {
        key: Some(encoding.text(key.as_str())),
        size: Some(view::length(record.size)),
        e_tag: Some(view::etag(record)),
        last_modified: Some(view::timestamp(record.modified_at_ms)),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        checksum_algorithm: record.checksum.as_ref().map(|sum| vec![checksums::algorithm_dto(sum.algorithm)]),
        checksum_type: record.checksum.as_ref().map(|sum| checksums::kind_dto(sum.kind)),
        owner: with_owner.then(owner::owner),
        restore_status: None,
    }
}

/// A page's objects, and its common prefixes apart as S3's documents have them.
pub(super) fn split(
    entries: &[ListEntry],
    encoding: Encoding,
    owner: bool,
) -> (Vec<Object>, Vec<CommonPrefix>) {
    let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            ListEntry::Object(key, record) => objects.push(object(key, record, encoding, owner)),
            ListEntry::CommonPrefix(prefix) => prefixes.push(encoding.common_prefix(prefix)),
        }
    }
    (objects, prefixes)
}

/// A place in a listing as an opaque text: where it goes on, which holds whatever is deleted meanwhile.
pub(super) fn token(start: &ListStart) -> String {
    let (tag, text) = match start {
        ListStart::Beginning => ('b', ""),
        ListStart::After(key) => ('k', key.as_str()),
        ListStart::AfterPrefix(prefix) => ('p', prefix.as_str()),
    };
    BASE64URL.encode(format!("{tag}{text}"))
}

/// Reads a [`token`].
pub(super) fn start_of_token(token: &str) -> Result<ListStart, Refusal> {
    let malformed =
        || Refusal::Argument { name: "continuation-token", problem: "is not one that was given out" };
    let text =
        BASE64URL.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(malformed)?;
    match text.split_at_checked(1) {
        Some(("b", "")) => Ok(ListStart::Beginning),
        Some(("k", key)) => Ok(ListStart::After(key.into())),
        Some(("p", prefix)) => Ok(ListStart::AfterPrefix(prefix.into())),
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn page_sizes_are_clamped_and_zero_is_legal() {
        assert_eq!(page_size("max-keys", None).unwrap(), (1000, 1000));
        assert_eq!(page_size("max-keys", Some(5000)).unwrap(), (1000, 1000));
        assert_eq!(page_size("max-keys", Some(0)).unwrap(), (0, 0));
        assert!(page_size("max-keys", Some(-1)).is_err());
    }

    #[test]
    fn url_encoding_leaves_slashes_and_encodes_what_xml_cannot_hold() {
        assert_eq!(Encoding::Url.text("a/b c+d%é\u{1}~"), "a/b%20c%2Bd%25%C3%A9%01~");
        assert_eq!(Encoding::Plain.text("a b"), "a b");
    }

    #[test]
    fn only_url_is_an_encoding() {
        assert_eq!(Encoding::of(None).unwrap(), Encoding::Plain);
        assert_eq!(Encoding::of(Some(&EncodingType::from_static("url"))).unwrap(), Encoding::Url);
        assert!(Encoding::of(Some(&EncodingType::from_static("base64"))).is_err());
    }

    #[test]
    fn malformed_tokens_are_refused() {
        for malformed in
            ["", "!", "x", &BASE64URL.encode("q"), &BASE64URL.encode("bx"), &BASE64URL.encode([b'k', 0xff])]
        {
            assert!(start_of_token(malformed).is_err(), "{malformed}");
        }
    }

    proptest! {
        #[test]
        fn tokens_round_trip(key in "\\PC{0,50}") {
            for start in [ListStart::Beginning, ListStart::After(key.clone()), ListStart::AfterPrefix(key)] {
                prop_assert_eq!(start_of_token(&token(&start)).unwrap(), start);
            }
        }
    }
}
