//! One file for each kind of target.

mod linux;
mod mysql;
mod postgres;
mod postgres_wire;
mod program;
mod redis;
mod ssh;

use crate::connector::Connector;
use keyferry_core::{Error, ErrorKind, Result};
pub use program::Pass;
use std::sync::Arc;
use std::time::Duration;

/// Kinds of targets.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Users of PostgreSQL.
    Postgres,
    /// Users of MySQL and MariaDB.
    Mysql,
    /// ACL users of Redis.
    Redis,
    /// Accounts of this machine.
    Linux,
    /// SSH key pairs.
    Ssh,
    /// Whatever a program of the user's own changes.
    Program(Vec<String>, Pass),
}

impl Kind {
    /// The connector, which gives each of its calls this time.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for an empty program; [`ErrorKind::Refused`] where this machine lacks what it needs.
    pub fn connector(&self, timeout: Duration) -> Result<Arc<dyn Connector>> {
        Ok(match self {
            Kind::Postgres => Arc::new(postgres::Postgres::new(timeout)?),
            Kind::Mysql => Arc::new(mysql::Mysql::new(timeout)),
            Kind::Redis => Arc::new(redis::Redis::new(timeout)),
            Kind::Linux => Arc::new(linux::Linux::new(timeout)?),
            Kind::Ssh => Arc::new(ssh::Ssh::new(timeout)?),
            Kind::Program(words, pass) => {
                let [program, arguments @ ..] = words.as_slice() else {
                    return Err(Error::new(ErrorKind::Usage, "no program is named"));
                };
                Arc::new(program::Program::new(program.clone(), arguments.to_vec(), *pass, timeout))
            }
        })
    }
}

/// How a child process ended, and what it said.
pub(crate) struct Ended {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub output: String,
    /// Its standard error. It is not repeated in messages where it could hold a secret.
    pub errors: String,
}

/// Runs a program, hands it `input`, and waits for its end, but not for ever.
pub(crate) async fn run(
    mut command: tokio::process::Command,
    input: &[u8],
    timeout: Duration,
) -> Result<Ended> {
    use std::process::Stdio;
    use tokio::io::AsyncWriteExt as _;
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| {
        Error::new(ErrorKind::Unreachable, format!("{name} could not be started")).because(error)
    })?;
    let work = async {
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not want its input may close it.
            let _ = stdin.write_all(input).await;
            let _ = stdin.shutdown().await;
        }
        child.wait_with_output().await
    };
    let ended = tokio::time::timeout(timeout, work).await;
    let ended = ended
        .map_err(|_| Error::new(ErrorKind::Unanswered, format!("{name} did not end in time")))?
        .map_err(|error| Error::new(ErrorKind::Unanswered, format!("{name} was lost")).because(error))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Ended { code: ended.status.code(), output: text(&ended.stdout), errors: text(&ended.stderr) })
}
