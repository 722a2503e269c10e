//! Decrypts an environment's records, says `holding`, waits for a line; drops everything, says
//! `dropped`, waits again. `tests/wiping.rs` looks into its memory in between.
//!
//! The server's address is in `URL`, the token in `KEYFERRY_TOKEN`; the master password comes in a
//! file, named in `KEYFERRY_MASTER_PASSWORD_FILE`, and the records in those named in `RECORDS`, as the process's variables are in its memory too.

#![expect(clippy::print_stdout, reason = "a word on standard output is how it says where it is")]

use keyferry_core::client::{Client, Session, http_transport};
use keyferry_core::crypto::keychain::Keychain;
use keyferry_core::crypto::record::Protection;
use keyferry_core::crypto::{attachment, bulk, master_key};
use keyferry_core::engine::{Endpoint, Environment, Options, Silent, Unlock, verify};
use keyferry_core::model::{Record, RecordPath};
use keyferry_core::secret::{SecretBytes, SecretString};
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

type Failure = Box<dyn std::error::Error>;

fn variable(name: &str) -> Result<String, Failure> {
    Ok(std::env::var(name)?)
}

/// Says a word and waits for a line.
fn stop(word: &str) -> Result<(), Failure> {
    println!("{word}");
    io::stdout().flush()?;
    io::stdin().read_line(&mut String::new())?;
    Ok(())
}

/// Everything that is to be wiped.
struct Held {
    _password: SecretString,
    _master_key: SecretString,
    _keychain: Keychain,
    records: Vec<Record>,
    contents: Vec<SecretBytes>,
}

async fn read() -> Result<Held, Failure> {
    let file = std::fs::read(variable("KEYFERRY_MASTER_PASSWORD_FILE")?)?;
    let password = SecretBytes::new(file).into_text().ok_or("the password is not text")?;
    let token = SecretString::new(variable("KEYFERRY_TOKEN")?);
    let transport = http_transport(&variable("URL")?.parse()?, Duration::from_secs(30))?;
    let client = Client::new(transport, "here", Session { access_token: Some(token), ..Session::default() });
    let options = client.master_key_options().await?.master_key_options.ok_or("no options")?;
    let master_key = master_key::derive(&password, &options.parse::<master_key::Options>()?.check()?);
    client.set_master_key_hash(master_key::hash(&master_key));
    let pair = client.user_keys().await?.keys.ok_or("no keys")?;
    let keychain = Keychain::unlock(&pair.private_encrypted, &master_key)?;
    let (mut records, mut contents) = (Vec::new(), Vec::new());
    for vault in client.vaults().await? {
        let key = keychain.vault_key(&vault.master_key_encrypted.ok_or("no vault key")?, None)?;
        let places = client.item_places(&vault.id).await?.read()?.collect::<Result<Vec<_>, _>>()?;
        let ids: Vec<String> = places.into_iter().map(|place| place.id.into_string()).collect();
        let items = client.items(&ids).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let opened = bulk::decrypt(&items, Protection::VaultKey(&key), |_| RecordPath::default());
        for (item, opened) in items.iter().zip(opened) {
            let opened = opened?;
            for info in &item.attachments {
                let wire = client.attachment(&item.id, &info.id).await?;
                contents.push(attachment::decrypt(&wire, opened.key.as_ref())?.content);
            }
            records.push(opened.record);
        }
    }
    // The engine's own way as well: read, digested, compared with the files that hold the same records.
    let unlock = Unlock::MasterKey(master_key.clone());
    let environment = Arc::new(Environment::open(client, Some(unlock)).await?);
    let here = Endpoint::Environment(environment, RecordPath::default());
    for path in std::env::split_paths(&variable("RECORDS")?) {
        let file = Endpoint::File { path, format: None };
        let report = verify(&file, &here, &Options::default(), &Silent::default()).await?;
        // A table has no room for attachments.
        if report.read != records.len() as u64 || report.verified == 0 {
            return Err("the engine reads otherwise".into());
        }
    }
    Ok(Held { _password: password, _master_key: master_key, _keychain: keychain, records, contents })
}

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    let held = runtime.block_on(read())?;
    stop(&format!("holding {} records and {} attachments", held.records.len(), held.contents.len()))?;
    drop(held);
    drop(runtime);
    stop("dropped")
}
