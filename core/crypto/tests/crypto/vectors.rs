//! Every vector in `tests/vectors`, made by Passwork's official client with fixed randomness.

#![expect(clippy::unwrap_used, reason = "a vector that cannot be read fails its test")]

use data_encoding::HEXLOWER;
use keyferry_crypto::keychain::{Keychain, PublicKey, VaultProof, vault_key_hash};
use keyferry_crypto::model::{Attachment, RecordPath};
use keyferry_crypto::record::Protection;
use keyferry_crypto::secret::{SecretBytes, SecretString};
use keyferry_crypto::{attachment, base32, envelope, master_key, record, session_file, totp::Totp};
use serde_json::{Value, json};

fn vectors(name: &str) -> Value {
    let path = format!("{}/../../tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn each(name: &str) -> Vec<Value> {
    let all = vectors(name).as_array().unwrap().clone();
    assert!(!all.is_empty());
    all
}

fn text<'a>(vector: &'a Value, member: &str) -> &'a str {
    vector[member].as_str().unwrap_or_else(|| panic!("{member} in {vector}"))
}

fn hex(vector: &Value, member: &str) -> Vec<u8> {
    HEXLOWER.decode(text(vector, member).as_bytes()).unwrap()
}

#[test]
fn base32_as_the_official_client() {
    for vector in each("base32_encode") {
        assert_eq!(base32::encode(text(&vector, "text").as_bytes()), text(&vector, "encoded"));
        assert_eq!(base32::decode(text(&vector, "encoded")), text(&vector, "text").as_bytes());
    }
    for vector in each("base32_decode") {
        let decoded = String::from_utf8(base32::decode(text(&vector, "encoded")));
        match vector.get("error") {
            None => assert_eq!(decoded.unwrap(), text(&vector, "text")),
            Some(_) => assert!(decoded.is_err(), "{vector}"),
        }
    }
}

#[test]
fn key_and_iv_from_passphrase_and_salt() {
    for vector in each("evp_bytes_to_key") {
        let salt = hex(&vector, "salt").try_into().unwrap();
        let derived = envelope::derive_key(&text(&vector, "passphrase").into(), salt);
        assert_eq!(derived[..32], hex(&vector, "key"));
        assert_eq!(derived[32..], hex(&vector, "iv"));
    }
}

#[test]
fn envelopes_open_and_are_made_alike_under_the_same_salt() {
    for name in ["envelope_text", "envelope_bytes"] {
        for vector in each(name) {
            let plaintext = match vector.get("plaintext") {
                Some(plaintext) => plaintext.as_str().unwrap().as_bytes().to_vec(),
                None => hex(&vector, "plaintext_hex"),
            };
            let passphrase = SecretString::from(text(&vector, "passphrase"));
            let sealed = text(&vector, "envelope");
            assert_eq!(envelope::decrypt(sealed, &passphrase).unwrap().expose(), plaintext);
            let inside = base32::decode(sealed);
            let bytes = data_encoding::BASE64.decode(&inside).unwrap();
            let salt = bytes[8..16].try_into().unwrap();
            assert_eq!(envelope::encrypt_with_salt(&plaintext, &passphrase, salt).unwrap(), sealed);
            assert!(envelope::is_envelope(sealed));
        }
    }
}

#[test]
fn without_encryption_it_is_base64() {
    for vector in each("no_encryption") {
        assert_eq!(envelope::encode_plain(text(&vector, "plaintext").as_bytes()), text(&vector, "encoded"));
        let decoded = envelope::decode_plain(text(&vector, "encoded")).unwrap();
        assert_eq!(decoded.expose(), text(&vector, "plaintext").as_bytes());
    }
}

#[test]
fn master_keys_and_their_hashes() {
    for vector in each("master_key") {
        let options: master_key::Options = text(&vector, "options").parse().unwrap();
        assert_eq!(options.to_string(), text(&vector, "options"));
        let key = master_key::derive(&text(&vector, "password").into(), &options);
        assert_eq!(key.expose(), text(&vector, "master_key"));
        assert_eq!(master_key::hash(&key), text(&vector, "master_key_hash"));
    }
}

#[test]
fn rsa_opens_both_paddings_and_both_lengths() {
    for vector in each("rsa") {
        let keychain = Keychain::from_pem(&text(&vector, "private_pem").into()).unwrap();
        assert_eq!(
            keychain.unwrap(text(&vector, "ciphertext")).unwrap().expose(),
            text(&vector, "plaintext")
        );
        let public = PublicKey::from_pem(text(&vector, "public_pem")).unwrap();
        let secret = SecretString::from(text(&vector, "plaintext"));
        assert_eq!(keychain.unwrap(&public.wrap(&secret).unwrap()).unwrap(), secret);
        assert!(keychain.unwrap("AAAA").is_err());
    }
}

