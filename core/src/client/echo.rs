//! What a server repeats of a request in its errors: tokens and secrets stay out of what people, logs and reports show.

use crate::client::Credentials;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyferry_api::error::ErrorBody;
use serde_json::Value;
use std::mem;
use zeroize::Zeroizing;

/// What stands in the place of a secret.
const HIDDEN: &str = "[hidden]";

/// A shorter one is in too many words to be told from them.
const SHORTEST: usize = 4;

/// The members of requests that hold secrets, some of them in base64 where nothing is encrypted by clients.
const SECRET: &[&str] = &[
    "password",
    "passwordEncrypted",
    "value",
    "code",
    "refreshToken",
    "accessToken",
    "encryptedKey",
    "encryptedData",
    "keyEncrypted",
    "vaultMasterKeyEncrypted",
    "masterKeyEncrypted",
    "masterKeyHash",
    "privateEncrypted",
    "newPassword",
    "oldPassword",
];

/// What a request said in confidence, the longest first: one that holds another goes before it.
pub(super) struct Confided(Vec<Zeroizing<String>>);

impl Confided {
    /// Gathers it from what a request carried.
    pub(super) fn of(credentials: Option<&Credentials>, body: Option<&[u8]>) -> Self {
        let mut secrets: Vec<Zeroizing<String>> = Vec::new();
        if let Some(credentials) = credentials {
            let tokens = [credentials.access_token.as_ref(), credentials.refresh_token.as_ref()];
            secrets
                .extend(tokens.into_iter().flatten().map(|token| Zeroizing::new(token.expose().to_owned())));
            secrets.extend(credentials.master_key_hash.clone().map(Zeroizing::new));
        }
        if let Some(Ok(mut body)) = body.map(serde_json::from_slice::<Value>) {
            gather(&mut body, false, &mut secrets);
        }
        secrets.retain(|secret| secret.chars().count() >= SHORTEST);
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    /// Takes it out of the errors that answer the request.
    pub(super) fn hide_in(&self, errors: &mut ErrorBody) {
        for entry in &mut errors.errors {
            let texts = [Some(&mut entry.code), Some(&mut entry.message), entry.field.as_mut()];
            for text in texts.into_iter().flatten() {
                for secret in &self.0 {
                    if text.contains(secret.as_str()) {
                        *text = text.replace(secret.as_str(), HIDDEN);
                    }
                }
            }
        }
    }
}

/// Takes the texts out of those members that hold secrets.
fn gather(value: &mut Value, secret: bool, secrets: &mut Vec<Zeroizing<String>>) {
    match value {
        Value::String(text) => {
            let text = Zeroizing::new(mem::take(text));
            if secret {
                let plain =
                    STANDARD.decode(text.as_bytes()).ok().and_then(|plain| String::from_utf8(plain).ok());
                secrets.extend(plain.map(Zeroizing::new));
                secrets.push(text);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|one| gather(one, secret, secrets)),
        Value::Object(members) => {
            for (name, value) in members {
                gather(value, SECRET.contains(&name.as_str()), secrets);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyferry_api::error::ErrorEntry;

    #[test]
    fn what_a_server_repeats_of_tokens_and_secrets_is_hidden() {
        let credentials = Credentials {
            access_token: Some("planted-access".into()),
            refresh_token: Some("planted-refresh".into()),
            master_key_hash: Some("planted-hash".to_owned()),
            generation: 0,
        };
        let body = serde_json::json!({ "requests": [{ "body": {
            "name": "the record", "passwordEncrypted": STANDARD.encode("planted password"),
            "customs": [{ "value": STANDARD.encode("planted value") }],
        } }] });
        let said = |message: &str| {
            let entry = ErrorEntry { message: message.to_owned(), ..ErrorEntry::default() };
            let mut errors = ErrorBody { errors: vec![entry] };
            Confided::of(Some(&credentials), Some(body.to_string().as_bytes())).hide_in(&mut errors);
            errors.errors.remove(0).message
        };
        for secret in
            ["planted-access", "planted-refresh", "planted-hash", "planted password", "planted value"]
        {
            assert_eq!(said(&format!("`{secret}`: no")), "`[hidden]`: no");
        }
        assert_eq!(said(&STANDARD.encode("planted value")), "[hidden]");
        assert_eq!(said("the record is not good"), "the record is not good");
    }
}
