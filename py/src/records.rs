//! Many records at once, as dictionaries.
//!
//! Plain records have the members of keyferry's JSON lines: `name`, `login`, `password`, `url`,
//! `description`, `tags`, `color`, `favorite`, `customs` (`name`, `type`, `value`), `attachments`
//! (`name`, `data` as bytes), and where they stand: `id`, `vault`, `path`. Items have the members of Passwork's API.
//! A member that a record does not have is refused, since it would be lost without a word.

use crate::Threads;
use crate::error::{Raise, raised, usage};
use keyferry_api::item::{Attachment as WireAttachment, Custom as WireCustom, Item, ItemDraft};
use keyferry_core::crypto::bulk;
use keyferry_core::crypto::record::Protection;
use keyferry_core::error::Place;
use keyferry_core::formats::MEMBERS;
use keyferry_core::model::{Attachment, Custom, CustomKind, Record, RecordPath};
use keyferry_core::secret::{SecretBytes, SecretString};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

/// Records that are between Python and the wire at once: many enough for every core, few enough for
/// the cores' caches.
const GROUP: usize = 256;

/// Items ready to be sent, one for each record: everything but the vault's and folder's ids.
#[pyfunction]
#[pyo3(signature = (records, vault_key, threads=None, keep=None))]
pub fn encrypt_records<'py>(
    py: Python<'py>,
    records: &Bound<'py, PyAny>,
    vault_key: Option<&str>,
    threads: Option<usize>,
    keep: Option<Vec<String>>,
) -> PyResult<Bound<'py, PyList>> {
    let threads = Threads::new(threads)?;
    let vault_key = key(vault_key)?;
    let keep = keep.unwrap_or_default();
    if let Some(name) = keep.iter().find(|name| {
        let name = name.as_str();
        name == ID || MEMBERS.contains(&name) || ITEM.contains(&name)
    }) {
        return Err(usage(format!("keep names {name}, which is a member of records itself")));
    }
    let items = PyList::empty(py);
    let mut records = records.try_iter()?;
    loop {
        let (mut pairs, mut kept) = (Vec::with_capacity(GROUP), Vec::new());
        for record in records.by_ref().take(GROUP) {
            let record = record?;
            let record = record.cast::<PyDict>()?;
            only(record, &[&[ID], MEMBERS.as_slice()].concat(), &keep)?;
            pairs.push((record_of(record)?, protection(vault_key.as_ref())));
            if !keep.is_empty() {
                kept.push(record.clone().unbind());
            }
        }
        if pairs.is_empty() {
            break;
        }
        // The plaintext is wiped in there, too.
        let drafts = py.detach(|| {
            threads.run(|| {
                let drafts = bulk::encrypt(&pairs);
                drop(pairs);
                drafts
            })
        });
        for (row, draft) in drafts.into_iter().enumerate() {
            let item = item_dict(py, draft.raise()?)?;
            for name in &keep {
                let Some(record) = kept.get(row) else { break };
                if let Some(value) = record.bind(py).get_item(name)? {
                    item.set_item(name, value)?;
                }
            }
            items.append(item)?;
        }
    }
    Ok(items)
}

/// Plain records, one for each item. With `errors="return"` an item that cannot be read becomes its
/// exception, and the others are records all the same.
#[pyfunction]
#[pyo3(signature = (items, vault_key, threads=None, errors="raise"))]
pub fn decrypt_records<'py>(
    py: Python<'py>,
    items: &Bound<'py, PyAny>,
    vault_key: Option<&str>,
    threads: Option<usize>,
    errors: &str,
) -> PyResult<Bound<'py, PyList>> {
    let give_back = match errors {
        "raise" => false,
        "return" => true,
        _ => return Err(PyValueError::new_err("errors is \"raise\" or \"return\"")),
    };
    let threads = Threads::new(threads)?;
    let vault_key = key(vault_key)?;
    let records = PyList::empty(py);
    let mut items = items.try_iter()?;
    loop {
        let (mut sealed, mut files) = (Vec::with_capacity(GROUP), Vec::with_capacity(GROUP));
        for item in items.by_ref().take(GROUP) {
            let item = item?;
            let item = item.cast::<PyDict>()?;
            sealed.push(item_of(item)?);
            files.push(files_of(item)?);
        }
        if sealed.is_empty() {
            break;
        }
        let opened = py.detach(|| {
            threads.run(|| {
                let opened =
                    bulk::decrypt(&sealed, protection(vault_key.as_ref()), |_| RecordPath::default());
                let whole = opened.into_iter().zip(files);
                whole.map(|(opened, files)| opened?.with_attachments(&files)).collect::<Vec<_>>()
            })
        });
        for (item, record) in sealed.iter().zip(opened) {
            match record {
                Ok(record) => records.append(record_dict(py, &item.id, &record)?)?,
                Err(error) => {
                    let exception = raised(&error.at(Place::Record(item.name.clone())));
                    if !give_back {
                        return Err(exception);
                    }
                    records.append(exception.into_value(py))?;
                }
            }
        }
    }
    Ok(records)
}

