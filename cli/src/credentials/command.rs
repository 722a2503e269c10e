//! A secret that a program of the user's own gives, as `token_command` and its siblings in the config name it.

use keyferry_core::secret::{SecretBytes, SecretString};
use keyferry_core::{Error, ErrorKind, Result};
use std::process::{Command, Stdio};

/// Runs the program, without a shell, and takes what it prints, but for the end of the last line. What it says
/// on standard error is shown as it is.
///
/// # Errors
/// Where it cannot run, fails, or prints nothing; what it printed is not repeated.
pub fn secret(key: &str, words: &[String]) -> Result<SecretString> {
    let advice = || format!("check {key} in the config: a list of words, the program first");
    let Some((program, arguments)) = words.split_first() else {
        return Err(Error::new(ErrorKind::Usage, format!("{key} names no program")).next_step(advice()));
    };
    let run = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let run = run.map_err(|error| {
        Error::new(ErrorKind::Io, format!("{key}: {program} cannot be run"))
            .next_step(advice())
            .because(error)
    })?;
    let printed = SecretBytes::new(run.stdout);
    if !run.status.success() {
        let how = run
            .status
            .code()
            .map_or_else(|| "was ended".to_owned(), |code| format!("ended with code {code}"));
        return Err(Error::new(ErrorKind::NotAuthenticated, format!("{key}: {program} {how}"))
            .next_step("run it by hand to see why"));
    }
    let text = printed
        .into_text()
        .ok_or_else(|| Error::new(ErrorKind::Input, format!("{key}: what {program} printed is not text")))?;
    let text = SecretString::from(text.expose().trim_end_matches(['\r', '\n']));
    if text.is_empty() {
        return Err(Error::new(ErrorKind::NotAuthenticated, format!("{key}: {program} printed nothing"))
            .next_step("run it by hand to see why"));
    }
    Ok(text)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn what_a_program_prints_is_taken_without_its_line_end() {
        let printed = secret("token_command", &words(&["printf", " a $HOME\\n"])).unwrap();
        assert_eq!(printed.expose(), " a $HOME", "no shell looks at it");
    }

    #[test]
    fn a_program_that_fails_is_an_error_without_what_it_printed() {
        for (program, said) in [
            (&["sh", "-c", "echo planted; exit 3"][..], "token_command: sh ended with code 3"),
            (&["true"], "token_command: true printed nothing"),
            (
                &["no-such-program-anywhere"],
                "token_command: no-such-program-anywhere cannot be run: No such file or directory (os error 2)",
            ),
            (&[], "token_command names no program"),
        ] {
            let error = secret("token_command", &words(program)).unwrap_err();
            assert_eq!(error.to_string(), said);
            assert!(!format!("{error:?}").contains("planted"));
        }
    }
}
