//! Who may sign: access keys and their secrets.

use zeroize::Zeroizing;

/// Where the auth layer looks secrets up. Called once per request on a reactor thread, so it must not block.
pub trait CredentialSource: Send + Sync {
    /// The secret that belongs to `access_key`; none if nobody has that key, or it was revoked.
    fn secret_key(&self, access_key: &str) -> Option<SecretKey>;
}

/// The secret half of a key pair. Wiped from memory when dropped, and never printed.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<String>);

impl SecretKey {
    /// Takes the secret over.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// The secret itself: for signing, and for nothing that leaves the process.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SecretKey(redacted)")
    }
}

/// Who signed the request. In the request's extensions once the signature was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The public half of the key pair.
    pub access_key: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        assert_eq!(format!("{:?}", SecretKey::new("wJalrXUt")), "SecretKey(redacted)");
    }
}