/// What a plain record may have beside the members of a record.
const ID: &str = "id";
/// Those of an item that a record does not have under the same name.
const ITEM: [&str; 3] = ["passwordEncrypted", "keyEncrypted", "isFavorite"];

/// Refuses a dictionary with a member that is none of these.
fn only(from: &Bound<'_, PyDict>, known: &[&str], keep: &[String]) -> PyResult<()> {
    for name in from.keys() {
        let name = name
            .extract::<String>()
            .map_err(|_: PyErr| PyTypeError::new_err("a member's name is no text"))?;
        if !known.contains(&name.as_str()) && !keep.contains(&name) {
            return Err(usage(format!(
                "no record has a member {name}, and it would be lost: the members are {}; rename or drop it, or name in keep \
                 what goes into the item in the clear",
                known.join(", ")
            )));
        }
    }
    Ok(())
}

/// The key of a vault. None stands for an environment without client-side encryption; an empty one is a variable that was
/// not set, and nothing must go out in the clear for that.
pub fn key(text: Option<&str>) -> PyResult<Option<SecretString>> {
    match text {
        Some("") => Err(usage("the vault key is empty: None says that nothing is encrypted")),
        text => Ok(text.map(SecretString::from)),
    }
}

pub fn protection(vault_key: Option<&SecretString>) -> Protection<'_> {
    vault_key.map_or(Protection::Unencrypted, Protection::VaultKey)
}

/// A member that is there and not None.
fn member<'py>(
    from: &Bound<'py, PyDict>,
    name: &Bound<'py, pyo3::types::PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    Ok(from.get_item(name)?.filter(|value| !value.is_none()))
}

macro_rules! optional {
    ($from:expr, $name:literal) => {{
        let value = member($from, intern!($from.py(), $name))?;
        value.map(|value| value.extract()).transpose().map_err(|_: PyErr| wrong($name))?
    }};
}
macro_rules! text {
    ($from:expr, $name:literal) => {
        optional!($from, $name).unwrap_or_default()
    };
}

/// Python's own words could repeat the value.
fn wrong(name: &str) -> PyErr {
    PyTypeError::new_err(format!("member {name} has the wrong type"))
}

fn list<'py>(
    from: &Bound<'py, PyDict>,
    name: &Bound<'py, pyo3::types::PyString>,
) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let Some(values) = member(from, name)? else { return Ok(Vec::new()) };
    let each = values.try_iter()?.map(|value| Ok(value?.cast_into::<PyDict>()?));
    each.collect()
}

pub fn record_of(from: &Bound<'_, PyDict>) -> PyResult<Record> {
    let py = from.py();
    let password: Option<String> = optional!(from, "password");
    let mut record = Record {
        name: text!(from, "name"),
        login: text!(from, "login"),
        password: password.map(SecretString::new),
        url: text!(from, "url"),
        description: text!(from, "description"),
        tags: text!(from, "tags"),
        color: optional!(from, "color"),
        favorite: text!(from, "favorite"),
        ..Record::default()
    };
    for custom in list(from, intern!(py, "customs"))? {
        let kind: Option<String> = optional!(&custom, "type");
        let value: String = text!(&custom, "value");
        only(&custom, &["name", "type", "value"], &[])?;
        record.customs.push(Custom {
            name: text!(&custom, "name"),
            kind: CustomKind::from(kind.as_deref().unwrap_or("text")),
            value: SecretString::new(value),
        });
    }
    for file in list(from, intern!(py, "attachments"))? {
        let data: Vec<u8> = text!(&file, "data");
        only(&file, &["name", "data"], &[])?;
        record.attachments.push(Attachment { name: text!(&file, "name"), content: SecretBytes::new(data) });
    }
    Ok(record)
}

fn item_of(from: &Bound<'_, PyDict>) -> PyResult<Item> {
    let py = from.py();
    let mut customs = Vec::new();
    for custom in list(from, intern!(py, "customs"))? {
        customs.push(WireCustom {
            name: text!(&custom, "name"),
            kind: text!(&custom, "type"),
            value: text!(&custom, "value"),
            other: serde_json::Map::new(),
        });
    }
    Ok(Item {
        id: text!(from, "id"),
        vault_id: String::new(),
        folder_id: None,
        name: text!(from, "name"),
        login: optional!(from, "login"),
        url: optional!(from, "url"),
        description: optional!(from, "description"),
        tags: text!(from, "tags"),
        color: optional!(from, "color"),
        is_favorite: text!(from, "isFavorite"),
        is_deleted: false,
        password_encrypted: optional!(from, "passwordEncrypted"),
        key_encrypted: optional!(from, "keyEncrypted"),
        customs,
        // Their contents, where they are there, are opened apart.
        attachments: Vec::new(),
        fields_order: None,
        vault_master_key_encrypted: None,
        created_at: None,
        updated_at: None,
        revision: None,
    })
}

