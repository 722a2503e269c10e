//! What this process remembers of an environment's keys, for the official SDK, which believes each anew.

use crate::crypto::unwrap;
use crate::error::Raise;
use keyferry_core::crypto::envelope;
use keyferry_core::engine::{self, Memory};
use keyferry_core::{Error, ErrorKind};
use pyo3::prelude::*;
use serde_json::json;

/// Pins that `KEYFERRY_PINS` or the journal of `KEYFERRY_JOURNAL` brings of one environment.
#[pyclass(frozen, module = "keyferry._native")]
pub struct Pins(Memory);

/// An item as the SDK was answered it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Answered {
    id: String,
    #[pyo3(item("vaultId"))]
    vault: String,
    #[pyo3(item("vaultMasterKeyEncrypted"))]
    wrapped: Option<String>,
    #[pyo3(item("keyEncrypted"))]
    key: Option<String>,
    #[pyo3(item("passwordEncrypted"))]
    password: Option<String>,
    customs: Option<Vec<Field>>,
}

/// A custom field of it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Field {
    name: Option<String>,
    #[pyo3(item("type"))]
    kind: Option<String>,
    value: Option<String>,
}

impl Field {
    fn as_json(&self) -> serde_json::Value {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        json!({ "name": text(&self.name), "type": text(&self.kind), "value": text(&self.value) })
    }
}

#[pymethods]
impl Pins {
    /// Those of the environment at this address; `None` where the process brings nothing.
    #[staticmethod]
    fn of(py: Python<'_>, host: &str) -> PyResult<Option<Self>> {
        let place = keyferry_embedded::place(host).raise()?;
        py.detach(|| engine::memory_of_process(&place)).raise().map(|memory| memory.map(Self))
    }

    /// Makes sure that a vault has the key of before.
    fn vault(&self, py: Python<'_>, id: &str, wrapped: Option<&str>, private_pem: &str) -> PyResult<()> {
        py.detach(|| {
            let wrapped = wrapped.filter(|wrapped| !wrapped.is_empty());
            let key = wrapped.map(|wrapped| unwrap(wrapped, private_pem)).transpose()?;
            self.0.vault_agrees(id, key.as_deref()).map(drop).raise()
        })
    }

    /// Makes sure that an item is under the vault key of before, and is no other than the one that was written as it.
    fn item(&self, py: Python<'_>, item: Answered, private_pem: &str) -> PyResult<()> {
        py.detach(|| {
            let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
            let (Some(wrapped), Some(key)) = (given(&item.wrapped), given(&item.key)) else {
                // A record without secrets has no key.
                let holds_secrets =
                    given(&item.password).is_some() || item.customs.is_some_and(|all| !all.is_empty());
                return if holds_secrets {
                    self.0.vault_agrees(&item.vault, None).map(drop).raise()
                } else {
                    Ok(())
                };
            };
            let vault_key = unwrap(&wrapped, private_pem)?;
            self.0.vault_agrees(&item.vault, Some(&vault_key)).raise()?;
            envelope::decrypt_text(&key, &vault_key).raise()?;
            let customs: Vec<_> = item.customs.iter().flatten().map(Field::as_json).collect();
            let sealed = json!({
                "id": item.id, "vaultId": item.vault, "keyEncrypted": key, "passwordEncrypted": item.password,
                "customs": customs,
            });
            let sealed = serde_json::from_value(sealed)
                .map_err(|error| Error::new(ErrorKind::Protocol, "the answer is no item").because(error))
                .raise()?;
            let rekeyed = self.0.exchanged([&sealed]).raise()?.contains(&item.id);
            if rekeyed && !self.0.knows_vault(&item.vault).raise()? {
                let what = "it was written here with another key, and stands in a vault that was never seen";
                return Err(Error::new(ErrorKind::NotAllowed, what)).raise();
            }
            let first = self.0.record(&item.id, &item.vault, Some(&vault_key)).raise()?;
            self.0.pin_vault(&item.vault, Some(&vault_key)).raise()?;
            self.0.pin_all(first.as_slice()).raise()
        })
    }

    /// Whether a vault's key was seen before: what is written there is to be encrypted.
    fn knows(&self, vault: &str) -> PyResult<bool> {
        self.0.knows_vault(vault).raise()
    }
}
