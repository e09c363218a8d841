//! Signature Version 4 over a whole request: what must be signed, within which scope, and whether it was.

use http::HeaderName;
use http::request::Parts;

use super::canonical::{Form, canonical_path, canonical_query, push_canonical_headers};
use super::credentials::{CredentialSource, SecretKey};
use super::error::{AuthError, Carrier, Fault, Mismatch};
use super::query::Query;
use super::signing::{Credential, Scope, Signature, SigningKey, string_to_sign};
use super::timestamp::Timestamp;
use super::{AuthConfig, CONTENT_SHA256};
use crate::addressing;

/// The one service that credentials may be scoped to; `s3express` has sessions that we do not.
const SERVICE: &str = "s3";

/// Everything a client said about its signature, parsed but not believed.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) carrier: Carrier,
    pub(crate) credential: Credential,
    pub(crate) timestamp: Timestamp,
    /// Lower-case names joined by semicolons, verbatim: they are part of what is signed.
    pub(crate) signed_headers: String,
    pub(crate) signature: String,
}

impl Claim {
    pub(crate) fn malformed(&self, fault: Fault) -> AuthError {
        AuthError::Malformed { carrier: self.carrier, fault }
    }

    /// Checks day, service and region of the credential scope.
    pub(crate) fn check_scope(&self, config: &AuthConfig) -> Result<(), AuthError> {
        let Scope { day, region, service } = &self.credential.scope;
        let expected = self.timestamp.day();
        if *day != expected {
            return Err(self.malformed(Fault::Day { given: day.clone(), expected }));
        }
        if service != SERVICE {
            return Err(self.malformed(Fault::Service { given: service.clone() }));
        }
        if config.strict_region && *region != config.region {
            let expected = config.region.clone();
            return Err(self.malformed(Fault::Region { given: region.clone(), expected }));
        }
        Ok(())
    }

    /// Checks that `host` and every `x-amz-*` header of the request are among the signed ones.
    ///
    /// `x-amz-content-sha256` need not be: its value stands in the canonical request by itself.
    pub(crate) fn check_signed_headers(&self, parts: &Parts) -> Result<(), AuthError> {
        let is_name =
            |name: &str| HeaderName::from_bytes(name.as_bytes()).is_ok_and(|parsed| parsed.as_str() == name);
        if !self.signed_headers.split(';').all(is_name) {
            return Err(self.malformed(Fault::SignedHeaders));
        }
        let must_be_signed =
            |name: &&HeaderName| name.as_str().starts_with("x-amz-") && **name != CONTENT_SHA256;
        let mut names: Vec<HeaderName> = std::iter::once(&http::header::HOST)
            .chain(parts.headers.keys().filter(must_be_signed))
            .filter(|name| !self.signs(name))
            .cloned()
            .collect();
        if names.is_empty() {
            return Ok(());
        }
        names.sort_unstable_by(|left, right| left.as_str().cmp(right.as_str()));
        Err(AuthError::HeadersNotSigned { names })
    }

    pub(crate) fn signs(&self, name: &HeaderName) -> bool {
        self.signed_headers.split(';').any(|signed| signed == name.as_str())
    }

    /// Computes the signature from the secret and compares it. Returns the signing key, which chunks need too.
    ///
    /// `payload` is what the client signed in place of the body, verbatim.
    pub(crate) fn verify(
        &self,
        parts: &Parts,
        query: &Query<'_>,
        payload: &str,
        secret: &SecretKey,
    ) -> Result<Verified, AuthError> {
        let key = SigningKey::derive(secret, &self.credential.scope);
        let claimed = Signature::parse(&self.signature);
        let normalised = self.signed_string(parts, query, payload, Form::Normalised)?;
        if let Some(signature) = self.matching(&key, claimed.as_ref(), &normalised) {
            return Ok(Verified { key, signature });
        }
        let wire = self.signed_string(parts, query, payload, Form::Wire)?;
        if let Some(signature) = self.matching(&key, claimed.as_ref(), &wire) {
            return Ok(Verified { key, signature });
        }
        Err(AuthError::SignatureMismatch(Box::new(Mismatch {
            access_key: self.credential.access_key.clone(),
            string_to_sign: normalised.string_to_sign,
            canonical_request: Some(normalised.canonical_request),
        })))
    }

    fn matching(
        &self,
        key: &SigningKey,
        claimed: Option<&Signature>,
        signed: &SignedString,
    ) -> Option<Signature> {
        let computed = key.sign(&signed.string_to_sign);
        claimed.filter(|claimed| claimed.matches(&computed)).cloned()
    }

    fn signed_string(
        &self,
        parts: &Parts,
        query: &Query<'_>,
        payload: &str,
        form: Form,
    ) -> Result<SignedString, AuthError> {
        let path = canonical_path(parts.uri.path(), form)?;
        let signature_item = (self.carrier == Carrier::Query).then_some("X-Amz-Signature");
        let query = canonical_query(query, signature_item, form);
        let mut canonical_request = format!("{}\n{path}\n{query}\n", parts.method).into_bytes();
        let host = addressing::host(parts);
        push_canonical_headers(&parts.headers, host, &self.signed_headers, form, &mut canonical_request);
        canonical_request.extend_from_slice(format!("\n{}\n{payload}", self.signed_headers).as_bytes());
        let string_to_sign = string_to_sign(self.timestamp, &self.credential.scope, &canonical_request);
        Ok(SignedString { canonical_request, string_to_sign })
    }
}

struct SignedString {
    canonical_request: Vec<u8>,
    string_to_sign: String,
}

/// A signature that was found right.
pub(crate) struct Verified {
    pub(crate) key: SigningKey,
    pub(crate) signature: Signature,
}

/// Looks the secret of `access_key` up.
pub(crate) fn secret_of(
    credentials: &dyn CredentialSource,
    access_key: &str,
) -> Result<SecretKey, AuthError> {
    credentials
        .secret_key(access_key)
        .ok_or_else(|| AuthError::UnknownAccessKey { access_key: access_key.to_owned() })
}
