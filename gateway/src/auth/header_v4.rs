//! `Authorization: AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...`
//!
//! Source: Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header".

use http::header::{AUTHORIZATION, DATE};
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::credentials::{CredentialSource, Identity};
use super::error::{AuthError, Carrier, Fault};
use super::payload::{PayloadMode, PayloadRefused};
use super::query::Query;
use super::signature_v4::{Claim, secret_of};
use super::signing::{ALGORITHM, ChunkChain, Credential};
use super::timestamp::Timestamp;
use super::verdict::Verdict;
use super::{AMZ_DATE, AuthConfig, CONTENT_SHA256, MAX_CLOCK_SKEW};

/// Verifies a request whose signature is in its `Authorization` header.
pub(crate) fn verify(
    parts: &Parts,
    query: &Query<'_>,
    credentials: &dyn CredentialSource,
    config: &AuthConfig,
    now: Timestamp,
) -> Result<Verdict, AuthError> {
    let claim = parse(&parts.headers)?;
    claim.check_scope(config)?;
    check_clock(claim.timestamp, now)?;
    claim.check_signed_headers(parts)?;
    let payload = unique_text(&parts.headers, &CONTENT_SHA256)
        .map_err(|_| PayloadRefused::UnknownMode)?
        .ok_or(PayloadRefused::NoMode)?;
    let mode = PayloadMode::parse(payload)?;
    let secret = secret_of(credentials, &claim.credential.access_key)?;
    let verified = claim.verify(parts, query, payload, &secret)?;

    let Claim { credential: Credential { access_key, scope }, timestamp, .. } = claim;
    let signed_chunks = matches!(mode, PayloadMode::SignedChunks(_));
    let chain = signed_chunks.then(|| ChunkChain::new(verified.key, timestamp, scope, verified.signature));
    Ok(Verdict { identity: Identity { access_key }, mode, chain, hoisted: Vec::new() })
}

fn check_clock(request_time: Timestamp, server_time: Timestamp) -> Result<(), AuthError> {
    if server_time.since(request_time).unsigned_abs() > MAX_CLOCK_SKEW {
        return Err(AuthError::TooSkewed { request_time, server_time });
    }
    Ok(())
}

fn parse(headers: &HeaderMap) -> Result<Claim, AuthError> {
    let malformed = |fault| AuthError::Malformed { carrier: Carrier::Header, fault };
    let authorization = unique_text(headers, &AUTHORIZATION)
        .map_err(malformed)?
        .ok_or(malformed(Fault::MissingField("Authorization")))?;
    let (scheme, fields) = authorization.split_once(' ').unwrap_or((authorization, ""));
    match scheme {
        ALGORITHM => {}
        // Signature Version 2, and the asymmetric form of Version 4.
        "AWS" | "AWS4-ECDSA-P256-SHA256" => return Err(AuthError::UnsupportedMechanism),
        _ => return Err(AuthError::UnknownScheme),
    }
    let fields = Fields::parse(fields).map_err(malformed)?;
    let credential = fields.credential.ok_or(malformed(Fault::MissingField("Credential")))?;
    Ok(Claim {
        carrier: Carrier::Header,
        credential: Credential::parse(credential).ok_or(malformed(Fault::Credential))?,
        timestamp: timestamp(headers)?,
        signed_headers: fields
            .signed_headers
            .ok_or(malformed(Fault::MissingField("SignedHeaders")))?
            .to_owned(),
        signature: fields.signature.ok_or(malformed(Fault::MissingField("Signature")))?.to_owned(),
    })
}

#[derive(Default)]
struct Fields<'a> {
    credential: Option<&'a str>,
    signed_headers: Option<&'a str>,
    signature: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn parse(text: &'a str) -> Result<Self, Fault> {
        let mut fields = Self::default();
        for field in text.split(',').map(str::trim).filter(|field| !field.is_empty()) {
            let (name, value) = field.split_once('=').ok_or(Fault::UnknownField)?;
            let (name, slot) = match name {
                "Credential" => ("Credential", &mut fields.credential),
                "SignedHeaders" => ("SignedHeaders", &mut fields.signed_headers),
                "Signature" => ("Signature", &mut fields.signature),
                _ => return Err(Fault::UnknownField),
            };
            if slot.replace(value).is_some() {
                return Err(Fault::RepeatedField(name));
            }
        }
        Ok(fields)
    }
}

/// `x-amz-date`, or `Date` for signers that have no other.
fn timestamp(headers: &HeaderMap) -> Result<Timestamp, AuthError> {
    let text = |name| unique_text(headers, name).map_err(|_| AuthError::NoDate);
    let moment = match text(&AMZ_DATE)? {
        Some(amz_date) => Timestamp::parse_basic(amz_date),
        None => text(&DATE)?.and_then(Timestamp::parse_http_date),
    };
    moment.ok_or(AuthError::NoDate)
}

/// The only value of a header, trimmed; none if the header is not there.
fn unique_text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Fault> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Fault::RepeatedField("a header of the signature"));
    }
    value.to_str().map(|text| Some(text.trim())).map_err(|_| Fault::UnknownField)
}
