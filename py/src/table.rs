//! Many records at once, as Arrow: tables and record batches of any library that speaks the `PyCapsule`
//! interface (pyarrow, polars, pandas, duckdb), without a copy on the way in.
//!
//! Columns have the names of [`crate::records`]. `customs` is a list of structs, `tags` a list of
//! texts; columns that are not known here go through as they are. Attachments are files, not cells:
//! they go through the dictionaries.

use crate::Threads;
use crate::error::{Raise, raised, usage};
use crate::records::{key, protection};
use arrow_array::builder::{ListBuilder, StringBuilder, StructBuilder};
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{Array as _, ArrayRef, BooleanArray, Int64Array, ListArray, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Fields, Schema};
use keyferry_api::item::{Custom as WireCustom, Item, ItemDraft};
use keyferry_core::crypto::bulk;
use keyferry_core::model::{Custom, CustomKind, Record, RecordPath};
use keyferry_core::secret::SecretString;
use pyo3::prelude::*;
use pyo3_arrow::PyTable;
use pyo3_arrow::input::AnyRecordBatch;
use std::sync::Arc;

const PLAIN: [&str; 9] =
    ["name", "login", "password", "url", "description", "tags", "color", "favorite", "customs"];
const SEALED: [&str; 10] = [
    "name",
    "login",
    "url",
    "description",
    "tags",
    "color",
    "isFavorite",
    "passwordEncrypted",
    "keyEncrypted",
    "customs",
];

/// Plain records in, items out.
#[pyfunction]
#[pyo3(signature = (table, vault_key, threads=None))]
pub fn encrypt_table(
    py: Python<'_>,
    table: AnyRecordBatch,
    vault_key: Option<&str>,
    threads: Option<usize>,
) -> PyResult<PyTable> {
    batch_by_batch(py, table, vault_key, threads, encrypt_batch)
}

/// Items in, plain records out.
#[pyfunction]
#[pyo3(signature = (table, vault_key, threads=None))]
pub fn decrypt_table(
    py: Python<'_>,
    table: AnyRecordBatch,
    vault_key: Option<&str>,
    threads: Option<usize>,
) -> PyResult<PyTable> {
    batch_by_batch(py, table, vault_key, threads, decrypt_batch)
}

/// Works on a table while other Python threads run.
fn batch_by_batch(
    py: Python<'_>,
    table: AnyRecordBatch,
    vault_key: Option<&str>,
    threads: Option<usize>,
    work: fn(&RecordBatch, Option<&SecretString>) -> PyResult<RecordBatch>,
) -> PyResult<PyTable> {
    let vault_key = key(vault_key);
    let (batches, _) = table.into_table()?.into_inner();
    let threads = Threads::new(threads)?;
    let made = py.detach(|| {
        threads.run(|| {
            groups(&batches).map(|batch| work(&batch, vault_key.as_ref())).collect::<PyResult<Vec<_>>>()
        })
    })?;
    let schema = made.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
    PyTable::try_new(made, schema)
}

/// Rows that are worked on at once, so that they stay in the cores' caches.
const GROUP: usize = 4_096;

fn groups(batches: &[RecordBatch]) -> impl Iterator<Item = RecordBatch> {
    batches.iter().flat_map(|batch| {
        let starts = (0..batch.num_rows().max(1)).step_by(GROUP);
        starts.map(|start| batch.slice(start, GROUP.min(batch.num_rows() - start)))
    })
}

fn encrypt_batch(batch: &RecordBatch, vault_key: Option<&SecretString>) -> PyResult<RecordBatch> {
    let columns = Columns::new(batch)?;
    let protection = protection(vault_key);
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
    let drafts =
        bulk::encrypt(&records).into_iter().collect::<keyferry_core::Result<Vec<ItemDraft>>>().raise()?;
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
    beside(batch, &PLAIN, made)
}

fn decrypt_batch(batch: &RecordBatch, vault_key: Option<&SecretString>) -> PyResult<RecordBatch> {
    let columns = Columns::new(batch)?;
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
        vault_master_key_encrypted: None,
        updated_at: None,
        revision: None,
    };
    let items: Vec<_> = (0..batch.num_rows()).map(item).collect();
    let opened = bulk::decrypt(&items, protection(vault_key), |_| RecordPath::default());
    let mut records = Vec::with_capacity(items.len());
    for (row, record) in opened.into_iter().enumerate() {
        let at = keyferry_core::error::Place::Record(format!("row {row}, {}", items[row].name));
        records.push(record.map_err(|error| raised(&error.at(at)))?.record);
    }
    let text = |of: fn(&Record) -> &str| -> ArrayRef {
        Arc::new(records.iter().map(|record| Some(of(record))).collect::<StringArray>())
    };
    let password = records.iter().map(|record| record.password.as_ref().map(SecretString::expose));
    let customs = customs_array(records.iter().map(|record| {
        record.customs.iter().map(|one| [one.name.as_str(), one.kind.as_str(), one.value.expose()])
    }));
    let made: Vec<(&str, ArrayRef)> = vec![
        ("name", text(|record| &record.name)),
        ("login", text(|record| &record.login)),
        ("password", Arc::new(password.collect::<StringArray>())),
        ("url", text(|record| &record.url)),
        ("description", text(|record| &record.description)),
        ("tags", tags_array(records.iter().map(|record| record.tags.as_slice()))),
        ("color", Arc::new(records.iter().map(|record| record.color).collect::<Int64Array>())),
        ("favorite", Arc::new(records.iter().map(|record| Some(record.favorite)).collect::<BooleanArray>())),
        ("customs", Arc::new(customs)),
    ];
    beside(batch, &SEALED, made)
}

