//! `keyferry`: carries secrets between environments.
//!
//! | room | what it does |
//! |---|---|
//! | `args` | what may be typed, and nothing else |
//! | `config`, `location`, `time` | words become locations and times |
//! | `credentials` | finds what unlocks an environment, and keeps sessions |
//! | `commands` | one file a command |
//! | `secrets` | secrets in use: references and templates |
//! | `child` | a program that runs with secrets |
//! | `journal` | writes transfers down, so that they can be resumed and undone |
//! | `pins` | what is remembered of environments |
//! | `output`, `exit` | what is shown, and how it ends |
//! | `passwork` | called as `passwork-cli`, the program behaves as the official one |

mod args;
mod child;
mod commands;
mod config;
mod credentials;
mod exit;
mod journal;
mod location;
mod output;
mod passwork;
mod pins;
mod secrets;
mod store;
mod time;

use std::process::ExitCode;

#[cfg(all(feature = "jemalloc", not(target_env = "msvc")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    exit::silence_panics();
    keyferry_core::process::disable_core_dumps();
    let mut typed = std::env::args_os();
    if passwork::is_called(typed.next().as_deref()) {
        return passwork::main(&typed.collect::<Vec<_>>());
    }
    if let Some(answered) = commands::completions::answer() {
        return ExitCode::from(u8::from(answered.is_err()));
    }
    journal::arm_crash();
    let arguments = match args::Arguments::read(args::secrets::with_customs(std::env::args_os())) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output with code 0; everything else is wrong usage.
            let _ = error.print();
            if error.use_stderr() && std::env::args_os().any(|word| word == "--json") {
                exit::wrong_words(&error);
            }
            let wrong = if args::exec::is_meant(std::env::args_os()) { 125 } else { 2 };
            return ExitCode::from(if error.use_stderr() { wrong } else { 0 });
        }
    };
    let output = output::Output::new(&arguments.global);
    let mut runtime = match arguments.command {
        // One thing after the other: no thread need be started for it.
        args::Command::Get(_) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::failed(output, &keyferry_core::Error::io(".", error)),
    };
    // The arguments of `exec` need not be text.
    let typed = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let jobs = journal::Jobs::new(&arguments.global, typed.collect());
    match runtime.block_on(commands::run(arguments, jobs, output)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => exit::failed(output, &error),
    }
}
