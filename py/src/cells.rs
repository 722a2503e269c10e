//! The columns that tables are given: one Arrow array for each field of records or items.

use crate::columns::{custom_fields, file_fields, sealed_file_fields};
use arrow_array::builder::{BinaryBuilder, ListBuilder, StringBuilder, StructBuilder};
use arrow_array::{ArrayRef, BooleanArray, Int64Array, StringArray};
use arrow_schema::Fields;
use keyferry_api::item::ItemDraft;
use keyferry_core::model::Record;
use keyferry_core::secret::SecretString;
use std::sync::Arc;

/// A column of plain records; where there is none, the cell is null, or an empty list.
pub fn plain(name: &str, records: &[Option<Record>]) -> ArrayRef {
    let text = |of: fn(&Record) -> &str| -> ArrayRef {
        Arc::new(records.iter().map(|record| record.as_ref().map(of)).collect::<StringArray>())
    };
    let each = || records.iter().map(Option::as_ref);
    match name {
        "name" => text(|record| &record.name),
        "login" => text(|record| &record.login),
        "url" => text(|record| &record.url),
        "description" => text(|record| &record.description),
        "password" => Arc::new(
            each().map(|record| record?.password.as_ref().map(SecretString::expose)).collect::<StringArray>(),
        ),
        "tags" => texts(each().map(|record| record.map_or(&[][..], |record| &record.tags))),
        "color" => Arc::new(each().map(|record| record?.color).collect::<Int64Array>()),
        "favorite" => {
            Arc::new(each().map(|record| record.map(|record| record.favorite)).collect::<BooleanArray>())
        }
        "customs" => structs(
            custom_fields(),
            each().map(|record| {
                let customs = record.map_or(&[][..], |record| &record.customs);
                customs.iter().map(|one| [one.name.as_str(), one.kind.as_str(), one.value.expose()])
            }),
        ),
        _ => files(each().map(|record| {
            let files = record.map_or(&[][..], |record| &record.attachments);
            files.iter().map(|file| (file.name.as_str(), file.content.expose()))
        })),
    }
}

/// A column of items.
pub fn sealed(name: &str, drafts: &[ItemDraft]) -> ArrayRef {
    let text = |of: fn(&ItemDraft) -> Option<&String>| -> ArrayRef {
        Arc::new(drafts.iter().map(|draft| of(draft).map(String::as_str)).collect::<StringArray>())
    };
    match name {
        "name" => text(|draft| draft.name.as_ref()),
        "login" => text(|draft| draft.login.as_ref()),
        "url" => text(|draft| draft.url.as_ref()),
        "description" => text(|draft| draft.description.as_ref()),
        "passwordEncrypted" => text(|draft| draft.password_encrypted.as_ref()),
        "keyEncrypted" => text(|draft| draft.key_encrypted.as_ref()),
        "tags" => texts(drafts.iter().map(|draft| draft.tags.as_deref().unwrap_or_default())),
        "color" => Arc::new(drafts.iter().map(|draft| draft.color).collect::<Int64Array>()),
        "isFavorite" => Arc::new(drafts.iter().map(|draft| draft.is_favorite).collect::<BooleanArray>()),
        "customs" => structs(
            custom_fields(),
            drafts.iter().map(|draft| {
                let customs = draft.customs.as_deref().unwrap_or_default();
                customs.iter().map(|one| [one.name.as_str(), one.kind.as_str(), one.value.as_str()])
            }),
        ),
        _ => structs(
            sealed_file_fields(),
            drafts.iter().map(|draft| {
                let files = draft.attachments.as_deref().unwrap_or_default();
                files.iter().map(|one| {
                    [
                        one.name.as_str(),
                        one.encrypted_key.as_str(),
                        one.encrypted_data.as_str(),
                        one.hash.as_str(),
                    ]
                })
            }),
        ),
    }
}

/// Lists of texts.
pub fn texts<'a>(rows: impl Iterator<Item = &'a [String]>) -> ArrayRef {
    let mut list = ListBuilder::new(StringBuilder::new());
    for texts in rows {
        for text in texts {
            list.values().append_value(text);
        }
        list.append(true);
    }
    Arc::new(list.finish())
}

/// Lists of structs whose members are texts.
fn structs<'a, const N: usize, C: Iterator<Item = [&'a str; N]>>(
    fields: Fields,
    rows: impl Iterator<Item = C>,
) -> ArrayRef {
    let mut list = ListBuilder::new(StructBuilder::from_fields(fields, 0));
    for members in rows {
        for texts in members {
            for (index, text) in texts.into_iter().enumerate() {
                if let Some(field) = list.values().field_builder::<StringBuilder>(index) {
                    field.append_value(text);
                }
            }
            list.values().append(true);
        }
        list.append(true);
    }
    Arc::new(list.finish())
}

/// Lists of files in the clear.
fn files<'a, C: Iterator<Item = (&'a str, &'a [u8])>>(rows: impl Iterator<Item = C>) -> ArrayRef {
    let mut list = ListBuilder::new(StructBuilder::from_fields(file_fields(), 0));
    for files in rows {
        for (name, data) in files {
            let file = list.values();
            if let Some(field) = file.field_builder::<StringBuilder>(0) {
                field.append_value(name);
            }
            if let Some(field) = file.field_builder::<BinaryBuilder>(1) {
                field.append_value(data);
            }
            file.append(true);
        }
        list.append(true);
    }
    Arc::new(list.finish())
}
