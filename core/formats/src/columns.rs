//! From the header of a table to fields of a record.
//!
//! What columns are called in many languages stands in `header_names.txt`. A file without a header has its first record
//! where names are expected, so nothing here repeats a name that is not of that table: columns go by number and length.

use crate::{ExtraColumns, ReadOptions};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::CustomKind;
use std::collections::HashMap;
use std::sync::LazyLock;
use zeroize::Zeroizing;

/// Where a cell goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Field(Field),
    Custom(String, CustomKind),
    Ignore,
    /// Left out for a reason that the manager's table gives.
    Behind(&'static str),
    /// When the record was made: known, and told, since an environment keeps its own dates.
    Created,
    /// When the record was changed.
    Changed,
    /// This cell and those after it have labels of their own.
    Rest,
}

/// A field of a record that columns can mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Vault,
    Folder,
    Name,
    Login,
    Password,
    Url,
    Description,
    Tags,
    Totp,
    Color,
    Favorite,
}

/// Cells of the rows that follow a header: whatever they hold is wiped.
pub(super) type Sample = Vec<Vec<Zeroizing<String>>>;

/// The word of each field in `header_names.txt`, in `--map` and in messages.
const FIELDS: &[(&str, Field)] = &[
    ("vault", Field::Vault),
    ("folder", Field::Folder),
    ("name", Field::Name),
    ("login", Field::Login),
    ("password", Field::Password),
    ("url", Field::Url),
    ("description", Field::Description),
    ("tags", Field::Tags),
    ("totp", Field::Totp),
    ("color", Field::Color),
    ("favorite", Field::Favorite),
];

/// What `header_names.txt` says.
struct Names {
    /// By normalised name: the field, and how well the name fits it; 0 is best.
    fields: HashMap<String, (Field, usize)>,
    secret_words: Vec<String>,
    /// Normalised, as labels of several words are compared whole.
    secret_phrases: Vec<String>,
    secret_endings: Vec<String>,
    /// Of scripts without spaces.
    secret_parts: Vec<String>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let mut names = Names {
        fields: HashMap::new(),
        secret_words: Vec::new(),
        secret_phrases: Vec::new(),
        secret_endings: Vec::new(),
        secret_parts: Vec::new(),
    };
    let mut ranks: HashMap<&str, usize> = HashMap::new();
    let lines = include_str!("header_names.txt").lines().filter(|line| !line.starts_with('#'));
    for (word, listed) in lines.filter_map(|line| line.split_once(": ")) {
        let field = FIELDS.iter().find(|(name, _)| *name == word).map(|(_, field)| *field);
        for name in listed.split(',').map(str::trim) {
            if let Some(field) = field {
                let rank = ranks.entry(word).or_default();
                names.fields.entry(normal(name)).or_insert((field, *rank));
                *rank += 1;
            } else if let Some(ending) = name.strip_prefix('*') {
                names.secret_endings.push(ending.to_lowercase());
            } else if !is_spaced(name) {
                names.secret_parts.push(name.to_lowercase());
            } else if name.contains([' ', '-']) {
                names.secret_phrases.push(normal(name));
            } else {
                names.secret_words.push(name.to_lowercase());
            }
        }
    }
    names
});

/// Whether words of this script stand apart.
fn is_spaced(text: &str) -> bool {
    !text
        .chars()
        .any(|c| matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}'))
}

/// Case, white space, `_`, `-` and `.` do not count.
pub(super) fn normal(name: &str) -> String {
    name.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-' | '.' | '\u{feff}' | '\u{200b}'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// The field that a header means, and how well: 0 is best.
fn lookup(name: &str) -> Option<(Field, usize)> {
    NAMES.fields.get(&normal(name)).copied()
}

/// Whether a header names a field or a typed custom field.
pub(super) fn is_known(name: &str) -> bool {
    lookup(name).is_some() || typed(name).is_some()
}

/// `password:API_KEY` and the like.
fn typed(name: &str) -> Option<Target> {
    let (kind, rest) = name.split_once(':')?;
    let kind = match kind.trim().to_lowercase().as_str() {
        "text" => CustomKind::Text,
        "password" => CustomKind::Password,
        "totp" => CustomKind::Totp,
        _ => return None,
    };
    Some(Target::Custom(rest.to_owned(), kind))
}

/// Whether a label is that of a secret, in any language of the table: `API key` is, `monkey` and `public key` are not.
pub(crate) fn is_secret(label: &str) -> bool {
    // Those parts are of scripts that ASCII has not.
    if !label.is_ascii() {
        let lower = label.to_lowercase();
        if NAMES.secret_parts.iter().any(|part| lower.contains(part.as_str())) {
            return true;
        }
    }
    let whole = normal(label);
    if NAMES.secret_phrases.iter().any(|phrase| whole.contains(phrase.as_str())) {
        return true;
    }
    // `apiKey` counts as two words, `monkey` as one.
    let mut words = vec![String::new()];
    let mut lower_before = false;
    for c in label.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && lower_before) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        lower_before = c.is_lowercase() || c.is_numeric();
    }
    let public = words.iter().any(|word| word == "public");
    words.iter().any(|word| {
        (NAMES.secret_words.contains(word) && !(public && word == "key"))
            || NAMES.secret_endings.iter().any(|ending| word.ends_with(ending.as_str()))
    })
}

