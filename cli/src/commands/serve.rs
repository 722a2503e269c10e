//! `serve [DIR]`: the embedded environment over HTTP or HTTPS, from a folder or a PostgreSQL database, and its backup.

use crate::args::{Log, Serve, Switch};
use crate::credentials;
use crate::exit::usage;
use crate::output::Output;
use crate::store::{self, SHAPE};
use keyferry_core::crypto::generate;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use keyferry_embedded as embedded;
use keyferry_server::{Address, Certificate, Environment, ServeOptions};
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing_subscriber::filter::LevelFilter;

/// Serves until Ctrl-C or SIGTERM.
pub async fn run(serve: Serve, output: Output) -> Result<u8> {
    if let (Some(folder), Some(file)) = (&serve.dir, &serve.backup) {
        return backup(folder, file, output);
    }
    log(serve.log, output);
    let store = database(&serve)?;
    #[cfg(feature = "traces")]
    let traces = super::traces::Traces::by_variables()?;
    let options = ServeOptions {
        always_raw: serve.raw,
        access_token_life: Duration::from_secs(serve.token_life),
        log_reads: !serve.no_read_log,
        requests_per_second: serve.rate_limit,
        largest_body: serve.largest_body << 20,
        public_url: serve.public_url.as_ref().map(ToString::to_string),
        #[cfg(feature = "traces")]
        tracer: traces.as_ref().map(super::traces::Traces::tracer),
        ..ServeOptions::default()
    };
    // StoredSession until the end: dropping it removes the folder.
    let mut temporary = None;
    let folder = match (serve.dir.clone(), serve.dev) {
        (Some(folder), _) => folder,
        (None, _) if store.is_some() => PathBuf::new(),
        (None, true) => {
            let made = tempfile::tempdir().map_err(|error| Error::io(std::env::temp_dir(), error))?;
            temporary.insert(made).path().join("environment")
        }
        (None, false) => {
            return Err(usage(
                "serve needs a folder or a database",
                "keyferry serve DIR, keyferry serve --store postgres://…, or keyferry serve --dev for a try",
            ));
        }
    };
    let (listener, address) = bound(serve.listen, "--listen")?;
    let for_metrics = serve.metrics.map(|at| bound(at, "--metrics")).transpose()?;
    let metrics_url = for_metrics.as_ref().map(|(_, address)| format!("http://{address}/metrics"));
    let over_tls = serve.tls || serve.tls_cert.is_some();
    let url = format!("{}://{address}", if over_tls { "https" } else { "http" });
    let mut made = None;
    if serve.dev {
        let master = match serve.client_encryption {
            Switch::On => Some(generate::password(32)?),
            Switch::Off => None,
        };
        made = Some((embedded::make(&folder, "admin", master.as_ref())?, master));
    }
    let environment = match (&made, &store) {
        (Some((made, _)), _) => made.environment.clone(),
        (None, Some(address)) => embedded::open_on(address)?,
        (None, None) => embedded::open(&folder)?,
    };
    // After the environment, in whose folder its own certificate stands.
    let certificate = if over_tls { Some(certificate(&serve, &folder, address.ip())?) } else { None };
    let fingerprint = certificate.as_ref().map(Certificate::fingerprint);
    announce(&Ready { url, metrics_url, fingerprint }, made.as_ref(), output)?;
    drop(made);
    if !address.ip().is_loopback() && !over_tls {
        output.warn("this is plain HTTP beyond this machine: tokens travel in the clear; --tls mends that");
    }
    let serving = keyferry_server::listen(&environment, listener, options, certificate, stopped());
    let ended = match for_metrics {
        None => serving.await,
        Some((listener, _)) => {
            let shown = environment.clone();
            let showing = tokio::spawn(async move {
                if let Err(error) = keyferry_server::listen_for_metrics(&shown, listener).await {
                    tracing::error!(%error, "metrics are not shown any more");
                }
            });
            let ended = serving.await;
            showing.abort();
            ended
        }
    };
    #[cfg(feature = "traces")]
    if let Some(traces) = traces {
        // It waits for the collector.
        let _ = tokio::task::spawn_blocking(|| traces.end()).await;
    }
    ended.map_err(|error| Error::new(ErrorKind::Io, "the server failed").because(error))?;
    drop(temporary);
    Ok(0)
}

/// Where it is reached.
struct Ready {
    url: String,
    metrics_url: Option<String>,
    fingerprint: Option<String>,
}

