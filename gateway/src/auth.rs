//! Authentication: who sent a request, and whether it arrived as it was sent.
//!
//! [`AuthLayer`] verifies the signature of a request, replaces its body by one that verifies itself while it is read,
//! takes out what it consumed, and leaves an [`Identity`] and a [`PayloadInfo`] in the extensions. It knows nothing of
//! buckets and their rights, and never touches the body before the service below does: hyper answers
//! `Expect: 100-continue` at the first read.
//!
//! Start at `layer`, then `verdict` and one mechanism: `header_v4`, `presigned_v4`, `presigned_v2`. The calculations
//! are in `canonical` and `signing`, bodies in `payload`.
//!
//! Invariants: no request passes unsigned; everything compared with a secret is compared in constant time.

mod canonical;
mod credentials;
mod error;
mod header_v4;
mod hoisted;
mod layer;
mod payload;
mod presigned_v2;
mod presigned_v4;
pub(crate) mod query;
mod rewrite;
mod signature_v4;
mod signing;
mod timestamp;
mod verdict;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderName;

pub use credentials::{CredentialSource, Identity, SecretKey};
pub use layer::{AuthLayer, AuthService};
pub use payload::{FramingFault, PayloadError, PayloadInfo, TrailerFault, TrailersHandle};

use crate::addressing::VirtualHosts;

/// How far a client's clock may be from ours, either way. AWS's value.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(15 * 60);
/// The longest life of a presigned URL, in seconds: a week. AWS's value.
pub const MAX_PRESIGNED_SECONDS: i64 = 7 * 24 * 60 * 60;

const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// The time of day, as a function so that tests can stop it.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// What the auth layer accepts.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// The region that this gateway claims to be in.
    pub region: String,
    /// Refuse signatures that are scoped to another region.
    pub strict_region: bool,
    /// Accept Signature Version 2 in presigned URLs.
    pub allow_sigv2_presigned: bool,
    /// The longest silence while a body is read, after which the request fails with `RequestTimeout`.
    pub body_idle_timeout: Duration,
    /// Domains whose sub-domains name buckets: Signature Version 2 signs the bucket, not the host.
    pub virtual_hosts: VirtualHosts,
}
