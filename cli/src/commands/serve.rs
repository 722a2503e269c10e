//! `serve [DIR]`: the embedded environment over HTTP.

use crate::args::{Serve, Switch};
use crate::exit::usage;
use crate::output::Output;
use keyferry_core::crypto::generate;
use keyferry_core::{Error, ErrorKind, Result};
use keyferry_embedded as embedded;
use keyferry_server::ServeOptions;
use serde_json::json;

/// Serves until Ctrl-C or SIGTERM.
pub async fn run(serve: Serve, output: Output) -> Result<u8> {
    // Kept until the end: dropping it removes the folder.
    let mut temporary = None;
    let folder = match (serve.dir, serve.dev) {
        (Some(folder), _) => folder,
        (None, true) => {
            let made = tempfile::tempdir().map_err(|error| Error::io(std::env::temp_dir(), error))?;
            temporary.insert(made).path().join("environment")
        }
        (None, false) => {
            return Err(usage(
                "serve needs a folder",
                "keyferry serve DIR, or keyferry serve --dev for a try",
            ));
        }
    };
    let listener = tokio::net::TcpListener::bind(serve.listen).await.map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot listen on {}", serve.listen))
            .because(error)
            .next_step("choose another address with --listen; port 0 picks a free one")
    })?;
    let address = listener.local_addr().map_err(|error| Error::io("the socket", error))?;
    let url = format!("http://{address}");
    let environment = if serve.dev {
        let master = match serve.client_encryption {
            Switch::On => Some(generate::password(32)?),
            Switch::Off => None,
        };
        let made = embedded::make(&folder, "admin", master.as_ref())?;
        if output.json {
            output.json_line(&json!({
                "url": url,
                "user": made.user,
                "password": made.password.expose(),
                "master_password": master.as_ref().map(keyferry_core::secret::SecretString::expose),
                "master_key": made.master_key.as_ref().map(keyferry_core::secret::SecretString::expose),
                "access_token": made.access_token.expose(),
                "refresh_token": made.refresh_token.expose(),
            }))?;
        } else {
            output.warn("a development server: these secrets are generated and shown");
            output.line(&format!("url              {url}"))?;
            output.line(&format!("user             {}", made.user))?;
            output.line(&format!("password         {}", made.password.expose()))?;
            if let Some(master) = &master {
                output.line(&format!("master password  {}", master.expose()))?;
            }
            output.line(&format!("access token     {}", made.access_token.expose()))?;
            output.line(&format!("refresh token    {}", made.refresh_token.expose()))?;
        }
        made.environment
    } else {
        let environment = embedded::open(&folder)?;
        if output.json {
            output.json_line(&json!({ "url": url }))?;
        } else {
            output.line(&url)?;
        }
        environment
    };
    if !address.ip().is_loopback() {
        output.warn("this is plain HTTP beyond this machine: tokens travel in the clear");
    }
    axum::serve(listener, environment.router(ServeOptions::default()))
        .with_graceful_shutdown(stopped())
        .await
        .map_err(|error| Error::io("the socket", error))?;
    drop(temporary);
    Ok(0)
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
