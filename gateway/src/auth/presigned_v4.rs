//! Signature Version 4 in the query: presigned URLs.
//!
//! Source: Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters".

use http::request::Parts;

use super::credentials::{CredentialSource, Identity};
use super::error::{AuthError, Carrier, Fault};
use super::hoisted::hoisted_headers;
use super::payload::{PayloadMode, PayloadRefused};
use super::query::Query;
use super::signature_v4::{Claim, secret_of};
use super::signing::{ALGORITHM, Credential};
use super::timestamp::Timestamp;
use super::verdict::Verdict;
use super::{AuthConfig, CONTENT_SHA256, MAX_CLOCK_SKEW, MAX_PRESIGNED_SECONDS};

/// Verifies a request whose signature is in its query.
///
/// Only the URL's own expiry counts, not the age of its signature. `X-Amz-Security-Token` is signed like any other
/// item and then ignored: our keys are permanent and have no sessions.
pub(crate) fn verify(
    parts: &Parts,
    query: &Query<'_>,
    credentials: &dyn CredentialSource,
    config: &AuthConfig,
    now: Timestamp,
) -> Result<Verdict, AuthError> {
    let (claim, expires) =
        parse(query).map_err(|fault| AuthError::Malformed { carrier: Carrier::Query, fault })?;
    claim.check_scope(config)?;
    check_clock(&claim, expires, now)?;
    claim.check_signed_headers(parts)?;
    let payload = Payload::of(parts, query, &claim)?;
    let secret = secret_of(credentials, &claim.credential.access_key)?;
    claim.verify(parts, query, payload.signed, &secret)?;

    let identity = Identity { access_key: claim.credential.access_key };
    let hoisted = hoisted_headers(&parts.headers, query)?;
    Ok(Verdict { identity, mode: payload.mode, chain: None, hoisted })
}

/// What the URL says, and for how many seconds it is good.
fn parse(query: &Query<'_>) -> Result<(Claim, i64), Fault> {
    if query.unique("X-Amz-Algorithm")? != ALGORITHM {
        return Err(Fault::Algorithm);
    }
    let claim = Claim {
        carrier: Carrier::Query,
        credential: Credential::parse(query.unique("X-Amz-Credential")?).ok_or(Fault::Credential)?,
        timestamp: Timestamp::parse_basic(query.unique("X-Amz-Date")?).ok_or(Fault::Date)?,
        signed_headers: query.unique("X-Amz-SignedHeaders")?.to_owned(),
        signature: query.unique("X-Amz-Signature")?.to_owned(),
    };
    let expires = query.unique("X-Amz-Expires")?.parse().map_err(|_| Fault::Expires)?;
    if !(1..=MAX_PRESIGNED_SECONDS).contains(&expires) {
        return Err(Fault::Expires);
    }
    Ok((claim, expires))
}

fn check_clock(claim: &Claim, expires: i64, server_time: Timestamp) -> Result<(), AuthError> {
    let request_time = claim.timestamp;
    if request_time.since(server_time) > MAX_CLOCK_SKEW {
        return Err(AuthError::NotYetValid { request_time, server_time });
    }
    let expires_at = request_time.checked_add_seconds(expires).ok_or_else(|| claim.malformed(Fault::Date))?;
    if server_time > expires_at {
        return Err(AuthError::Expired { expires_at, server_time });
    }
    Ok(())
}

struct Payload<'a> {
    /// What stands for the body in the canonical request.
    signed: &'a str,
    /// How the body comes.
    mode: PayloadMode,
}

impl<'a> Payload<'a> {
    /// A URL is mostly made before the body exists, so nothing need be said about it. A header that the signer did not
    /// sign still describes the body, and is held to it.
    fn of(parts: &'a Parts, query: &'a Query<'_>, claim: &Claim) -> Result<Self, AuthError> {
        const QUERY_NAME: &str = "X-Amz-Content-Sha256";
        let header = match parts.headers.get(CONTENT_SHA256) {
            Some(value) => Some(value.to_str().map_err(|_| PayloadRefused::UnknownMode)?),
            None => None,
        };
        let in_query = if query.has(QUERY_NAME) {
            Some(query.unique(QUERY_NAME).map_err(|fault| claim.malformed(fault.into()))?)
        } else {
            None
        };
        let signed_header = header.filter(|_| claim.signs(&CONTENT_SHA256));
        let signed = in_query.or(signed_header).unwrap_or(PayloadMode::UNSIGNED);
        let signed_mode = PayloadMode::parse(signed)?;
        let mode = match (signed_mode, header) {
            (PayloadMode::Unsigned, Some(header)) => PayloadMode::parse(header)?,
            (signed_mode, _) => signed_mode,
        };
        if matches!(mode, PayloadMode::SignedChunks(_)) {
            return Err(PayloadRefused::ChunksWithoutSeed.into());
        }
        Ok(Self { signed, mode })
    }
}
