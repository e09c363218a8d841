//! Percent-encoding and the canonical forms of path, query and headers that signatures cover.
//!
//! Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header", task 1.

use http::HeaderMap;
use http::header::HOST;

use super::query::Query;

/// Two readings of the same bytes that a signer may have meant.
///
/// Both cover every byte of the request, so accepting either gives nobody anything they did not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As AWS documents it: decoded and encoded again, runs of blanks in header values folded.
    Normalised,
    /// As received: for signers that leave reserved characters such as `+` unencoded, or keep blanks.
    Wire,
}

/// A `%` that is not followed by two hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a percent sign in the URI is not followed by two hexadecimal digits")]
pub(crate) struct InvalidEscape;

/// The bytes that `text` stands for.
pub(crate) fn percent_decode(text: &str) -> Result<Vec<u8>, InvalidEscape> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            decoded.push(*first);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return Err(InvalidEscape) };
        rest = tail;
        decoded.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
    }
    Ok(decoded)
}

fn hex_digit(digit: u8) -> Result<u8, InvalidEscape> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(InvalidEscape),
    }
}

/// Appends `bytes` in AWS's encoding: only unreserved characters stay, hexadecimal digits in upper case.
/// A slash stays where `keep_slash` says that it separates.
fn percent_encode(bytes: &[u8], keep_slash: KeepSlash, encoded: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        let stays = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'.' | b'~')
            || (byte == b'/' && keep_slash == KeepSlash::Yes);
        if stays {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
            encoded.push(char::from(DIGITS[usize::from(byte & 0x0f)]));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum KeepSlash {
    Yes,
    No,
}

/// The path, encoded once, without any removal of dots or doubled slashes: S3 keys may hold both.
pub(crate) fn canonical_path(wire_path: &str, form: Form) -> Result<String, InvalidEscape> {
    if form == Form::Wire {
        return Ok(wire_path.to_owned());
    }
    let mut path = String::with_capacity(wire_path.len());
    percent_encode(&percent_decode(wire_path)?, KeepSlash::Yes, &mut path);
    Ok(path)
}

/// The query, sorted, without the items named `except` (the signature itself).
pub(crate) fn canonical_query(query: &Query<'_>, except: Option<&str>, form: Form) -> String {
    let mut items: Vec<(String, String)> = query
        .items()
        .iter()
        .filter(|item| except.is_none_or(|except| item.name != except.as_bytes()))
        .map(|item| match form {
            Form::Normalised => (encoded(&item.name), encoded(&item.value)),
            Form::Wire => (item.wire_name.to_owned(), item.wire_value.to_owned()),
        })
        .collect();
    items.sort_unstable();
    let items: Vec<String> = items.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    items.join("&")
}

fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    percent_encode(bytes, KeepSlash::No, &mut text);
    text
}

/// Appends `name:value\n` for each of `signed_headers`. `host` stands in where HTTP/2 left the header out.
///
/// A signed header that did not arrive counts as empty, so that its signature cannot match.
pub(crate) fn push_canonical_headers(
    headers: &HeaderMap,
    host: Option<&str>,
    signed_headers: &str,
    form: Form,
    canonical: &mut Vec<u8>,
) {
    for name in signed_headers.split(';') {
        canonical.extend_from_slice(name.as_bytes());
        canonical.push(b':');
        if name == HOST.as_str() {
            canonical.extend_from_slice(host.unwrap_or_default().as_bytes());
        } else {
            push_header_values(headers, name, form, canonical);
        }
        canonical.push(b'\n');
    }
}

/// Appends all values of one header, joined by commas.
pub(crate) fn push_header_values(headers: &HeaderMap, name: &str, form: Form, canonical: &mut Vec<u8>) {
    for (position, value) in headers.get_all(name).iter().enumerate() {
        if position > 0 {
            canonical.push(b',');
        }
        let value = value.as_bytes().trim_ascii();
        match form {
            Form::Wire => canonical.extend_from_slice(value),
            Form::Normalised => push_folded(value, canonical),
        }
    }
}

fn push_folded(value: &[u8], canonical: &mut Vec<u8>) {
    let words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    for (position, word) in words.enumerate() {
        if position > 0 {
            canonical.push(b' ');
        }
        canonical.extend_from_slice(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query_of(text: &str, form: Form) -> String {
        canonical_query(&Query::parse(Some(text)).unwrap(), Some("X-Amz-Signature"), form)
    }

    #[test]
    fn paths_are_encoded_once_and_keep_dots_and_slashes() {
        let cases = [
            ("/", "/"),
            ("/b/a b", "/b/a%20b"),
            ("/b/a%20b", "/b/a%20b"),
            ("/b/a+b!(1)*'", "/b/a%2Bb%21%281%29%2A%27"),
            ("/b/a%2520", "/b/a%2520"),
            ("/b//../x/./", "/b//../x/./"),
            ("/b/%e4%bd%a0", "/b/%E4%BD%A0"),
            ("/b/~-_.", "/b/~-_."),
        ];
        for (wire, canonical) in cases {
            assert_eq!(canonical_path(wire, Form::Normalised).unwrap(), canonical);
            assert_eq!(canonical_path(wire, Form::Wire).unwrap(), wire);
        }
    }

    #[test]
    fn broken_escapes_are_errors() {
        for wire in ["/%", "/%1", "/%zz", "/a%4"] {
            assert_eq!(canonical_path(wire, Form::Normalised), Err(InvalidEscape), "{wire}");
        }
    }

    #[test]
    fn queries_are_sorted_after_encoding() {
        assert_eq!(query_of("uploads", Form::Normalised), "uploads=");
        assert_eq!(query_of("b=2&a=x%2fy&a=1&X-Amz-Signature=s", Form::Normalised), "a=1&a=x%2Fy&b=2");
        assert_eq!(query_of("p=a+b", Form::Normalised), "p=a%20b");
        assert_eq!(query_of("p=a/b", Form::Normalised), "p=a%2Fb");
        assert_eq!(query_of("p=a/b&&", Form::Wire), "p=a/b");
        assert_eq!(query_of("~=1&%3D=2", Form::Normalised), "%3D=2&~=1");
    }

    #[test]
    fn header_values_are_joined_and_their_blanks_folded() {
        let mut headers = HeaderMap::new();
        headers.append("x-amz-meta-a", "  one   two ".parse().unwrap());
        headers.append("x-amz-meta-a", "three".parse().unwrap());
        let text = |form| {
            let mut canonical = Vec::new();
            push_canonical_headers(&headers, Some("h:1"), "host;x-amz-meta-a;x-gone", form, &mut canonical);
            String::from_utf8(canonical).unwrap()
        };
        assert_eq!(text(Form::Normalised), "host:h:1\nx-amz-meta-a:one two,three\nx-gone:\n");
        assert_eq!(text(Form::Wire), "host:h:1\nx-amz-meta-a:one   two,three\nx-gone:\n");
    }
}
