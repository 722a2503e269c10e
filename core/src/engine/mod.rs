//! Ties a source to a sink: plan, transfer, verification, report.
//!
//! | room | what it does |
//! |---|---|
//! | [`endpoint`], [`options`] | what a transfer is asked for: two locations, and how |
//! | [`environment`] | an environment, signed in and unlocked; single records in use |
//! | [`names`] | names that are canonically equivalent, and names nearby |
//! | [`placement`] | where a source's vaults and folders stand in a sink |
//! | [`source`] | one stream of entries from any location |
//! | `matching`, `joins` | one-time codes of an authenticator's file join the records that they belong to |
//! | [`mod@plan`] | what a transfer would do, found out before anything is written |
//! | [`mod@transfer`] | writes what the plan says and reads it back; as a job; again and again as a sync |
//! | `sink` | vaults, folders and records are made; requests whose answer was lost are settled |
//! | [`rights`], `recipients` | groups, rights and shortcuts go along; whom keys are wrapped for, and whether that may be |
//! | `compare` | records compared by keyed digest: all of them, or a sample |
//! | [`journal`] | what a job means to do, on the disk before it does it, and what came of it |
//! | [`report`] | progress, the outcome in numbers and names, and the page that shows it |
//! | [`mod@undo`], [`mod@fsck`], [`mod@audit`] | takes a job back; finds what cannot be read; finds what is weak |
//! | [`crash`] | the places where tests end the process, as a power cut would |

pub mod audit;
pub(crate) mod compare;
pub mod crash;
pub mod endpoint;
pub mod environment;
pub mod fsck;
pub(crate) mod joins;
pub mod journal;
pub(crate) mod matching;
pub mod names;
pub mod options;
pub mod placement;
pub mod plan;
pub(crate) mod recipients;
pub mod report;
pub mod rights;
pub(crate) mod sink;
pub mod source;
pub mod transfer;
pub mod undo;
pub mod workers;

pub use audit::{Audit, Rules, audit};
pub use compare::verify::verify;
pub use endpoint::Endpoint;
pub use environment::identity::Identity;
pub use environment::pins::{self as pins, Brought, Known, Memory, Pins};
pub use environment::process_memory::{marks_of_process, memory_of_process};
pub use environment::record::{Change, FetchedRecord, is_id};
pub use environment::{Environment, Unlock};
pub use fsck::{Finding, Health, fsck};
pub use joins::Joins;
pub use journal::rotations::{Rotating, Secrets};
pub use journal::{Job, Journal, NewJob};
pub use options::{ArchiveKeys, Attachments, Conflict, Keys, Options, Verify};
pub use placement::Structure;
pub use plan::places::VaultPlan;
pub use plan::preflight::{Check, CheckStatus, Preflight};
pub use plan::{Plan, plan};
pub use report::page::{Page, PageFormat};
pub use report::progress::{Progress, Silent, Stage, Step};
pub use report::queue::{ProgressQueue, ProgressUpdate};
pub use report::{Difference, HeldBack, NotMovable, Report, Rights, VaultCount};
pub use rights::keys::give_missing as give_missing_keys;
pub use rights::people::UserMap;
pub use sink::work::{Worked, work};
pub use source::filter::Filter;
pub use source::stdin::Spool;
pub use source::{Repeatable, records, records_in};
pub use transfer::pair::sync_pair;
pub use transfer::sync::{Base, MaxDelete, Sync};
pub use transfer::{job, transfer};
pub use undo::{Undone, undo};
pub use workers::Workers;
