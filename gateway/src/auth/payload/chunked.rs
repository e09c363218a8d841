//! The aws-chunked framing, decoded without holding chunks back.
//!
//! ```text
//! body    = *( chunk CRLF ) last-chunk ( CRLF | trailers )
//! chunk   = size [ ";chunk-signature=" signature ] CRLF data
//! ```
//!
//! Data passes on as it arrives, hashed on the way; the bytes that complete a chunk pass only if its signature holds.
//!
//! Source: Amazon S3 API Reference, "Transferring Payload in Multiple Chunks (Chunked Upload)".

use aws_lc_rs::digest;
use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName};

use super::error::{FramingFault, PayloadError};
use super::mode::Trailers;
use super::trailers::TrailerBlock;
use crate::auth::signing::{ChunkChain, Signature};

/// Longest chunk header: S3 clients send under 100 bytes.
const MAX_CHUNK_HEADER_BYTES: usize = 4 * 1024;
/// Line ends that clients put after the last chunk: two are the norm, some send more.
const MAX_BYTES_AFTER_END: usize = 4;

/// Takes aws-chunked framing off a payload. Holds at most one unfinished line.
pub(crate) struct ChunkedDecoder {
    decoded_length: u64,
    received: u64,
    /// Position of the current chunk.
    chunk_index: u64,
    /// None where chunks carry no signatures.
    chain: Option<ChunkChain>,
    state: State,
    /// What follows the last chunk.
    trailers: Option<TrailerBlock>,
    bytes_after_end: usize,
}

enum State {
    /// In a chunk header, of which these bytes came so far.
    Header(Vec<u8>),
    /// In a chunk's data.
    Data(Chunk),
    /// Past a chunk's data, this many bytes of its line end to come.
    DataEnd { line_end: &'static [u8] },
    /// Past the last chunk.
    End,
}

struct Chunk {
    left: u64,
    signed: Option<SignedChunk>,
}

struct SignedChunk {
    signature: Signature,
    sha256: digest::Context,
}

impl ChunkedDecoder {
    /// Chunks without signatures, trailing headers after them.
    pub(crate) fn unsigned(decoded_length: u64, announced_trailers: Vec<HeaderName>) -> Self {
        Self::new(decoded_length, None, Some(TrailerBlock::unsigned(announced_trailers)))
    }

    /// Chunks whose signatures continue `chain`, and perhaps trailing headers that do so too.
    pub(crate) fn signed(
        decoded_length: u64,
        chain: ChunkChain,
        trailers: Trailers,
        announced_trailers: Vec<HeaderName>,
    ) -> Self {
        let block = (trailers == Trailers::Signed).then(|| TrailerBlock::signed(announced_trailers));
        Self::new(decoded_length, Some(chain), block)
    }

    fn new(decoded_length: u64, chain: Option<ChunkChain>, trailers: Option<TrailerBlock>) -> Self {
        let state = State::Header(Vec::new());
        Self { decoded_length, received: 0, chunk_index: 0, chain, state, trailers, bytes_after_end: 0 }
    }

    /// Takes bytes from `input` until there is data to pass on, or `input` is empty.
    pub(crate) fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, PayloadError> {
        while !input.is_empty() {
            match &mut self.state {
                State::Header(line) => {
                    if let Some(line) = take_line(line, input)? {
                        self.start_chunk(&line)?;
                    }
                }
                State::Data(_) => return self.take_data(input).map(Some),
                State::DataEnd { line_end } => {
                    if line_end.first() != Some(&input.get_u8()) {
                        return Err(PayloadError::BadFraming(FramingFault::DataEnd));
                    }
                    *line_end = &line_end[1..];
                    if line_end.is_empty() {
                        self.state = State::Header(Vec::new());
                    }
                }
                State::End => self.take_after_end(input)?,
            }
        }
        Ok(None)
    }

    /// The transport ended: checks that the payload did too. Returns the trailing headers.
    pub(crate) fn finish(&mut self) -> Result<HeaderMap, PayloadError> {
        if !matches!(self.state, State::End) {
            return Err(self.truncated());
        }
        match self.trailers.take() {
            Some(block) if block.is_inside_line() => Err(self.truncated()),
            Some(block) => block.finish(self.chain.as_mut()),
            None => Ok(HeaderMap::new()),
        }
    }

    /// Bytes of the object still to come.
    pub(crate) fn remaining(&self) -> u64 {
        self.decoded_length - self.received
    }

