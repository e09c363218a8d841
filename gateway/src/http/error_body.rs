//! S3 error documents: the one place below s3s that writes an error body.

use std::fmt::Write as _;

use http::{HeaderValue, Method, Response, StatusCode, header};
use s3s::Body;

/// Identity of one request, as told to the client and written to the log. Lives in the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// The identity in `extensions`, or the empty string for a request that no layer has named.
    pub fn of(extensions: &http::Extensions) -> &str {
        extensions.get::<Self>().map_or("", |request_id| request_id.0.as_str())
    }
}

/// Builds the answer `status` with an S3 error document as its body.
///
/// `resource` is the path the client asked for, as it was on the wire. `extra` elements (name, text) follow the
/// four that every error has, in the given order; names must be XML names, texts may be anything.
///
/// Source: Amazon S3 API Reference, "Error responses".
pub fn error_xml(
    code: &str,
    status: StatusCode,
    message: &str,
    resource: &str,
    request_id: &str,
    extra: &[(&str, &str)],
) -> Response<Body> {
    let mut document = String::with_capacity(256);
    document.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
    push_element(&mut document, "Code", code);
    push_element(&mut document, "Message", message);
    for (name, text) in extra {
        push_element(&mut document, name, text);
    }
    push_element(&mut document, "Resource", resource);
    push_element(&mut document, "RequestId", request_id);
    document.push_str("</Error>");

    let content_length = HeaderValue::from(document.len());
    let mut response = Response::new(Body::from(document));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response.headers_mut().insert(header::CONTENT_LENGTH, content_length);
    response
}

/// Takes the body away from an answer to HEAD, which has none; status and headers stay.
pub fn fit_to_method(response: Response<Body>, method: &Method) -> Response<Body> {
    if method != Method::HEAD {
        return response;
    }
    let (mut parts, _body) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::empty())
}

fn push_element(document: &mut String, name: &str, text: &str) {
    write!(document, "<{name}>{}</{name}>", Escaped(text)).expect("writing to a String cannot fail");
}

/// Text as XML 1.0 allows it: markup escaped, characters that no XML document may hold replaced.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => formatter.write_str("&amp;"),
            '<' => formatter.write_str("&lt;"),
            '>' => formatter.write_str("&gt;"),
            '"' => formatter.write_str("&quot;"),
            '\r' => formatter.write_str("&#13;"),
            '\t' | '\n' => formatter.write_char(character),
            '\0'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => formatter.write_char('\u{fffd}'),
            _ => formatter.write_char(character),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(response: &Response<Body>) -> String {
        let bytes = response.body().bytes().expect("an error body is held in memory");
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn document_has_the_four_elements_and_the_extra_ones() {
        let response = error_xml(
            "RequestTimeTooSkewed",
            StatusCode::FORBIDDEN,
            "too far",
            "/b/k",
            "01",
            &[("ServerTime", "2013-05-24T00:00:00Z")],
        );
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(
            text_of(&response),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>RequestTimeTooSkewed</Code>\
             <Message>too far</Message><ServerTime>2013-05-24T00:00:00Z</ServerTime>\
             <Resource>/b/k</Resource><RequestId>01</RequestId></Error>"
        );
    }

    #[test]
    fn foreign_text_cannot_break_out_of_its_element() {
        let response =
            error_xml("C", StatusCode::BAD_REQUEST, "a</Message>&\"\u{1}\r\u{ffff}", "/<b>", "1", &[]);
        let text = text_of(&response);
        assert!(
            text.contains("<Message>a&lt;/Message&gt;&amp;&quot;\u{fffd}&#13;\u{fffd}</Message>"),
            "{text}"
        );
        assert!(text.contains("<Resource>/&lt;b&gt;</Resource>"), "{text}");
    }

    #[test]
    fn an_answer_to_head_has_no_body_and_claims_no_length() {
        let response = error_xml("C", StatusCode::NOT_IMPLEMENTED, "m", "/b", "1", &[]);
        let response = fit_to_method(response, &Method::HEAD);
        assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED);
        assert!(!response.headers().contains_key(header::CONTENT_LENGTH));
        assert!(response.body().bytes().unwrap().is_empty());
    }
}
