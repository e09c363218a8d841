//! What the headers promise about a payload, checked before any of it is read.

use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode};

use super::mode::{EMPTY_SHA256, PayloadMode};

pub(crate) const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");
pub(crate) const TRAILER: HeaderName = HeaderName::from_static("x-amz-trailer");
/// More trailing headers than any client has checksums to send.
const MAX_TRAILERS: usize = 16;

/// How to read one payload.
#[derive(Debug)]
pub(crate) struct PayloadPlan {
    pub(crate) mode: PayloadMode,
    pub(crate) decoded_length: Option<u64>,
    pub(crate) announced_trailers: Vec<HeaderName>,
}

/// Whether a request must name its length, as PutObject and UploadPart must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LengthRule {
    Required,
    Optional,
}

/// Headers about a payload that contradict each other or S3.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PayloadRefused {
    #[error("missing required header for this request: x-amz-content-sha256")]
    NoMode,
    #[error(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, one of the STREAMING- values, or a valid sha256 value"
    )]
    UnknownMode,
    #[error("chunk signatures continue a signature in the Authorization header, a presigned URL has none")]
    ChunksWithoutSeed,
    #[error(
        "you must provide the Content-Length HTTP header, or x-amz-decoded-content-length for streamed chunks"
    )]
    NoLength,
    #[error("{header} is not a number of bytes")]
    InvalidLength { header: HeaderName },
    #[error("x-amz-trailer must name at most {MAX_TRAILERS} headers")]
    InvalidTrailer,
    #[error("x-amz-trailer needs a value of x-amz-content-sha256 that ends in -TRAILER")]
    TrailerWithoutMode,
    #[error("the provided x-amz-content-sha256 header does not match what was computed")]
    EmptyBodySha256,
}

impl PayloadRefused {
    pub(crate) fn s3_code(&self) -> (&'static str, StatusCode) {
        let code = match self {
            Self::NoLength => return ("MissingContentLength", StatusCode::LENGTH_REQUIRED),
            Self::NoMode | Self::ChunksWithoutSeed | Self::InvalidTrailer | Self::TrailerWithoutMode => {
                "InvalidRequest"
            }
            Self::UnknownMode | Self::InvalidLength { .. } => "InvalidArgument",
            Self::EmptyBodySha256 => "XAmzContentSHA256Mismatch",
        };
        (code, StatusCode::BAD_REQUEST)
    }
}

impl PayloadPlan {
    /// `body_is_empty`: the transport already knows that nothing will come.
    pub(crate) fn new(
        parts: &Parts,
        mode: PayloadMode,
        length_rule: LengthRule,
        body_is_empty: bool,
    ) -> Result<Self, PayloadRefused> {
        let length_header = if mode.is_chunked() { DECODED_LENGTH } else { CONTENT_LENGTH };
        let decoded_length = length(&parts.headers, length_header)?;
        if decoded_length.is_none() && (mode.is_chunked() || length_rule == LengthRule::Required) {
            return Err(PayloadRefused::NoLength);
        }
        let announced_trailers = announced(&parts.headers)?;
        if !announced_trailers.is_empty() && !mode.has_trailers() {
            return Err(PayloadRefused::TrailerWithoutMode);
        }
        if let PayloadMode::Sha256(sha256) = mode
            && body_is_empty
            && sha256 != EMPTY_SHA256
        {
            return Err(PayloadRefused::EmptyBodySha256);
        }
        Ok(Self { mode, decoded_length, announced_trailers })
    }

    /// Whether a body of no bytes at all keeps every promise. One with framing needs at least its last chunk.
    pub(crate) fn allows_no_bytes(&self) -> bool {
        !self.mode.is_chunked() && self.decoded_length.unwrap_or(0) == 0
    }
}

fn length(headers: &HeaderMap, header: HeaderName) -> Result<Option<u64>, PayloadRefused> {
    let mut values = headers.get_all(&header).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(length) if values.next().is_none() => Ok(Some(length)),
        _ => Err(PayloadRefused::InvalidLength { header }),
    }
}

fn announced(headers: &HeaderMap) -> Result<Vec<HeaderName>, PayloadRefused> {
    let mut announced = Vec::new();
    for value in headers.get_all(TRAILER) {
        let names = value.to_str().map_err(|_| PayloadRefused::InvalidTrailer)?;
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let name = HeaderName::try_from(name).map_err(|_| PayloadRefused::InvalidTrailer)?;
            if !announced.contains(&name) {
                announced.push(name);
            }
        }
    }
    if announced.len() > MAX_TRAILERS { Err(PayloadRefused::InvalidTrailer) } else { Ok(announced) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256_OF_SOMETHING: PayloadMode = PayloadMode::Sha256([7; 32]);

    fn plan(
        headers: &[(&str, &str)],
        mode: PayloadMode,
        rule: LengthRule,
    ) -> Result<PayloadPlan, PayloadRefused> {
        let mut request = http::Request::builder().method("PUT").uri("/b/k");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        PayloadPlan::new(&request.body(()).unwrap().into_parts().0, mode, rule, false)
    }

    #[test]
    fn chunked_payloads_need_their_decoded_length() {
        let refused = plan(&[("content-length", "50")], PayloadMode::UnsignedChunks, LengthRule::Optional);
        assert_eq!(refused.unwrap_err().s3_code(), ("MissingContentLength", StatusCode::LENGTH_REQUIRED));
        let headers = [("content-length", "50"), ("x-amz-decoded-content-length", "5")];
        let plan = plan(&headers, PayloadMode::UnsignedChunks, LengthRule::Required).unwrap();
        assert_eq!(plan.decoded_length, Some(5));
    }

    #[test]
    fn plain_payloads_need_a_length_where_the_operation_does() {
        assert!(matches!(
            plan(&[], PayloadMode::Unsigned, LengthRule::Required),
            Err(PayloadRefused::NoLength)
        ));
        let without = plan(&[], PayloadMode::Unsigned, LengthRule::Optional).unwrap();
        assert_eq!(without.decoded_length, None);
    }

    #[test]
    fn lengths_are_digits_that_fit() {
        for length in ["", "-1", "+1", "1x", "18446744073709551616"] {
            let headers = [("x-amz-decoded-content-length", length)];
            let refused = plan(&headers, PayloadMode::UnsignedChunks, LengthRule::Required);
            assert!(matches!(refused, Err(PayloadRefused::InvalidLength { .. })), "{length}");
        }
    }

    #[test]
    fn trailers_are_announced_only_where_the_mode_has_them() {
        let headers = [
            ("x-amz-decoded-content-length", "5"),
            ("content-length", "5"),
            ("x-amz-trailer", "x-amz-checksum-CRC32, a"),
        ];
        let chunked = plan(&headers, PayloadMode::UnsignedChunks, LengthRule::Required).unwrap();
        assert_eq!(chunked.announced_trailers, ["x-amz-checksum-crc32", "a"]);
        let plain = plan(&headers, SHA256_OF_SOMETHING, LengthRule::Required);
        assert!(matches!(plain, Err(PayloadRefused::TrailerWithoutMode)));
    }

    #[test]
    fn a_body_known_to_be_empty_is_checked_at_once() {
        let parts = http::Request::new(()).into_parts().0;
        let refused = PayloadPlan::new(&parts, SHA256_OF_SOMETHING, LengthRule::Optional, true);
        assert!(matches!(refused, Err(PayloadRefused::EmptyBodySha256)));
        let empty = PayloadMode::Sha256(EMPTY_SHA256);
        assert!(PayloadPlan::new(&parts, empty, LengthRule::Optional, true).is_ok());
    }
}
