//! Fixed, lifelike inputs that every bench and every peer works on.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "a bench that cannot be set up ends"
)]

use keyferry_api::item::{Item, ItemDraft};
use keyferry_core::client::{Client, Session, Transport, in_process};
use keyferry_core::crypto::record::Protection;
use keyferry_core::crypto::{account, bulk, generate};
use keyferry_core::engine::{Endpoint, Environment, Unlock};
use keyferry_core::model::{Custom, CustomKind, Record, RecordPath};
use keyferry_core::secret::SecretString;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt as _;

/// A record with a password and three custom fields: the unit of all comparisons.
pub fn record(number: usize) -> Record {
    let custom = |name: &str, kind, value: String| Custom { name: name.into(), kind, value: value.into() };
    Record {
        path: RecordPath { vault: Some("Infra".into()), folders: vec!["Databases".into()] },
        name: format!("server-{number}"),
        login: "postgres".into(),
        password: Some(format!("correct horse battery {number}").into()),
        url: "https://db.example:5432".into(),
        customs: vec![
            custom("API key", CustomKind::Password, format!("k-{number:032}")),
            custom("port", CustomKind::Text, "5432".into()),
            custom("otp", CustomKind::Totp, "otpauth://totp/Lab:ops?secret=GEZDGNBVGY3TQOJQ".into()),
        ],
        ..Record::default()
    }
}

/// A fresh vault key.
pub fn vault_key() -> SecretString {
    generate::key().expect("randomness")
}

/// The item that a server would answer for a draft.
pub fn stored(draft: ItemDraft) -> Item {
    let mut wire = serde_json::to_value(draft).expect("a draft is JSON");
    wire["id"] = "000000000000000000000000".into();
    wire["vaultId"] = "000000000000000000000001".into();
    serde_json::from_value(wire).expect("a draft's members are an item's")
}

/// Insists that each item opens to its record, whole: results are checked before they are timed.
pub fn assert_opens(items: &[Item], records: &[(Record, Protection<'_>)], protection: Protection<'_>) {
    assert_eq!(items.len(), records.len());
    let path = record(0).path;
    let opened = bulk::decrypt(items, protection, |_| path.clone());
    for (opened, (record, _)) in opened.into_iter().zip(records) {
        assert_eq!(opened.expect("its own vault key opens it").record, *record);
    }
}

/// A CSV of so many rows and twelve columns.
pub fn csv(rows: usize) -> String {
    let mut bytes = Vec::new();
    write_csv(rows, &mut bytes).expect("memory takes everything");
    String::from_utf8(bytes).expect("it is written as text")
}

/// The same, to wherever there is room for it.
pub fn write_csv(rows: usize, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "vault,folder,name,login,password,url,notes,tags,API key,port,region,owner")?;
    for row in 0..rows {
        writeln!(
            out,
            "Vault {},Team {}/Service {},server-{row},user{},\"p,{row:x}\"\"w\",https://s{row}.example/x,\"note {row}\nsecond line\",\"prod,db\",k-{row:020},{},eu-{},owner{}",
            row % 5,
            row % 40,
            row % 400,
            row % 977,
            row % 65_536,
            row % 4,
            row % 31
        )?;
    }
    Ok(())
}

/// A new, empty environment in `folder`, in this process. Each answer is held back for `delay`, and
/// at most `at_once` requests are under way, where that is said.
pub async fn environment(folder: &Path, delay: Duration, at_once: Option<usize>) -> Endpoint {
    let account = account::generate(&SecretString::from("a master password")).expect("a new environment");
    let server = keyferry_server::Environment::create(folder, true).expect("a new environment");
    let keys = keyferry_api::user::KeyPair {
        public: account.public_pem.clone(),
        private_encrypted: account.private_encrypted.clone(),
    };
    let user = keyferry_api::user::NewUser {
        login: None,
        user_role_id: None,
        is_blocked: None,
        email: None,
        full_name: None,
        username: Some("admin".into()),
        password: Some("a login password".into()),
        master_key_hash: Some(account.master_key_hash.clone()),
        master_key_options: Some(account.master_key_options.clone()),
        keys: Some(keys),
    };
    let id = server.add_user(user).expect("a new environment");
    let tokens = server.issue_session(&id).expect("a new environment");
    let session = Session { access_token: tokens.access_token.map(SecretString::new), ..Session::default() };
    let direct = in_process(server.router(keyferry_server::ServeOptions::default()));
    let client = if delay.is_zero() {
        Client::new(direct, "bench", session).with_batch_limit(500)
    } else {
        let slow = tower::service_fn(move |request| {
            let direct = direct.clone();
            async move {
                tokio::time::sleep(delay).await;
                direct.oneshot(request).await
            }
        });
        Client::new(Transport::new(slow), "bench", session)
    };
    if let Some(at_once) = at_once {
        client.limit_requests(at_once);
    }
    let environment = Environment::open(client, Some(Unlock::MasterKey(account.master_key)))
        .await
        .expect("a new environment");
    Endpoint::Environment(Arc::new(environment), RecordPath::default())
}
