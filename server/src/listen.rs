//! An environment on a socket: plain or over TLS, with time limits for slow clients and an orderly end.

use crate::{Environment, Error, READS_NOTED, ServeOptions};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a client may take for a request's head, or for the TLS handshake.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// How long requests that are under way may take when the server ends.
const END_TIME: Duration = Duration::from_secs(30);
/// How often it is looked at whether somebody is to take out what is beyond its time.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// What a server proves its name with.
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    config: Arc<ServerConfig>,
}

impl Certificate {
    /// A certificate with its chain, and its private key, as PEM files.
    pub fn load(chain: &Path, key: &Path) -> Result<Self, Error> {
        let unusable = |path: &Path, why: &dyn std::fmt::Display| {
            Error::Validation(format!("{}: {why}", path.display()))
        };
        let chain_der: Vec<_> = CertificateDer::pem_file_iter(chain)
            .and_then(Iterator::collect)
            .map_err(|error| unusable(chain, &error))?;
        let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain_der.clone(), key_der))
            .map_err(|error| unusable(chain, &error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { chain: chain_der, config: Arc::new(config) })
    }

    /// The environment's own certificate, signed by itself, for `localhost` and these names. It is made the
    /// first time and kept beside the database, so that its fingerprint stays.
    pub fn own(folder: &Path, names: &[String]) -> Result<Self, Error> {
        let (chain, key) = (folder.join(CERTIFICATE), folder.join(KEY));
        if !chain.exists() {
            let mut all: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
            all.extend(names.iter().cloned());
            all.dedup();
            let made = rcgen::generate_simple_self_signed(all)
                .map_err(|error| Error::Validation(format!("a certificate could not be made: {error}")))?;
            for file in [&key, &chain] {
                crate::private_file(file).or_else(|error| match error.kind() {
                    std::io::ErrorKind::AlreadyExists => Ok(()),
                    _ => Err(error),
                })?;
            }
            std::fs::write(&key, made.signing_key.serialize_pem())?;
            std::fs::write(&chain, made.cert.pem())?;
        }
        Self::load(&chain, &key)
    }

    /// SHA-256 of the certificate, in pairs of hexadecimal digits, as browsers show it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(self.chain.first().map_or(&[][..], |first| first.as_ref()));
        let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }
}

/// Serves an environment until `stop` ends; requests that are under way then are answered.
pub async fn listen(
    environment: &Environment,
    listener: TcpListener,
    options: ServeOptions,
    certificate: Option<Certificate>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let options = ServeOptions { tls: certificate.is_some(), ..options };
    let service = environment.router(options).into_make_service_with_connect_info::<SocketAddr>();
    let handle = Handle::new();
    let ending = handle.clone();
    let stopping = tokio::spawn(async move {
        stop.await;
        ending.graceful_shutdown(Some(END_TIME));
    });
    let reads = environment.clone();
    let noting = tokio::spawn(async move {
        let mut housekept = Instant::now();
        loop {
            tokio::time::sleep(READS_NOTED).await;
            let reads = reads.clone();
            if housekept.elapsed() >= HOUSEKEEPING {
                housekept = Instant::now();
                let environment = reads.clone();
                let kept = tokio::task::spawn_blocking(move || environment.keep_house());
                if let Ok(Err(error)) = kept.await {
                    tracing::error!(%error, "what is beyond its time waits to be taken out");
                }
            }
            if let Ok(Err(error)) = tokio::task::spawn_blocking(move || reads.flush_reads()).await {
                tracing::error!(%error, "reads wait for the activity log");
            }
        }
    });
    let mut server = axum_server::from_tcp(listener)?.handle(handle).first_request_timeout(HEAD_TIME);
    server.http_builder().http1().header_read_timeout(HEAD_TIME);
    let ended = match certificate {
        Some(certificate) => {
            let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(certificate.config));
            let server: Server<SocketAddr, _> = server.acceptor(acceptor.handshake_timeout(HEAD_TIME));
            server.serve(service).await
        }
        None => server.serve(service).await,
    };
    stopping.abort();
    noting.abort();
    environment.flush_reads()?;
    Ok(ended?)
}

/// Serves what is counted of an environment at `/metrics`, over plain HTTP, until this is dropped.
pub async fn listen_for_metrics(environment: &Environment, listener: TcpListener) -> Result<(), Error> {
    let mut server = axum_server::from_tcp(listener)?.first_request_timeout(HEAD_TIME);
    server.http_builder().http1().header_read_timeout(HEAD_TIME);
    Ok(server.serve(environment.metrics_router().into_make_service()).await?)
}
