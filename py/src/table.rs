//! Many records at once, as Arrow: tables and record batches of any library that speaks the `PyCapsule`
//! interface (pyarrow, polars, pandas, duckdb), without a copy on the way in.
//!
//! Columns have the names of [`crate::records`]. `customs` is a list of structs, `tags` a list of texts; what else a table
//! may hold is [`crate::columns`]'s affair. Attachments are files, not cells: they go through the dictionaries.

use crate::Threads;
use crate::columns::{Columns, ERROR, Kept, PLAIN, SEALED, custom_fields};
use crate::error::{raised, usage};
use crate::records::{key, protection};
use arrow_array::builder::{ListBuilder, StringBuilder, StructBuilder};
use arrow_array::{ArrayRef, BooleanArray, Int64Array, ListArray, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use keyferry_api::item::{Custom as WireCustom, Item, ItemDraft};
use keyferry_core::crypto::bulk;
use keyferry_core::error::Place;
use keyferry_core::model::{Record, RecordPath};
use keyferry_core::secret::SecretString;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3_arrow::PyTable;
use pyo3_arrow::input::AnyRecordBatch;
use std::sync::Arc;

/// What a table is made into.
struct Work<'a> {
    vault_key: Option<&'a SecretString>,
    kept: Kept<'a>,
    /// Whether an item that cannot be read says so in a column instead of ending everything.
    tell_in_column: bool,
}

/// Plain records in, items out.
#[pyfunction]
#[pyo3(signature = (table, vault_key, threads=None, keep=None))]
pub fn encrypt_table(
    py: Python<'_>,
    table: AnyRecordBatch,
    vault_key: Option<&str>,
    threads: Option<usize>,
    keep: Option<Vec<String>>,
) -> PyResult<PyTable> {
    let vault_key = key(vault_key)?;
    let keep = keep.unwrap_or_default();
    let work = Work { vault_key: vault_key.as_ref(), kept: Kept::Named(&keep), tell_in_column: false };
    batch_by_batch(py, table, threads, &work, encrypt_batch)
}

/// Items in, plain records out.
#[pyfunction]
#[pyo3(signature = (table, vault_key, threads=None, errors="raise", keep=None))]
pub fn decrypt_table(
    py: Python<'_>,
    table: AnyRecordBatch,
    vault_key: Option<&str>,
    threads: Option<usize>,
    errors: &str,
    keep: Option<Vec<String>>,
) -> PyResult<PyTable> {
    let all = keep.is_none();
    let tell_in_column = match errors {
        "raise" => false,
        "column" => true,
        _ => return Err(PyValueError::new_err("errors of a table is \"raise\" or \"column\"")),
    };
    let vault_key = key(vault_key)?;
    let named = keep.unwrap_or_default();
    let kept = if all { Kept::All } else { Kept::Named(&named) };
    let work = Work { vault_key: vault_key.as_ref(), kept, tell_in_column };
    batch_by_batch(py, table, threads, &work, decrypt_batch)
}

