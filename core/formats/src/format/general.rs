//! What is nobody's alone: tables, workbooks, Passwork's own and ours.

use super::Row;
use crate::{csv, jsonl, passwork_json, workbook};

/// Comma-separated values in their many dialects.
pub(super) static CSV: Row = Row {
    name: "csv",
    aliases: &["tsv"],
    from: "spreadsheets, and managers that have no row of their own",
    known_by: "a first line with a delimiter and a known column, or `sep=`",
    left: "nothing",
    fits: csv::fits,
    read: csv::read,
    write: Some(&csv::EXPORT),
};

/// Passwork's own JSON export, all shapes.
pub(super) static PASSWORK_JSON: Row = Row {
    name: "passwork-json",
    aliases: &["json"],
    from: "Passwork 4 to 7",
    known_by: "`vaults`, `groups`, `folders`, `passwords`, `items` or a list, whose records have a password or custom fields themselves",
    left: "dates, access, revisions",
    fits: passwork_json::fits,
    read: passwork_json::read,
    write: Some(&passwork_json::EXPORT),
};

/// One JSON object a line: complete and streaming.
pub(super) static JSON_LINES: Row = Row {
    name: "jsonl",
    aliases: &["ndjson"],
    from: "keyferry, and scripts",
    known_by: "a first line that is one object with a member of a record",
    left: "nothing",
    fits: jsonl::fits,
    read: jsonl::read,
    write: Some(&jsonl::EXPORT),
};

/// The rows of this family.
pub(super) static ROWS: &[&Row] = &[
    &CSV,
    &PASSWORK_JSON,
    &JSON_LINES,
    &Row {
        name: "xlsx",
        aliases: &["excel"],
        from: "Excel, and what else saves workbooks as `.xlsx`",
        known_by: "members under `xl/`",
        left: "sheets that are no tables, comments of cells, formulas (their results are read)",
        fits: workbook::fits_xlsx,
        read: workbook::read_xlsx,
        write: None,
    },
    &Row {
        name: "xls",
        aliases: &[],
        from: "Excel 97 to 2003, ManageEngine Password Manager Pro, PAM360",
        known_by: "its first eight bytes",
        left: "sheets that are no tables, comments of cells, formulas (their results are read)",
        fits: workbook::fits_xls,
        read: workbook::read_xls,
        write: None,
    },
    &Row {
        name: "ods",
        aliases: &[],
        from: "LibreOffice, and what else saves spreadsheets as `.ods`",
        known_by: "its media type, which is its first member",
        left: "sheets that are no tables, comments of cells, formulas (their results are read)",
        fits: workbook::fits_ods,
        read: workbook::read_ods,
        write: None,
    },
];
