//! Many records at once, as Arrow: tables and record batches of any library that speaks the `PyCapsule`
//! interface (pyarrow, polars, pandas, duckdb), without a copy on the way in.
//!
//! Columns have the names of [`crate::records`]. `customs` and `attachments` are lists of structs, `tags` a list of texts; what
//! else a table may hold is [`crate::columns`]'s affair. One key is for the whole table, or each row names its own of a ring.

use crate::Threads;
use crate::cells;
use crate::columns::{ATTACHMENTS, Columns, ERROR, Kept, PLAIN, SEALED, check_key_column, key_ids};
use crate::error::{raised, usage};
use crate::keys::{Key, Ring};
use crate::records::{key, protection};
use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use keyferry_api::item::{Custom as WireCustom, Item, ItemDraft};
use keyferry_core::crypto::bulk;
use keyferry_core::crypto::record::{Opened, Protection};
use keyferry_core::error::Place;
use keyferry_core::model::{Record, RecordPath};
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3_arrow::input::AnyRecordBatch;
use pyo3_arrow::{PySchema, PyTable};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whose key a row is under.
#[derive(Clone, Copy)]
enum Keys<'a> {
    One(Option<&'a SecretString>),
    /// That of a ring which this column names.
    Each(&'a Ring, &'a str),
}

/// What a table is made into.
struct Work<'a> {
    keys: Keys<'a>,
    kept: Kept<'a>,
    /// Whether an item that cannot be read says so in a column instead of ending everything.
    tell_in_column: bool,
    /// Which columns of plain records are made; what nobody asks for is not decrypted.
    only: Option<&'a [String]>,
    /// Said before a row's number: which part of a larger table this is.
    at: &'a str,
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
    let work = Work {
        keys: Keys::One(vault_key.as_ref()),
        kept: Kept::Named(&keep),
        tell_in_column: false,
        only: None,
        at: "",
    };
    batch_by_batch(py, table, threads, 0, &work, encrypt_batch)
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
    let vault_key = key(vault_key)?;
    let work = Work {
        keys: Keys::One(vault_key.as_ref()),
        kept: keep.as_deref().map_or(Kept::All, Kept::Named),
        tell_in_column: tells_in_column(errors)?,
        only: None,
        at: "",
    };
    batch_by_batch(py, table, threads, 0, &work, decrypt_batch)
}

/// The same with a ring: `key_column` names each row's key, `at` and `first` say which part of a larger table this is.
#[pyfunction]
#[pyo3(signature = (table, ring, key_column=None, threads=None, keep=None, at="", first=0))]
#[expect(clippy::too_many_arguments, reason = "each is a keyword of the Python function")]
pub fn seal_table(
    py: Python<'_>,
    table: AnyRecordBatch,
    ring: &Bound<'_, Ring>,
    key_column: Option<&str>,
    threads: Option<usize>,
    keep: Option<Vec<String>>,
    at: &str,
    first: usize,
) -> PyResult<PyTable> {
    let keep = with_key_column(keep.unwrap_or_default(), key_column);
    let keys = keys_of(ring.get(), key_column)?;
    let work = Work { keys, kept: Kept::Named(&keep), tell_in_column: false, only: None, at };
    batch_by_batch(py, table, threads, first, &work, encrypt_batch)
}

/// The reverse. Of plain records only `columns` are made, where any are named.
#[pyfunction]
#[pyo3(signature = (table, ring, key_column=None, threads=None, errors="raise", keep=None, columns=None, at="", first=0))]
#[expect(clippy::too_many_arguments, reason = "each is a keyword of the Python function")]
pub fn open_table(
    py: Python<'_>,
    table: AnyRecordBatch,
    ring: &Bound<'_, Ring>,
    key_column: Option<&str>,
    threads: Option<usize>,
    errors: &str,
    keep: Option<Vec<String>>,
    columns: Option<Vec<String>>,
    at: &str,
    first: usize,
) -> PyResult<PyTable> {
    let keep = keep.map(|keep| with_key_column(keep, key_column));
    check_wanted(columns.as_deref())?;
    let work = Work {
        keys: keys_of(ring.get(), key_column)?,
        kept: keep.as_deref().map_or(Kept::All, Kept::Named),
        tell_in_column: tells_in_column(errors)?,
        only: columns.as_deref(),
        at,
    };
    batch_by_batch(py, table, threads, first, &work, decrypt_batch)
}

