//! Tables into an archive that only an environment's user can open: what a worker of a data engine leaves for the job that
//! brings it in. Nothing of it is in the clear on the disk.

use crate::Threads;
use crate::columns::{Columns, Kept, PLAIN, path_names, texts_of};
use crate::error::{Raise as _, raised, usage};
use crate::table::row_error;
use arrow_array::{Array as _, RecordBatch};
use keyferry_core::archive::{Recipient, Writer};
use keyferry_core::crypto::keychain::PublicKey;
use keyferry_core::files::sink::Draft;
use keyferry_core::model::RecordPath;
use keyferry_core::{Error, ErrorKind};
use pyo3::prelude::*;
use pyo3_arrow::input::AnyRecordBatch;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Where records go: a vault, and the folders below it as a list, or as a path that people type.
const PLACE: [&str; 2] = ["vault", "path"];

/// An archive that is being written; its file has its name once it is finished.
#[pyclass(frozen, module = "keyferry._native")]
pub struct Pack {
    /// An engine gives a task one core.
    threads: Threads,
    open: Mutex<Option<(Writer, Draft, usize)>>,
    vault: Option<String>,
    at: String,
}

#[pymethods]
impl Pack {
    /// Begins one at `path` for who has this public key. `vault` is where rows go that name none; `at` stands before the number
    /// of a row in errors.
    #[new]
    #[pyo3(signature = (path, public_key, vault=None, at=""))]
    fn new(path: PathBuf, public_key: &str, vault: Option<String>, at: &str) -> PyResult<Self> {
        let key = PublicKey::from_pem(public_key).raise()?;
        let draft = Draft::open(&path).raise()?;
        let output = std::io::BufWriter::with_capacity(1 << 18, draft.output().raise()?);
        let writer = Writer::create(Box::new(output), &[Recipient::PublicKey(key)]).raise()?;
        let threads = Threads::new(Some(1))?;
        Ok(Self { threads, open: Mutex::new(Some((writer, draft, 0))), vault, at: at.to_owned() })
    }

    /// Adds the rows of a table: the columns of plain records, `vault` and `path`.
    fn add(&self, py: Python<'_>, table: AnyRecordBatch) -> PyResult<()> {
        let (batches, schema) = table.into_table()?.into_inner();
        check(&schema, self.vault.is_some())?;
        py.detach(|| {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let Some((writer, _, row)) = open.as_mut() else { return Err(finished()) };
            self.threads.run(|| batches.iter().try_for_each(|batch| self.write(writer, batch, row)))
        })
    }

    /// Writes the end, and gives the file its name; answers how many records it holds.
    fn finish(&self, py: Python<'_>) -> PyResult<usize> {
        py.detach(|| {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let Some((writer, draft, rows)) = open.take() else { return Err(finished()) };
            self.threads.run(|| writer.finish()).raise()?;
            draft.finish().raise()?;
            Ok(rows)
        })
    }
}

fn finished() -> PyErr {
    usage("the archive is finished already")
}

/// Whether rows with these columns can be written into an environment.
pub fn check(schema: &arrow_schema::Schema, has_vault: bool) -> PyResult<()> {
    let used: Vec<&str> = PLAIN.into_iter().chain(PLACE).collect();
    Kept::Named(&[]).of(schema, &used, &[])?;
    Columns::check(schema, &PLAIN)?;
    if !has_vault && schema.field_with_name("vault").is_err() {
        return Err(usage("no column vault says where records go: add one, or name a vault in the location"));
    }
    Ok(())
}

/// The same for a schema alone.
#[pyfunction]
pub fn check_rows(schema: pyo3_arrow::PySchema, has_vault: bool) -> PyResult<()> {
    check(&schema.into_inner(), has_vault)
}

impl Pack {
    fn write(&self, writer: &mut Writer, batch: &RecordBatch, row: &mut usize) -> PyResult<()> {
        let columns = Columns::new(batch, &PLAIN)?;
        let vaults = texts_of(batch, "vault")?;
        let paths = path_names(batch)?;
        for at in 0..batch.num_rows() {
            let failed = |error: Error| raised(&row_error(&self.at, *row, error));
            let mut record = columns.record(at);
            let own = vaults.as_ref().filter(|vaults| vaults.is_valid(at)).map(|vaults| vaults.value(at));
            let vault = own.filter(|name| !name.is_empty()).or(self.vault.as_deref());
            let vault =
                vault.ok_or_else(|| failed(Error::new(ErrorKind::Usage, "column vault names none")))?;
            record.path = RecordPath { vault: Some(vault.to_owned()), folders: paths.of(at) };
            writer.write(&record).map_err(failed)?;
            *row += 1;
        }
        Ok(())
    }
}