/// Those attachments whose content is there: an item of the API names the others only.
fn files_of(from: &Bound<'_, PyDict>) -> PyResult<Vec<WireAttachment>> {
    let mut files = Vec::new();
    for file in list(from, intern!(from.py(), "attachments"))? {
        let data: Option<String> = optional!(&file, "encryptedData");
        let Some(encrypted_data) = data else { continue };
        files.push(WireAttachment {
            id: None,
            name: text!(&file, "name"),
            encrypted_key: text!(&file, "encryptedKey"),
            encrypted_data,
            hash: text!(&file, "hash"),
        });
    }
    Ok(files)
}

fn item_dict(py: Python<'_>, draft: ItemDraft) -> PyResult<Bound<'_, PyDict>> {
    let item = PyDict::new(py);
    item.set_item(intern!(py, "name"), draft.name.unwrap_or_default())?;
    for (name, value) in [
        (intern!(py, "login"), draft.login),
        (intern!(py, "url"), draft.url),
        (intern!(py, "description"), draft.description),
        (intern!(py, "passwordEncrypted"), draft.password_encrypted),
        (intern!(py, "keyEncrypted"), draft.key_encrypted),
    ] {
        if let Some(value) = value {
            item.set_item(name, value)?;
        }
    }
    item.set_item(intern!(py, "tags"), draft.tags.unwrap_or_default())?;
    if let Some(color) = draft.color {
        item.set_item(intern!(py, "color"), color)?;
    }
    if let Some(favorite) = draft.is_favorite {
        item.set_item(intern!(py, "isFavorite"), favorite)?;
    }
    let customs = PyList::empty(py);
    for custom in draft.customs.unwrap_or_default() {
        let dict = PyDict::new(py);
        dict.set_item(intern!(py, "name"), custom.name)?;
        dict.set_item(intern!(py, "type"), custom.kind)?;
        dict.set_item(intern!(py, "value"), custom.value)?;
        customs.append(dict)?;
    }
    item.set_item(intern!(py, "customs"), customs)?;
    let files = PyList::empty(py);
    for file in draft.attachments.unwrap_or_default() {
        let dict = PyDict::new(py);
        dict.set_item(intern!(py, "name"), file.name)?;
        dict.set_item(intern!(py, "encryptedKey"), file.encrypted_key)?;
        dict.set_item(intern!(py, "encryptedData"), file.encrypted_data)?;
        dict.set_item(intern!(py, "hash"), file.hash)?;
        files.append(dict)?;
    }
    item.set_item(intern!(py, "attachments"), files)?;
    Ok(item)
}

/// A plain record; `id` is left out where it is not known.
pub fn record_dict<'py>(py: Python<'py>, id: &str, record: &Record) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    if !id.is_empty() {
        dict.set_item(intern!(py, "id"), id)?;
    }
    if let Some(vault) = &record.path.vault {
        dict.set_item(intern!(py, "vault"), vault)?;
        dict.set_item(intern!(py, "path"), &record.path.folders)?;
    }
    dict.set_item(intern!(py, "name"), &record.name)?;
    dict.set_item(intern!(py, "login"), &record.login)?;
    let password = record.password.as_ref().map(SecretString::expose);
    dict.set_item(intern!(py, "password"), password)?;
    dict.set_item(intern!(py, "url"), &record.url)?;
    dict.set_item(intern!(py, "description"), &record.description)?;
    dict.set_item(intern!(py, "tags"), &record.tags)?;
    dict.set_item(intern!(py, "color"), record.color)?;
    dict.set_item(intern!(py, "favorite"), record.favorite)?;
    let customs = PyList::empty(py);
    for custom in &record.customs {
        let one = PyDict::new(py);
        one.set_item(intern!(py, "name"), &custom.name)?;
        one.set_item(intern!(py, "type"), custom.kind.as_str())?;
        one.set_item(intern!(py, "value"), custom.value.expose())?;
        customs.append(one)?;
    }
    dict.set_item(intern!(py, "customs"), customs)?;
    let files = PyList::empty(py);
    for file in &record.attachments {
        let one = PyDict::new(py);
        one.set_item(intern!(py, "name"), &file.name)?;
        one.set_item(intern!(py, "data"), PyBytes::new(py, file.content.expose()))?;
        files.append(one)?;
    }
    dict.set_item(intern!(py, "attachments"), files)?;
    Ok(dict)
}
