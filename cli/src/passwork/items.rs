//! Items and shortcuts, fetched and decrypted as the official client does it: the answer's own object, with `password`
//! beside it and its custom fields in the clear.

use crate::passwork::failure::{Failure, Result, elements, member, text};
use crate::passwork::python::{decode_base64, decode_utf8};
use crate::passwork::server::Server;
use crate::passwork::value::Value;
use keyferry_core::crypto::keychain::Keychain;
use keyferry_core::crypto::{envelope, master_key};
use keyferry_core::engine::Memory;
use keyferry_core::secret::SecretString;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Requests in one batch.
const BATCH: usize = 25;
/// Batches under way at once.
const BATCHES: usize = 4;

/// An environment, unlocked where a master key was given: that alone decides whether anything is decrypted.
pub struct Client {
    /// For calls of any kind.
    pub server: Arc<Server>,
    keychain: Option<Keychain>,
    /// What is remembered of its keys.
    memory: Option<Memory>,
}

impl Client {
    /// Fetches and opens the user's private key, where there is a master key.
    pub async fn unlock(
        mut server: Server,
        master_key: Option<SecretString>,
        memory: Option<Memory>,
    ) -> Result<Self> {
        let Some(key) = master_key.filter(|key| !key.is_empty()) else {
            return Ok(Self { server: Arc::new(server), keychain: None, memory });
        };
        server.set_key_hash(master_key::hash(&key));
        let answer = server.get("/api/v1/users/keys", &Value::None).await?;
        let keys = member(&answer, "keys")?;
        let pem = open(member(keys, "privateEncrypted")?, &key)?;
        member(keys, "public")?;
        // The official client finds this out when it uses the key.
        let keychain = Keychain::from_pem(&pem).map_err(|error| Failure::value(error.to_string()))?;
        Ok(Self { server: Arc::new(server), keychain: Some(keychain), memory })
    }

    /// One item, also by the id of a shortcut.
    pub async fn item(&self, id: &str) -> Result<Value> {
        let mut item = self.server.get(&format!("/api/v1/items/{id}"), &Value::None).await?;
        self.decrypt(&mut item)?;
        Ok(item)
    }

    /// A shortcut, with its item as `password`.
    pub async fn shortcut(&self, id: &str) -> Result<Value> {
        let mut shortcut = self.server.get(&format!("/api/v1/shortcuts/{id}"), &Value::None).await?;
        let item = self.item(text(member(&shortcut, "id")?)?).await?;
        shortcut.set("password", item);
        Ok(shortcut)
    }

    /// Items; what is not answered is left out.
    pub async fn items(&self, ids: &[String]) -> Result<Vec<Value>> {
        let mut items = self.batch("items", ids).await?;
        items.iter_mut().try_for_each(|item| self.decrypt(item))?;
        Ok(items)
    }

    /// Shortcuts, each once, with their items; what is not answered is left out.
    pub async fn shortcuts(&self, ids: &[String]) -> Result<Vec<Value>> {
        let mut shortcuts: Vec<Value> = Vec::new();
        let mut places = HashMap::new();
        let mut found = Vec::new();
        for shortcut in self.batch("shortcuts", ids).await? {
            let id = text(member(&shortcut, "id")?)?.to_owned();
            if let Some(&place) = places.get(&id) {
                shortcuts[place] = shortcut;
            } else {
                places.insert(id.clone(), shortcuts.len());
                found.push(id);
                shortcuts.push(shortcut);
            }
        }
        for item in self.items(&found).await? {
            let id = text(member(&item, "id")?)?;
            let place = places.get(id).copied().ok_or_else(|| Failure::other(format!("'{id}'")))?;
            shortcuts[place].set("password", item);
        }
        Ok(shortcuts)
    }

    /// Everything that a search finds: items, then shortcuts.
    pub async fn search(&self, conditions: &Value) -> Result<Vec<Value>> {
        let nothing = Value::List(Vec::new());
        let found = self.server.get("/api/v1/items/search", conditions).await?;
        let mut ids = Vec::new();
        for item in elements(found.get("items").unwrap_or(&nothing))? {
            ids.push(text(member(item, "id")?)?.to_owned());
        }
        let mut items = self.items(&ids).await?;
        let found = self.server.get("/api/v1/shortcuts/search", conditions).await?;
        ids.clear();
        for shortcut in elements(found.get("items").unwrap_or(&nothing))? {
            ids.push(text(member(member(shortcut, "shortcut")?, "id")?)?.to_owned());
        }
        items.extend(self.shortcuts(&ids).await?);
        Ok(items)
    }

    /// The answers of status 200, in order.
    async fn batch(&self, area: &str, ids: &[String]) -> Result<Vec<Value>> {
        let bodies = ids.chunks(BATCH).map(|ids| {
            let request = |id: &String| {
                let path = format!("/api/v1/{area}/{id}");
                Value::dict([("method", "GET".into()), ("relativeUrl", path.as_str().into())])
            };
            Value::dict([("requests", Value::List(ids.iter().map(request).collect()))])
        });
        let mut waiting = bodies.enumerate();
        let mut under_way = JoinSet::new();
        let mut answers = Vec::new();
        loop {
            while under_way.len() < BATCHES {
                let Some((number, body)) = waiting.next() else { break };
                let server = Arc::clone(&self.server);
                under_way.spawn(async move { (number, server.send("POST", "/api/v1/batch", &body).await) });
            }
            let Some(done) = under_way.join_next().await else { break };
            let (number, answer) = done.map_err(|_| Failure::other("a request was given up"))?;
            answers.push((number, answer?));
        }
        answers.sort_by_key(|(number, _)| *number);
        let mut found = Vec::new();
        for (_, answer) in answers {
            for response in elements(member(&answer, "responses")?)? {
                if matches!(member(response, "statusCode")?, Value::Int(status) if status == "200") {
                    found.push(member(response, "body")?.clone());
                }
            }
        }
        Ok(found)
    }

