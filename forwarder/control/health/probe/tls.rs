//! How TLS is spoken with a backend.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
        client::{
            Resumption, WebPkiServerVerifier,
            danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
            verify_server_name,
        },
        crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring},
        pki_types::{
            CertificateDer, ServerName, UnixTime,
            pem::{self, PemObject},
        },
        server::ParsedCertificate,
    },
};

use super::Fault;

/// Why TLS cannot be spoken at all.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct TlsFault {
    /// The file of certificates.
    path: PathBuf,
    reason: String,
}

/// What it takes to speak TLS, shared by all checks with the same certificates.
pub(in crate::control::health) type Connector = Arc<ClientConfig>;

/// The connectors there are, by the file of certificates.
#[derive(Debug, Default)]
pub(in crate::control::health) struct Connectors {
    known: HashMap<Option<PathBuf>, Result<Connector, TlsFault>>,
}

impl Connectors {
    /// The connector that believes the certificates in `ca`, or any at all.
    pub(in crate::control::health) fn of(
        &mut self,
        ca: Option<&PathBuf>,
    ) -> Result<Connector, TlsFault> {
        let known = self.known.entry(ca.cloned());
        known.or_insert_with(|| connector(ca)).clone()
    }
}

fn connector(ca: Option<&PathBuf>) -> Result<Connector, TlsFault> {
    let provider = Arc::new(ring::default_provider());
    let mut verifier = Verifier {
        algorithms: provider.signature_verification_algorithms,
        believed: None,
    };
    if let Some(path) = ca {
        let fault = |reason: String| TlsFault {
            path: path.clone(),
            reason,
        };
        verifier.believed = Some(believed(path, &provider).map_err(fault)?);
    }
    Ok(Arc::new(config(provider, Arc::new(verifier))))
}

fn config(provider: Arc<CryptoProvider>, verifier: Arc<Verifier>) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has what each version of TLS needs")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // A check is to find out whether a new client is served.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

fn believed(path: &PathBuf, provider: &Arc<CryptoProvider>) -> Result<Believed, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates: Vec<CertificateDer<'static>> =
        read.map_err(|error: pem::Error| error.to_string())?;
    if certificates.is_empty() {
        return Err("no certificates (PEM)".to_owned());
    }
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        let added = roots.add(certificate.clone());
        added.map_err(|error| error.to_string())?;
    }
    let (roots, provider) = (Arc::new(roots), Arc::clone(provider));
    let signers = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
    Ok(Believed {
        certificates,
        signers: signers.map_err(|error| error.to_string())?,
    })
}

/// Shakes hands with the server at the other end of `stream`, asked for by `name`.
pub(super) async fn handshake(
    connector: &Connector,
    name: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Fault> {
    let invalid = |error: tokio_rustls::rustls::pki_types::InvalidDnsNameError| {
        Fault::Tls(format!("`{name}`: {error}"))
    };
    // An address is not sent: SNI is for names alone (RFC 6066 3).
    let asked = ServerName::try_from(name.to_owned()).map_err(invalid)?;
    let connector = TlsConnector::from(Arc::clone(connector));
    let shaken = connector.connect(asked, stream).await;
    // rustls says what is wrong with the handshake inside an error of input and output.
    shaken.map_err(|error| match error.get_ref() {
        Some(_) => Fault::Tls(error.to_string()),
        None => Fault::System(error),
    })
}

/// Who is believed to be the server. Unless told otherwise anyone is, as with keepalived: a check
/// asks whether a server works, not who it is.
#[derive(Debug)]
struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    believed: Option<Believed>,
}

/// The certificates of a file.
#[derive(Debug)]
struct Believed {
    certificates: Vec<CertificateDer<'static>>,
    /// Believes whom they have signed.
    signers: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(believed) = &self.believed else {
            return Ok(ServerCertVerified::assertion());
        };
        // What `openssl req -x509` makes calls itself an authority, which no server's certificate
        // may: it is believed where the file holds that very one.
        if believed.certificates.contains(certificate) {
            verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        let signers = &believed.signers;
        signers.verify_server_cert(certificate, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tokio_rustls::rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tokio_rustls::rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
