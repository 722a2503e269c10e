//! An environment's records as Arrow tables, for data engines: only those of some places, and only the columns that are asked
//! for. What nobody asks for is not decrypted.

use crate::cells;
use crate::columns::{ATTACHMENTS, ERROR, PLAIN};
use crate::error::{Raise as _, raised, usage};
use crate::select::filter;
use crate::{runtime, table};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use keyferry_core::crypto::{attachment, envelope};
use keyferry_core::engine::{self, Attachments, Keys, Options};
use keyferry_core::error::Place;
use keyferry_core::model::{CustomKind, Entry, Record, RecordPath};
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3_arrow::{PySchema, PyTable};
use rayon::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::Receiver;

/// Where a record stands, before what it holds.
pub const PLACE: [&str; 3] = ["id", "vault", "path"];
/// Rows of a table that are given at once, and the bytes after which it is fewer.
const ROWS: usize = 4_096;
const BYTES: usize = 32 << 20;
/// Records whose envelopes are opened together on one core.
const GROUP: usize = 16;

/// Tables of records, one after the other. To stop early, drop it.
#[pyclass(frozen, module = "keyferry._native")]
pub struct Rows {
    chunks: Mutex<Receiver<Result<Vec<Entry>>>>,
    columns: Vec<String>,
    tell_in_column: bool,
}

impl Rows {
    /// Begins to read the records right in these places, with these columns. `encrypted` says whether the places' vaults are.
    pub fn start(
        environment: &Arc<engine::Environment>,
        places: Vec<Vec<String>>,
        columns: Vec<String>,
        errors: &str,
        encrypted: bool,
        select: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        check(&columns)?;
        let wanted = |name: &str| columns.iter().any(|one| one == name);
        let attachments = if wanted(ATTACHMENTS) { Attachments::Fetched } else { Attachments::Left };
        let keys = if encrypted { Keys::Kept } else { Keys::Fresh };
        let options = Options { filter: filter(select)?, attachments, keys, ..Options::default() };
        let tell_in_column = table::tells_in_column(errors)?;
        environment.unlocked().raise()?;
        let places: Vec<RecordPath> = places.into_iter().map(|names| names.into_iter().collect()).collect();
        let _entered = runtime()?.enter();
        let chunks = Mutex::new(engine::records_in(environment, &places, &options));
        Ok(Self { chunks, columns, tell_in_column })
    }
}

/// The columns of such tables. Needs no environment.
#[pyfunction]
#[pyo3(signature = (columns, errors="raise"))]
pub fn rows_schema(columns: Vec<String>, errors: &str) -> PyResult<PySchema> {
    check(&columns)?;
    Ok(PySchema::new(table_of(&columns, table::tells_in_column(errors)?, Vec::new())?.schema()))
}

/// Every column that records have, those that say where they stand first.
#[pyfunction]
pub fn rows_columns() -> Vec<&'static str> {
    PLACE.into_iter().chain(PLAIN).collect()
}

fn check(columns: &[String]) -> PyResult<()> {
    let known = rows_columns();
    if columns.is_empty() {
        return Err(usage("columns names none"));
    }
    for (at, name) in columns.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            let known = known.join(", ");
            return Err(usage(format!("columns names {name}, which no record has: choose among {known}")));
        }
        if columns[..at].contains(name) {
            return Err(usage(format!("columns names {name} twice")));
        }
    }
    Ok(())
}

/// One row: the id of its item, and its record or why there is none.
type Row = (String, Result<Record>);

#[pymethods]
impl Rows {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<PyTable>> {
        let made = py.detach(|| -> PyResult<Option<RecordBatch>> {
            let rows = self.next_rows().raise()?;
            if rows.is_empty() {
                return Ok(None);
            }
            table_of(&self.columns, self.tell_in_column, rows).map(Some)
        })?;
        made.map(|batch| PyTable::try_new(vec![batch.clone()], batch.schema())).transpose()
    }
}