/// The columns that were made, and those of the input that were not used.
fn beside(batch: &RecordBatch, used: &[&str], made: Vec<(&str, ArrayRef)>) -> PyResult<RecordBatch> {
    let schema = batch.schema();
    let kept = schema.fields().iter().zip(batch.columns());
    let mut columns: Vec<(Field, ArrayRef)> = kept
        .filter(|(field, _)| !used.contains(&field.name().as_str()))
        .filter(|(field, _)| made.iter().all(|(name, _)| name != field.name()))
        .map(|(field, column)| (field.as_ref().clone(), column.clone()))
        .collect();
    columns.extend(
        made.into_iter().map(|(name, column)| (Field::new(name, column.data_type().clone(), true), column)),
    );
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| usage(error.to_string()))
}

fn custom_fields() -> Fields {
    ["name", "type", "value"].map(|name| Field::new(name, DataType::Utf8, true)).to_vec().into()
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

/// The columns of a batch that are known here, each in one canonical type.
struct Columns(Vec<(&'static str, ArrayRef)>);

impl Columns {
    fn new(batch: &RecordBatch) -> PyResult<Self> {
        let list = |of: DataType| DataType::List(Arc::new(Field::new_list_field(of, true)));
        let mut columns = Vec::new();
        for name in PLAIN.into_iter().chain(SEALED) {
            let Some(column) = batch.column_by_name(name) else { continue };
            let wanted = match name {
                "tags" => list(DataType::Utf8),
                "customs" => list(DataType::Struct(custom_fields())),
                "color" => DataType::Int64,
                "favorite" | "isFavorite" => DataType::Boolean,
                _ => DataType::Utf8,
            };
            let column = arrow_cast::cast(column, &wanted)
                .map_err(|error| usage(format!("column {name} is not what it should be: {error}")))?;
            columns.push((name, column));
        }
        if columns.is_empty() && batch.num_rows() > 0 {
            return Err(usage("the table has none of the columns that records have"));
        }
        Ok(Self(columns))
    }

    fn cell(&self, name: &str, row: usize) -> Option<&ArrayRef> {
        let (_, column) = self.0.iter().find(|(known, _)| *known == name)?;
        Some(column).filter(|column| column.is_valid(row))
    }

    fn optional(&self, name: &str, row: usize) -> Option<&str> {
        self.cell(name, row)?.as_string_opt::<i32>().map(|column| column.value(row))
    }

    fn text(&self, name: &str, row: usize) -> String {
        self.optional(name, row).unwrap_or_default().to_owned()
    }

    fn number(&self, name: &str, row: usize) -> Option<i64> {
        self.cell(name, row)?.as_primitive_opt::<Int64Type>().map(|column| column.value(row))
    }

    fn is_set(&self, name: &str, row: usize) -> bool {
        let column = self.cell(name, row).and_then(|column| column.as_boolean_opt());
        column.is_some_and(|column| column.value(row))
    }

    fn list(&self, name: &str, row: usize) -> Option<ArrayRef> {
        self.cell(name, row)?.as_list_opt::<i32>().map(|column| column.value(row))
    }

    fn tags(&self, row: usize) -> Vec<String> {
        let Some(tags) = self.list("tags", row) else { return Vec::new() };
        let Some(tags) = tags.as_string_opt::<i32>() else { return Vec::new() };
        tags.iter().flatten().map(str::to_owned).collect()
    }

    fn customs(&self, row: usize) -> Vec<Custom> {
        let Some(customs) = self.list("customs", row) else { return Vec::new() };
        let Some(customs) = customs.as_struct_opt() else { return Vec::new() };
        let column =
            |name: &str| customs.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        let (names, kinds, values) = (column("name"), column("type"), column("value"));
        let text = |column: Option<&StringArray>, at: usize| {
            column.filter(|column| column.is_valid(at)).map(|column| column.value(at).to_owned())
        };
        let custom = |at| Custom {
            name: text(names, at).unwrap_or_default(),
            kind: CustomKind::from(text(kinds, at).as_deref().unwrap_or("text")),
            value: SecretString::new(text(values, at).unwrap_or_default()),
        };
        (0..customs.len()).filter(|at| customs.is_valid(*at)).map(custom).collect()
    }
}
