//! Names that clients choose, parsed once at the edge.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// A bucket's name under S3's rules: 3 to 63 lower-case letters, digits, dots and hyphens.
///
/// Begins and ends with a letter or digit, has no two dots in a row, does not look like an IPv4 address and
/// does not begin with `xn--`.
/// Source: Amazon S3 User Guide, "General purpose bucket naming rules".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BucketName(String);

impl BucketName {
    /// Checks `raw` against the rules.
    ///
    /// # Errors
    /// [`InvalidBucketName`] names the first rule that `raw` breaks.
    pub fn parse(raw: impl Into<String>) -> Result<Self, InvalidBucketName> {
        let raw = raw.into();
        check_bucket_name(&raw)?;
        Ok(Self(raw))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text cannot name a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBucketName {
    /// Too short or too long.
    #[error("a bucket name has 3 to 63 bytes, not {length}")]
    Length {
        /// Its length in bytes.
        length: usize,
    },
    /// A byte outside `a-z`, `0-9`, `.` and `-`.
    #[error("a bucket name has only lower-case letters, digits, dots and hyphens")]
    Character,
    /// Begins or ends with a dot or hyphen.
    #[error("a bucket name begins and ends with a letter or digit")]
    Edge,
    /// Has `..` in it.
    #[error("a bucket name has no two dots in a row")]
    AdjacentDots,
    /// Reads as an IPv4 address, which virtual-host addressing could not tell apart.
    #[error("a bucket name is not an IPv4 address")]
    IpAddress,
    /// Begins with `xn--`, the mark of an encoded domain name.
    #[error("a bucket name does not begin with xn--")]
    ReservedPrefix,
}

fn check_bucket_name(raw: &str) -> Result<(), InvalidBucketName> {
    if !(3..=63).contains(&raw.len()) {
        return Err(InvalidBucketName::Length { length: raw.len() });
    }
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if !raw.bytes().all(|byte| alphanumeric(byte) || byte == b'.' || byte == b'-') {
        return Err(InvalidBucketName::Character);
    }
    if raw.starts_with(['.', '-']) || raw.ends_with(['.', '-']) {
        return Err(InvalidBucketName::Edge);
    }
    if raw.contains("..") {
        return Err(InvalidBucketName::AdjacentDots);
    }
    if raw.parse::<Ipv4Addr>().is_ok() || is_dotted_quad(raw) {
        return Err(InvalidBucketName::IpAddress);
    }
    if raw.starts_with("xn--") {
        return Err(InvalidBucketName::ReservedPrefix);
    }
    Ok(())
}

/// S3 refuses what is formatted as an address, `999.0.0.01` too.
fn is_dotted_quad(raw: &str) -> bool {
    let numbers = |label: &str| label.len() <= 3 && label.bytes().all(|byte| byte.is_ascii_digit());
    raw.split('.').count() == 4 && raw.split('.').all(numbers)
}

/// A UTF-8 object key of 1 to [`ObjectKey::MAX_BYTES`] bytes. Any character is allowed, NUL included.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// S3's limit, counted in UTF-8 bytes rather than characters.
    pub const MAX_BYTES: usize = 1024;

    /// Checks the length of `raw`.
    ///
    /// # Errors
    /// [`InvalidObjectKey`] if `raw` is empty or too long.
    pub fn parse(raw: impl Into<String>) -> Result<Self, InvalidObjectKey> {
        let raw = raw.into();
        match raw.len() {
            0 => Err(InvalidObjectKey::Empty),
            length if length > Self::MAX_BYTES => Err(InvalidObjectKey::TooLong { length }),
            _ => Ok(Self(raw)),
        }
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text cannot be an object key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidObjectKey {
    /// No bytes.
    #[error("an object key has at least one byte")]
    Empty,
    /// Over [`ObjectKey::MAX_BYTES`].
    #[error("an object key has at most {} bytes, not {length}", ObjectKey::MAX_BYTES)]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules() {
        for good in ["abc", "a-b", "my.bucket.1", "0xn--a", &"a".repeat(63), "1.2.3", "1.2.3.4.5"] {
            assert!(BucketName::parse(good).is_ok(), "{good}");
        }
        let refused = [
            ("ab", InvalidBucketName::Length { length: 2 }),
            (&"a".repeat(64), InvalidBucketName::Length { length: 64 }),
            ("aBc", InvalidBucketName::Character),
            ("a_c", InvalidBucketName::Character),
            ("aéc", InvalidBucketName::Character),
            ("-ab", InvalidBucketName::Edge),
            ("ab.", InvalidBucketName::Edge),
            ("a..b", InvalidBucketName::AdjacentDots),
            ("192.168.5.4", InvalidBucketName::IpAddress),
            ("999.168.05.4", InvalidBucketName::IpAddress),
            ("xn--abc", InvalidBucketName::ReservedPrefix),
        ];
        for (bad, why) in refused {
            assert_eq!(BucketName::parse(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn object_keys_are_measured_in_bytes() {
        assert_eq!(ObjectKey::parse(""), Err(InvalidObjectKey::Empty));
        assert!(ObjectKey::parse("é".repeat(512)).is_ok());
        assert_eq!(ObjectKey::parse("é".repeat(513)), Err(InvalidObjectKey::TooLong { length: 1026 }));
        assert!(ObjectKey::parse("\0").is_ok());
    }
}