/// The columns of plain records.
#[pyfunction]
pub fn record_columns() -> Vec<&'static str> {
    PLAIN.to_vec()
}

/// The columns of items.
#[pyfunction]
pub fn item_columns() -> Vec<&'static str> {
    SEALED.to_vec()
}

/// The columns that [`seal_table`] makes of a table with these; refuses what it would refuse. Needs no key.
#[pyfunction]
#[pyo3(signature = (schema, key_column=None, keep=None))]
pub fn sealed_schema(
    schema: PySchema,
    key_column: Option<&str>,
    keep: Option<Vec<String>>,
) -> PyResult<PySchema> {
    let schema = schema.into_inner();
    check_schema(&schema, &PLAIN, key_column)?;
    let keep = with_key_column(keep.unwrap_or_default(), key_column);
    let kept = Kept::Named(&keep);
    let work = Work { keys: Keys::One(None), kept, tell_in_column: false, only: None, at: "" };
    Ok(PySchema::new(encrypt_batch(&RecordBatch::new_empty(schema), 0, &work)?.schema()))
}

/// The columns that [`open_table`] makes of a table with these.
#[pyfunction]
#[pyo3(signature = (schema, key_column=None, errors="raise", keep=None, columns=None))]
pub fn opened_schema(
    schema: PySchema,
    key_column: Option<&str>,
    errors: &str,
    keep: Option<Vec<String>>,
    columns: Option<Vec<String>>,
) -> PyResult<PySchema> {
    let schema = schema.into_inner();
    check_schema(&schema, &SEALED, key_column)?;
    check_wanted(columns.as_deref())?;
    let keep = keep.map(|keep| with_key_column(keep, key_column));
    let work = Work {
        keys: Keys::One(None),
        kept: keep.as_deref().map_or(Kept::All, Kept::Named),
        tell_in_column: tells_in_column(errors)?,
        only: columns.as_deref(),
        at: "",
    };
    Ok(PySchema::new(decrypt_batch(&RecordBatch::new_empty(schema), 0, &work)?.schema()))
}