/// Works on a table while other Python threads run. What comes back has its columns even where it has no rows.
fn batch_by_batch(
    py: Python<'_>,
    table: AnyRecordBatch,
    threads: Option<usize>,
    work: &Work<'_>,
    each: fn(&RecordBatch, usize, &Work<'_>) -> PyResult<RecordBatch>,
) -> PyResult<PyTable> {
    let (mut batches, schema) = table.into_table()?.into_inner();
    if batches.is_empty() {
        batches.push(RecordBatch::new_empty(schema));
    }
    let threads = Threads::new(threads)?;
    let made = py.detach(|| {
        threads.run(|| {
            let mut row = 0;
            let results = groups(&batches).map(|batch| {
                let first = row;
                row += batch.num_rows();
                each(&batch, first, work)
            });
            results.collect::<PyResult<Vec<_>>>()
        })
    })?;
    let schema = made.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
    PyTable::try_new(made, schema)
}

/// Which row an error is about. The table is the caller's, so its number says enough, and no name of a record goes into logs.
fn at_row(error: keyferry_core::Error, row: usize) -> keyferry_core::Error {
    error.at(Place::Record(format!("row {row}")))
}

/// Rows that are worked on at once, so that they stay in the cores' caches.
const GROUP: usize = 4_096;

fn groups(batches: &[RecordBatch]) -> impl Iterator<Item = RecordBatch> {
    batches.iter().flat_map(|batch| {
        let starts = (0..batch.num_rows().max(1)).step_by(GROUP);
        starts.map(|start| batch.slice(start, GROUP.min(batch.num_rows() - start)))
    })
}

fn encrypt_batch(batch: &RecordBatch, first: usize, work: &Work<'_>) -> PyResult<RecordBatch> {
    let kept = work.kept.of(&batch.schema(), &PLAIN, &SEALED)?;
    let columns = Columns::new(batch, &PLAIN)?;
    let protection = protection(work.vault_key);
    let record = |row| {
        let record = Record {
            name: columns.text("name", row),
            login: columns.text("login", row),
            password: columns.optional("password", row).map(SecretString::from),
            url: columns.text("url", row),
            description: columns.text("description", row),
            tags: columns.tags(row),
            color: columns.number("color", row),
            favorite: columns.is_set("favorite", row),
            customs: columns.customs(row),
            ..Record::default()
        };
        (record, protection)
    };
    let records: Vec<_> = (0..batch.num_rows()).map(record).collect();
    let drafts = bulk::encrypt(&records).into_iter().enumerate();
    let drafts = drafts.map(|(row, draft)| draft.map_err(|error| raised(&at_row(error, first + row))));
    let drafts = drafts.collect::<PyResult<Vec<ItemDraft>>>()?;
    let text = |of: fn(&ItemDraft) -> Option<&String>| -> ArrayRef {
        Arc::new(drafts.iter().map(|draft| of(draft).map(String::as_str)).collect::<StringArray>())
    };
    let customs = customs_array(drafts.iter().map(|draft| {
        let customs = draft.customs.as_deref().unwrap_or_default();
        customs.iter().map(|one| [one.name.as_str(), one.kind.as_str(), one.value.as_str()])
    }));
    let made: Vec<(&str, ArrayRef)> = vec![
        ("name", text(|draft| draft.name.as_ref())),
        ("login", text(|draft| draft.login.as_ref())),
        ("url", text(|draft| draft.url.as_ref())),
        ("description", text(|draft| draft.description.as_ref())),
        ("tags", tags_array(drafts.iter().map(|draft| draft.tags.as_deref().unwrap_or_default()))),
        ("color", Arc::new(drafts.iter().map(|draft| draft.color).collect::<Int64Array>())),
        ("isFavorite", Arc::new(drafts.iter().map(|draft| draft.is_favorite).collect::<BooleanArray>())),
        ("passwordEncrypted", text(|draft| draft.password_encrypted.as_ref())),
        ("keyEncrypted", text(|draft| draft.key_encrypted.as_ref())),
        ("customs", Arc::new(customs)),
    ];
    beside(batch, &kept, made)
}

fn decrypt_batch(batch: &RecordBatch, first: usize, work: &Work<'_>) -> PyResult<RecordBatch> {
    let told = work.tell_in_column.then_some(ERROR);
    let makes: Vec<&str> = PLAIN.into_iter().chain(told).collect();
    let kept = work.kept.of(&batch.schema(), &SEALED, &makes)?;
    let columns = Columns::new(batch, &SEALED)?;
    let item = |row| Item {
        id: String::new(),
        vault_id: String::new(),
        folder_id: None,
        name: columns.text("name", row),
        login: columns.optional("login", row).map(str::to_owned),
        url: columns.optional("url", row).map(str::to_owned),
        description: columns.optional("description", row).map(str::to_owned),
        tags: columns.tags(row),
        color: columns.number("color", row),
        is_favorite: columns.is_set("isFavorite", row),
        is_deleted: false,
        password_encrypted: columns.optional("passwordEncrypted", row).map(str::to_owned),
        key_encrypted: columns.optional("keyEncrypted", row).map(str::to_owned),
        customs: columns
            .customs(row)
            .into_iter()
            .map(|custom| WireCustom {
                name: custom.name,
                kind: custom.kind.as_str().to_owned(),
                value: custom.value.expose().to_owned(),
                other: serde_json::Map::new(),
            })
            .collect(),
        attachments: Vec::new(),
        fields_order: None,
        vault_master_key_encrypted: None,
        created_at: None,
        updated_at: None,
        revision: None,
    };
    let items: Vec<_> = (0..batch.num_rows()).map(item).collect();
    let opened = bulk::decrypt(&items, protection(work.vault_key), |_| RecordPath::default());
    let mut records = Vec::with_capacity(items.len());
    let mut errors = Vec::with_capacity(items.len());
    for (row, record) in opened.into_iter().enumerate() {
        match record.map_err(|error| at_row(error, first + row)) {
            Ok(opened) => {
                records.push(Some(opened.record));
                errors.push(None);
            }
            Err(error) if work.tell_in_column => {
                records.push(None);
                errors.push(Some(error.to_string()));
            }
            Err(error) => return Err(raised(&error)),
        }
    }
    let text = |of: fn(&Record) -> &str| -> ArrayRef {
        Arc::new(records.iter().map(|record| record.as_ref().map(of)).collect::<StringArray>())
    };
    let each = || records.iter().map(Option::as_ref);
    let password = each().map(|record| record?.password.as_ref().map(SecretString::expose));
    let customs = customs_array(each().map(|record| {
        let customs = record.map(|record| record.customs.as_slice()).unwrap_or_default();
        customs.iter().map(|one| [one.name.as_str(), one.kind.as_str(), one.value.expose()])
    }));
    let tags = each().map(|record| record.map(|record| record.tags.as_slice()).unwrap_or_default());
    let favorite = each().map(|record| record.map(|record| record.favorite));
    let mut made: Vec<(&str, ArrayRef)> = vec![
        ("name", text(|record| &record.name)),
        ("login", text(|record| &record.login)),
        ("password", Arc::new(password.collect::<StringArray>())),
        ("url", text(|record| &record.url)),
        ("description", text(|record| &record.description)),
        ("tags", tags_array(tags)),
        ("color", Arc::new(each().map(|record| record?.color).collect::<Int64Array>())),
        ("favorite", Arc::new(favorite.collect::<BooleanArray>())),
        ("customs", Arc::new(customs)),
    ];
    if work.tell_in_column {
        made.push((ERROR, Arc::new(errors.into_iter().collect::<StringArray>())));
    }
    beside(batch, &kept, made)
}

/// The columns that go through, by their places, and those that were made.
fn beside(batch: &RecordBatch, kept: &[usize], made: Vec<(&str, ArrayRef)>) -> PyResult<RecordBatch> {
    let through = batch.project(kept).map_err(|error| usage(error.to_string()))?;
    let mut fields: Vec<Field> =
        through.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    let mut columns = through.columns().to_vec();
    for (name, column) in made {
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| usage(error.to_string()))
}

fn tags_array<'a>(rows: impl Iterator<Item = &'a [String]>) -> ArrayRef {
    let mut list = ListBuilder::new(StringBuilder::new());
    for tags in rows {
        for tag in tags {
            list.values().append_value(tag);
        }
        list.append(true);
    }
    Arc::new(list.finish())
}

fn customs_array<'a, C: Iterator<Item = [&'a str; 3]>>(rows: impl Iterator<Item = C>) -> ListArray {
    let mut list = ListBuilder::new(StructBuilder::from_fields(custom_fields(), 0));
    for customs in rows {
        for custom in customs {
            for (index, text) in custom.into_iter().enumerate() {
                if let Some(field) = list.values().field_builder::<StringBuilder>(index) {
                    field.append_value(text);
                }
            }
            list.values().append(true);
        }
        list.append(true);
    }
    list.finish()
}
