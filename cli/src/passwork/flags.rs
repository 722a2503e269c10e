//! The commands and their flags, and the help made of them.

use crate::passwork::argparse::{Flag, Takes};
use std::fmt::Write as _;

/// A command.
pub struct Command {
    /// As it is typed.
    pub name: &'static str,
    about: &'static str,
    /// What the official one is doing when it fails.
    pub doing: &'static str,
    own: &'static [Flag],
}

const fn value(name: &'static str, help: &'static str) -> Flag {
    Flag { name, takes: Takes::Value, required: false, help }
}

const BASE: &[Flag] = &[
    value("--host", "address of the Passwork server [PASSWORK_HOST]"),
    value("--token", "access token [PASSWORK_TOKEN]"),
    value("--refresh-token", "refresh token; taken, and not used [PASSWORK_REFRESH_TOKEN]"),
    value("--master-key", "master key; without it nothing is taken for encrypted [PASSWORK_MASTER_KEY]"),
    Flag {
        name: "--no-ssl-verify",
        takes: Takes::Nothing,
        required: false,
        help: "believe any certificate; deprecated",
    },
    Flag {
        name: "--ssl-verify",
        takes: Takes::Maybe,
        required: false,
        help: "verify the certificate, or verify it with this file or folder of authorities",
    },
];

const ONE: [Flag; 2] =
    [value("--password-id", "the item's id"), value("--shortcut-id", "the id of a shortcut to the item")];

const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];

/// All commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "exec",
        about: "run a shell command with items in its environment",
        doing: "executing command",
        own: &[
            value("--password-id", "ids of items, separated by commas"),
            value("--shortcut-id", "ids of shortcuts, separated by commas"),
            value("--vault-id", "all items of these vaults"),
            value("--folder-id", "all items of these folders"),
            value("--tags", "all items with these tags"),
            value("--cmd", "the command; otherwise all words that are no flags"),
        ],
    },
    Command {
        name: "api",
        about: "make any call of the API",
        doing: "making API call",
        own: &[
            Flag { name: "--method", takes: Takes::OneOf(METHODS), required: true, help: "the HTTP method" },
            Flag {
                name: "--endpoint",
                takes: Takes::Value,
                required: true,
                help: "the address below /api/: v1/items",
            },
            value("--params", "an object in JSON: the query of GET, the body of the others"),
            value("--field", "this part of the answer: a, a.b, a[0]"),
        ],
    },
    Command {
        name: "get",
        about: "print an item's password, or another field",
        doing: "getting password command",
        own: &[
            value("--field", "the field to print"),
            value("--totp-code", "the field whose present one-time code to print"),
            ONE[0],
            ONE[1],
        ],
    },
    Command {
        name: "update",
        about: "change an item",
        doing: "updating password command",
        own: &[
            value("--name", "its new name"),
            value("--password", "its new password"),
            value("--login", "its new login"),
            value("--url", "its new address"),
            value("--description", "its new description"),
            value("--tags", "its tags from now on, separated by commas"),
            value("--custom-*", "a custom field: --custom-NAME VALUE"),
            ONE[0],
            ONE[1],
        ],
    },
];

impl Command {
    /// Every flag that it takes.
    pub fn flags(&self) -> Vec<&'static Flag> {
        BASE.iter().chain(self.own).collect()
    }

    /// Its help.
    pub fn help(&self) -> String {
        let mut help = format!("usage: passwork-cli {} [FLAGS]\n\n{}\n\nflags:\n", self.name, self.about);
        put(&mut help, "-h, --help", "show this help");
        for flag in self.flags() {
            let shown = match flag.takes {
                Takes::Nothing => flag.name.to_owned(),
                Takes::Value => format!("{} VALUE", flag.name),
                Takes::Maybe => format!("{} [VALUE]", flag.name),
                Takes::OneOf(words) => format!("{} {{{}}}", flag.name, words.join(",")),
            };
            put(&mut help, &shown, flag.help);
        }
        help
    }
}

/// The help of the whole.
pub fn help() -> String {
    let mut help = "usage: passwork-cli COMMAND [FLAGS]\n\nkeyferry, in the place of Passwork's command line\n\ncommands:\n".to_owned();
    for command in COMMANDS {
        put(&mut help, command.name, command.about);
    }
    help
}

fn put(help: &mut String, left: &str, right: &str) {
    let gap = if left.len() > 24 { "\n" } else { "" };
    let left = if gap.is_empty() { format!("{left:<26}") } else { format!("{left}{gap}{:28}", "") };
    // Writing to a text cannot fail.
    let _ = writeln!(help, "  {left}{right}");
}