fn check_schema(schema: &Schema, known: &[&'static str], key_column: Option<&str>) -> PyResult<()> {
    if let Some(name) = key_column {
        let field = schema.field_with_name(name);
        let missing = |_| usage(format!("key_column names {name}, and the table has no such column"));
        check_key_column(field.map_err(missing)?)?;
    }
    Columns::check(schema, known)
}

fn check_wanted(columns: Option<&[String]>) -> PyResult<()> {
    match columns.unwrap_or_default().iter().find(|name| !PLAIN.contains(&name.as_str())) {
        Some(name) => Err(usage(format!(
            "columns names {name}, which no record has: choose among {}; what else a table holds is named in keep",
            PLAIN.join(", ")
        ))),
        None => Ok(()),
    }
}

/// A key's name is no secret, and who opens the rows needs it.
fn with_key_column(mut keep: Vec<String>, key_column: Option<&str>) -> Vec<String> {
    if let Some(name) = key_column.filter(|name| !keep.iter().any(|one| one == name)) {
        keep.push(name.to_owned());
    }
    keep
}

fn keys_of<'a>(ring: &'a Ring, key_column: Option<&'a str>) -> PyResult<Keys<'a>> {
    match (key_column, ring.get("")) {
        (None, Some(Key::Vault(key))) => Ok(Keys::One(Some(key))),
        (None, Some(Key::Unencrypted)) => Ok(Keys::One(None)),
        (None, None) => Err(usage("there are several keys: key_column says which column names them")),
        (Some(_), Some(_)) => {
            Err(usage("key_column names a column of keys, and one key is given: give a mapping of them"))
        }
        (Some(column), None) => Ok(Keys::Each(ring, column)),
    }
}

pub fn tells_in_column(errors: &str) -> PyResult<bool> {
    match errors {
        "raise" => Ok(false),
        "column" => Ok(true),
        _ => Err(PyValueError::new_err("errors of a table is \"raise\" or \"column\"")),
    }
}

/// Works on a table while other Python threads run. What comes back has its columns even where it has no rows.
fn batch_by_batch(
    py: Python<'_>,
    table: AnyRecordBatch,
    threads: Option<usize>,
    mut row: usize,
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

/// Rows that are worked on at once, so that they stay in the cores' caches.
const GROUP: usize = 4_096;
/// The same of rows with files, which may have megabytes.
const FILES: usize = 64;
/// So many rows are named by an error; of others it is said how many they are.
const NAMED: usize = 5;

fn groups(batches: &[RecordBatch]) -> impl Iterator<Item = RecordBatch> {
    batches.iter().flat_map(|batch| {
        let rows = if batch.column_by_name(ATTACHMENTS).is_some() { FILES } else { GROUP };
        let starts = (0..batch.num_rows().max(1)).step_by(rows);
        starts.map(move |start| batch.slice(start, rows.min(batch.num_rows() - start)))
    })
}

/// The place of a row. The table is the caller's, so its number says enough, and no name of a record goes into logs.
fn row_place(at: &str, row: usize) -> Place {
    Place::Record(format!("{at}row {row}"))
}

/// An error of a row.
pub fn row_error(at: &str, row: usize, error: Error) -> Error {
    error.at(row_place(at, row))
}

impl Work<'_> {
    fn row(&self, row: usize) -> Place {
        row_place(self.at, row)
    }

    /// The error of rows that failed together: the first one's, with the numbers of the others.
    fn failed(&self, mut errors: Vec<(usize, Error)>) -> PyErr {
        let rows: Vec<usize> = errors.iter().map(|(row, _)| *row).collect();
        let (first, error) = errors.swap_remove(0);
        if rows.len() == 1 {
            return raised(&error.at(self.row(first)));
        }
        let named: Vec<String> = rows.iter().take(NAMED).map(ToString::to_string).collect();
        let more = rows.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        raised(&error.at(Place::Record(format!("{}rows {}{more}", self.at, named.join(", ")))))
    }

    /// Which key each row is under.
    fn protections(&self, batch: &RecordBatch) -> PyResult<Vec<Result<Protection<'_>>>> {
        let (ring, column) = match self.keys {
            Keys::One(key) => return Ok((0..batch.num_rows()).map(|_| Ok(protection(key))).collect()),
            Keys::Each(ring, column) => (ring, column),
        };
        let ids = key_ids(batch, column)?;
        let ids = ids.as_string::<i32>();
        let refused = |what: &str| {
            // The cell itself is not repeated: who fills a column wrongly may have filled it with keys.
            Error::new(ErrorKind::Usage, format!("column {column} names {what}"))
        };
        let each = (0..batch.num_rows()).map(|row| {
            if ids.is_null(row) {
                return Err(refused("no key"));
            }
            match ring.get(ids.value(row)) {
                Some(Key::Vault(key)) => Ok(Protection::VaultKey(key)),
                Some(Key::Unencrypted) => Ok(Protection::Unencrypted),
                None => Err(refused("a key that was not given")),
            }
        });
        Ok(each.collect())
    }

    fn makes(&self, name: &str) -> bool {
        self.only.is_none_or(|only| only.iter().any(|one| one == name))
    }
}

fn encrypt_batch(batch: &RecordBatch, first: usize, work: &Work<'_>) -> PyResult<RecordBatch> {
    let kept = work.kept.of(&batch.schema(), &PLAIN, &SEALED)?;
    let columns = Columns::new(batch, &PLAIN)?;
    let (mut records, mut errors) = (Vec::with_capacity(batch.num_rows()), Vec::new());
    for (row, protection) in work.protections(batch)?.into_iter().enumerate() {
        match protection {
            Ok(protection) => records.push((columns.record(row), protection)),
            Err(error) => errors.push((first + row, error)),
        }
    }
    let mut drafts: Vec<ItemDraft> = Vec::with_capacity(records.len());
    // Of rows without a key none is sealed.
    if errors.is_empty() {
        for (row, draft) in bulk::encrypt(&records).into_iter().enumerate() {
            match draft {
                Ok(draft) => drafts.push(draft),
                Err(error) => errors.push((first + row, error)),
            }
        }
    }
    if !errors.is_empty() {
        return Err(work.failed(errors));
    }
    let has_files = batch.column_by_name(ATTACHMENTS).is_some();
    let made = SEALED.into_iter().filter(|name| has_files || *name != ATTACHMENTS);
    beside(batch, &kept, made.map(|name| (name, cells::sealed(name, &drafts))).collect())
}

