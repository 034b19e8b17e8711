//! TLS under a connection: certificates read anew each time, so that renewed ones are taken up.

use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::endpoint::TlsFiles;
use super::stream::Stream;
use crate::error::{NodeError, NodeErrorKind};

/// Puts TLS on a fresh connection to `host`.
pub(super) async fn wrap(
    files: &TlsFiles,
    host: &str,
    tcp: TcpStream,
) -> Result<Stream, NodeError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|error| {
        fault(
            &format!("{host:?} cannot be the name in a certificate"),
            error,
        )
    })?;
    let connector = TlsConnector::from(Arc::new(config(files)?));
    match connector.connect(name, tcp).await {
        Ok(tls) => Ok(Stream::Tls(Box::new(tls))),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(fault(
            "the TLS handshake failed; name the server's certificate authority with ?tls_ca=/path.pem, \
             and your own certificate, where it wants one, with &tls_cert=..&tls_key=..",
            error,
        )),
        Err(error) => Err(super::fault::io_fault("the TLS handshake broke off", error)),
    }
}

/// # Errors
///
/// A file that cannot be read or holds no PEM.
pub(super) fn config(files: &TlsFiles) -> Result<ClientConfig, NodeError> {
    // Named here, so that no application has to install one for the whole process.
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| fault("no TLS", error))?
        .with_root_certificates(roots(files.authority.as_deref())?);
    let Some((certificate, key)) = &files.identity else {
        return Ok(builder.with_no_client_auth());
    };
    let key =
        PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("tls_key", key, error))?;
    builder
        .with_client_auth_cert(certificates("tls_cert", certificate)?, key)
        .map_err(|error| fault("tls_cert and tls_key do not fit together", error))
}

fn roots(authority: Option<&Path>) -> Result<RootCertStore, NodeError> {
    let mut roots = RootCertStore::empty();
    let certificates = match authority {
        Some(path) => certificates("tls_ca", path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err(NodeError::new(
            NodeErrorKind::Protocol,
            "no certificate authority to trust: name one with ?tls_ca=/path.pem",
        ));
    }
    Ok(roots)
}

fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, NodeError> {
    let all = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(option, path, error))?;
    if all.is_empty() {
        return Err(NodeError::new(
            NodeErrorKind::Protocol,
            format!("{option}: {} holds no certificate in PEM", path.display()),
        ));
    }
    Ok(all)
}

fn unreadable(
    option: &str,
    path: &Path,
    error: impl std::error::Error + Send + Sync + 'static,
) -> NodeError {
    fault(&format!("{option}: cannot read {}", path.display()), error)
}

/// None of these is mended by waiting.
fn fault(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> NodeError {
    NodeError::new(NodeErrorKind::Protocol, format!("{what} ({error})")).with_source(error)
}

/// The same files for the `redis` crate, which puts on TLS by itself in a cluster.
#[cfg(feature = "cluster")]
pub(super) fn certificates_for_the_crate(
    files: &TlsFiles,
) -> Result<redis::TlsCertificates, NodeError> {
    // The crate asks for the process's provider, and rustls panics where there is none to choose.
    // An application that has chosen keeps its choice.
    let _ = ring::default_provider().install_default();
    let read = |option: &str, path: &Path| {
        std::fs::read(path).map_err(|error| unreadable(option, path, error))
    };
    let root_cert = files
        .authority
        .as_deref()
        .map(|path| read("tls_ca", path))
        .transpose()?;
    let client_tls = match &files.identity {
        Some((certificate, key)) => Some(redis::ClientTlsConfig {
            client_cert: read("tls_cert", certificate)?,
            client_key: read("tls_key", key)?,
        }),
        None => None,
    };
    Ok(redis::TlsCertificates {
        client_tls,
        root_cert,
    })
}