/// The kind of a custom field whose source gives none.
pub(crate) fn kind_of(label: &str) -> CustomKind {
    if is_secret(label) { CustomKind::Password } else { CustomKind::Text }
}

/// A custom field of the column's own name.
fn custom(name: &str, meant: Option<Field>) -> Target {
    let kind = match meant {
        Some(Field::Totp) => CustomKind::Totp,
        Some(Field::Password) => CustomKind::Password,
        _ => kind_of(name),
    };
    Target::Custom(name.to_owned(), kind)
}

/// The target of a `--map`.
fn map_target(column: &str, field: &str, name: &str) -> Result<Target> {
    if let Some(target) = typed(field) {
        return Ok(target);
    }
    match normal(field).as_str() {
        "ignore" => Ok(Target::Ignore),
        "custom" => Ok(custom(name, None)),
        _ => lookup(field).map(|(field, _)| Target::Field(field)).ok_or_else(|| {
            let fields: Vec<_> = FIELDS.iter().map(|(name, _)| *name).collect();
            Error::new(ErrorKind::Usage, format!("the mapping of column {column} names no field: {field}"))
                .next_step(format!(
                    "fields are {}, custom, ignore, text:NAME, password:NAME and totp:NAME",
                    fields.join(", ")
                ))
        }),
    }
}

/// Whether `--map` takes this word as a field.
pub(super) fn is_field(word: &str) -> bool {
    map_target("", word, "").is_ok()
}

/// A column as it can be shown: by its number, and by its name only where that is a word of ours.
fn shown(index: usize, name: &str) -> String {
    let number = index + 1;
    if lookup(name).is_some() {
        format!("{number} {}", name.trim())
    } else {
        format!("{number} ({})", length(name))
    }
}

fn length(name: &str) -> String {
    match name.chars().count() {
        1 => "1 character".to_owned(),
        count => format!("{count} characters"),
    }
}

/// Columns that a message lists; beyond these nobody reads on.
const LISTED: usize = 60;

fn listed(header: &[String]) -> String {
    let columns = header.iter().take(LISTED).enumerate().map(|(index, name)| shown(index, name));
    let more = header.len().checked_sub(LISTED).filter(|more| *more > 0);
    columns.chain(more.map(|more| format!("and {more} more"))).collect::<Vec<_>>().join(", ")
}

/// What a manager's table says of a column, where it knows it.
pub(super) type Known<'a> = &'a dyn Fn(&str) -> Option<&'static str>;

/// What each column means; `known` is asked where the table is a manager's. `sample` has cells of the rows that follow, to make
/// a proposal of.
pub(super) fn resolve(
    header: &[String],
    line: u64,
    options: &ReadOptions,
    sample: &Sample,
    known: Option<Known<'_>>,
) -> Result<Vec<Target>> {
    refuse_twins(header, line, known)?;
    let mut mapped = mapped(header, options)?;
    for (index, name) in header.iter().enumerate() {
        let Some(meaning) = known.and_then(|known| known(name)) else { continue };
        let target = match meaning.strip_prefix("behind:") {
            Some(why) => Target::Behind(why),
            None => match meaning {
                "created" => Target::Created,
                "changed" => Target::Changed,
                "rest" => Target::Rest,
                _ => map_target(name, meaning, name)?,
            },
        };
        // What the user says stands above it.
        let taken = matches!(target, Target::Field(_)) && mapped.contains(&Some(target.clone()));
        if let Some(slot @ None) = mapped.get_mut(index)
            && !taken
        {
            *slot = Some(target);
        }
    }
    let meanings: Vec<_> = header.iter().map(|name| lookup(name)).collect();
    let best = best(&meanings, &mapped);
    let mut targets = Vec::with_capacity(header.len());
    for (index, name) in header.iter().enumerate() {
        let meaning = meanings.get(index).copied().flatten();
        targets.push(if let Some(Some(target)) = mapped.get(index) {
            target.clone()
        } else if let Some((field, _)) = meaning {
            if best.contains(&(field, index)) { Target::Field(field) } else { custom(name, Some(field)) }
        } else if let Some(target) = typed(name) {
            target
        } else {
            match options.extra_columns {
                ExtraColumns::Custom => custom(name, None),
                ExtraColumns::Ignore => Target::Ignore,
                ExtraColumns::Fail => {
                    return Err(Error::new(
                        ErrorKind::Input,
                        format!("line {line}: column {} means no field", shown(index, name)),
                    )
                    .next_step(format!(
                        "map it with --map {}=FIELD, or allow it with --extra-columns custom or ignore",
                        index + 1
                    )));
                }
            }
        });
    }
    if !options.any_header
        && meanings.iter().all(Option::is_none)
        && !targets.iter().any(|target| matches!(target, Target::Field(_)))
    {
        return Err(unknown_header(header, line));
    }
    let secret = |target: &Target| {
        matches!(
            target,
            Target::Field(Field::Password | Field::Totp)
                | Target::Custom(_, CustomKind::Password | CustomKind::Totp)
                | Target::Rest
        )
    };
    if !options.no_password && !targets.iter().any(secret) {
        return Err(no_password(header, line, &targets, sample));
    }
    Ok(targets)
}

