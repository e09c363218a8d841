//! What can be wrong with a payload.

use std::error::Error;
use std::time::Duration;

use http::StatusCode;

/// Why a payload's stream ended early. Boxed into the stream; find it by `downcast_ref` along the sources.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// The body ended before all promised bytes came.
    #[error("the request body ended after {received} of {expected} bytes")]
    Truncated {
        /// Bytes the client promised.
        expected: u64,
        /// Bytes that came.
        received: u64,
    },
    /// The body holds more than was promised.
    #[error("the request body has more than the promised {expected} bytes")]
    TooLong {
        /// Bytes the client promised.
        expected: u64,
    },
    /// A chunk's signature is missing or wrong.
    #[error("the signature of the request body's chunk {chunk_index} does not match")]
    ChunkSignature {
        /// Position of the chunk, from 0.
        chunk_index: u64,
    },
    /// The signature of the trailing headers is wrong.
    #[error("the signature of the trailing headers does not match")]
    TrailerSignature,
    /// The body's SHA-256 is not the one in `x-amz-content-sha256`.
    #[error("the provided x-amz-content-sha256 header does not match what was computed")]
    Sha256Mismatch,
    /// The trailing headers are not the announced ones, or not headers.
    #[error("the request contained trailing data that was not well-formed or did not conform to the headers")]
    MalformedTrailer(#[source] TrailerFault),
    /// The aws-chunked framing is broken.
    #[error("the framing of the request body is broken")]
    BadFraming(#[source] FramingFault),
    /// The client sent nothing for too long.
    #[error("nothing arrived on the connection within {idle_timeout:?}")]
    IdleTimeout {
        /// The longest allowed wait for one read.
        idle_timeout: Duration,
    },
    /// The connection failed below.
    #[error("the request body could not be read")]
    Transport(#[source] Box<dyn Error + Send + Sync>),
}

/// What is wrong with trailing headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrailerFault {
    /// Announced in `x-amz-trailer`, but it did not come.
    #[error("an announced trailing header is missing")]
    Missing,
    /// It came, but was not announced.
    #[error("a trailing header was not announced")]
    Unannounced,
    /// The same one twice.
    #[error("a trailing header is repeated")]
    Repeated,
    /// Not `name:value`.
    #[error("a trailing header has no valid form")]
    Form,
    /// Signed trailers without `x-amz-trailer-signature`, or something after it.
    #[error("the trailing headers do not end with their signature")]
    Unsigned,
    /// More than the cap.
    #[error("the trailing headers are too long")]
    TooLong,
}

/// What is wrong with aws-chunked framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingFault {
    /// A chunk header longer than the cap.
    #[error("a chunk header is too long")]
    HeaderTooLong,
    /// A chunk header that is not `size` or `size;chunk-signature=...`.
    #[error("a chunk header has no valid form")]
    Header,
    /// Chunk data not followed by CR LF.
    #[error("chunk data is not followed by a line end")]
    DataEnd,
    /// Bytes after the last chunk.
    #[error("there are bytes after the last chunk")]
    TrailingBytes,
}

impl PayloadError {
    /// The S3 error code and status that the client must see.
    pub fn s3_code(&self) -> (&'static str, StatusCode) {
        match self {
            Self::Truncated { .. } | Self::TooLong { .. } | Self::BadFraming(_) | Self::Transport(_) => {
                ("IncompleteBody", StatusCode::BAD_REQUEST)
            }
            Self::ChunkSignature { .. } | Self::TrailerSignature => {
                ("SignatureDoesNotMatch", StatusCode::FORBIDDEN)
            }
            Self::Sha256Mismatch => ("XAmzContentSHA256Mismatch", StatusCode::BAD_REQUEST),
            Self::MalformedTrailer(_) => ("MalformedTrailerError", StatusCode::BAD_REQUEST),
            Self::IdleTimeout { .. } => ("RequestTimeout", StatusCode::BAD_REQUEST),
        }
    }
}
