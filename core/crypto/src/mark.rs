//! A mark within a record: whoever holds the record key sees that its fields belong together and to its name.
//!
//! `mark = first 8 bytes of HMAC-SHA-256[record key]("keyferry record mark 1" ‖ 0 ‖ texts)`, RFC 2104. The texts are, in
//! this order, name, login, URL and description; for each custom field its name, type and value; and the password. Each
//! goes as one byte 1, its length in bytes as 8 bytes, the highest first, and its UTF-8; before the custom fields goes
//! their number as 8 bytes; a password that is not there is one byte 0.
//!
//! The mark stands as the salt of the record's last envelope: of its password, or of its last custom field's value where
//! it has none. A salt is free to be chosen, and stays as long as its envelope does, so Passwork and its clients neither
//! see the mark nor lose it; whatever they write anew comes without one. Equal records under one record key have equal
//! marks, so an environment sees that a record was set back to what it was.
//!
//! Passwork's envelopes are not authenticated and do not say what they are of; a marked record's are, and do: what was
//! damaged, exchanged among fields, left out, or given another record's name has another mark. An older version of a
//! record has the mark that it had then.

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Attachment, Record};
use crate::secret::{SecretString, wiped};
use crate::{envelope, mac};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Whether records carry marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marks {
    /// Nobody asks.
    #[default]
    Free,
    /// What is written carries one.
    Write,
    /// What is written carries one, and what is read has to.
    Require,
}

impl Marks {
    /// The choice of that name.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for any other word.
    pub fn from_name(word: &str) -> Result<Self> {
        match word {
            "free" => Ok(Marks::Free),
            "write" => Ok(Marks::Write),
            "require" => Ok(Marks::Require),
            _ => Err(Error::new(ErrorKind::Usage, "marks are free, write or require")
                .next_step("give one of these words to --marks or KEYFERRY_MARKS")),
        }
    }
}

/// The mark of a record.
#[must_use]
pub fn of(record: &Record, key: &SecretString) -> [u8; 8] {
    wiped(|| {
        let mut mac = keyed(key, b"keyferry record mark 1\0");
        for one in [&record.name, &record.login, &record.url, &record.description] {
            take(&mut mac, one.as_bytes());
        }
        mac.update(&(record.customs.len() as u64).to_be_bytes());
        for custom in &record.customs {
            for one in [custom.name.as_str(), custom.kind.as_str(), custom.value.expose()] {
                take(&mut mac, one.as_bytes());
            }
        }
        match &record.password {
            Some(password) => take(&mut mac, password.expose().as_bytes()),
            None => mac.update(&[0]),
        }
        first_of(mac)
    })
}

/// The mark of an attachment, which stands as the salt of its key's envelope:
/// `first 8 bytes of HMAC-SHA-256[record key]("keyferry attachment mark 1" ‖ 0 ‖ name ‖ content)`, both as texts go.
#[must_use]
pub fn of_attachment(attachment: &Attachment, key: &SecretString) -> [u8; 8] {
    wiped(|| {
        let mut mac = keyed(key, b"keyferry attachment mark 1\0");
        take(&mut mac, attachment.name.as_bytes());
        take(&mut mac, attachment.content.expose());
        first_of(mac)
    })
}

/// Makes sure that an envelope, of whatever was opened, carries this mark.
///
/// # Errors
/// [`ErrorKind::NotAllowed`] where it does not.
pub fn check(carrier: Option<&str>, mark: [u8; 8]) -> Result<()> {
    let salt = carrier.and_then(|text| envelope::salt(text).ok());
    if salt.is_some_and(|salt| salt.ct_eq(&mark).into()) { Ok(()) } else { Err(missing()) }
}

fn keyed(key: &SecretString, label: &[u8]) -> Hmac<Sha256> {
    let mut mac: Hmac<Sha256> = mac::keyed(key.expose().as_bytes());
    mac.update(label);
    mac
}

fn take(mac: &mut Hmac<Sha256>, text: &[u8]) {
    mac.update(&[1]);
    mac.update(&(text.len() as u64).to_be_bytes());
    mac.update(text);
}

fn first_of(mac: Hmac<Sha256>) -> [u8; 8] {
    let whole = mac.finalize().into_bytes();
    std::array::from_fn(|number| whole[number])
}

/// What there is to say of a record without its mark.
pub(crate) fn missing() -> Error {
    Error::new(ErrorKind::NotAllowed, "it does not carry the mark that keyferry leaves, and marks are required")
        .next_step(
            "somebody changed it with another client, or the server exchanged something: look at it, then write it anew with --marks write",
        )
}

