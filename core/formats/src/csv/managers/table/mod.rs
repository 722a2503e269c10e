//! The table of tables: a row for each manager's export, in files by family.
//!
//! A row names the columns that only this export has, what each column means where its name alone does not say so, and a
//! hook for what no map can say. Its neighbours show the rest.

mod dashlane;
mod positions;
mod smaller;
mod teams;
mod well_known;

pub(crate) use dashlane::DASHLANE;

use super::Manager;

/// What an environment keeps of its own.
const DATES: &str = "behind:an environment keeps its own dates";
/// What only its manager understands.
const OWN: &str = "behind:it means something only where it comes from";
/// What a column is that says what a row is.
const KIND: &str = "the kind of the row: done with once it is known";
const CODE: &str = "totp:TOTP";
const MAIL: &str = "text:E-mail";
const NO_FILES: &str = "attachments, in the source already";
const FEW: &str = "own fields and attachments, in the source already";
const NOTHING: &str = "nothing that the file has";

/// The families, those that most people come from first.
const FAMILIES: [&[Manager]; 4] = [well_known::ROWS, teams::ROWS, smaller::ROWS, positions::ROWS];

/// Every table that is known.
pub(crate) fn all() -> impl Iterator<Item = &'static Manager> {
    FAMILIES.into_iter().flatten()
}
