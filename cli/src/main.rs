//! `keyferry`: carries secrets between environments.
//!
//! `args` says what may be typed, `resolve` turns words into locations, `reference` into single secrets, `when` into
//! times, `credentials` finds what unlocks them, `opened` opens each environment once, `fetched` fetches what
//! references name, `template` and `dotenv` understand files with references in them, `child` runs programs, `jobs`
//! keeps the journal, `commands` does the work, `manifest` and `written` know other formats, `private` writes secret
//! files, `passwork` does the work of Passwork's own command line under its name, `output` and `progress` show it,
//! `exit` ends it.

mod args;
mod child;
mod commands;
mod config;
mod credentials;
mod dotenv;
mod exit;
mod fetched;
mod jobs;
mod manifest;
mod opened;
mod output;
mod passwork;
mod private;
mod progress;
mod reference;
mod resolve;
mod template;
mod when;
mod written;

use clap::Parser as _;
use std::process::ExitCode;

#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    exit::silence_panics();
    let mut typed = std::env::args_os();
    if passwork::is_called(typed.next().as_deref()) {
        return passwork::main(&typed.collect::<Vec<_>>());
    }
    jobs::arm_crash();
    let arguments = match args::Arguments::try_parse_from(args::secrets::with_customs(std::env::args_os())) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output with code 0; everything else is wrong usage.
            let _ = error.print();
            let wrong = if args::exec::is_meant(std::env::args_os()) { 125 } else { 2 };
            return ExitCode::from(if error.use_stderr() { wrong } else { 0 });
        }
    };
    let output = output::Output::new(&arguments.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::failed(output, &keyferry_core::Error::io(".", error)),
    };
    // The arguments of `exec` need not be text.
    let typed = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let jobs = jobs::Jobs::new(&arguments.global, typed.collect());
    match runtime.block_on(commands::run(arguments, jobs, output)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => exit::failed(output, &error),
    }
}
