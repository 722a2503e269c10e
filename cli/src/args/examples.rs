//! Examples that help and manual pages show for each command. A test reads every one of them as a command line.

/// What a command is used for, line by line: a sentence, and what is typed.
pub type Examples = &'static [(&'static str, &'static str)];

/// By the command's words: `env add`.
pub const ALL: &[(&str, Examples)] = &[
    (
        "",
        &[
            ("See it at work on this machine", "keyferry demo"),
            (
                "Bring a table into an environment, and see it proved",
                "keyferry import people.csv prod:Imported",
            ),
            ("Carry one environment into another", "keyferry migrate stage: prod: --report report.html"),
            ("Look once more whether everything is there", "keyferry verify stage: prod:"),
        ],
    ),
    ("demo", &[("See the main job with 5,000 records", "keyferry demo --records 5000")]),
    (
        "env",
        &[
            ("Make an environment in a folder", "keyferry env init embedded:./team --user admin"),
            ("Give a server a short name", "keyferry env add prod https://passwork.example.com"),
            ("See that everything is right with it", "keyferry env test prod:"),
        ],
    ),
    (
        "env init",
        &[
            ("An environment in a folder", "keyferry env init embedded:./team --user admin"),
            (
                "In a PostgreSQL database",
                "keyferry env init postgres://keyferry@db.example/keyferry --user admin",
            ),
        ],
    ),
    (
        "env copy",
        &[(
            "From a folder into a PostgreSQL database",
            "keyferry env copy embedded:./team postgres://keyferry@db.example/keyferry",
        )],
    ),
    ("env add", &[("A short name for a server", "keyferry env add prod https://passwork.example.com")]),
    ("env list", &[("For a program", "keyferry env list --json")]),
    ("env test", &[("Sign in, and open the keys", "keyferry env test prod:")]),
    ("env remove", &[("Forget a name; the server stays", "keyferry env remove prod")]),
    ("env pins", &[("What was seen of a server, for a pipeline", "keyferry env pins export prod")]),
    (
        "env pins export",
        &[("Keys as they were seen, as digests", "keyferry env pins export prod > pins.txt")],
    ),
    ("env public-key", &[("For a colleague who seals an archive", "keyferry env public-key prod: > me.pem")]),
    (
        "env unpin",
        &[(
            "Believe a new key, once its owner was asked",
            "keyferry env unpin prod vault:0123456789abcdef01234567",
        )],
    ),
    ("env give-keys", &[("To new members of a group", "keyferry env give-keys prod:")]),
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
            ("Codes of an authenticator, into their records", "keyferry import aegis.json prod: --match"),
            (
                "A server of HashiCorp Vault or OpenBao",
                "keyferry import vault://vault.example.com:8200/secret prod:Secrets",
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
    ("formats", &[("What can be read, for a program", "keyferry formats --json")]),
    ("columns", &[("What each column is taken for", "keyferry columns people.csv")]),
    ("archive create", &[("A backup that is sealed for you", "keyferry archive create prod: backup.kfa")]),
    ("archive list", &[("Names alone", "keyferry archive list backup.kfa")]),
    ("archive verify", &[("Whether every byte is as it was written", "keyferry archive verify backup.kfa")]),
    ("archive extract", &[("One vault of it", "keyferry archive extract backup.kfa prod: --vault Infra")]),
    (
        "archive",
        &[
            ("What is in a backup", "keyferry archive list backup.kfa"),
            ("Bring a vault of it back", "keyferry archive extract backup.kfa prod: --vault Infra"),
        ],
    ),
    ("jobs", &[("The last jobs, for a program", "keyferry jobs --json")]),
    (
        "work",
        &[
            ("Lend a hand from another terminal", "keyferry work 3"),
            ("From another machine", "keyferry work 3 --journal postgres://keyferry@db.example/jobs"),
        ],
    ),
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
    (
        "update",
        &[(
            "A new password from standard input",
            "keyferry update prod:Infra/db/pg-primary --stdin password",
        )],
    ),
    (
        "rotate",
        &[("See what would be done", "keyferry rotate prod:Infra/db/pg-primary --with postgres --dry-run")],
    ),
    ("api", &[("Any call of the API", "keyferry api --from prod: --endpoint v1/vaults")]),
    ("inject", &[("Fill a template", "keyferry inject --input app.env.tpl --output app.env")]),
    ("generate", &[("A passphrase", "keyferry generate --words 6")]),
    (
        "serve",
        &[
            ("An environment to try things", "keyferry serve --dev"),
            ("For the team, over TLS", "keyferry serve ./team --listen 0.0.0.0:8443 --tls"),
            (
                "One of several servers on a PostgreSQL database",
                "keyferry serve --store postgres://keyferry@db.example/keyferry --listen 0.0.0.0:8443 --tls-cert chain.pem --tls-key key.pem",
            ),
        ],
    ),
    ("activity", &[("Who did what", "keyferry activity ./team")]),
    ("man", &[("Every page into a folder", "keyferry man --dir ./man")]),
    ("completions", &[("For this shell", "keyferry completions bash")]),
    ("doctor", &[("What is wrong here", "keyferry doctor")]),
];

/// Those of a command, by its words.
pub fn of(command: &str) -> Examples {
    ALL.iter().find(|(name, _)| *name == command).map_or(&[], |(_, all)| *all)
}

/// The same by the name of its manual page: `keyferry-env-add`.
pub fn of_page(page: &str) -> Examples {
    let words = page.strip_prefix("keyferry-").unwrap_or_default();
    ALL.iter().find(|(name, _)| name.replace(' ', "-") == words).map_or(&[], |(_, all)| *all)
}

/// The same as text for its help: empty where there are none.
pub fn text(command: &str) -> String {
    let examples = of(command);
    if examples.is_empty() {
        return String::new();
    }
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
                // What a shell does with the output is the shell's.
                let typed = typed.split(" > ").next().unwrap();
                let words = words(typed);
                assert!(words[1..].join(" ").starts_with(*name), "{typed}");
                if let Err(error) = Arguments::try_parse_from(&words) {
                    panic!("{typed}: {error}");
                }
            }
        }
    }

    #[test]
    fn every_command_has_an_example() {
        fn look(command: &clap::Command, words: &str) {
            for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
                let words = format!("{words} {}", inner.get_name());
                assert_eq!(of(words.trim()).is_empty(), inner.get_name() == "help", "{words}");
                look(inner, &words);
            }
        }
        look(&Arguments::command(), "");
    }
}
