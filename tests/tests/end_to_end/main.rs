//! The command line against real environments, servers, databases and faults; and what holds for the whole
//! project. One binary, since each would link everything once more:
//! `cargo test -p keyferry-tests --test end_to_end sync::` runs one module.

mod archive;
mod arrows;
mod audit;
mod bad_input;
mod bundles;
mod conservation;
mod cost;
mod dialogue;
mod docs;
mod downgrade;

mod dumps;
mod earlier_versions;
mod environments;
mod exec;
mod faults;
mod filters;
mod folders;
mod forged_keys;
mod fsck;
mod full_disk;
mod hostile_records;
mod hostile_server;
mod hostile_table;
mod inject;
mod journal;
#[cfg(target_os = "linux")]
mod journal_postgres;
mod kill;
mod kv;
mod main_job;
mod managers;
mod marks;
mod matching;
mod names;
mod one_time_codes;
mod pages;
mod pipes_and_links;
mod plans;
mod proxies;
mod report;
mod rewrap;
mod rights;
mod rotate_mariadb;
mod rotate_postgres;
mod rotate_programs;
mod rotate_redis;
mod rotate_tls;
mod server_kill;
mod server_kill_postgres;
mod server_postgres;
mod server_seen;
mod sessions;
mod single;
mod sync;
mod sync_removals;
mod two_runs;
#[cfg(unix)]
mod undo;
mod wiping;
#[cfg(target_os = "linux")]
mod workers;
