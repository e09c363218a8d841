//! Payloads without framing.

use aws_lc_rs::digest;
use bytes::Bytes;
use subtle::ConstantTimeEq;

use super::error::PayloadError;

/// Counts and hashes the bytes of a plain payload as they pass.
pub(crate) struct PlainDecoder {
    expected_length: Option<u64>,
    received: u64,
    sha256: Option<Sha256Claim>,
}

struct Sha256Claim {
    claimed: [u8; 32],
    computed: digest::Context,
}

impl PlainDecoder {
    pub(crate) fn new(expected_length: Option<u64>, claimed_sha256: Option<[u8; 32]>) -> Self {
        let sha256 = claimed_sha256
            .map(|claimed| Sha256Claim { claimed, computed: digest::Context::new(&digest::SHA256) });
        Self { expected_length, received: 0, sha256 }
    }

    /// Passes `input` on. The bytes that complete a payload of known length pass only if all were right.
    pub(crate) fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, PayloadError> {
        let data = std::mem::take(input);
        self.received += u64::try_from(data.len()).expect("a buffer's length fits in 64 bits");
        if let Some(expected) = self.expected_length
            && self.received > expected
        {
            return Err(PayloadError::TooLong { expected });
        }
        if let Some(claim) = &mut self.sha256 {
            claim.computed.update(&data);
        }
        if self.expected_length == Some(self.received) {
            self.check_sha256()?;
        }
        Ok((!data.is_empty()).then_some(data))
    }

    /// The transport ended.
    pub(crate) fn finish(&mut self) -> Result<(), PayloadError> {
        match self.expected_length {
            Some(expected) if self.received < expected => {
                Err(PayloadError::Truncated { expected, received: self.received })
            }
            _ => self.check_sha256(),
        }
    }

    pub(crate) fn remaining(&self) -> Option<u64> {
        self.expected_length.map(|expected| expected.saturating_sub(self.received))
    }

    fn check_sha256(&mut self) -> Result<(), PayloadError> {
        let Some(claim) = self.sha256.take() else { return Ok(()) };
        let matches = claim.computed.finish().as_ref().ct_eq(&claim.claimed);
        if matches.into() { Ok(()) } else { Err(PayloadError::Sha256Mismatch) }
    }
}
