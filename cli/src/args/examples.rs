//! Examples that help and manual pages show for each command. A test reads every one of them as a command line.

/// What a command is used for, line by line: a sentence, and what is typed.
pub type Examples = &'static [(&'static str, &'static str)];

/// By the command's name.
pub const ALL: &[(&str, Examples)] = &[
    ("demo", &[("See the main job with 5,000 records", "keyferry demo --records 5000")]),
    (
        "env",
        &[
            ("Make an environment in a folder", "keyferry env init embedded:./team --user admin"),
            ("Give a server a short name", "keyferry env add prod https://passwork.example.com"),
            ("See that everything is right with it", "keyferry env test prod:"),
        ],
    ),
    ("login", &[("Sign in once for many commands", "keyferry login prod:")]),
    ("logout", &[("Forget the session", "keyferry logout prod:")]),
    (
        "import",
        &[
            ("Look first", "keyferry import people.csv prod: --dry-run"),
            ("Bring a table into one vault", "keyferry import people.csv prod:Imported --report report.html"),
            (
                "Say what columns are",
                "keyferry import people.csv prod: --map 'Kennwort=password' --map 'Ort=folder'",
            ),
        ],
    ),
    (
        "export",
        &[
            ("A backup that is sealed for you", "keyferry export prod: backup.kfa"),
            ("One vault as a table, in the clear", "keyferry export prod:Infra infra.csv --allow-plaintext"),
        ],
    ),
    (
        "migrate",
        &[
            ("Everything from one environment to another", "keyferry migrate stage: prod:"),
            ("Let somebody approve the plan", "keyferry migrate stage: prod: --plan-to plan.json"),
            (
                "Without what nobody needs",
                "keyferry migrate stage: prod: --exclude 'Old*' --exclude Infra/tmp",
            ),
            (
                "The contents of one vault into another",
                "keyferry migrate stage:Infra prod:Platform --structure keep",
            ),
        ],
    ),
    (
        "sync",
        &[
            ("What would be brought", "keyferry sync stage: prod: --dry-run"),
            (
                "What is gone in the source goes to the bin",
                "keyferry sync stage: prod: --delete --max-delete 20",
            ),
        ],
    ),
    ("apply", &[("Do what was approved", "keyferry apply plan.json")]),
    (
        "verify",
        &[
            ("Is everything of the one in the other", "keyferry verify stage: prod:"),
            ("And nothing else", "keyferry verify stage: prod: --exact"),
            ("A proof to file", "keyferry verify people.csv prod: --report proof.html"),
        ],
    ),
    ("fsck", &[("Find what cannot be opened", "keyferry fsck prod:")]),
    ("audit", &[("Weak, reused and old secrets as a page", "keyferry audit prod: --output audit.html")]),
    (
        "archive",
        &[
            ("What is in a backup", "keyferry archive list backup.kfa"),
            ("Bring a vault of it back", "keyferry archive extract backup.kfa prod: --vault Infra"),
        ],
    ),
    ("jobs", &[("The last jobs, for a program", "keyferry jobs --json")]),
    ("resume", &[("Go on with what stopped last", "keyferry resume last")]),
    ("undo", &[("Take back the last job", "keyferry undo last")]),
    ("ls", &[("The vaults", "keyferry ls prod:"), ("One folder", "keyferry ls prod:Infra/db")]),
    ("tree", &[("Every name", "keyferry tree prod:")]),
    (
        "get",
        &[
            ("A password", "keyferry get prod:Infra/db/pg-primary"),
            ("The present one-time code", "keyferry get prod:Infra/db/pg-primary --totp-code TOTP"),
        ],
    ),
    (
        "exec",
        &[(
            "A program with one secret",
            "keyferry exec --env PGPASSWORD=prod:Infra/db/pg-primary -- psql -h db.example",
        )],
    ),
    ("inject", &[("Fill a template", "keyferry inject --input app.env.tpl --output app.env")]),
    ("generate", &[("A passphrase", "keyferry generate --words 6")]),
    (
        "serve",
        &[
            ("An environment to try things", "keyferry serve --dev"),
            ("For the team, over TLS", "keyferry serve ./team --listen 0.0.0.0:8443 --tls"),
        ],
    ),
    ("activity", &[("Who did what", "keyferry activity ./team")]),
    ("doctor", &[("What is wrong here", "keyferry doctor")]),
];

/// Those of a command as text for its help: empty where there are none.
pub fn text(command: &str) -> String {
    let Some((_, examples)) = ALL.iter().find(|(name, _)| *name == command) else { return String::new() };
    let lines = examples.iter().map(|(what, typed)| format!("  {what}:\n    {typed}"));
    format!("Examples:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use clap::{CommandFactory as _, Parser as _};

    /// Words as a shell takes them, with single quotes alone.
    fn words(line: &str) -> Vec<String> {
        let parts = line.split('\'').enumerate();
        let mut words = vec![String::new()];
        for (number, part) in parts {
            if number % 2 == 1 {
                words.last_mut().unwrap().push_str(part);
                continue;
            }
            for (index, piece) in part.split(' ').enumerate() {
                if index > 0 {
                    words.push(String::new());
                }
                words.last_mut().unwrap().push_str(piece);
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn every_example_is_a_command_line_of_its_command() {
        for (name, examples) in ALL {
            for (_, typed) in *examples {
                let words = words(typed);
                assert_eq!(words.get(1).map(String::as_str), Some(*name), "{typed}");
                if let Err(error) = Arguments::try_parse_from(&words) {
                    panic!("{typed}: {error}");
                }
            }
        }
    }

    #[test]
    fn every_command_that_moves_or_shows_secrets_has_an_example() {
        let without = ["update", "rotate", "api", "man", "completions", "formats", "columns", "help"];
        for command in Arguments::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = command.get_name();
            assert_eq!(text(name).is_empty(), without.contains(&name), "{name}");
        }
    }
}