impl Rows {
    fn next_rows(&self) -> Result<Vec<Row>> {
        let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rows, mut weight) = (Vec::new(), 0);
        while rows.len() < ROWS && weight < BYTES {
            let Some(chunk) = chunks.blocking_recv() else { break };
            for entry in chunk? {
                match entry {
                    Entry::Record(record, at) => {
                        weight += record.weight();
                        rows.push((at.pointer.unwrap_or_default(), Ok(record)));
                    }
                    Entry::Reject(reject) => {
                        let id = reject.at.pointer.unwrap_or_default();
                        rows.push((id, Err(Error::new(ErrorKind::Decrypt, reject.why))));
                    }
                    Entry::Folder(_) | Entry::Note(_) | Entry::Values(_) => {}
                }
            }
        }
        let wanted = |name: &str| self.columns.iter().any(|one| one == name);
        let (password, customs, files) = (wanted("password"), wanted("customs"), wanted(ATTACHMENTS));
        rows.par_chunks_mut(GROUP).for_each(|rows| open(rows, password, customs, files));
        Ok(rows)
    }
}

/// Opens what is asked for of records that came sealed.
fn open(rows: &mut [Row], password: bool, customs: bool, files: bool) {
    let mut texts = Vec::new();
    for (_, row) in rows.iter() {
        let Ok(record) = row else { continue };
        if let Some(key) = &record.sealed_under {
            texts.extend(sealed_texts(record, password, customs).map(|text| (text, key)));
        }
    }
    let mut opened = envelope::decrypt_texts(&texts).into_iter();
    drop(texts);
    for (_, row) in rows {
        let Ok(record) = row else { continue };
        if record.sealed_under.is_none() {
            continue;
        }
        let count = sealed_texts(record, password, customs).count();
        // All of them first, so that the next record finds its own.
        let own: Vec<Result<SecretString>> = opened.by_ref().take(count).collect();
        let own = own.into_iter().collect::<Result<Vec<_>>>();
        if let Err(error) = own.and_then(|own| put(record, own, password, customs, files)) {
            *row = Err(error);
        }
    }
}

/// The envelopes that are to be opened. An empty text hides nothing.
fn sealed_texts(record: &Record, password: bool, customs: bool) -> impl Iterator<Item = &str> {
    let fields = record.customs.iter().filter(move |_| customs);
    fields
        .flat_map(|custom| [custom.name.as_str(), custom.kind.as_str(), custom.value.expose()])
        .chain(record.password.as_ref().filter(|_| password).map(SecretString::expose))
        .filter(|text| !text.is_empty())
}

fn put(
    record: &mut Record,
    own: Vec<SecretString>,
    password: bool,
    customs: bool,
    files: bool,
) -> Result<()> {
    let mut own = own.into_iter();
    let mut next =
        |was_empty: bool| if was_empty { SecretString::default() } else { own.next().unwrap_or_default() };
    if customs {
        for custom in &mut record.customs {
            let name = next(custom.name.is_empty());
            let kind = next(custom.kind.as_str().is_empty());
            name.expose().clone_into(&mut custom.name);
            custom.kind = CustomKind::from(kind.expose());
            custom.value = next(custom.value.is_empty());
        }
    }
    if password {
        record.password = record.password.as_ref().map(|sealed| next(sealed.is_empty()));
    }
    if files {
        for file in &mut record.attachments {
            *file = attachment::decrypt(&attachment::unpack(file)?, record.sealed_under.as_ref())?;
        }
    }
    Ok(())
}

fn table_of(columns: &[String], tell_in_column: bool, rows: Vec<Row>) -> PyResult<RecordBatch> {
    let (mut ids, mut records, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for (id, row) in rows {
        let (record, error) = match row {
            Ok(record) => (Some(record), None),
            Err(error) => {
                let error = error.at(Place::Record(format!("item {id}")));
                if !tell_in_column {
                    return Err(raised(&error));
                }
                (None, Some(error.to_string()))
            }
        };
        ids.push(id);
        records.push(record);
        errors.push(error);
    }
    let each = || records.iter().map(Option::as_ref);
    let column = |name: &str| -> ArrayRef {
        match name {
            "id" => Arc::new(ids.iter().map(|id| Some(id.as_str())).collect::<StringArray>()),
            "vault" => Arc::new(each().map(|record| record?.path.vault.as_deref()).collect::<StringArray>()),
            "path" => cells::texts(each().map(|record| record.map_or(&[][..], |one| &one.path.folders))),
            name => cells::plain(name, &records),
        }
    };
    let mut made: Vec<(&str, ArrayRef)> = columns.iter().map(|name| (name.as_str(), column(name))).collect();
    if tell_in_column {
        made.push((ERROR, Arc::new(errors.into_iter().collect::<StringArray>())));
    }
    let fields: Vec<Field> =
        made.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let columns = made.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| usage(error.to_string()))
}
