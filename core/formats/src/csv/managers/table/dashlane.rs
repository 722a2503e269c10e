//! The tables of Dashlane's archive.

use crate::csv::managers::{Manager, PLAIN, hooks};

/// The other tables of Dashlane's archive, by the names of its members.
pub(crate) const DASHLANE: &[(&str, Manager)] = &[
    (
        "credentials.csv",
        Manager {
            format: "dashlane-csv",
            name: "Dashlane (credentials)",
            signatures: &[&["username", "username2", "username3", "title", "password"]],
            ..PLAIN
        },
    ),
    (
        "securenotes.csv",
        Manager {
            format: "dashlane-zip",
            name: "Dashlane (notes)",
            signatures: &[&["title", "note"]],
            map: &[("category", "folder")],
            ..PLAIN
        },
    ),
    (
        "payments.csv",
        Manager {
            format: "dashlane-zip",
            name: "Dashlane (payments)",
            signatures: &[&["type", "account_name", "account_holder", "cc_number"]],
            map: &[
                ("type", "text:type"),
                ("account_name", "text:account_name"),
                ("account_holder", "text:Cardholder name"),
                ("cc_number", "password:Card number"),
                ("code", "password:Security code"),
                ("expiration_month", "text:expiration_month"),
                ("expiration_year", "text:expiration_year"),
                ("account_number", "password:account_number"),
            ],
            finish: hooks::dashlane_payment,
            ..PLAIN
        },
    ),
    (
        "ids.csv",
        Manager {
            format: "dashlane-zip",
            name: "Dashlane (papers)",
            signatures: &[&["type", "number", "name"]],
            map: &[("number", "password:number")],
            finish: hooks::dashlane_paper,
            ..PLAIN
        },
    ),
    (
        "personalinfo.csv",
        Manager {
            format: "dashlane-zip",
            name: "Dashlane (personal information)",
            signatures: &[&["type", "title"]],
            map: &[
                ("title", "text:title"),
                ("email", "text:E-mail"),
                ("url", "url"),
                ("address", "text:address"),
                ("item_name", "name"),
                ("login", "text:login"),
            ],
            finish: hooks::dashlane_paper,
            ..PLAIN
        },
    ),
    (
        "wifi.csv",
        Manager {
            format: "dashlane-zip",
            name: "Dashlane (networks)",
            signatures: &[&["ssid"]],
            map: &[("ssid", "text:SSID"), ("passphrase", "password")],
            ..PLAIN
        },
    ),
    (
        "secrets.csv",
        Manager {
            format: "dashlane-zip",
            name: "Dashlane (secrets)",
            signatures: &[&["title", "content"]],
            map: &[("content", "password")],
            ..PLAIN
        },
    ),
];
