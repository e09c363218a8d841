//! `[tls]`: HTTPS.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// HTTPS on the S3 listener. Both files or neither; they are read once, at start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// PEM file with the server's certificate first and any intermediate certificates after it.
    pub cert: PathBuf,
    /// PEM file with the certificate's private key (PKCS #8, PKCS #1 or SEC1). Keep it at mode 0600.
    pub key: PathBuf,
}
