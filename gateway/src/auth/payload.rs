//! From the bytes on the wire to the bytes of the object: framing taken off, every claim about them checked.
//!
//! [`mode`] says what `x-amz-content-sha256` may hold, [`plan`] what the other headers must say then. [`plain`] and
//! [`chunked`] are the two decoders, free of I/O; [`body`] drives one of them over the request's body as it arrives.
//!
//! Invariant: a stream that ends without an error gave exactly the bytes that the client signed or summed up.
//! Until that end nothing is proven, so nobody may make the bytes visible before.

pub(crate) mod body;
mod chunked;
mod error;
mod mode;
mod plain;
mod plan;
mod trailers;

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderName};

pub use error::{FramingFault, PayloadError, TrailerFault};
pub(crate) use mode::PayloadMode;
pub(crate) use plan::{LengthRule, PayloadPlan, PayloadRefused};

/// What is known of a request's payload before it arrives. In the request's extensions after the auth layer.
#[derive(Clone, Debug)]
pub struct PayloadInfo {
    /// Bytes of the object or document, framing not counted. None if the client named no length; never so for
    /// PutObject and UploadPart.
    pub decoded_length: Option<u64>,
    /// Headers that the client promised to send after the payload. A stream that ends without an error had them all.
    pub announced_trailers: Vec<HeaderName>,
    /// Where those headers are found, after the end of the stream.
    pub trailers: TrailersHandle,
}

/// The headers after a payload, once they arrived.
#[derive(Clone, Debug, Default)]
pub struct TrailersHandle(Arc<OnceLock<HeaderMap>>);

impl TrailersHandle {
    /// None until the payload's stream ended without an error; empty if nothing was announced.
    /// Where the mode signs trailers, the signature was verified.
    pub fn get(&self) -> Option<&HeaderMap> {
        self.0.get()
    }

    pub(crate) fn set(&self, trailers: HeaderMap) {
        // A body ends once; should it be polled on, the first answer stands.
        let _ = self.0.set(trailers);
    }
}
