//! From the header of a table to fields of a record.

use crate::{ExtraColumns, ReadOptions};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::CustomKind;

/// Where a cell goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Field(Field),
    Custom(String, CustomKind),
    Ignore,
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

/// Each field with the names it goes by, the best first. Normalised: see [`normal`].
const NAMES: &[(Field, &str, &[&str])] = &[
    (Field::Vault, "vault", &["vault", "safe", "collection", "сейф"]),
    (
        Field::Folder,
        "folder",
        &["folder", "folderpath", "path", "group", "grouping", "category", "папка", "путь"],
    ),
    (Field::Name, "name", &["name", "title", "account", "item", "entry", "название", "имя"]),
    (Field::Login, "login", &["login", "username", "user", "loginname", "email", "логин", "пользователь"]),
    (Field::Password, "password", &["password", "pass", "pwd", "secret", "пароль"]),
    (Field::Url, "url", &["url", "uri", "website", "site", "link", "address", "loginuri", "адрес", "ссылка"]),
    (
        Field::Description,
        "description",
        &[
            "description",
            "notes",
            "note",
            "comment",
            "comments",
            "extra",
            "memo",
            "описание",
            "заметки",
            "комментарий",
        ],
    ),
    (Field::Tags, "tags", &["tags", "labels", "теги", "метки"]),
    (Field::Totp, "totp", &["totp", "otp", "otpauth", "logintotp", "2fa", "onetimepassword"]),
    (Field::Color, "color", &["color", "colour"]),
    (Field::Favorite, "favorite", &["favorite", "favourite", "fav", "starred"]),
];

/// Words that mark a column as secret when they stand alone in its name.
const SECRET_WORDS: &[&str] =
    &["key", "token", "secret", "pin", "password", "пароль", "секрет", "ключ", "токен", "пин"];

/// Case, spaces, `_` and `-` do not count.
fn normal(name: &str) -> String {
    name.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// The field that a header means, and how well: 0 is best.
fn lookup(name: &str) -> Option<(Field, usize)> {
    let name = normal(name);
    NAMES.iter().find_map(|(field, _, names)| {
        names.iter().position(|known| *known == name).map(|rank| (*field, rank))
    })
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

/// A custom field of the column's own name.
fn custom(name: &str, meant: Option<Field>) -> Target {
    // `apiKey` counts as two words, `monkey` as one.
    let mut words = vec![String::new()];
    let mut lower_before = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && lower_before) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        lower_before = c.is_lowercase();
    }
    let kind = match meant {
        Some(Field::Totp) => CustomKind::Totp,
        Some(Field::Password) => CustomKind::Password,
        _ if words.iter().any(|word| SECRET_WORDS.contains(&word.as_str())) => CustomKind::Password,
        _ => CustomKind::Text,
    };
    Target::Custom(name.to_owned(), kind)
}

/// The target of a `--map`.
fn map_target(column: &str, field: &str) -> Result<Target> {
    if let Some(target) = typed(field) {
        return Ok(target);
    }
    match normal(field).as_str() {
        "ignore" => Ok(Target::Ignore),
        "custom" => Ok(custom(column, None)),
        _ => lookup(field).map(|(field, _)| Target::Field(field)).ok_or_else(|| {
            let fields: Vec<_> = NAMES.iter().map(|(_, name, _)| *name).collect();
            Error::new(ErrorKind::Usage, format!("the mapping of column {column} names no field: {field}"))
                .next_step(format!(
                    "fields are {}, custom, ignore, text:NAME, password:NAME and totp:NAME",
                    fields.join(", ")
                ))
        }),
    }
}

/// What each column means.
pub(super) fn resolve(header: &[String], line: u64, options: &ReadOptions) -> Result<Vec<Target>> {
    let listed = || header.iter().map(|name| format!("“{name}”")).collect::<Vec<_>>().join(", ");
    let mut targets: Vec<Option<Target>> = vec![None; header.len()];
    for (index, name) in header.iter().enumerate() {
        // Untyped names are compared as fields are; typed ones hold a name of the user's own.
        let same = |other: &String| {
            if typed(name).is_some() || typed(other).is_some() {
                other == name
            } else {
                normal(other) == normal(name)
            }
        };
        if !name.is_empty() && header.iter().take(index).any(same) {
            return Err(Error::new(ErrorKind::Input, format!("line {line}: two columns are called {name}"))
                .next_step("rename one of them, or use --no-header with --columns"));
        }
    }
    for (column, field) in &options.map {
        let exact = header.iter().position(|name| name == column);
        let index = exact.or_else(|| header.iter().position(|name| normal(name) == normal(column)));
        let slot = index.and_then(|index| targets.get_mut(index)).ok_or_else(|| {
            Error::new(ErrorKind::Usage, format!("there is no column {column} to map"))
                .next_step(format!("the columns are {}", listed()))
        })?;
        if slot.is_some() {
            return Err(Error::new(ErrorKind::Usage, format!("column {column} is mapped twice")));
        }
        let target = map_target(column, field)?;
        if matches!(target, Target::Field(_)) && targets.contains(&Some(target.clone())) {
            return Err(Error::new(ErrorKind::Usage, format!("two columns are mapped to {field}")));
        }
        if let Some(slot) = index.and_then(|index| targets.get_mut(index)) {
            *slot = Some(target);
        }
    }
    let meanings: Vec<_> = header.iter().map(|name| lookup(name)).collect();
    let mapped = targets.clone();
    for (index, name) in header.iter().enumerate() {
        let Some(slot) = targets.get_mut(index).filter(|slot| slot.is_none()) else { continue };
        let meaning = meanings.get(index).copied().flatten();
        *slot = Some(if let Some((field, rank)) = meaning {
            // The best-ranked name wins the field; the others keep their content as custom fields.
            let taken = mapped.contains(&Some(Target::Field(field)))
                || meanings.iter().zip(&mapped).any(|(other, mapped)| {
                    mapped.is_none() && other.is_some_and(|(f, r)| f == field && r < rank)
                });
            if taken { custom(name, Some(field)) } else { Target::Field(field) }
        } else if let Some(target) = typed(name) {
            target
        } else {
            match options.extra_columns {
                ExtraColumns::Custom => custom(name, None),
                ExtraColumns::Ignore => Target::Ignore,
                ExtraColumns::Fail => {
                    return Err(Error::new(
                        ErrorKind::Input,
                        format!("line {line}: column {name} means no field"),
                    )
                    .next_step("map it with --map, or allow it with --extra-columns custom or ignore"));
                }
            }
        });
    }
    let targets: Vec<Target> = targets.into_iter().flatten().collect();
    if meanings.iter().all(Option::is_none)
        && !targets.iter().any(|target| matches!(target, Target::Field(_)))
    {
        return Err(Error::new(
            ErrorKind::Input,
            format!("line {line}: no column of the header is known: {}", listed()),
        )
        .next_step("name the columns with --map, or with --no-header and --columns"));
    }
    Ok(targets)
}
