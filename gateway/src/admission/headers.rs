//! Request headers that ask for behaviour we do not have.
//!
//! Presigned URLs carry `x-amz-*` headers in their query, so query items of such names are judged the same way.

use http::{HeaderMap, HeaderName};

use super::Refusal;
use crate::auth::query::Query;

/// When a header is refused.
enum Rule {
    /// Whenever it is there.
    Always,
    /// Unless its value is one of these, in any case.
    Unless(&'static [&'static str]),
    /// If its value is one of these, in any case.
    If(&'static [&'static str]),
    /// If its value names one of these among others, in any case.
    IfNamed(&'static [&'static str]),
}

/// Algorithms of the S3 model that we do not compute.
const OTHER_CHECKSUMS: &[&str] = &["md5", "sha512", "xxhash128", "xxhash3", "xxhash64"];
const OTHER_CHECKSUM_HEADERS: &[&str] = &[
    "x-amz-checksum-md5",
    "x-amz-checksum-sha512",
    "x-amz-checksum-xxhash128",
    "x-amz-checksum-xxhash3",
    "x-amz-checksum-xxhash64",
];

/// Headers by their whole names.
const RULES: [(&str, Rule); 26] = [
    ("x-amz-acl", Rule::Unless(&["private", "bucket-owner-full-control"])),
    ("x-amz-bucket-object-lock-enabled", Rule::Unless(&["false"])),
    ("x-amz-checksum-algorithm", Rule::If(OTHER_CHECKSUMS)),
    ("x-amz-checksum-md5", Rule::Always),
    ("x-amz-checksum-sha512", Rule::Always),
    ("x-amz-checksum-xxhash128", Rule::Always),
    ("x-amz-checksum-xxhash3", Rule::Always),
    ("x-amz-checksum-xxhash64", Rule::Always),
    // Conditions of directory buckets: a condition that is not checked is a wrong deletion.
    ("x-amz-if-match-initiated-time", Rule::Always),
    ("x-amz-if-match-last-modified-time", Rule::Always),
    ("x-amz-if-match-size", Rule::Always),
    ("x-amz-mfa", Rule::Always),
    ("x-amz-object-ownership", Rule::Unless(&["BucketOwnerEnforced"])),
    ("x-amz-rename-source", Rule::Always),
    ("x-amz-sdk-checksum-algorithm", Rule::If(OTHER_CHECKSUMS)),
    ("x-amz-server-side-encryption", Rule::Unless(&["AES256"])),
    ("x-amz-server-side-encryption-aws-kms-key-id", Rule::Always),
    ("x-amz-server-side-encryption-bucket-key-enabled", Rule::Unless(&["false"])),
    ("x-amz-server-side-encryption-context", Rule::Always),
    ("x-amz-storage-class", Rule::Unless(&["STANDARD"])),
    ("x-amz-tagging", Rule::Unless(&[""])),
    ("x-amz-trailer", Rule::IfNamed(OTHER_CHECKSUM_HEADERS)),
    ("x-amz-website-redirect-location", Rule::Always),
    ("x-amz-write-offset-bytes", Rule::Always),
    ("x-amz-request-route", Rule::Always),
    ("x-amz-request-token", Rule::Always),
];

/// Headers by how their names begin.
const PREFIXES: [&str; 6] = [
    "x-amz-copy-source-server-side-encryption-customer-",
    "x-amz-create-session-",
    "x-amz-grant-",
    "x-amz-object-lock-",
    "x-amz-rename-source-",
    "x-amz-server-side-encryption-customer-",
];

pub(super) fn check(headers: &HeaderMap, query: &Query<'_>) -> Result<(), Refusal> {
    for (name, value) in headers {
        check_one(name, value.as_bytes())?;
    }
    for item in query.items() {
        if let Ok(name) = HeaderName::from_bytes(&item.name) {
            check_one(&name, &item.value)?;
        }
    }
    Ok(())
}

fn check_one(name: &HeaderName, value: &[u8]) -> Result<(), Refusal> {
    let text = name.as_str();
    if !text.starts_with("x-amz-") {
        return Ok(());
    }
    let by_prefix = PREFIXES.iter().any(|prefix| text.starts_with(prefix));
    let by_rule = RULES.iter().any(|(ruled, rule)| *ruled == text && rule.refuses(value.trim_ascii()));
    if by_prefix || by_rule { Err(Refusal::Header { name: name.clone() }) } else { Ok(()) }
}

impl Rule {
    fn refuses(&self, value: &[u8]) -> bool {
        let is_one_of = |value: &[u8], names: &[&str]| {
            names.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(value))
        };
        match self {
            Self::Always => true,
            Self::Unless(accepted) => !is_one_of(value, accepted),
            Self::If(refused) => is_one_of(value, refused),
            Self::IfNamed(refused) => {
                value.split(|byte| *byte == b',').any(|name| is_one_of(name.trim_ascii(), refused))
            }
        }
    }
}