    /// The key of a record; none without a master key.
    pub fn record_key(&self, item: &Value) -> Result<Option<SecretString>> {
        let Some(keychain) = &self.keychain else { return Ok(None) };
        let vault_key = unwrap(keychain, member(item, "vaultMasterKeyEncrypted")?)?;
        let key = open(member(item, "keyEncrypted")?, &vault_key)?;
        self.compare(item, &vault_key)?;
        Ok(Some(key))
    }

    /// Makes sure that a record is opened under the vault key of before. The official client believes each anew; that a
    /// key was exchanged is told all the same.
    fn compare(&self, item: &Value, vault_key: &SecretString) -> Result<()> {
        let name = |name| item.get(name).and_then(Value::text);
        let (Some(memory), Some(id), Some(vault)) = (&self.memory, name("id"), name("vaultId")) else {
            return Ok(());
        };
        let told = |error: keyferry_core::Error| {
            let next = error.next().map(|next| format!("; {next}")).unwrap_or_default();
            Failure::other(format!("{}{next}", error.what()))
        };
        memory.vault_agrees(vault, Some(vault_key)).map_err(told)?;
        // Written here under another key, and now in a vault that was never seen: nobody's word but the server's.
        let key = name("keyEncrypted");
        let password = name("passwordEncrypted");
        let sealed = serde_json::json!({
            "id": id, "vaultId": vault, "keyEncrypted": key, "passwordEncrypted": password,
        });
        let sealed: keyferry_api::item::Item =
            serde_json::from_value(sealed).map_err(|_| Failure::other("the answer is no item".to_owned()))?;
        if memory.exchanged([&sealed]).map_err(told)?.contains(id)
            && !memory.knows_vault(vault).map_err(told)?
        {
            return Err(Failure::other(format!(
                "record {id} was written here with another key, and stands in a vault that was never seen"
            )));
        }
        let first = memory.record(id, vault, Some(vault_key)).map_err(told)?;
        // Whoever cannot remember goes on, as the official command does.
        let _ = memory.pin_vault(vault, Some(vault_key)).and_then(|()| memory.pin_all(first.as_slice()));
        Ok(())
    }

    /// Makes sure that secrets which are sent without a master key go to no vault that is known to encrypt.
    pub fn may_be_clear(&self, vault: &str) -> Result<()> {
        let known = self.memory.as_ref().map(|memory| memory.knows_vault(vault)).transpose();
        let known = known.map_err(|error| Failure::other(error.what().to_owned()))?;
        if self.keychain.is_none() && known == Some(true) {
            return Err(Failure::other(format!(
                "vault {vault} encrypts, and no master key is given: its server could read what is written; give --master-key"
            )));
        }
        Ok(())
    }

    /// Makes sure that a vault's key can be had, where there is a master key.
    pub fn check_vault(&self, vault: &Value) -> Result<()> {
        match &self.keychain {
            None => Ok(()),
            Some(keychain) => unwrap(keychain, member(vault, "masterKeyEncrypted")?).map(drop),
        }
    }

    fn decrypt(&self, item: &mut Value) -> Result<()> {
        let key = self.record_key(item)?;
        let clear = |sealed: &Value| -> Result<Value> {
            let opened = if let Some(key) = &key {
                open(sealed, key)?
            } else {
                let bytes = decode_base64(sealed_text(sealed, "encode")?).map_err(Failure::value)?;
                decode_utf8(bytes).map_err(Failure::value)?
            };
            Ok(Value::Text(opened))
        };
        if let Some(sealed) = item.get("passwordEncrypted").filter(|sealed| sealed.is_true()) {
            let password = clear(sealed)?;
            item.set("password", password);
        }
        let Some(customs) = item.get("customs").filter(|customs| customs.is_true()) else { return Ok(()) };
        let mut opened = elements(customs)?.to_vec();
        for custom in &mut opened {
            for name in ["name", "type", "value"] {
                let value = clear(member(custom, name)?)?;
                custom.set(name, value);
            }
        }
        item.set("customs", Value::List(opened));
        Ok(())
    }
}

/// A text that is to be decoded, or what Python says of anything else.
fn sealed_text<'a>(value: &'a Value, attribute: &str) -> Result<&'a str> {
    value
        .text()
        .ok_or_else(|| Failure::other(format!("'{}' object has no attribute '{attribute}'", value.kind())))
}

/// Opens an envelope.
fn open(sealed: &Value, key: &SecretString) -> Result<SecretString> {
    let Some(sealed) = sealed.text() else {
        return Err(Failure::other(format!("'{}' object is not iterable", sealed.kind())));
    };
    // Python's words for a wrong key, which is what an envelope that cannot be opened nearly always means.
    let bytes = envelope::decrypt(sealed, key).map_err(|_| Failure::value("Invalid padding bytes."))?;
    decode_utf8(bytes).map_err(Failure::value)
}

fn unwrap(keychain: &Keychain, wrapped: &Value) -> Result<Arc<SecretString>> {
    let Some(wrapped) = wrapped.text() else {
        let what = "argument should be a bytes-like object or ASCII string, not";
        return Err(Failure::other(format!("{what} '{}'", wrapped.kind())));
    };
    if wrapped.is_empty() {
        return Err(Failure::value("Ciphertext length must be equal to key size."));
    }
    keychain.vault_key(wrapped, None).map_err(|_| Failure::value("Decryption failed"))
}
