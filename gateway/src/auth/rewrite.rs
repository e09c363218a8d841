//! A verified request as the service below shall see it: signed or not makes no difference there.

use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::CONTENT_SHA256;
use super::hoisted::remaining_query;
use super::query::Query;

const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");
const TRAILER: HeaderName = HeaderName::from_static("x-amz-trailer");
const AWS_CHUNKED: &str = "aws-chunked";

/// Makes the `Host` header say what was verified: on HTTP/2 that is `:authority`, and a header that says something else
/// would send the request to another bucket.
pub(crate) fn pin_host(parts: &mut Parts) {
    let host = crate::addressing::host(parts).and_then(|host| HeaderValue::from_str(host).ok());
    if let Some(host) = host {
        parts.headers.insert(HOST, host);
    }
}

/// The URI of a presigned request without what presigning added.
pub(crate) fn unsigned_uri(uri: &Uri, query: &Query<'_>) -> Uri {
    let path_and_query = match remaining_query(query) {
        Some(query) => format!("{}?{query}", uri.path()),
        None => uri.path().to_owned(),
    };
    let mut uri_parts = uri.clone().into_parts();
    uri_parts.path_and_query =
        Some(PathAndQuery::try_from(path_and_query).expect("a part of a valid query is a valid query"));
    Uri::from_parts(uri_parts).expect("only the query of a valid URI changed")
}

/// Takes out what the auth layer consumed, and makes the length that of the decoded body.
pub(crate) fn strip_headers(headers: &mut HeaderMap, decoded_length: Option<u64>) {
    for consumed in
        [AUTHORIZATION, CONTENT_SHA256, SECURITY_TOKEN, DECODED_LENGTH, TRAILER, TRANSFER_ENCODING]
    {
        headers.remove(consumed);
    }
    if let Some(length) = decoded_length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    strip_aws_chunked(headers);
}

/// `Content-Encoding` is stored with the object, and `aws-chunked` does not describe the object.
fn strip_aws_chunked(headers: &mut HeaderMap) {
    let is_chunked = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains(AWS_CHUNKED));
    if !headers.get_all(CONTENT_ENCODING).iter().any(is_chunked) {
        return;
    }
    let codings: Vec<String> = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(|coding| coding.trim().to_owned())
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(AWS_CHUNKED))
        .collect();
    headers.remove(CONTENT_ENCODING);
    if !codings.is_empty() {
        let codings = HeaderValue::try_from(codings.join(",")).expect("made of parts of valid header values");
        headers.insert(CONTENT_ENCODING, codings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(encodings: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for encoding in encodings {
            headers.append(CONTENT_ENCODING, encoding.parse().unwrap());
        }
        strip_headers(&mut headers, Some(5));
        assert_eq!(headers[CONTENT_LENGTH], "5");
        headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn only_aws_chunked_leaves_the_content_encoding() {
        assert_eq!(stripped(&["aws-chunked"]), None);
        assert_eq!(stripped(&["gzip,aws-chunked"]), Some("gzip".to_owned()));
        assert_eq!(stripped(&["aws-chunked, gzip, br"]), Some("gzip,br".to_owned()));
        assert_eq!(stripped(&["aws-chunked", "gzip"]), Some("gzip".to_owned()));
        assert_eq!(stripped(&["gzip, br"]), Some("gzip, br".to_owned()));
        assert_eq!(stripped(&[]), None);
    }

    #[test]
    fn a_presigned_uri_keeps_everything_but_its_signature() {
        for (presigned, unsigned) in [
            ("/b/k?X-Amz-Signature=s&partNumber=1", "/b/k?partNumber=1"),
            ("/b/k%20?Signature=s", "/b/k%20"),
            ("https://h:1/?X-Amz-Date=d&list-type=2", "https://h:1/?list-type=2"),
        ] {
            let uri: Uri = presigned.parse().unwrap();
            let query = Query::parse(uri.query()).unwrap();
            assert_eq!(unsigned_uri(&uri, &query).to_string(), unsigned);
        }
    }
}
