//! The far end: s3s's answer made S3's. Error documents are written here, and nowhere else below the auth layer.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use s3s::Body;
use s3s::xml::{DeError, DeResult, Deserializer};

use super::error::ELEMENT;
use crate::http::error_body::{self, RequestId};

/// What an answer needs to know of its request.
pub(super) struct Asked {
    method: Method,
    /// As on the wire.
    path: String,
    request_id: String,
    range: Option<String>,
}

impl Asked {
    pub(super) fn of(request: &Request<Body>) -> Self {
        let range = request.headers().get(header::RANGE).and_then(|range| range.to_str().ok());
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            request_id: RequestId::of(request.extensions()).to_owned(),
            range: range.map(str::to_owned),
        }
    }
}

/// Completes an answer.
pub(super) fn finish(mut response: Response<Body>, asked: &Asked) -> Response<Body> {
    let status = response.status();
    if status == StatusCode::NOT_MODIFIED {
        return without_body(response);
    }
    if status.is_client_error() || status.is_server_error() {
        return error_body::fit_to_method(error(&response, asked), &asked.method);
    }
    // s3s knows of partial answers to GET, S3 of those to HEAD too.
    if status == StatusCode::OK && response.headers().contains_key(header::CONTENT_RANGE) {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    if let Some(rewritten) = response.body().bytes().and_then(|document| rewrite(&document)) {
        if let Some(length) = response.headers_mut().get_mut(header::CONTENT_LENGTH) {
            *length = rewritten.len().into();
        }
        *response.body_mut() = Body::from(rewritten);
    }
    response
}

/// A document as S3 would write it, unless s3s wrote it so.
fn rewrite(document: &Bytes) -> Option<Vec<u8>> {
    if document.ends_with(b"</GetObjectAttributesResponse>") {
        return Some(without_quotes(document));
    }
    escape_controls(document)
}

/// The one answer in which S3 writes an ETag without quotes. Nothing else in it can contain one.
fn without_quotes(attributes: &[u8]) -> Vec<u8> {
    let (declaration, document) = match attributes.windows(2).position(|pair| pair == b"?>") {
        Some(end) => attributes.split_at(end + 2),
        None => (&[][..], attributes),
    };
    let (root, content) = match document.iter().position(|&byte| byte == b'>') {
        Some(end) => document.split_at(end + 1),
        None => (document, &[][..]),
    };
    let content = content.iter().copied().filter(|&byte| byte != b'"');
    declaration.iter().chain(root).copied().chain(content).collect()
}

/// A `304` has validators and no document.
fn without_body(mut response: Response<Body>) -> Response<Body> {
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, ELEMENT] {
        response.headers_mut().remove(name);
    }
    *response.body_mut() = Body::empty();
    response
}

/// Writes an error document anew: s3s's lacks the resource, the request's id and elements of our own.
fn error(response: &Response<Body>, asked: &Asked) -> Response<Body> {
    let status = response.status();
    let document = response.body().bytes().unwrap_or_default();
    let Written { code, message } = Written::read(&document).unwrap_or_else(|_| Written {
        // s3s answers a request with a document or with no error at all.
        code: "InternalError".into(),
        message: None,
    });
    let message = message.unwrap_or_else(|| default_message(&code).into());
    let mut elements = elements(response.headers());
    if let (StatusCode::RANGE_NOT_SATISFIABLE, Some(range)) = (status, &asked.range) {
        elements.push(("RangeRequested", range));
    }
    let mut answer =
        error_body::error_xml(&code, status, &message, &asked.path, &asked.request_id, &elements);
    for (name, value) in response.headers() {
        if name != ELEMENT && !answer.headers().contains_key(name) {
            answer.headers_mut().append(name.clone(), value.clone());
        }
    }
    answer
}

fn elements(headers: &HeaderMap) -> Vec<(&str, &str)> {
    headers
        .get_all(ELEMENT)
        .iter()
        .filter_map(|element: &HeaderValue| element.to_str().ok()?.split_once('='))
        .collect()
}

/// What s3s says of an error.
struct Written {
    code: String,
    message: Option<String>,
}

impl Written {
    fn read(document: &[u8]) -> DeResult<Self> {
        Deserializer::new(document).named_element("Error", |error| {
            let (mut code, mut message) = (None, None);
            error.for_each_element(|error, name| {
                match name {
                    b"Code" => code = Some(error.content()?),
                    b"Message" => message = Some(error.content()?),
                    _ => return Err(DeError::UnexpectedTagName),
                }
                Ok(())
            })?;
            Ok(Self { code: code.ok_or(DeError::MissingField)?, message })
        })
    }
}