/// What was made with --dev, and its master password where clients encrypt.
type Fresh = (embedded::Made, Option<SecretString>);

/// Says where it is reached, and what a development server's secrets are.
fn announce(ready: &Ready, made: Option<&Fresh>, output: Output) -> Result<()> {
    let Ready { url, metrics_url, fingerprint } = ready;
    if let Some((made, master)) = made {
        if output.json {
            output.json_line(&json!({
                "url": url,
                "user": made.user,
                "password": made.password.expose(),
                "master_password": master.as_ref().map(SecretString::expose),
                "master_key": made.master_key.as_ref().map(SecretString::expose),
                "access_token": made.access_token.expose(),
                "refresh_token": made.refresh_token.expose(),
                "fingerprint": fingerprint,
                "metrics": metrics_url,
            }))?;
        } else {
            output.warn("a development server: these secrets are generated and shown");
            output.line(&format!("url              {url}"))?;
            output.line(&format!("user             {}", made.user))?;
            output.line(&format!("password         {}", made.password.expose()))?;
            if let Some(master) = master {
                output.line(&format!("master password  {}", master.expose()))?;
            }
            output.line(&format!("access token     {}", made.access_token.expose()))?;
            output.line(&format!("refresh token    {}", made.refresh_token.expose()))?;
        }
    } else if output.json {
        output.json_line(&json!({ "url": url, "fingerprint": fingerprint, "metrics": metrics_url }))?;
    } else {
        output.line(url)?;
    }
    if let (Some(fingerprint), false) = (fingerprint, output.json) {
        output.line(&format!("certificate      SHA-256 {fingerprint}"))?;
    }
    if let (Some(metrics), false) = (metrics_url, output.json) {
        output.line(&format!("metrics          {metrics}"))?;
    }
    Ok(())
}

/// A socket that listens, and where.
fn bound(at: SocketAddr, flag: &str) -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(at).map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot listen on {at}"))
            .because(error)
            .next_step(format!("choose another address with {flag}; port 0 picks a free one"))
    })?;
    let address = listener.local_addr().map_err(|error| Error::io("the socket", error))?;
    Ok((listener, address))
}

/// The database that is to be served instead of a folder.
fn database(serve: &Serve) -> Result<Option<Address>> {
    if serve.dir.as_deref().and_then(Path::to_str).is_some_and(Address::is_meant) {
        return Err(usage("a database is no folder", format!("keyferry serve --store {SHAPE}")));
    }
    if serve.store.is_some() && serve.tls && serve.tls_cert.is_none() {
        return Err(usage(
            "with --store there is no folder for a certificate of the server's own",
            "give one with --tls-cert and --tls-key",
        ));
    }
    serve.store.as_deref().map(|store| store::address(store, &credentials::process)).transpose()
}

fn certificate(serve: &Serve, folder: &Path, address: std::net::IpAddr) -> Result<Certificate> {
    let loaded = if let (Some(chain), Some(key)) = (&serve.tls_cert, &serve.tls_key) {
        Certificate::load(chain, key)
    } else {
        let mut names = serve.tls_name.clone();
        if !address.is_unspecified() && !address.is_loopback() {
            names.push(address.to_string());
        }
        Certificate::own(folder, &names)
    };
    loaded.map_err(|error| Error::new(ErrorKind::Input, format!("the certificate cannot be used: {error}")))
}

fn backup(folder: &Path, file: &Path, output: Output) -> Result<u8> {
    let environment: Environment = embedded::open(folder)?;
    environment.backup(file).map_err(|error| {
        Error::new(ErrorKind::Io, format!("the backup failed: {error}"))
            .next_step("name a file that is not there yet, in a folder that you may write")
    })?;
    output.say(&format!("backup: {}", file.display()));
    output.say("to restore it, put it into a new folder as environment.db and serve that");
    Ok(0)
}

/// Each request: method, path with identifiers as names, status, time, address. No bodies, no headers, no queries.
fn log(how: Log, output: Output) {
    if output.quiet {
        return;
    }
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_max_level(LevelFilter::INFO)
        .with_ansi(false);
    // Whoever set one before keeps it.
    let _ = match how {
        Log::Text => lines.try_init(),
        Log::Json => lines.json().flatten_event(true).try_init(),
        Log::Off => Ok(()),
    };
}

/// Ends with Ctrl-C or SIGTERM.
async fn stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