#[test]
fn the_whole_chain_from_master_password_to_attachment() {
    let chain = vectors("chain");
    let options: master_key::Options = text(&chain, "master_key_options").parse().unwrap();
    let key = master_key::derive(&text(&chain, "master_password").into(), &options.check().unwrap());
    assert_eq!(key.expose(), text(&chain, "master_key"));
    assert_eq!(master_key::hash(&key), text(&chain, "master_key_hash"));
    let keychain = Keychain::unlock(text(&chain["user_keys"], "privateEncrypted"), &key).unwrap();
    let vault = &chain["vault"];
    let proof = VaultProof { hash: text(vault, "masterKeyHash"), salt: text(vault, "salt") };
    let vault_key = keychain.vault_key(text(vault, "masterKeyEncrypted"), Some(proof)).unwrap();
    assert_eq!(vault_key.expose(), text(&chain["expect"], "vault_key"));
    assert_eq!(vault_key_hash(&vault_key, proof.salt), proof.hash);

    let mut wire = chain["item"].clone();
    let attachments = wire["attachments"].clone();
    wire["id"] = json!("0");
    wire["vaultId"] = json!("0");
    wire["attachments"] = json!([]);
    let item: keyferry_api::item::Item = serde_json::from_value(wire).unwrap();
    let record_key = record::record_key(&item, Protection::VaultKey(&vault_key)).unwrap();
    assert_eq!(record_key.as_ref().unwrap().expose(), text(&chain["expect"], "record_key"));
    let opened =
        record::decrypt(&[item], Protection::VaultKey(&vault_key), |_| RecordPath::default()).remove(0);
    let record = opened.unwrap().record;
    assert_eq!(record.password.unwrap().expose(), text(&chain["expect"], "password"));
    let customs: Vec<Value> = record
        .customs
        .iter()
        .map(|c| json!({"name": c.name, "type": c.kind.as_str(), "value": c.value.expose()}))
        .collect();
    assert_eq!(Value::from(customs), chain["expect"]["customs"]);
    let mut wire = attachments[0].clone();
    wire["name"] = json!("a");
    let opened = attachment::decrypt(&serde_json::from_value(wire).unwrap(), record_key.as_ref()).unwrap();
    assert_eq!(opened.content.expose(), hex(&chain["expect"], "attachment_hex"));
}

#[test]
fn attachments_in_both_modes_with_their_hash() {
    for vector in each("attachment") {
        let key = Some(SecretString::from(text(&vector, "record_key"))).filter(|key| !key.is_empty());
        let mut wire = vector["encrypted"].clone();
        wire["name"] = json!("a");
        let content = SecretBytes::new(hex(&vector, "data_hex"));
        let wire: keyferry_api::item::Attachment = serde_json::from_value(wire).unwrap();
        assert_eq!(attachment::decrypt(&wire, key.as_ref()).unwrap().content, content);
        let again = attachment::encrypt(&Attachment { name: "a".into(), content }, key.as_ref()).unwrap();
        assert_eq!(again.hash, wire.hash);
        if key.is_none() {
            assert_eq!(
                (again.encrypted_key, again.encrypted_data),
                (wire.encrypted_key, wire.encrypted_data)
            );
        }
    }
}

#[test]
fn one_time_codes_at_fixed_times() {
    for vector in each("totp") {
        let source = vector.get("uri").or(vector.get("secret")).unwrap().as_str().unwrap();
        let mut totp = Totp::parse(&source.into()).unwrap();
        if let Some(digits) = vector.get("digits").and_then(Value::as_u64) {
            totp = totp.with_digits(u32::try_from(digits).unwrap()).unwrap();
        }
        assert_eq!(totp.code(vector["time"].as_u64().unwrap()).expose(), text(&vector, "code"));
    }
    assert!(Totp::parse(&"otpauth://hotp/x?secret=JBSWY3DPEHPK3PXP&counter=1".into()).is_err());
}

#[test]
fn a_saved_session_of_the_official_client() {
    let vector = vectors("session_file");
    let inside = data_encoding::BASE64.decode(text(&vector, "file").as_bytes()).unwrap();
    let envelope_text = String::from_utf8(inside).unwrap();
    let content = envelope::decrypt_text(&envelope_text, &text(&vector, "encryption_key").into()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(content.expose()).unwrap(), vector["content"]);
}

#[test]
fn a_session_file_of_the_official_client_opens() {
    let vector = vectors("session_file");
    let key = text(&vector, "encryption_key").into();
    let opened = session_file::open(text(&vector, "file"), &key).unwrap();
    let content = &vector["content"];
    let secret = |member| Some(SecretString::from(text(content, member)));
    assert_eq!(opened.access_token, secret("access_token"));
    assert_eq!(opened.refresh_token, secret("refresh_token"));
    assert_eq!(opened.master_key, secret("master_key"));
    assert_eq!(opened.location, None);
    // Written anew it holds the same members, as the official client reads them.
    let again = session_file::open(&session_file::seal(&opened, &key).unwrap(), &key).unwrap();
    assert_eq!(serde_json::from_str::<Value>(again.to_json().unwrap().expose()).unwrap(), *content);
}
