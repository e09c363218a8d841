//! Why a request was not let in, and the S3 error that says so.

use std::borrow::Cow;

use http::{HeaderName, StatusCode};

use super::canonical::InvalidEscape;
use super::payload::PayloadRefused;
use super::query::NotUnique;
use super::signing::ALGORITHM;
use super::timestamp::Timestamp;
use super::{MAX_CLOCK_SKEW, MAX_PRESIGNED_SECONDS};

/// Where a signature was carried; malformed ones have different codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    Header,
    Query,
}

/// A refusal before the inner service saw anything of the request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthError {
    #[error("anonymous access is not allowed")]
    Anonymous,
    #[error(
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
         parameter or the Authorization header should be specified"
    )]
    TwoMechanisms,
    #[error("the authorization mechanism you have provided is not supported, please use {ALGORITHM}")]
    UnsupportedMechanism,
    #[error("unsupported authorization type")]
    UnknownScheme,
    #[error("the authorization is malformed: {fault}")]
    Malformed { carrier: Carrier, fault: Fault },
    #[error("AWS authentication requires a valid Date or x-amz-date header")]
    NoDate,
    #[error("the difference between the request time and the current time is too large")]
    TooSkewed { request_time: Timestamp, server_time: Timestamp },
    #[error("request is not valid yet")]
    NotYetValid { request_time: Timestamp, server_time: Timestamp },
    #[error("Request has expired")]
    Expired { expires_at: Timestamp, server_time: Timestamp },
    #[error("invalid date: Expires must be seconds since epoch")]
    InvalidExpires,
    #[error("the access key ID you provided does not exist in our records")]
    UnknownAccessKey { access_key: String },
    #[error("there were headers present in the request which were not signed")]
    HeadersNotSigned { names: Vec<HeaderName> },
    #[error(
        "the request signature we calculated does not match the signature you provided, \
         check your key and signing method"
    )]
    SignatureMismatch(Box<Mismatch>),
    #[error("could not parse the specified URI")]
    InvalidUri(#[from] InvalidEscape),
    #[error("the query parameter {name} has no value that a header could have")]
    InvalidHoistedHeader { name: String },
    #[error(transparent)]
    Payload(#[from] PayloadRefused),
}

/// What the client may compare with its own calculation. Holds nothing secret.
#[derive(Debug)]
pub(crate) struct Mismatch {
    pub(crate) access_key: String,
    pub(crate) string_to_sign: String,
    /// None in Signature Version 2.
    pub(crate) canonical_request: Option<Vec<u8>>,
}

/// What is malformed about an authorization.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0} is missing")]
    MissingField(&'static str),
    #[error("{0} is repeated")]
    RepeatedField(&'static str),
    #[error("it has a field that {ALGORITHM} does not know, or is not text")]
    UnknownField,
    #[error(transparent)]
    Query(#[from] NotUnique),
    #[error("X-Amz-Algorithm only supports \"{ALGORITHM}\"")]
    Algorithm,
    #[error("the Credential must be \"<access key>/YYYYMMDD/REGION/SERVICE/aws4_request\"")]
    Credential,
    #[error(
        "incorrect date in the credential scope \"{given}\", it must be the day of the request \"{expected}\""
    )]
    Day { given: String, expected: String },
    #[error("incorrect service \"{given}\", this endpoint belongs to \"s3\"")]
    Service { given: String },
    #[error("the region '{given}' is wrong; expecting '{expected}'")]
    Region { given: String, expected: String },
    #[error("SignedHeaders must be lower-case header names joined by semicolons")]
    SignedHeaders,
    #[error("X-Amz-Date must be in the ISO8601 form YYYYMMDD'T'HHMMSS'Z'")]
    Date,
    #[error("X-Amz-Expires must be between 1 and {MAX_PRESIGNED_SECONDS} seconds")]
    Expires,
}

impl AuthError {
    /// The S3 error code and status. Source: Amazon S3 API Reference, "Error responses".
    pub(crate) fn s3_code(&self) -> (&'static str, StatusCode) {
        match self {
            Self::Anonymous
            | Self::NoDate
            | Self::NotYetValid { .. }
            | Self::Expired { .. }
            | Self::InvalidExpires
            | Self::HeadersNotSigned { .. } => ("AccessDenied", StatusCode::FORBIDDEN),
            Self::TwoMechanisms | Self::UnknownScheme | Self::InvalidHoistedHeader { .. } => {
                ("InvalidArgument", StatusCode::BAD_REQUEST)
            }
            Self::UnsupportedMechanism => ("InvalidRequest", StatusCode::BAD_REQUEST),
            Self::Malformed { carrier: Carrier::Header, .. } => {
                ("AuthorizationHeaderMalformed", StatusCode::BAD_REQUEST)
            }
            Self::Malformed { carrier: Carrier::Query, .. } => {
                ("AuthorizationQueryParametersError", StatusCode::BAD_REQUEST)
            }
            Self::TooSkewed { .. } => ("RequestTimeTooSkewed", StatusCode::FORBIDDEN),
            Self::UnknownAccessKey { .. } => ("InvalidAccessKeyId", StatusCode::FORBIDDEN),
            Self::SignatureMismatch(_) => ("SignatureDoesNotMatch", StatusCode::FORBIDDEN),
            Self::InvalidUri(_) => ("InvalidURI", StatusCode::BAD_REQUEST),
            Self::Payload(refused) => refused.s3_code(),
        }
    }

    /// The elements that this error's document has beside the usual ones.
    pub(crate) fn elements(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        match self {
            Self::Malformed { fault: Fault::Region { expected, .. }, .. } => {
                vec![("Region", expected.into())]
            }
            Self::TooSkewed { request_time, server_time } => vec![
                ("RequestTime", request_time.basic().into()),
                ("ServerTime", server_time.extended().into()),
                ("MaxAllowedSkewMilliseconds", MAX_CLOCK_SKEW.as_millis().to_string().into()),
            ],
            Self::NotYetValid { request_time, server_time } => vec![
                ("RequestTime", request_time.basic().into()),
                ("ServerTime", server_time.extended().into()),
            ],
            Self::Expired { expires_at, server_time } => {
                vec![("Expires", expires_at.extended().into()), ("ServerTime", server_time.extended().into())]
            }
            Self::UnknownAccessKey { access_key } => vec![("AWSAccessKeyId", access_key.into())],
            Self::HeadersNotSigned { names } => {
                let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
                vec![("HeadersNotSigned", names.join(", ").into())]
            }
            Self::SignatureMismatch(mismatch) => mismatch.elements(),
            Self::Anonymous
            | Self::TwoMechanisms
            | Self::UnsupportedMechanism
            | Self::UnknownScheme
            | Self::Malformed { .. }
            | Self::NoDate
            | Self::InvalidExpires
            | Self::InvalidUri(_)
            | Self::InvalidHoistedHeader { .. }
            | Self::Payload(_) => Vec::new(),
        }
    }
}

impl Mismatch {
    fn elements(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        let mut elements: Vec<(&'static str, Cow<'_, str>)> = vec![
            ("AWSAccessKeyId", self.access_key.as_str().into()),
            ("StringToSign", self.string_to_sign.as_str().into()),
        ];
        if let Some(canonical_request) = &self.canonical_request {
            elements.push(("CanonicalRequest", String::from_utf8_lossy(canonical_request)));
        }
        elements
    }
}
