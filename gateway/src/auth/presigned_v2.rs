//! Signature Version 2 in the query: presigned URLs of old signers, and of boto3 in us-east-1 to this day.
//!
//! Source: Amazon S3 User Guide, "Signing and authenticating REST requests" and "Query string request authentication".

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use subtle::ConstantTimeEq;

use super::canonical::{Form, canonical_path, push_header_values};
use super::credentials::{CredentialSource, Identity, SecretKey};
use super::error::{AuthError, Carrier, Fault, Mismatch};
use super::hoisted::hoisted_headers;
use super::payload::{PayloadMode, PayloadRefused};
use super::query::{Item, Query};
use super::signature_v4::secret_of;
use super::timestamp::Timestamp;
use super::verdict::Verdict;
use super::{AuthConfig, CONTENT_SHA256};
use crate::addressing::{self, Level};

/// Query items that name a sub-resource or override a response header: these are signed, others are not.
const SIGNED_ITEMS: [&str; 41] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "retention",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// Verifies a request with `AWSAccessKeyId`, `Expires` and `Signature` in its query.
pub(crate) fn verify(
    parts: &Parts,
    query: &Query<'_>,
    credentials: &dyn CredentialSource,
    config: &AuthConfig,
    now: Timestamp,
) -> Result<Verdict, AuthError> {
    if !config.allow_sigv2_presigned {
        return Err(AuthError::UnsupportedMechanism);
    }
    let malformed = |fault| AuthError::Malformed { carrier: Carrier::Query, fault: Fault::Query(fault) };
    let access_key = query.unique("AWSAccessKeyId").map_err(malformed)?;
    let claimed = query.unique("Signature").map_err(malformed)?;
    let expires = query.unique("Expires").map_err(malformed)?;
    check_clock(expires, now)?;
    let secret = secret_of(credentials, access_key)?;
    let candidates = [Form::Wire, Form::Normalised]
        .map(|form| string_to_sign(parts, query, config, expires, form))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    if !candidates.iter().any(|candidate| matches(&secret, candidate, claimed)) {
        return Err(AuthError::SignatureMismatch(Box::new(Mismatch {
            access_key: access_key.to_owned(),
            string_to_sign: String::from_utf8_lossy(&candidates[0]).into_owned(),
            canonical_request: None,
        })));
    }
    Ok(Verdict {
        identity: Identity { access_key: access_key.to_owned() },
        mode: payload_mode(parts)?,
        chain: None,
        hoisted: hoisted_headers(&parts.headers, query)?,
    })
}

fn check_clock(expires: &str, server_time: Timestamp) -> Result<(), AuthError> {
    let expires_at = expires.parse().ok().and_then(Timestamp::from_unix).ok_or(AuthError::InvalidExpires)?;
    if server_time > expires_at {
        return Err(AuthError::Expired { expires_at, server_time });
    }
    Ok(())
}

fn matches(secret: &SecretKey, string_to_sign: &[u8], claimed: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose().as_bytes());
    let computed = STANDARD.encode(hmac::sign(&key, string_to_sign));
    computed.as_bytes().ct_eq(claimed.as_bytes()).into()
}

/// Version 2 knows no payload hash; a header that describes the body is held to it all the same.
fn payload_mode(parts: &Parts) -> Result<PayloadMode, PayloadRefused> {
    let Some(value) = parts.headers.get(CONTENT_SHA256) else { return Ok(PayloadMode::Unsigned) };
    match PayloadMode::parse(value.to_str().map_err(|_| PayloadRefused::UnknownMode)?)? {
        PayloadMode::SignedChunks(_) => Err(PayloadRefused::ChunksWithoutSeed),
        mode => Ok(mode),
    }
}

fn string_to_sign(
    parts: &Parts,
    query: &Query<'_>,
    config: &AuthConfig,
    expires: &str,
    form: Form,
) -> Result<Vec<u8>, AuthError> {
    let mut signed = format!("{}\n", parts.method).into_bytes();
    for name in ["content-md5", "content-type"] {
        push_value(parts, query, name, &mut signed);
        signed.push(b'\n');
    }
    signed.extend_from_slice(expires.as_bytes());
    signed.push(b'\n');
    for name in amz_headers(parts, query) {
        signed.extend_from_slice(name.as_bytes());
        signed.push(b':');
        push_value(parts, query, &name, &mut signed);
        signed.push(b'\n');
    }
    if let Some(bucket) = addressing::host(parts).and_then(|host| config.virtual_hosts.bucket(host)) {
        signed.push(b'/');
        signed.extend_from_slice(bucket.as_bytes());
    }
    signed.extend_from_slice(canonical_path(parts.uri.path(), form)?.as_bytes());
    let is_bare_bucket =
        Level::of(parts, &config.virtual_hosts) == Level::Bucket && signed.last() != Some(&b'/');
    if form == Form::Normalised && is_bare_bucket {
        // Signers call a bucket `/bucket/`, even where they send `/bucket`.
        signed.push(b'/');
    }
    push_signed_items(query, &mut signed);
    Ok(signed)
}

/// Names of the `x-amz-*` headers, sorted, wherever the signer put them.
fn amz_headers(parts: &Parts, query: &Query<'_>) -> Vec<String> {
    let in_headers = parts.headers.keys().map(|name| name.as_str().to_owned());
    let in_query = query.items().iter().map(|item| String::from_utf8_lossy(&item.name).to_ascii_lowercase());
    let mut names: Vec<String> =
        in_headers.chain(in_query).filter(|name| name.starts_with("x-amz-")).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Appends a header's value, or that of the query item in its place.
fn push_value(parts: &Parts, query: &Query<'_>, name: &str, signed: &mut Vec<u8>) {
    if parts.headers.contains_key(name) {
        push_header_values(&parts.headers, name, Form::Wire, signed);
        return;
    }
    let mut items = query.items().iter().filter(|item| item.name.eq_ignore_ascii_case(name.as_bytes()));
    if let Some(item) = items.next() {
        signed.extend_from_slice(item.value.trim_ascii());
    }
}

/// Appends `?name=value&name`, sorted by name, values decoded.
fn push_signed_items(query: &Query<'_>, signed: &mut Vec<u8>) {
    let is_signed = |item: &&Item<'_>| SIGNED_ITEMS.iter().any(|name| name.as_bytes() == item.name);
    // Repeated items stay: one that was added later must break the signature.
    let mut items: Vec<&Item<'_>> = query.items().iter().filter(is_signed).collect();
    items.sort_by(|left, right| left.name.cmp(&right.name));
    for (position, item) in items.into_iter().enumerate() {
        signed.push(if position == 0 { b'?' } else { b'&' });
        signed.extend_from_slice(&item.name);
        if item.wire.contains('=') {
            signed.push(b'=');
            signed.extend_from_slice(&item.value);
        }
    }
}
