//! The arithmetic of Signature Version 4: scopes, keys and signatures, without any HTTP.
//!
//! Source: AWS Identity and Access Management, "Create a signed AWS API request"; Amazon S3 API Reference,
//! "Signature Calculations for the Authorization Header".

use aws_lc_rs::{digest, hmac};
use subtle::ConstantTimeEq;

use super::credentials::SecretKey;
use super::timestamp::Timestamp;

/// The one algorithm that we verify in headers.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
/// Bytes of a hexadecimal HMAC-SHA256.
const SIGNATURE_HEX_BYTES: usize = 64;

/// `ACCESS_KEY/day/region/service/aws4_request`, as a client claims it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) access_key: String,
    pub(crate) scope: Scope,
}

/// What a signing key is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    /// `20130524`.
    pub(crate) day: String,
    pub(crate) region: String,
    pub(crate) service: String,
}

impl Credential {
    /// Splits from the right: an access key may contain slashes, a scope may not.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.rsplitn(5, '/');
        let terminator = fields.next()?;
        let (service, region, day) = (fields.next()?, fields.next()?, fields.next()?);
        let access_key = fields.next()?;
        (terminator == TERMINATOR && !access_key.is_empty()).then(|| Self {
            access_key: access_key.to_owned(),
            scope: Scope { day: day.to_owned(), region: region.to_owned(), service: service.to_owned() },
        })
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}/{}/{TERMINATOR}", self.day, self.region, self.service)
    }
}

/// An HMAC-SHA256 in lower-case hexadecimal. Compared in constant time, and only so.
#[derive(Clone, Debug)]
pub(crate) struct Signature(String);

impl Signature {
    /// None unless `text` is 64 lower-case hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (text.len() == SIGNATURE_HEX_BYTES && is_hex).then(|| Self(text.to_owned()))
    }

    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A key for one day, region and service, derived from a secret.
#[derive(Clone)]
pub(crate) struct SigningKey(hmac::Key);

impl SigningKey {
    pub(crate) fn derive(secret: &SecretKey, scope: &Scope) -> Self {
        let seed = zeroize::Zeroizing::new(format!("AWS4{}", secret.expose()));
        let day = hmac_sha256(seed.as_bytes(), &scope.day);
        let region = hmac_sha256(day.as_ref(), &scope.region);
        let service = hmac_sha256(region.as_ref(), &scope.service);
        let key = hmac_sha256(service.as_ref(), TERMINATOR);
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()))
    }

    pub(crate) fn sign(&self, string_to_sign: &str) -> Signature {
        Signature(hex::encode(hmac::sign(&self.0, string_to_sign.as_bytes())))
    }
}

fn hmac_sha256(key: &[u8], message: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes())
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

/// The string whose HMAC is a request's signature.
pub(crate) fn string_to_sign(timestamp: Timestamp, scope: &Scope, canonical_request: &[u8]) -> String {
    format!("{ALGORITHM}\n{}\n{scope}\n{}", timestamp.basic(), sha256_hex(canonical_request))
}

/// The chain of signatures over the chunks of one body: each covers the one before, the first the request's.
///
/// Source: Amazon S3 API Reference, "Transferring Payload in Multiple Chunks (Chunked Upload)" and
/// "Including trailing headers".
pub(crate) struct ChunkChain {
    key: SigningKey,
    timestamp: Timestamp,
    scope: Scope,
    previous: Signature,
}

impl ChunkChain {
    /// `seed` is the signature of the request's headers.
    pub(crate) fn new(key: SigningKey, timestamp: Timestamp, scope: Scope, seed: Signature) -> Self {
        Self { key, timestamp, scope, previous: seed }
    }

    /// Whether `claimed` signs the next chunk, which has this SHA-256. Only then the chain moves on.
    pub(crate) fn accept_chunk(&mut self, claimed: &Signature, chunk: digest::Digest) -> bool {
        let empty = digest::digest(&digest::SHA256, b"");
        let string_to_sign = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{}\n{}",
            self.timestamp.basic(),
            self.scope,
            self.previous.as_str(),
            hex::encode(empty),
            hex::encode(chunk),
        );
        self.accept(claimed, &string_to_sign)
    }

    /// Whether `claimed` signs the trailing headers, given as `name:value\n` each.
    pub(crate) fn accept_trailers(&mut self, claimed: &Signature, canonical_trailers: &str) -> bool {
        let string_to_sign = format!(
            "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{}",
            self.timestamp.basic(),
            self.scope,
            self.previous.as_str(),
            sha256_hex(canonical_trailers.as_bytes()),
        );
        self.accept(claimed, &string_to_sign)
    }

    fn accept(&mut self, claimed: &Signature, string_to_sign: &str) -> bool {
        let matches = self.key.sign(string_to_sign).matches(claimed);
        if matches {
            self.previous = claimed.clone();
        }
        matches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_split_from_the_right() {
        let credential = Credential::parse("AK/with/slash/20130524//s3/aws4_request").unwrap();
        assert_eq!(credential.access_key, "AK/with/slash");
        assert_eq!(credential.scope.to_string(), "20130524//s3/aws4_request");
        for text in [
            "",
            "AK",
            "AK/20130524/us-east-1/s3",
            "AK/20130524/us-east-1/s3/aws4",
            "/20130524/r/s3/aws4_request",
        ] {
            assert_eq!(Credential::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_lower_case_hexadecimal_is_a_signature() {
        assert!(Signature::parse(&"0a".repeat(32)).is_some());
        for text in ["", "0a", &"0A".repeat(32), &"0g".repeat(32), &"0a".repeat(33)] {
            assert!(Signature::parse(text).is_none(), "{text}");
        }
    }
}