/// The column that is each field, of those that `--map` and a manager's table say nothing of: the best-ranked name wins it, the
/// others keep their content as custom fields.
fn best(meanings: &[Option<(Field, usize)>], mapped: &[Option<Target>]) -> Vec<(Field, usize)> {
    let column = |field: Field| {
        let open = meanings.iter().zip(mapped).enumerate().filter(|(_, (_, mapped))| mapped.is_none());
        let named = open.filter_map(|(index, (meaning, _))| {
            let (_, rank) = meaning.filter(|(meant, _)| *meant == field)?;
            Some((rank, index))
        });
        named.min().map(|(_, index)| (field, index))
    };
    let is_mapped = |field: Field| mapped.contains(&Some(Target::Field(field)));
    FIELDS.iter().filter(|(_, field)| !is_mapped(*field)).filter_map(|(_, field)| column(*field)).collect()
}

/// Refuses columns of one name. In a manager's table those that mean nothing are fields of one name, as a record may have them.
fn refuse_twins(header: &[String], line: u64, known: Option<Known<'_>>) -> Result<()> {
    let is_field_alone = |name: &str| known.is_some_and(|known| known(name).is_none() && !is_known(name));
    let mut seen: HashMap<String, usize> = HashMap::with_capacity(header.len());
    for (index, name) in header.iter().enumerate() {
        // Untyped names are compared as fields are; typed ones hold a name of the user's own.
        let compared = if typed(name).is_some() { name.clone() } else { normal(name) };
        if compared.is_empty() || is_field_alone(name) {
            continue;
        }
        if let Some(twin) = seen.insert(compared, index) {
            return Err(Error::new(
                ErrorKind::Input,
                format!("line {line}: columns {} and {} have the same name", twin + 1, shown(index, name)),
            )
            .next_step("rename one of them, or use --no-header with --columns"));
        }
    }
    Ok(())
}

/// What `--map` says of each column: it names one exactly, or as names are compared, or by its number.
fn mapped(header: &[String], options: &ReadOptions) -> Result<Vec<Option<Target>>> {
    let mut targets: Vec<Option<Target>> = vec![None; header.len()];
    for (column, field) in &options.map {
        let exact = header.iter().position(|name| name == column);
        let alike = || header.iter().position(|name| normal(name) == normal(column));
        let number = || column.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let index = exact.or_else(alike).or_else(number).filter(|index| *index < header.len());
        let (Some(index), Some(name)) = (index, index.and_then(|index| header.get(index))) else {
            return Err(Error::new(ErrorKind::Usage, format!("there is no column {column} to map"))
                .next_step(format!("name a column or its number; the columns are {}", listed(header))));
        };
        let target = map_target(column, field, name)?;
        if matches!(target, Target::Field(_)) && targets.contains(&Some(target.clone())) {
            return Err(Error::new(ErrorKind::Usage, format!("two columns are mapped to {field}")));
        }
        let Some(slot) = targets.get_mut(index) else { continue };
        if slot.replace(target).is_some() {
            return Err(Error::new(ErrorKind::Usage, format!("column {column} is mapped twice")));
        }
    }
    Ok(targets)
}

fn unknown_header(header: &[String], line: u64) -> Error {
    let error =
        Error::new(ErrorKind::Input, format!("line {line}: no column has a known name: {}", listed(header)));
    // One more layer of quotes around each whole line.
    if let [only] = header
        && [',', ';', '\t'].into_iter().any(|delimiter| only.split(delimiter).any(is_known))
    {
        return error.next_step("each line stands in quotes as a whole: take that layer off first");
    }
    error.next_step(
        "name the columns by number, for instance --map 1=name --map 2=password; where the first line is a record already, --no-header --columns name,login,password",
    )
}

