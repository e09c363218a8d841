//! Names that go on the wire and so must be right before the first request: regions and base domains.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An AWS region name: 1 to 63 lower-case letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(String);

/// Not a region name.
#[derive(Debug, thiserror::Error)]
#[error("a region is 1 to 63 lower-case letters, digits and hyphens, such as us-east-1")]
pub struct InvalidRegion;

impl Region {
    /// The name, such as `us-east-1`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Region {
    fn default() -> Self {
        Self("us-east-1".to_owned())
    }
}

impl TryFrom<String> for Region {
    type Error = InvalidRegion;

    fn try_from(raw: String) -> Result<Self, InvalidRegion> {
        if is_label(&raw) { Ok(Self(raw)) } else { Err(InvalidRegion) }
    }
}

impl From<Region> for String {
    fn from(region: Region) -> Self {
        region.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A base domain for virtual-host style: a lower-case host name without port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

/// Not a host name.
#[derive(Debug, thiserror::Error)]
#[error(
    "a base domain is a lower-case host name without scheme, port or leading dot, such as s3.example.org"
)]
pub struct InvalidDomain;

impl Domain {
    const MAX_BYTES: usize = 253;

    /// The name, such as `s3.example.org`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn localhost() -> Self {
        Self("localhost".to_owned())
    }
}

impl TryFrom<String> for Domain {
    type Error = InvalidDomain;

    fn try_from(raw: String) -> Result<Self, InvalidDomain> {
        if raw.len() <= Self::MAX_BYTES && raw.split('.').all(is_label) {
            Ok(Self(raw))
        } else {
            Err(InvalidDomain)
        }
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One label of a host name, which is also what region names look like.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}
