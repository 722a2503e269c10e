//! Whatever goes in comes out, and whatever is damaged is an error, never a panic.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use keyferry_crypto::ErrorKind;
use keyferry_crypto::model::{Attachment, Custom, CustomKind, Record, RecordPath};
use keyferry_crypto::record::Protection;
use keyferry_crypto::secret::{SecretBytes, SecretString};
use keyferry_crypto::{account, attachment, base32, bulk, envelope, generate, keychain, master_key, totp};
use proptest::prelude::*;

fn secret() -> impl Strategy<Value = SecretString> {
    any::<String>().prop_map(SecretString::new)
}

fn record() -> impl Strategy<Value = Record> {
    let custom = (any::<String>(), "text|password|totp|[a-z]{1,9}", secret())
        .prop_map(|(name, kind, value)| Custom { name, kind: CustomKind::from(kind.as_str()), value });
    let attachment = (any::<String>(), prop::collection::vec(any::<u8>(), 0..300))
        .prop_map(|(name, content)| Attachment { name, content: SecretBytes::new(content) });
    let plain = (any::<String>(), any::<String>(), any::<String>(), any::<String>());
    let lists = (
        prop::collection::vec(any::<String>(), 0..3),
        prop::collection::vec(custom, 0..6),
        prop::collection::vec(attachment, 0..3),
    );
    (plain, lists, prop::option::of(secret()), prop::option::of(1_i64..20), any::<bool>()).prop_map(
        |((name, login, url, description), (tags, customs, attachments), password, color, favorite)| Record {
            path: RecordPath { vault: Some("v".into()), folders: vec![] },
            name,
            login,
            password,
            url,
            description,
            tags,
            color,
            favorite,
            customs,
            attachments,
            created_at: None,
            changed_at: None,
            also_in: Vec::new(),
            history: Vec::new(),
            sealed_under: None,
        },
    )
}

/// Through the wire's own JSON, as an environment would hand it back.
fn there_and_back(records: &[Record], protection: Protection<'_>) -> Vec<Record> {
    let pairs: Vec<_> = records.iter().map(|record| (record.clone(), protection)).collect();
    let drafts: Vec<_> = bulk::encrypt(&pairs).into_iter().map(Result::unwrap).collect();
    let files: Vec<_> = drafts.iter().map(|draft| draft.attachments.clone().unwrap_or_default()).collect();
    let items: Vec<_> = drafts
        .iter()
        .map(|draft| {
            let mut wire = serde_json::to_value(draft).unwrap();
            wire["id"] = "0".into();
            wire["vaultId"] = "0".into();
            wire["attachments"] = serde_json::json!([]);
            serde_json::from_value(wire).unwrap()
        })
        .collect();
    let path = RecordPath { vault: Some("v".into()), folders: vec![] };
    let opened = bulk::decrypt(&items, protection, |_| path.clone());
    let whole = opened.into_iter().zip(files).map(|(opened, files)| {
        let opened = opened.unwrap();
        let open = |file| attachment::decrypt(file, opened.key.as_ref()).unwrap();
        Record { attachments: files.iter().map(open).collect(), ..opened.record }
    });
    whole.collect()
}

proptest! {
    #[test]
    fn records_come_back_whole(records in prop::collection::vec(record(), 0..40)) {
        let key = generate::key().unwrap();
        prop_assert_eq!(&there_and_back(&records, Protection::VaultKey(&key)), &records);
        prop_assert_eq!(&there_and_back(&records, Protection::Unencrypted), &records);
    }

    #[test]
    fn envelopes_come_back(content in prop::collection::vec(any::<u8>(), 0..2000), passphrase in secret()) {
        let sealed = envelope::encrypt(&SecretBytes::new(content.clone()), &passphrase).unwrap();
        prop_assert!(envelope::is_envelope(&sealed));
        let opened = envelope::decrypt(&sealed, &passphrase).unwrap();
        prop_assert_eq!(opened.expose(), content);
    }

    #[test]
    fn base32_comes_back_and_takes_anything(bytes in prop::collection::vec(any::<u8>(), 0..200), junk in any::<String>()) {
        prop_assert_eq!(base32::decode(&base32::encode(&bytes)), bytes);
        let _ = base32::decode(&junk);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in any::<String>(), passphrase in secret()) {
        let _ = envelope::is_envelope(&text);
        prop_assert!(envelope::decrypt(&text, &passphrase).is_err());
        let _ = envelope::decode_plain(&text);
        let _ = text.parse::<master_key::Options>();
        let _ = totp::Totp::parse(&text.as_str().into()).map(|totp| totp.code(0));
        prop_assert!(keychain::PublicKey::from_pem(&text).is_err());
        prop_assert!(keychain::Keychain::from_pem(&text.as_str().into()).is_err());
    }

    /// CBC has no authentication, so damage may go unnoticed; it must only never panic, and every
    /// error must be of the kind for damage.
    #[test]
    fn a_damaged_envelope_is_an_error_or_other_text(
        content in any::<String>(), cut in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(), to in any::<char>(),
    ) {
        let key = generate::key().unwrap();
        let sealed = envelope::encrypt_text(&content, &key).unwrap();
        let cut: String = sealed.chars().take(cut.index(sealed.len())).collect();
        if let Err(error) = envelope::decrypt_text(&cut, &key) {
            prop_assert_eq!(error.kind(), ErrorKind::Decrypt);
        }
        let mut flipped: Vec<char> = sealed.chars().collect();
        let place = flip.index(flipped.len());
        flipped[place] = to;
        let flipped: String = flipped.into_iter().collect();
        if let Err(error) = envelope::decrypt_text(&flipped, &key) {
            prop_assert_eq!(error.kind(), ErrorKind::Decrypt);
        }
    }
}

