//! A throw-away certificate authority for the https half of the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// A CA of one test's own and a server certificate it signed, as PEM files.
pub struct TestAuthority {
    /// What clients are told to trust.
    pub ca_file: PathBuf,
    /// The server's certificate, for 127.0.0.1, localhost and *.localhost.
    pub certificate_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
    ca_der: CertificateDer<'static>,
}

impl TestAuthority {
    /// Makes the authority and writes its files into `directory`.
    ///
    /// # Panics
    /// If a certificate cannot be made or written.
    #[must_use]
    pub fn create(directory: &Path) -> Self {
        let mut ca_params = CertificateParams::default();
        ca_params.distinguished_name.push(DnType::CommonName, "Haulout test authority");
        ca_params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        // OpenSSL 3 (so Python and curl) refuses a CA that may not sign certificates.
        ca_params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let ca_key = KeyPair::generate().expect("the CA key pair is generated");
        let ca = ca_params.self_signed(&ca_key).expect("the CA signs itself");
        let issuer = Issuer::new(ca_params, ca_key);

        let names = ["127.0.0.1", "localhost", "*.localhost"].map(str::to_owned).to_vec();
        let mut server_params = CertificateParams::new(names).expect("the names are valid");
        server_params.distinguished_name.push(DnType::CommonName, "Haulout test server");
        // Python 3.13 asks for the key identifier by default.
        server_params.use_authority_key_identifier_extension = true;
        let server_key = KeyPair::generate().expect("the server key pair is generated");
        let server = server_params.signed_by(&server_key, &issuer).expect("the CA signs the server");

        let write = |name: &str, pem: String| {
            let path = directory.join(name);
            fs::write(&path, pem).expect("the PEM file is written");
            path
        };
        Self {
            ca_file: write("ca.pem", ca.pem()),
            certificate_file: write("server.pem", server.pem()),
            key_file: write("server-key.pem", server_key.serialize_pem()),
            ca_der: ca.der().clone(),
        }
    }

    /// A client configuration that trusts this authority alone.
    ///
    /// # Panics
    /// If rustls refuses the certificate made by [`TestAuthority::create`].
    #[must_use]
    pub fn client_config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca_der.clone()).expect("the CA certificate is well formed");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider supports the default protocol versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}