fn no_password(header: &[String], line: u64, targets: &[Target], sample: &Sample) -> Error {
    let others = || targets.iter().enumerate().filter(|(_, target)| matches!(target, Target::Custom(..)));
    let likely = others().map(|(index, _)| index).find(|index| looks_secret(sample, *index));
    let only = || if others().count() == 1 { others().next().map(|(index, _)| index) } else { None };
    let error =
        Error::new(ErrorKind::Input, format!("line {line}: no column is the password: {}", listed(header)));
    match likely.or_else(only) {
        Some(index) => error.next_step(format!(
            "if it is column {0}, add --map {0}=password; --no-password if the file has none",
            index + 1
        )),
        None => error.next_step(
            "add --map NUMBER=password with the number of the column that is; --no-password if the file has none",
        ),
    }
}

/// Whether the values of a column look like passwords: long enough, without spaces, of many kinds of characters.
/// Good enough for a proposal, never for a decision: another file of the same kind would be read otherwise.
pub(super) fn looks_secret(sample: &Sample, column: usize) -> bool {
    let values: Vec<_> =
        sample.iter().filter_map(|row| row.get(column)).filter(|value| !value.is_empty()).collect();
    let secret = |value: &&Zeroizing<String>| {
        let kinds = [
            value.chars().any(char::is_lowercase),
            value.chars().any(char::is_uppercase),
            value.chars().any(char::is_numeric),
            value.chars().any(|c| !c.is_alphanumeric()),
        ];
        let is_address = value.contains("://") || (value.contains('@') && value.contains('.'));
        (8..=128).contains(&value.len())
            && !value.contains(char::is_whitespace)
            && !is_address
            && kinds.into_iter().filter(|kind| *kind).count() >= 3
    };
    !values.is_empty() && values.iter().all(secret)
}

/// Where a column's cells go, in words; `ours` where its label may be repeated.
pub(super) fn meaning(target: &Target, ours: bool) -> String {
    match target {
        Target::Field(field) => {
            FIELDS.iter().find(|(_, known)| known == field).map_or("", |(word, _)| *word).to_owned()
        }
        Target::Custom(label, kind) if ours => format!("field `{label}` of type {}", kind.as_str()),
        Target::Custom(_, kind) => format!("field of type {}", kind.as_str()),
        Target::Behind(why) => format!("left out: {why}"),
        Target::Created | Target::Changed => {
            "a date, left out: an environment keeps its own dates".to_owned()
        }
        Target::Rest => "from here on, fields with labels of their own".to_owned(),
        Target::Ignore => "left out".to_owned(),
    }
}

/// Whether a word or a column's name means this field.
pub(super) fn is_meant(word: &str, target: &Target) -> bool {
    lookup(word).is_some_and(|(field, _)| Target::Field(field) == *target)
}

/// Whether what a field holds is never shown.
pub(super) fn is_hidden(field: Field) -> bool {
    matches!(field, Field::Password | Field::Totp | Field::Description)
}

/// Columns that a report lists.
const MAPPED: usize = 600;

/// The mapping, column by column, for plan and report. `is_ours` says of a name whether a manager's table has it: then it
/// can be shown; `words` has what becomes of one that the table takes apart.
pub(super) fn mapping(
    header: &[String],
    targets: &[Target],
    is_ours: impl Fn(&str) -> bool,
    words: impl Fn(&str, &Target) -> Option<&'static str>,
) -> String {
    let column = |(index, (name, target)): (usize, (&String, &Target))| {
        let ours = is_ours(name);
        let meaning = words(name, target).map_or_else(|| meaning(target, ours), str::to_owned);
        let shown = if ours { format!("{} {}", index + 1, name.trim()) } else { shown(index, name) };
        format!("{shown} → {meaning}")
    };
    let columns = header.iter().zip(targets).take(MAPPED).enumerate().map(column);
    let more = header.len().checked_sub(MAPPED).filter(|more| *more > 0);
    let columns = columns.chain(more.map(|more| format!("and {more} more (keyferry columns lists all)")));
    format!("columns: {}", columns.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_names_a_field() {
        let lines = include_str!("header_names.txt").lines();
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (word, names) = line.split_once(": ").unwrap_or_else(|| panic!("{line}"));
            assert!(word == "secret" || FIELDS.iter().any(|(name, _)| *name == word), "{line}");
            assert!(names.split(',').all(|name| !normal(name).is_empty()), "{line}");
        }
    }

    #[test]
    fn labels_of_secrets_are_known_in_many_languages() {
        for label in [
            "API key",
            "apiKey",
            "PIN",
            "Sicherheitsschlüssel",
            "Codice segreto",
            "Clé",
            "секретный ключ",
            "API密钥",
            "Master-Passwort",
        ] {
            assert!(is_secret(label), "{label}");
        }
        for label in ["monkey", "Public key", "Postcode", "keyboard", "Schlüsselbund", "город", "住所"]
        {
            assert!(!is_secret(label), "{label}");
        }
    }
}
