//! S3's code for everything that can go wrong: the one place where codes are chosen.

use std::borrow::Cow;
use std::error::Error as StdError;

use haulout_index::{IndexError, InvalidBucketName};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use s3s::{S3Error, S3ErrorCode};
use tracing::{debug, error};

use super::view;
use crate::objects::{InvalidPartNumber, ObjectError};
use crate::staging::StagingFull;

/// Carries an element of the error document, as `Name=text`, from where the code is chosen to
/// [`super::answer`], which writes the document: s3s passes on an error's headers and nothing else.
pub(super) const ELEMENT: HeaderName = HeaderName::from_static("x-haulout-error-element");

/// What clients are told when the fault is ours. The cause is for our log.
const INTERNAL: &str = "The gateway failed to do this. Try again; if it persists, tell its operator.";

/// Seconds that a refused client is asked to wait where nothing better is known.
const RETRY_AFTER_SECONDS: u64 = 1;

/// A request that S3 refuses before the object layer sees it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// A query item, header or element has a value outside its range or form.
    #[error("{name}: {problem}")]
    Argument { name: &'static str, problem: &'static str },
    /// The headers of the request do not go together, or one is missing.
    #[error("{0}")]
    Request(&'static str),
    /// A header asks for behaviour that Haulout does not have.
    #[error("the header {header} asks for something that is not implemented")]
    Header { header: &'static str },
    /// An operation, or a form of it, that Haulout does not have.
    #[error("{0} is not implemented")]
    Operation(&'static str),
    #[error("the bucket name is not valid")]
    BucketName(#[from] InvalidBucketName),
    #[error("an object key has at most 1024 bytes")]
    KeyTooLong,
    #[error("an object key has at least one byte")]
    KeyEmpty,
    #[error(transparent)]
    PartNumber(#[from] InvalidPartNumber),
    /// No upload of ours has this id, whatever it is.
    #[error("no such multipart upload")]
    NoSuchUpload,
    #[error("no version of this object has this id")]
    Version,
    #[error("Content-MD5 is not the base64 form of 16 bytes")]
    MalformedMd5,
    #[error("{header} is not the base64 form of a checksum of its kind")]
    MalformedChecksum { header: &'static str },
    #[error("the body does not match {header}")]
    BodyMismatch { header: &'static str },
    #[error("a trailer that x-amz-trailer announced did not come")]
    MissingTrailer,
    #[error("names and values of x-amz-meta headers have {size} bytes together, at most {max} are allowed")]
    MetadataTooLarge { size: usize, max: usize },
    #[error("the length of the body was not announced")]
    MissingContentLength,
    #[error("the upload has {size} bytes, at most {max} are allowed in one request")]
    EntityTooLarge { size: u64, max: u64 },
    #[error("the document is longer than {max} bytes")]
    DocumentTooLong { max: usize },
    #[error("the document is not the XML that this operation takes")]
    MalformedXml,
    #[error("the body ended before its announced length")]
    IncompleteBody(#[source] Box<dyn StdError + Send + Sync>),
    #[error("this endpoint serves the region {region} only")]
    LocationConstraint { region: String },
    /// The bucket exists and has no such configuration; each has a code of its own.
    #[error("the bucket has no configuration of this kind")]
    NoConfiguration(Absent),
    #[error("the bucket belongs to another account than the one expected")]
    NotTheOwner,
}

/// The configurations whose absence has a code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    Tagging,
    Policy,
    Cors,
    Lifecycle,
    Website,
    Encryption,
    ObjectLock,
    Replication,
    OwnershipControls,
    PublicAccessBlock,
}

impl From<Refusal> for S3Error {
    fn from(refusal: Refusal) -> Self {
        use S3ErrorCode as Code;
        let (code, element): (_, Option<(&str, Cow<'_, str>)>) = match &refusal {
            Refusal::Argument { name, .. } => (Code::InvalidArgument, Some(("ArgumentName", (*name).into()))),
            Refusal::Request(_) | Refusal::MalformedChecksum { .. } => (Code::InvalidRequest, None),
            Refusal::Header { header } => (Code::NotImplemented, Some(("Header", (*header).into()))),
            Refusal::Operation(_) => (Code::NotImplemented, None),
            Refusal::BucketName(_) => (Code::InvalidBucketName, None),
            Refusal::KeyTooLong => (
                Code::KeyTooLongError,
                Some(("MaxSizeAllowed", haulout_index::ObjectKey::MAX_BYTES.to_string().into())),
            ),
            Refusal::KeyEmpty => (Code::Custom("UserKeyMustBeSpecified".into()), None),
            Refusal::PartNumber(_) => {
                (Code::InvalidArgument, Some(("ArgumentName", Cow::Borrowed("partNumber"))))
            }
            Refusal::NoSuchUpload => (Code::NoSuchUpload, None),
            Refusal::Version => (Code::InvalidArgument, Some(("ArgumentName", Cow::Borrowed("versionId")))),
            Refusal::MalformedMd5 => (Code::InvalidDigest, None),
            Refusal::BodyMismatch { .. } => (Code::BadDigest, None),
            Refusal::MissingTrailer => (Code::Custom("MalformedTrailerError".into()), None),
            Refusal::MetadataTooLarge { max, .. } => {
                (Code::MetadataTooLarge, Some(("MaxSizeAllowed", max.to_string().into())))
            }
            Refusal::MissingContentLength => (Code::MissingContentLength, None),
            Refusal::EntityTooLarge { max, .. } => {
                (Code::EntityTooLarge, Some(("MaxSizeAllowed", max.to_string().into())))
            }
            Refusal::DocumentTooLong { max } => {
                (Code::MaxMessageLengthExceeded, Some(("MaxMessageLengthBytes", max.to_string().into())))
            }
            Refusal::MalformedXml => (Code::MalformedXML, None),
            Refusal::IncompleteBody(_) => (Code::IncompleteBody, None),
            Refusal::LocationConstraint { .. } => (Code::IllegalLocationConstraintException, None),
            Refusal::NoConfiguration(absent) => (absent.code(), None),
            Refusal::NotTheOwner => (Code::AccessDenied, None),
        };
        let mut headers = HeaderMap::new();
        if let Some((name, text)) = element {
            add_element(&mut headers, name, &text);
        }
        assemble(code, refusal.to_string(), headers, Box::new(refusal))
    }
}

impl Absent {
    fn code(self) -> S3ErrorCode {
        match self {
            Self::Tagging => S3ErrorCode::NoSuchTagSet,
            Self::Policy => S3ErrorCode::NoSuchBucketPolicy,
            Self::Cors => S3ErrorCode::NoSuchCORSConfiguration,
            Self::Lifecycle => S3ErrorCode::NoSuchLifecycleConfiguration,
            Self::Website => S3ErrorCode::NoSuchWebsiteConfiguration,
            Self::Encryption => S3ErrorCode::ServerSideEncryptionConfigurationNotFoundError,
            Self::ObjectLock => S3ErrorCode::ObjectLockConfigurationNotFoundError,
            Self::Replication => S3ErrorCode::ReplicationConfigurationNotFoundError,
            Self::OwnershipControls => S3ErrorCode::OwnershipControlsNotFoundError,
            Self::PublicAccessBlock => S3ErrorCode::Custom("NoSuchPublicAccessBlockConfiguration".into()),
        }
    }
}

impl From<ObjectError> for S3Error {
    fn from(error: ObjectError) -> Self {
        use S3ErrorCode as Code;
        let mut headers = HeaderMap::new();
        let mut retry_after_seconds = None;
        let code = match &error {
            ObjectError::NoSuchBucket => Code::NoSuchBucket,
            ObjectError::BucketAlreadyOwnedByYou => Code::BucketAlreadyOwnedByYou,
            ObjectError::BucketNotEmpty => Code::BucketNotEmpty,
            ObjectError::NoSuchKey => Code::NoSuchKey,
            ObjectError::NoSuchUpload => Code::NoSuchUpload,
            ObjectError::PreconditionFailed { condition } => {
                add_element(&mut headers, "Condition", condition);
                Code::PreconditionFailed
            }
            ObjectError::NotModified { record } => {
                view::add_validators(&mut headers, record);
                Code::NotModified
            }
            ObjectError::ConditionalRequestConflict => Code::ConditionalRequestConflict,
            ObjectError::InvalidRange { size } => {
                add_element(&mut headers, "ActualObjectSize", &size.to_string());
                headers.extend(text(&format!("bytes */{size}")).map(|value| (header::CONTENT_RANGE, value)));
                Code::InvalidRange
            }
            ObjectError::InvalidPartNumber => Code::Custom("InvalidPartNumber".into()),
            ObjectError::BadDigest { .. } => Code::BadDigest,
            ObjectError::MissingTrailer => Code::Custom("MalformedTrailerError".into()),
            ObjectError::IncompleteBody { .. } => Code::IncompleteBody,
            ObjectError::EntityTooLarge { max } => {
                add_element(&mut headers, "MaxSizeAllowed", &max.to_string());
                Code::EntityTooLarge
            }
            ObjectError::EntityTooSmall { number, size } => {
                add_element(&mut headers, "PartNumber", &number.to_string());
                add_element(&mut headers, "ProposedSize", &size.to_string());
                Code::EntityTooSmall
            }
            ObjectError::InvalidPart { number } => {
                add_element(&mut headers, "PartNumber", &number.to_string());
                Code::InvalidPart
            }
            ObjectError::InvalidPartOrder => Code::InvalidPartOrder,
            ObjectError::MalformedParts => Code::MalformedXML,
            ObjectError::SizeMismatch { .. }
            | ObjectError::ChecksumTypeMismatch
            | ObjectError::CopyOntoItself
            | ObjectError::CopySourceTooLarge { .. } => Code::InvalidRequest,
            ObjectError::StagingFull(_) => {
                retry_after_seconds = Some(StagingFull::RETRY_AFTER.as_secs());
                Code::SlowDown
            }
            ObjectError::CertifyTimeout | ObjectError::Index(IndexError::Busy { .. }) => {
                retry_after_seconds = Some(RETRY_AFTER_SECONDS);
                Code::SlowDown
            }
            ObjectError::Payload(payload) => {
                let (code, status) = payload.s3_code();
                let mut answer = assemble(known(code), payload.to_string(), headers, Box::new(error));
                answer.set_status_code(status);
                return answer;
            }
            ObjectError::BodyTransport(_) => Code::IncompleteBody,
            ObjectError::Read(_)
            | ObjectError::Corrupt(_)
            | ObjectError::Key(_)
            | ObjectError::Index(_)
            | ObjectError::StagingWrite(_)
            | ObjectError::StagingRead(_)
            | ObjectError::Internal(_) => Code::InternalError,
        };
        headers.extend(retry_after_seconds.map(|seconds| (header::RETRY_AFTER, HeaderValue::from(seconds))));
        let message = if code == Code::InternalError { INTERNAL.into() } else { error.to_string() };
        assemble(code, message, headers, Box::new(error))
    }
}

/// The statuses that s3s lacks, or has otherwise than S3.
fn status(code: &S3ErrorCode) -> Option<StatusCode> {
    match code.as_str() {
        "ServerSideEncryptionConfigurationNotFoundError" | "NoSuchPublicAccessBlockConfiguration" => {
            Some(StatusCode::NOT_FOUND)
        }
        "InvalidPartNumber" => Some(StatusCode::RANGE_NOT_SATISFIABLE),
        "MalformedTrailerError" | "UserKeyMustBeSpecified" => Some(StatusCode::BAD_REQUEST),
        _ => None,
    }
}

fn known(code: &str) -> S3ErrorCode {
    S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or_else(|| S3ErrorCode::Custom(code.into()))
}

fn assemble(
    code: S3ErrorCode,
    message: String,
    headers: HeaderMap,
    source: Box<dyn StdError + Send + Sync>,
) -> S3Error {
    let status = status(&code);
    let mut error = S3Error::with_source(code, source);
    error.set_message(message);
    status.into_iter().for_each(|status| error.set_status_code(status));
    error.set_headers(headers);
    error
}

/// `name` and `element` are ours and plain; a text that no header can hold is left out.
fn add_element(headers: &mut HeaderMap, name: &str, element: &str) {
    if let Some(value) = text(&format!("{name}={element}")) {
        headers.append(ELEMENT, value);
    }
}

fn text(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}

/// Writes a failed operation to the log, once: our faults at ERROR with every cause, the rest at DEBUG.
pub(super) fn log(operation: &'static str, failed: &S3Error) {
    let ours = failed.status_code().is_none_or(|status| {
        status.is_server_error()
            && status != StatusCode::NOT_IMPLEMENTED
            && status != StatusCode::SERVICE_UNAVAILABLE
    });
    let code = failed.code().as_str();
    let causes = causes(failed);
    if ours {
        error!(operation, code, causes, "operation failed");
    } else {
        debug!(operation, code, causes, "operation refused");
    }
}

fn causes(failed: &S3Error) -> String {
    let mut causes = String::new();
    let mut next: Option<&dyn StdError> = failed.source().map(|source| source as &dyn StdError);
    while let Some(cause) = next {
        if !causes.is_empty() {
            causes.push_str(": ");
        }
        causes.push_str(&cause.to_string());
        next = cause.source();
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(error: impl Into<S3Error>) -> u16 {
        error.into().status_code().unwrap().as_u16()
    }

    #[test]
    fn statuses_are_those_of_s3() {
        assert_eq!(status_of(Refusal::NoConfiguration(Absent::Encryption)), 404);
        assert_eq!(status_of(Refusal::NoConfiguration(Absent::PublicAccessBlock)), 404);
        assert_eq!(status_of(Refusal::MissingContentLength), 411);
        assert_eq!(status_of(Refusal::MissingTrailer), 400);
        assert_eq!(status_of(Refusal::Operation("x")), 501);
        assert_eq!(status_of(ObjectError::InvalidPartNumber), 416);
        assert_eq!(status_of(ObjectError::InvalidRange { size: 3 }), 416);
        assert_eq!(status_of(ObjectError::PreconditionFailed { condition: "If-Match" }), 412);
        assert_eq!(status_of(ObjectError::ConditionalRequestConflict), 409);
        assert_eq!(status_of(ObjectError::CertifyTimeout), 503);
    }

    #[test]
    fn a_full_staging_area_says_when_to_come_back() {
        let full = StagingFull { used: 9, max: 10, wanted: 2 };
        let error = S3Error::from(ObjectError::StagingFull(full));
        assert_eq!(error.code().as_str(), "SlowDown");
        assert_eq!(error.headers().unwrap()[header::RETRY_AFTER], "2");
    }

    #[test]
    fn an_unsatisfiable_range_names_the_size_twice() {
        let error = S3Error::from(ObjectError::InvalidRange { size: 10 });
        assert_eq!(error.headers().unwrap()[header::CONTENT_RANGE], "bytes */10");
        assert_eq!(error.headers().unwrap()[ELEMENT], "ActualObjectSize=10");
    }

    #[test]
    fn causes_are_told_outermost_first() {
        let cause = std::io::Error::other("reset");
        let error = S3Error::from(Refusal::IncompleteBody(Box::new(cause)));
        assert_eq!(causes(&error), "the body ended before its announced length: reset");
    }
}
