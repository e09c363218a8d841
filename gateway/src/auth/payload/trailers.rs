//! The headers after the last chunk.
//!
//! One `name:value` a line. Clients differ in line ends (CR LF or LF) and in blank lines between the headers, their
//! signature and the end, so blank lines are skipped and the transport's end is the block's end.
//!
//! Source: Amazon S3 API Reference, "Signature calculations for trailing headers".

use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::{PayloadError, TrailerFault};
use crate::auth::signing::{ChunkChain, Signature};

/// Longest block of trailing headers: a checksum and a signature take under 200 bytes.
const MAX_TRAILER_BYTES: usize = 16 * 1024;
const SIGNATURE_NAME: &str = "x-amz-trailer-signature";

/// Collects trailing headers.
pub(crate) struct TrailerBlock {
    announced: Vec<HeaderName>,
    /// The bytes so far, at most [`MAX_TRAILER_BYTES`].
    bytes: Vec<u8>,
    signed: bool,
}

impl TrailerBlock {
    pub(crate) fn unsigned(announced: Vec<HeaderName>) -> Self {
        Self { announced, bytes: Vec::new(), signed: false }
    }

    /// The block must end with a signature that continues the chunks' chain.
    pub(crate) fn signed(announced: Vec<HeaderName>) -> Self {
        Self { announced, bytes: Vec::new(), signed: true }
    }

    pub(crate) fn push(&mut self, input: &[u8]) -> Result<(), TrailerFault> {
        if self.bytes.len() + input.len() > MAX_TRAILER_BYTES {
            return Err(TrailerFault::TooLong);
        }
        self.bytes.extend_from_slice(input);
        Ok(())
    }

    /// Whether the last line has no end yet: its value may be cut.
    pub(crate) fn is_inside_line(&self) -> bool {
        self.bytes.last().is_some_and(|byte| *byte != b'\n')
    }

    /// The headers, each announced one exactly once; `chain` is used only if they must be signed.
    pub(crate) fn finish(self, chain: Option<&mut ChunkChain>) -> Result<HeaderMap, PayloadError> {
        let mut headers = HeaderMap::new();
        let mut canonical = String::new();
        let mut signature = None;
        for (name, value) in lines(&self.bytes)? {
            if signature.is_some() {
                return Err(PayloadError::MalformedTrailer(TrailerFault::Unsigned));
            }
            if self.signed && name == SIGNATURE_NAME {
                signature = Some(value);
                continue;
            }
            canonical.extend([name.as_str(), ":", value, "\n"]);
            self.insert(&mut headers, name, value).map_err(PayloadError::MalformedTrailer)?;
        }
        if headers.len() < self.announced.len() {
            return Err(PayloadError::MalformedTrailer(TrailerFault::Missing));
        }
        if let Some(chain) = chain.filter(|_| self.signed) {
            let signature = signature.ok_or(PayloadError::MalformedTrailer(TrailerFault::Unsigned))?;
            let signature = Signature::parse(signature).ok_or(PayloadError::TrailerSignature)?;
            if !chain.accept_trailers(&signature, &canonical) {
                return Err(PayloadError::TrailerSignature);
            }
        }
        Ok(headers)
    }

    fn insert(&self, headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), TrailerFault> {
        if !self.announced.contains(&name) {
            return Err(TrailerFault::Unannounced);
        }
        let value = HeaderValue::from_str(value).map_err(|_| TrailerFault::Form)?;
        if headers.insert(name, value).is_some() { Err(TrailerFault::Repeated) } else { Ok(()) }
    }
}

fn lines(bytes: &[u8]) -> Result<Vec<(HeaderName, &str)>, PayloadError> {
    let malformed = || PayloadError::MalformedTrailer(TrailerFault::Form);
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (name, value) = line.split_once(':').ok_or_else(malformed)?;
            let name = HeaderName::try_from(name.trim_end()).map_err(|_| malformed())?;
            Ok((name, value.trim_start()))
        })
        .collect()
}
