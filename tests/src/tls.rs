//! A throw-away certificate authority, and what it signed.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

/// An authority known to nobody else, with one certificate for servers on this machine
/// (`localhost`, `127.0.0.1`) and one for clients. Its files live as long as a clone of it.
#[derive(Clone, Debug)]
pub struct Authority {
    dir: Arc<TempDir>,
}

impl Authority {
    /// A new authority with new keys.
    #[must_use]
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("klg-").tempdir().unwrap();
        let authority = Self { dir: Arc::new(dir) };

        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "klg-lock test authority");
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        authority.write("ca.pem", &root.pem());

        let issuer = Issuer::new(params, key);
        for (name, hosts) in [("server", &["localhost", "127.0.0.1"][..]), ("client", &[])] {
            let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            let mut params = CertificateParams::new(hosts).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap();
            authority.write(&format!("{name}.pem"), &certificate.pem());
            authority.write(&format!("{name}.key"), &key.serialize_pem());
        }
        authority
    }

    /// The authority's own certificate (PEM).
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// The client's certificate (PEM).
    #[must_use]
    pub fn client_certificate(&self) -> PathBuf {
        self.path("client.pem")
    }

    /// The client's key (PEM).
    #[must_use]
    pub fn client_key(&self) -> PathBuf {
        self.path("client.key")
    }

    /// What a server's configuration says to use its certificate.
    pub(crate) fn directives(&self) -> Vec<(String, String)> {
        [
            ("tls-cert-file", "server.pem"),
            ("tls-key-file", "server.key"),
            ("tls-ca-cert-file", "ca.pem"),
        ]
        .map(|(name, file)| (name.to_owned(), self.path(file).display().to_string()))
        .to_vec()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
