//! A server that takes its time, for benches in which clients wait for it and not for this machine: the environment in DIR, served
//! on loopback, where each request is answered MILLISECONDS later than it could be.
//!
//!     slow_server DIR MILLISECONDS

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that fails ends; where it listens is its output"
)]

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use keyferry_server::{Environment, ServeOptions};
use std::path::PathBuf;
use std::time::Duration;

#[tokio::main]
async fn main() {
    let mut words = std::env::args_os().skip(1);
    let folder = PathBuf::from(words.next().unwrap());
    let delay = Duration::from_millis(words.next().unwrap().to_str().unwrap().parse().unwrap());
    let slow = from_fn(move |request: Request, next: Next| async move {
        tokio::time::sleep(delay).await;
        next.run(request).await
    });
    let environment = Environment::open(&folder).unwrap();
    let router = environment.router(ServeOptions::default()).layer(slow);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    axum::serve(listener, router).await.unwrap();
}