/// What to say of the errors that s3s finds itself and has no words for.
fn default_message(code: &str) -> &'static str {
    match code {
        "InvalidBucketName" => "The bucket name is not valid.",
        "InvalidURI" => "The path or query of the request cannot be read.",
        "KeyTooLongError" => "An object key has at most 1024 bytes.",
        "MalformedXML" => "The document is not the XML that this operation takes.",
        "MissingRequestBodyError" => "This operation takes a document, and the request has no body.",
        "MethodNotAllowed" => "This method is not allowed against this resource.",
        "MissingContentLength" => "The length of the body was not announced.",
        "MaxMessageLengthExceeded" => "The request is too long.",
        "IncompleteBody" => "The body does not have its announced length.",
        "NotImplemented" => "This operation is not implemented.",
        "InternalError" => "The gateway failed to do this. Try again; if it persists, tell its operator.",
        _ => "The request was refused.",
    }
}

/// Writes control characters in a document as references: a reader would turn a bare carriage return, which a
/// key may hold, into a line feed. `None` if there are none.
///
/// Sound on any document of ours, as none has control characters but line feeds outside of its texts.
fn escape_controls(document: &Bytes) -> Option<Vec<u8>> {
    let is_escaped = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n');
    if !document.iter().any(is_escaped) {
        return None;
    }
    let mut escaped = Vec::with_capacity(document.len() + 64);
    for byte in document {
        match is_escaped(byte) {
            true => escaped.extend_from_slice(format!("&#{byte};").as_bytes()),
            false => escaped.push(*byte),
        }
    }
    Some(escaped)
}

#[cfg(test)]
mod tests {
    use s3s::{S3Error, S3ErrorCode};

    use super::*;
    use crate::objects::ObjectError;
    use crate::s3::error::Refusal;

    fn asked(method: Method) -> Asked {
        Asked { method, path: "/b/k%20".into(), request_id: "01".into(), range: Some("bytes=9-".into()) }
    }

    fn finished(error: impl Into<S3Error>, method: Method) -> (Response<Body>, String) {
        let response = finish(error.into().to_http_response().unwrap(), &asked(method));
        let text = String::from_utf8(response.body().bytes().unwrap_or_default().to_vec()).unwrap();
        (response, text)
    }

    #[test]
    fn object_attributes_name_the_etag_without_quotes() {
        let root = r#"<?xml version="1.0"?><GetObjectAttributesResponse xmlns="s3">"#;
        let document = format!(r#"{root}<ETag>"abc-2"</ETag></GetObjectAttributesResponse>"#);
        let answer = String::from_utf8(without_quotes(document.as_bytes())).unwrap();
        assert_eq!(answer, format!("{root}<ETag>abc-2</ETag></GetObjectAttributesResponse>"));
    }

    #[test]
    fn an_error_names_resource_request_and_what_the_code_asks_for() {
        let (response, text) = finished(Refusal::Header { header: "If-None-Match" }, Method::PUT);
        assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED);
        assert!(!response.headers().contains_key(ELEMENT));
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/xml");
        assert!(text.contains("<Code>NotImplemented</Code>"), "{text}");
        assert!(text.contains("<Header>If-None-Match</Header>"), "{text}");
        assert!(text.contains("<Resource>/b/k%20</Resource><RequestId>01</RequestId>"), "{text}");
    }

    #[test]
    fn an_unsatisfiable_range_tells_the_size_in_header_and_document() {
        let (response, text) = finished(ObjectError::InvalidRange { size: 5 }, Method::GET);
        assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(response.headers()[header::CONTENT_RANGE], "bytes */5");
        assert!(text.contains("<ActualObjectSize>5</ActualObjectSize>"), "{text}");
        assert!(text.contains("<RangeRequested>bytes=9-</RangeRequested>"), "{text}");
    }

    #[test]
    fn errors_that_s3s_has_no_words_for_get_some() {
        let (response, text) = finished(S3ErrorCode::MalformedXML, Method::POST);
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert!(text.contains("<Message>The document is not"), "{text}");
    }

    #[test]
    fn an_error_answer_to_head_has_no_body() {
        let (response, text) = finished(ObjectError::NoSuchKey, Method::HEAD);
        assert_eq!((response.status(), text.as_str()), (StatusCode::NOT_FOUND, ""));
    }

    #[test]
    fn controls_in_a_document_are_written_as_references() {
        let document = Bytes::from_static(b"<?xml?>\n<Key>a\rb\x01\t</Key>");
        assert_eq!(escape_controls(&document).unwrap(), b"<?xml?>\n<Key>a&#13;b&#1;\t</Key>");
        assert_eq!(escape_controls(&Bytes::from_static(b"<Key>\n</Key>")), None);
    }
}
