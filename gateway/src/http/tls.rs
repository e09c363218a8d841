//! Certificate and key, read once.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsSettings;

/// Names of the protocols in the TLS handshake. Source: RFC 7301 and RFC 9113.
pub(super) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Why there is no HTTPS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read or is no PEM.
    #[error("cannot read the {what} in {}", path.display())]
    Pem {
        /// What should be in the file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: pem::Error,
    },
    /// PEM, but no certificate in it.
    #[error("no certificate in {}", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// Readable, but they do not belong together or are of a kind nobody supports.
    #[error("the certificate in {} and the key in {} cannot be used", cert.display(), key.display())]
    Unusable {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
}

/// Reads `settings`' files for TLS 1.2 and 1.3, offering HTTP/2 and HTTP/1.1 in this order.
///
/// # Errors
/// [`TlsError`] names the file.
pub fn acceptor(settings: &TlsSettings) -> Result<TlsAcceptor, TlsError> {
    let TlsSettings { cert, key } = settings;
    let cannot_read = |what, path: &PathBuf| {
        let path = path.clone();
        move |source| TlsError::Pem { what, path, source }
    };
    let certificates = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(cannot_read("certificate", cert))?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { path: cert.clone() });
    }
    let private_key = PrivateKeyDer::from_pem_file(key).map_err(cannot_read("private key", key))?;
    let unusable = |source| TlsError::Unusable { cert: cert.clone(), key: key.clone(), source };
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(certificates, private_key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn files_that_cannot_work_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let one = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let settings =
            TlsSettings { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        let outcome = || acceptor(&settings).map(|_| ());
        assert!(matches!(outcome(), Err(TlsError::Pem { what: "certificate", .. })));
        fs::write(&settings.cert, "not PEM").unwrap();
        assert!(matches!(outcome(), Err(TlsError::NoCertificate { .. })));
        fs::write(&settings.cert, one.cert.pem()).unwrap();
        assert!(matches!(outcome(), Err(TlsError::Pem { what: "private key", .. })));
        fs::write(&settings.key, other.signing_key.serialize_pem()).unwrap();
        assert!(matches!(outcome(), Err(TlsError::Unusable { .. })));
        fs::write(&settings.key, one.signing_key.serialize_pem()).unwrap();
        assert!(outcome().is_ok());
    }
}
