//! `[auth]`: how strictly signatures are read.

use serde::{Deserialize, Serialize};

/// What a signature must say beyond being right.
///
/// The key pair itself is a secret, not a setting: see [`Credentials`](crate::credentials::Credentials).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthSettings {
    /// Refuse signatures made for another region than `region`. Off by default: the region protects nothing
    /// here, as a key is valid for this gateway only, and clients are often configured with whatever region
    /// their last bucket had. On, a client configured for another service by mistake is found out at once.
    pub strict_region: bool,
    /// Accept Signature Version 2 in presigned URLs. On by default: boto3 still makes them in us-east-1. Off,
    /// the only HMAC-SHA1 left in the gateway is gone. Version 2 in headers is always refused.
    pub allow_sigv2_presigned: bool,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self { strict_region: false, allow_sigv2_presigned: true }
    }
}
