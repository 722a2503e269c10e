//! The session file of Passwork's official client: `base64(envelope(JSON, key))`.
//!
//! The JSON holds `access_token`, `refresh_token` and `master_key`, each a text or null. Ours also names the
//! `location` that the tokens are for, which the official client ignores and drops when it writes the file
//! anew: then it is read as unknown. `key` is a passphrase, base64 of 32 random bytes unless chosen otherwise.

use crate::error::damaged;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::{SecretBytes, SecretString};
use crate::{envelope, generate};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use zeroize::Zeroizing;

/// Bytes of JSON that hold any session that was seen.
const ROOM: usize = 4096;

/// What a session file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The bearer token.
    pub access_token: Option<SecretString>,
    /// What buys the next pair of tokens.
    pub refresh_token: Option<SecretString>,
    /// The master key, where it is kept as well.
    pub master_key: Option<SecretString>,
    /// The environment that the tokens are for, where known.
    pub location: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Json<'a> {
    #[serde(borrow, default)]
    access_token: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    refresh_token: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    master_key: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    location: Option<Cow<'a, str>>,
}

impl Content {
    /// The JSON alone, for a keyring, which encrypts by itself.
    pub fn to_json(&self) -> Result<SecretString> {
        fn text(secret: Option<&SecretString>) -> Option<Cow<'_, str>> {
            secret.map(|secret| Cow::Borrowed(secret.expose()))
        }
        let json = Json {
            access_token: text(self.access_token.as_ref()),
            refresh_token: text(self.refresh_token.as_ref()),
            master_key: text(self.master_key.as_ref()),
            location: self.location.as_deref().map(Cow::Borrowed),
        };
        // Reserved at once: a buffer that grew would leave secrets behind in its old place.
        let mut bytes = Vec::with_capacity(ROOM);
        serde_json::to_writer(&mut bytes, &json).map_err(|error| {
            Error::new(ErrorKind::Internal, "a session could not be written as JSON").because(error)
        })?;
        SecretBytes::new(bytes).into_text().ok_or_else(|| damaged("a session is not text"))
    }

    /// Reads the JSON.
    ///
    /// # Errors
    /// [`ErrorKind::Input`]; the text is not repeated.
    pub fn from_json(text: &SecretString) -> Result<Self> {
        // The parser's own words could quote a secret.
        let json: Json<'_> = serde_json::from_str(text.expose())
            .map_err(|_| Error::new(ErrorKind::Input, "this is not a session"))?;
        let secret = |text: Option<Cow<'_, str>>| {
            text.filter(|text| !text.is_empty()).map(Cow::into_owned).map(SecretString::new)
        };
        Ok(Self {
            access_token: secret(json.access_token),
            refresh_token: secret(json.refresh_token),
            master_key: secret(json.master_key),
            location: json.location.map(Cow::into_owned),
        })
    }
}

/// A new key for a session file: base64 of 32 random bytes.
pub fn new_key() -> Result<SecretString> {
    let mut bytes = Zeroizing::new([0; 32]);
    generate::random_bytes(&mut *bytes)?;
    Ok(SecretString::new(STANDARD.encode(bytes.as_slice())))
}

/// The file's text.
pub fn seal(content: &Content, key: &SecretString) -> Result<String> {
    Ok(STANDARD.encode(envelope::encrypt_text(content.to_json()?.expose(), key)?))
}

/// Reads the file's text.
///
/// # Errors
/// [`ErrorKind::Decrypt`] where this is no session file or the key is another one's.
pub fn open(text: &str, key: &SecretString) -> Result<Content> {
    let envelope = unwrap(text).ok_or_else(|| damaged("this is not a session file"))?;
    let wrong = || damaged("the session key is wrong, or the session file is damaged");
    let json = envelope::decrypt_text(&envelope, key).map_err(|error| wrong().because(error))?;
    Content::from_json(&json).map_err(|_| wrong())
}

/// Whether this looks like a session file, which can be seen without its key.
#[must_use]
pub fn is_session_file(text: &str) -> bool {
    unwrap(text).is_some()
}

fn unwrap(text: &str) -> Option<String> {
    let bytes = STANDARD.decode(text.trim_ascii()).ok()?;
    String::from_utf8(bytes).ok().filter(|text| envelope::is_envelope(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> Content {
        Content {
            access_token: Some("planted \"access\"".into()),
            refresh_token: Some("planted refresh".into()),
            master_key: None,
            location: Some("https://pw.example.com".into()),
        }
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_alone() {
        let key = new_key().unwrap();
        assert_eq!(key.expose().len(), 44);
        let sealed = seal(&content(), &key).unwrap();
        assert!(is_session_file(&sealed) && is_session_file(&format!("{sealed}\n")));
        assert_eq!(open(&sealed, &key).unwrap(), content());
        let error = open(&sealed, &new_key().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decrypt);
        assert!(!is_session_file("a letter to somebody"));
        assert_eq!(open("a letter", &key).unwrap_err().what(), "this is not a session file");
    }

    #[test]
    fn the_official_form_has_null_for_what_is_missing_and_no_location() {
        let json = Content { access_token: Some("a".into()), ..Content::default() }.to_json().unwrap();
        assert_eq!(json.expose(), r#"{"access_token":"a","refresh_token":null,"master_key":null}"#);
        let read =
            Content::from_json(&r#"{"access_token": "a", "more": 1, "master_key": ""}"#.into()).unwrap();
        assert_eq!(read, Content { access_token: Some("a".into()), ..Content::default() });
        let error = Content::from_json(&"planted".into()).unwrap_err();
        assert!(!format!("{error:?}").contains("planted"));
    }
}
