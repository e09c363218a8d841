//! Which mechanism a request is authenticated by, and what came of it.

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderName, HeaderValue};

use super::credentials::{CredentialSource, Identity};
use super::error::AuthError;
use super::payload::PayloadMode;
use super::query::Query;
use super::signing::ChunkChain;
use super::timestamp::Timestamp;
use super::{AuthConfig, header_v4, presigned_v2, presigned_v4};

/// A request that may pass.
pub(crate) struct Verdict {
    pub(crate) identity: Identity,
    pub(crate) mode: PayloadMode,
    /// There exactly if `mode` has signed chunks.
    pub(crate) chain: Option<ChunkChain>,
    /// Headers that a presigned URL carried in its query.
    pub(crate) hoisted: Vec<(HeaderName, HeaderValue)>,
}

/// How a request claims to be authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Header,
    PresignedV4,
    PresignedV2,
}

impl Mechanism {
    /// # Errors
    /// [`AuthError::Anonymous`] for a request that claims nothing, [`AuthError::TwoMechanisms`] for one that claims
    /// more than one thing: which of them counts must not be a matter of taste.
    pub(crate) fn of(parts: &Parts, query: &Query<'_>) -> Result<Self, AuthError> {
        let any = |names: &[&str]| names.iter().any(|name| query.has(name));
        let in_header = parts.headers.contains_key(AUTHORIZATION);
        let in_query_v4 = any(&["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"]);
        let in_query_v2 = any(&["AWSAccessKeyId", "Signature"]);
        match (in_header, in_query_v4, in_query_v2) {
            (false, false, false) => Err(AuthError::Anonymous),
            (true, false, false) => Ok(Self::Header),
            (false, true, false) => Ok(Self::PresignedV4),
            (false, false, true) => Ok(Self::PresignedV2),
            _ => Err(AuthError::TwoMechanisms),
        }
    }

    pub(crate) fn is_presigned(self) -> bool {
        self != Self::Header
    }

    /// Verifies the signature at `now`.
    pub(crate) fn verify(
        self,
        parts: &Parts,
        query: &Query<'_>,
        credentials: &dyn CredentialSource,
        config: &AuthConfig,
        now: Timestamp,
    ) -> Result<Verdict, AuthError> {
        let verify = match self {
            Self::Header => header_v4::verify,
            Self::PresignedV4 => presigned_v4::verify,
            Self::PresignedV2 => presigned_v2::verify,
        };
        verify(parts, query, credentials, config, now)
    }
}