/// Whether an error says that a mark is missing.
#[must_use]
pub fn is_missing(error: &Error) -> bool {
    error.kind() == ErrorKind::NotAllowed && error.what() == missing().what()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Custom, CustomKind, RecordPath};
    use crate::record::{self, Protection};
    use crate::secret::SecretBytes;
    use crate::{attachment, generate};
    use keyferry_api::item::{Attachment as WireAttachment, Item};

    fn record() -> Record {
        let pin = Custom { name: "pin".into(), kind: CustomKind::Password, value: "1234".into() };
        Record {
            name: "Büro".into(),
            login: "u".into(),
            url: "https://h".into(),
            password: Some("s3cret".into()),
            customs: vec![pin],
            ..Record::default()
        }
    }

    fn hex(mark: [u8; 8]) -> String {
        data_encoding::HEXLOWER.encode(&mark)
    }

    /// Computed by another program, from this page's words alone.
    #[test]
    fn a_mark_is_what_the_formula_says() {
        let key = SecretString::from("k".repeat(100));
        let mut one = record();
        assert_eq!(hex(of(&one, &key)), "78f2c4c7524b6252");
        one.password = None;
        assert_eq!(hex(of(&one, &key)), "eef22384fe8d6c90");
        let file = Attachment { name: "a.txt".into(), content: SecretBytes::new(vec![0, 0xff]) };
        assert_eq!(hex(of_attachment(&file, &key)), "ca14f48cd19e3c89");
    }

    fn item(draft: &keyferry_api::item::ItemDraft) -> Item {
        let mut wire = serde_json::to_value(draft).unwrap();
        (wire["id"], wire["vaultId"], wire["attachments"]) = ("0".into(), "0".into(), serde_json::json!([]));
        serde_json::from_value(wire).unwrap()
    }

    #[test]
    fn whatever_is_exchanged_left_out_or_renamed_has_another_mark() {
        let key = generate::key().unwrap();
        let marked = Protection::Marked(&key);
        let mut two = record();
        two.customs.push(Custom { name: "puk".into(), kind: CustomKind::Password, value: "9876".into() });
        let written = item(&record::encrypt(&[(two.clone(), marked)]).remove(0).unwrap());
        let opens = |item: &Item, how| {
            record::decrypt(std::slice::from_ref(item), how, |_| RecordPath::default()).remove(0)
        };
        assert_eq!(opens(&written, marked).unwrap().record, two);
        let lies: [fn(&mut Item); 7] = [
            |item| item.name = "another".into(),
            |item| item.login = None,
            |item| item.url = Some("https://elsewhere".into()),
            |item| item.description = Some("call this number".into()),
            |item| drop(item.customs.pop()),
            |item| {
                let first = item.customs[0].value.clone();
                item.customs[0].value = std::mem::replace(&mut item.customs[1].value, first);
            },
            |item| {
                let password = item.password_encrypted.take().unwrap();
                item.password_encrypted = Some(std::mem::replace(&mut item.customs[0].value, password));
            },
        ];
        for lie in lies {
            let mut answered = written.clone();
            lie(&mut answered);
            assert!(opens(&answered, Protection::VaultKey(&key)).is_ok(), "it opens all the same");
            assert!(is_missing(&opens(&answered, marked).unwrap_err()));
        }
        // Tags, color and the user's star are not part of it.
        let mut starred = written.clone();
        (starred.is_favorite, starred.color, starred.tags) = (true, Some(3), vec!["t".into()]);
        assert!(opens(&starred, marked).is_ok());
        let unmarked = item(&record::encrypt(&[(two, Protection::VaultKey(&key))]).remove(0).unwrap());
        assert!(is_missing(&opens(&unmarked, marked).unwrap_err()));
        let bare = Record { name: "n".into(), ..Record::default() };
        let bare = item(&record::encrypt(&[(bare, marked)]).remove(0).unwrap());
        assert!(is_missing(&opens(&bare, marked).unwrap_err()), "nothing carries it");
    }

    #[test]
    fn an_attachment_under_anothers_name_has_another_mark() {
        let key = generate::key().unwrap();
        let file = Attachment { name: "a".into(), content: SecretBytes::new(b"content".to_vec()) };
        let mut wire = attachment::encrypt_marked(&file, Some(&key), Marks::Write).unwrap();
        let open = |wire: &WireAttachment, marks| attachment::decrypt_marked(wire, Some(&key), marks);
        assert_eq!(open(&wire, Marks::Require).unwrap(), file);
        wire.name = "b".into();
        assert!(open(&wire, Marks::Write).is_ok());
        assert!(is_missing(&open(&wire, Marks::Require).unwrap_err()));
        let unmarked = attachment::encrypt(&file, Some(&key)).unwrap();
        assert!(is_missing(&open(&unmarked, Marks::Require).unwrap_err()));
    }
}