    fn truncated(&self) -> PayloadError {
        PayloadError::Truncated { expected: self.decoded_length, received: self.received }
    }

    fn start_chunk(&mut self, line: &[u8]) -> Result<(), PayloadError> {
        let header = ChunkHeader::parse(line).ok_or(PayloadError::BadFraming(FramingFault::Header))?;
        if header.size > self.remaining() {
            return Err(PayloadError::TooLong { expected: self.decoded_length });
        }
        let signed = match (&self.chain, header.signature) {
            (None, None) => None,
            (None, Some(_)) => return Err(PayloadError::BadFraming(FramingFault::Header)),
            (Some(_), signature) => {
                let signature = signature.and_then(Signature::parse);
                let signature =
                    signature.ok_or(PayloadError::ChunkSignature { chunk_index: self.chunk_index })?;
                Some(SignedChunk { signature, sha256: digest::Context::new(&digest::SHA256) })
            }
        };
        if header.size > 0 {
            self.state = State::Data(Chunk { left: header.size, signed });
            return Ok(());
        }
        if self.received < self.decoded_length {
            return Err(self.truncated());
        }
        self.check_signature(signed)?;
        self.state = State::End;
        Ok(())
    }

    /// Called with a chunk under way and `input` not empty, so that the result is not empty either.
    fn take_data(&mut self, input: &mut Bytes) -> Result<Bytes, PayloadError> {
        let State::Data(chunk) = &mut self.state else { unreachable!("the caller saw a chunk under way") };
        let available = usize::try_from(chunk.left).map_or(input.len(), |left| left.min(input.len()));
        let data = input.split_to(available);
        let length = u64::try_from(available).expect("a buffer's length fits in 64 bits");
        if let Some(signed) = &mut chunk.signed {
            signed.sha256.update(&data);
        }
        chunk.left -= length;
        self.received += length;
        if chunk.left == 0 {
            let signed = chunk.signed.take();
            self.state = State::DataEnd { line_end: b"\r\n" };
            self.check_signature(signed)?;
            self.chunk_index += 1;
        }
        Ok(data)
    }

    fn check_signature(&mut self, signed: Option<SignedChunk>) -> Result<(), PayloadError> {
        let (Some(chain), Some(signed)) = (&mut self.chain, signed) else { return Ok(()) };
        if chain.accept_chunk(&signed.signature, signed.sha256.finish()) {
            Ok(())
        } else {
            Err(PayloadError::ChunkSignature { chunk_index: self.chunk_index })
        }
    }

    fn take_after_end(&mut self, input: &mut Bytes) -> Result<(), PayloadError> {
        let rest = std::mem::take(input);
        if let Some(block) = &mut self.trailers {
            return block.push(&rest).map_err(PayloadError::MalformedTrailer);
        }
        self.bytes_after_end += rest.len();
        let only_line_ends = rest.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
        if only_line_ends && self.bytes_after_end <= MAX_BYTES_AFTER_END {
            Ok(())
        } else {
            Err(PayloadError::BadFraming(FramingFault::TrailingBytes))
        }
    }
}

/// Moves bytes up to the end of a line; returns it, without CR LF, once it is whole.
fn take_line(line: &mut Vec<u8>, input: &mut Bytes) -> Result<Option<Vec<u8>>, PayloadError> {
    let end = input.iter().position(|byte| *byte == b'\n');
    let taken = input.split_to(end.map_or(input.len(), |end| end + 1));
    if line.len() + taken.len() > MAX_CHUNK_HEADER_BYTES {
        return Err(PayloadError::BadFraming(FramingFault::HeaderTooLong));
    }
    line.extend_from_slice(&taken);
    if end.is_none() {
        return Ok(None);
    }
    let line = std::mem::take(line);
    let text = line.strip_suffix(b"\r\n").ok_or(PayloadError::BadFraming(FramingFault::Header))?;
    Ok(Some(text.to_vec()))
}

struct ChunkHeader<'a> {
    size: u64,
    signature: Option<&'a str>,
}

impl<'a> ChunkHeader<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?;
        let (size, signature) = match line.split_once(';') {
            None => (line, None),
            Some((size, extension)) => (size, Some(extension.strip_prefix("chunk-signature=")?)),
        };
        // `from_str_radix` would also take a sign.
        let is_hex = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = u64::from_str_radix(size, 16).ok().filter(|_| is_hex)?;
        Some(Self { size, signature })
    }
}