fn decrypt_batch(batch: &RecordBatch, first: usize, work: &Work<'_>) -> PyResult<RecordBatch> {
    let told = work.tell_in_column.then_some(ERROR);
    let makes: Vec<&str> = PLAIN.into_iter().chain(told).collect();
    let kept = work.kept.of(&batch.schema(), &SEALED, &makes)?;
    let columns = Columns::new(batch, &SEALED)?;
    let (mut records, mut errors) = (Vec::with_capacity(batch.num_rows()), Vec::new());
    for (row, record) in open_rows(batch, &columns, work)?.into_iter().enumerate() {
        match record {
            Ok(record) => records.push(Some(record)),
            Err(error) => {
                records.push(None);
                errors.push((first + row, error));
            }
        }
    }
    if !work.tell_in_column && !errors.is_empty() {
        return Err(work.failed(errors));
    }
    let has_files = batch.column_by_name(ATTACHMENTS).is_some();
    let made = PLAIN.into_iter().filter(|name| work.makes(name) && (has_files || *name != ATTACHMENTS));
    let mut made: Vec<(&str, ArrayRef)> = made.map(|name| (name, cells::plain(name, &records))).collect();
    if work.tell_in_column {
        let mut told = vec![None; records.len()];
        for (row, error) in errors {
            told[row - first] = Some(error.at(work.row(row)).to_string());
        }
        made.push((ERROR, Arc::new(told.into_iter().collect::<StringArray>())));
    }
    beside(batch, &kept, made)
}

/// Opens every row under its own key: those of one key together, since envelopes are cheaper together.
fn open_rows(batch: &RecordBatch, columns: &Columns, work: &Work<'_>) -> PyResult<Vec<Result<Record>>> {
    let mut opened: Vec<Option<Result<Record>>> = (0..batch.num_rows()).map(|_| None).collect();
    let mut together: BTreeMap<*const SecretString, (Protection<'_>, Vec<usize>)> = BTreeMap::new();
    for (row, protection) in work.protections(batch)?.into_iter().enumerate() {
        match protection {
            Ok(protection) => {
                let key = match protection {
                    Protection::VaultKey(key) | Protection::Marked(key) => std::ptr::from_ref(key),
                    Protection::Unencrypted => std::ptr::null(),
                };
                together.entry(key).or_insert_with(|| (protection, Vec::new())).1.push(row);
            }
            Err(error) => opened[row] = Some(Err(error)),
        }
    }
    for (protection, rows) in together.into_values() {
        let items: Vec<Item> = rows.iter().map(|row| columns.item(*row, work)).collect();
        let records = bulk::decrypt(&items, protection, |_| RecordPath::default());
        for (row, record) in rows.into_iter().zip(records) {
            opened[row] = Some(record.and_then(|one| with_files(one, columns, row, protection, work)));
        }
    }
    let missing = || Err(Error::new(ErrorKind::Internal, "a row was left out"));
    Ok(opened.into_iter().map(|row| row.unwrap_or_else(missing)).collect())
}

fn with_files(
    opened: Opened,
    columns: &Columns,
    row: usize,
    protection: Protection<'_>,
    work: &Work<'_>,
) -> Result<Record> {
    let files = if work.makes(ATTACHMENTS) { columns.sealed_attachments(row) } else { Vec::new() };
    // Without its key a file would be taken for one that was never sealed.
    if !files.is_empty() && opened.key.is_none() && !matches!(protection, Protection::Unencrypted) {
        return Err(Error::new(ErrorKind::Decrypt, "it was stored without its record key"));
    }
    opened.with_attachments(&files)
}

impl Columns {
    /// The plain record of a row, without its place.
    pub fn record(&self, row: usize) -> Record {
        Record {
            name: self.text("name", row),
            login: self.text("login", row),
            password: self.optional("password", row).map(SecretString::from),
            url: self.text("url", row),
            description: self.text("description", row),
            tags: self.tags(row),
            color: self.number("color", row),
            favorite: self.is_set("favorite", row),
            customs: self.customs(row),
            attachments: self.attachments(row),
            ..Record::default()
        }
    }

    /// Without what nobody asks for.
    fn item(&self, row: usize, work: &Work<'_>) -> Item {
        let text = |name| self.optional(name, row).map(str::to_owned);
        let customs = if work.makes("customs") { self.customs(row) } else { Vec::new() };
        Item {
            id: String::new(),
            vault_id: String::new(),
            folder_id: None,
            name: self.text("name", row),
            login: text("login"),
            url: text("url"),
            description: text("description"),
            tags: self.tags(row),
            color: self.number("color", row),
            is_favorite: self.is_set("isFavorite", row),
            is_deleted: false,
            password_encrypted: text("passwordEncrypted").filter(|_| work.makes("password")),
            key_encrypted: text("keyEncrypted"),
            customs: customs
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
        }
    }
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
