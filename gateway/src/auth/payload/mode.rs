//! The values of `x-amz-content-sha256`.

use super::plan::PayloadRefused;

/// How a payload is framed and what vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadMode {
    /// Plain bytes that nothing vouches for but TLS and checksums.
    Unsigned,
    /// Plain bytes with this SHA-256.
    Sha256([u8; 32]),
    /// aws-chunked, no signatures, trailing headers.
    UnsignedChunks,
    /// aws-chunked, a signature for each chunk.
    SignedChunks(Trailers),
}

/// Whether trailing headers (signed, like the chunks) may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trailers {
    None,
    Signed,
}

/// SHA-256 of nothing.
pub(super) const EMPTY_SHA256: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

impl PayloadMode {
    /// The value that presigned requests have without saying so.
    pub(crate) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

    /// # Errors
    /// [`PayloadRefused::UnknownMode`] for everything that is not one of the five values.
    pub(crate) fn parse(value: &str) -> Result<Self, PayloadRefused> {
        match value {
            Self::UNSIGNED => Ok(Self::Unsigned),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Self::UnsignedChunks),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(Self::SignedChunks(Trailers::None)),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(Self::SignedChunks(Trailers::Signed)),
            digest => {
                let mut sha256 = [0; 32];
                hex::decode_to_slice(digest, &mut sha256).map_err(|_| PayloadRefused::UnknownMode)?;
                Ok(Self::Sha256(sha256))
            }
        }
    }

    /// Whether the body on the wire has aws-chunked framing.
    pub(crate) fn is_chunked(self) -> bool {
        matches!(self, Self::UnsignedChunks | Self::SignedChunks(_))
    }

    /// Whether headers may follow the payload.
    pub(crate) fn has_trailers(self) -> bool {
        matches!(self, Self::UnsignedChunks | Self::SignedChunks(Trailers::Signed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_five_modes() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(PayloadMode::parse(empty).unwrap(), PayloadMode::Sha256(EMPTY_SHA256));
        assert_eq!(PayloadMode::parse("UNSIGNED-PAYLOAD").unwrap(), PayloadMode::Unsigned);
        for refused in ["", "unsigned-payload", "e3b0", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"] {
            assert!(matches!(PayloadMode::parse(refused), Err(PayloadRefused::UnknownMode)), "{refused}");
        }
    }
}