#[test]
fn damage_of_every_kind_has_a_message_without_content() {
    let key = generate::key().unwrap();
    let sealed = envelope::encrypt_text("planted", &key).unwrap();
    let other = generate::key().unwrap();
    let marker = base32::encode(b"UGVwcGVyZWRfXzEyMzQ1Njc4MDEyMzQ1Njc4OTAxMjM0NQ==");
    let short = base32::encode(data_encoding::BASE64.encode(b"Salted__12345678").as_bytes());
    let odd = base32::encode(data_encoding::BASE64.encode(b"Salted__12345678123").as_bytes());
    for (text, passphrase, what) in [
        ("", &key, "not an envelope: the marker is missing"),
        ("!!!!", &key, "not an envelope: the marker is missing"),
        (&marker, &key, "not an envelope: the marker is missing"),
        (&short, &key, "the envelope is cut short"),
        (&odd, &key, "the envelope is cut short"),
        (&sealed[..sealed.len() - 40], &key, "the envelope is cut short"),
    ] {
        let error = envelope::decrypt_text(text, passphrase).unwrap_err();
        assert_eq!((error.kind(), error.what()), (ErrorKind::Decrypt, what), "{text}");
    }
    // One wrong key in 256 passes the padding, and then hardly ever as text.
    let wrong = envelope::decrypt_text(&sealed, &other);
    assert!(wrong.is_err() || wrong.is_ok_and(|text| text.expose() != "planted"));
}

#[test]
fn a_wrong_private_key_never_gives_a_vault_key() {
    let account = |password: &str| account::generate(&SecretString::from(password)).unwrap();
    let (alice, mallory) = (account("a"), account("b"));
    let open = |account: &account::NewAccount| {
        keychain::Keychain::unlock(&account.private_encrypted, &account.master_key).unwrap()
    };
    let (hers, theirs) = (open(&alice), open(&mallory));
    let key = generate::key().unwrap();
    let wrapped = hers.public().wrap(&key).unwrap();
    assert_eq!(hers.vault_key(&wrapped, None).unwrap().expose(), key.expose());
    for _ in 0..20 {
        let wrapped = hers.public().wrap(&generate::key().unwrap()).unwrap();
        assert_eq!(theirs.vault_key(&wrapped, None).unwrap_err().kind(), ErrorKind::Decrypt);
    }
    let hash = keychain::vault_key_hash(&key, "salt");
    let proof = keychain::VaultProof { hash: &hash, salt: "other" };
    let wrapped = hers.public().wrap(&key).unwrap();
    assert_eq!(hers.vault_key(&wrapped, Some(proof)).unwrap_err().kind(), ErrorKind::Decrypt);
    // A key that is known already is checked again: another vault may claim the same ciphertext.
    let genuine = keychain::VaultProof { hash: &hash, salt: "salt" };
    assert_eq!(hers.vault_key(&wrapped, Some(genuine)).unwrap().expose(), key.expose());
    assert_eq!(hers.vault_key(&wrapped, Some(proof)).unwrap_err().kind(), ErrorKind::Decrypt);
    let locked = keychain::Keychain::unlock(&alice.private_encrypted, &mallory.master_key);
    assert_eq!(locked.unwrap_err().kind(), ErrorKind::Locked);
}

#[test]
fn weak_and_endless_key_derivation_is_refused() {
    let check = |text: &str| text.parse::<master_key::Options>().and_then(master_key::Options::check);
    assert!(check("pbkdf:sha256:300000:64:AAAAAAAAAAAAAAAAAAAA").is_ok());
    let old = |text: &str| text.parse::<master_key::Options>().and_then(master_key::Options::check_ceilings);
    for text in [
        "pbkdf:sha256:299999:64:AAAAAAAAAAAAAAAAAAAA",
        "pbkdf:sha256:300000:31:AAAAAAAAAAAAAAAAAAAA",
        "pbkdf:sha1:300000:64:AAAAAAAAAAAAAAAAAAAA",
        "pbkdf:sha256:300000:64:AAAAAAAAAAAAAAA",
    ] {
        assert_eq!(check(text).unwrap_err().kind(), ErrorKind::NotAllowed, "{text}");
        assert!(old(text).is_ok(), "{text}");
    }
    for text in [
        "pbkdf:sha256:10000001:64:AAAAAAAAAAAAAAAAAAAA",
        "pbkdf:sha256:10000000:1024:AAAAAAAAAAAAAAAAAAAA",
        "pbkdf:sha256:300000:1025:AAAAAAAAAAAAAAAAAAAA",
        "pbkdf:md5:300000:64:A",
        "argon2:sha256:300000:64:A",
        "pbkdf:sha256:300000:64",
        "",
    ] {
        assert_eq!(check(text).unwrap_err().kind(), ErrorKind::Protocol, "{text}");
    }
}
