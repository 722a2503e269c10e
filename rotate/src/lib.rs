//! A new secret at its target, in the environment, and nowhere between.
//!
//! A rotation has two sides: the **target**, where a secret works (a database user, an account, an
//! `authorized_keys` file), and the **environment**, whose record holds it. Both must change, no transaction spans
//! them, and either can fail at any moment. So nothing here remembers how far it came. It looks at both sides, reads
//! the next step from one table ([`transitions`]), takes it, and looks again. The first run, the way back after a failure,
//! and the resumption after a crash are the same loop.
//!
//! | room | what it is |
//! |---|---|
//! | [`address`] | where a target is, without secrets |
//! | [`connector`] | what every kind of target can do: check, add, keep only |
//! | [`connectors`] | PostgreSQL, MySQL and MariaDB, Redis, Linux accounts, SSH keys, any program |
//! | [`plan`] | which records, checked before anything changes |
//! | [`transitions`] | what both sides can hold, and the table of steps |
//! | [`rotation`] | the loop for one record |
//! | [`batch`] | many at once, under one job of the journal |
//! | [`report`] | what became of each |
//!
//! Between the target and the environment the new secret stands in the journal alone, sealed under a key that only
//! the user can unwrap (`keyferry_core::engine::Secrets`).

pub mod address;
pub mod batch;
pub mod connector;
pub mod connectors;
pub mod plan;
pub mod report;
pub mod rotation;
pub mod transitions;

pub use address::Address;
pub use batch::{Batch, run};
pub use connector::{Account, Actor, Connector, Login};
pub use connectors::{Kind, Pass};
pub use plan::{Admin, Choice, Plan, Strength};
pub use report::{Outcome, Report, Rotated};
