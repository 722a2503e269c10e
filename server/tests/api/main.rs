//! The API as clients see it, without a socket.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attack;
mod browser;
mod clients;
mod content;
mod creations;
mod document;
mod groups;
mod history;
mod house;
mod idempotency;
mod metrics;
mod months;
mod operations;
mod outage;
mod postgres;
mod rights;
mod roles;
mod servers;
mod sharing;
mod side_by_side;
mod strangers;
mod threats;
mod wire;
mod world;
