//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a write that names a key happens once. The same request with
//! the same key gets the first answer again; another request with it is refused for as long as what the first one made stands
//! as it was made.
//!
//! A refused request changed nothing, so its key stays free.

use super::{Body, Context};
use crate::error::{Refusal, Result};
use crate::json::text as text_of;
use crate::store::idempotency::{Answer, Asked, Found, Kept, Makes, Place, find, keep};
use http::{HeaderMap, Method};
use keyferry_api::error::code;
use keyferry_api::{Created, IDEMPOTENCY_KEY_HEADER};
use sha2::{Digest as _, Sha256};

/// Characters of a key.
const LONGEST: usize = 255;

/// Bytes of an answer that is kept; only a batch that reads as well has a larger one.
const LARGEST_ANSWER: usize = 1 << 20;

/// A request's key, and what the request is told from others by.
#[derive(Clone)]
pub(super) struct Key {
    text: String,
    fingerprint: [u8; 32],
}

impl Key {
    /// The key in a request's headers, if there is one.
    pub fn of_headers(
        headers: &HeaderMap,
        method: &Method,
        target: &str,
        body: &Body,
    ) -> Result<Option<Self>> {
        let mut given = headers.get_all(IDEMPOTENCY_KEY_HEADER).iter();
        let Some(value) = given.next() else { return Ok(None) };
        let value = value.to_str().ok().filter(|_| given.next().is_none()).ok_or_else(malformed)?;
        Self::new(value, method, target, body).map(Some)
    }

    /// `value` is the header's; `target` is path and query.
    pub fn new(value: &str, method: &Method, target: &str, body: &Body) -> Result<Self> {
        let (text, parameters) = split(value.trim()).ok_or_else(malformed)?;
        let mut digest = Sha256::new();
        for part in [method.as_str(), target, parameters] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        body.feed(|part| digest.update(part));
        Ok(Self { text, fingerprint: digest.finalize().into() })
    }
}

/// A key as the draft writes it, `"…"`, with parameters or without; or as most clients do, without the quotes.
fn split(value: &str) -> Option<(String, &str)> {
    let (text, rest) = match value.strip_prefix('"') {
        None => {
            let (text, rest) = value.split_at(value.find(';').unwrap_or(value.len()));
            (text.trim_end().to_owned(), rest)
        }
        Some(quoted) => {
            let mut text = String::new();
            let mut characters = quoted.char_indices();
            let end = loop {
                match characters.next()? {
                    (at, '"') => break at,
                    (_, '\\') => match characters.next()?.1 {
                        escaped @ ('"' | '\\') => text.push(escaped),
                        _ => return None,
                    },
                    (_, character) => text.push(character),
                }
            };
            (text, quoted[end + 1..].trim())
        }
    };
    let sound = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    (sound && (rest.is_empty() || rest.starts_with(';'))).then_some((text, rest))
}

fn malformed() -> Refusal {
    let message = format!("An Idempotency-Key is one text of 1 to {LONGEST} visible characters.");
    Refusal::invalid(IDEMPOTENCY_KEY_HEADER, message)
}

impl Key {
    fn asked(&self) -> Asked<'_> {
        Asked { key: &self.text, fingerprint: &self.fingerprint }
    }

    /// The key itself.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// What is known of a request by its key.
pub(super) enum Known {
    /// It has to be done.
    No(Place),
    /// Its answer, as it was given then or as it has to be given now.
    Yes(Result<Vec<u8>>),
}

/// What is known of each of these requests of the caller's, all of whose keys differ.
pub(super) fn known(context: &Context<'_>, keys: &[&Key]) -> Result<Vec<Known>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let asked: Vec<Asked<'_>> = keys.iter().map(|key| key.asked()).collect();
    let told = |found| match found {
        Found::Answer(Answer::Text(answer)) => Known::Yes(Ok(answer.into_bytes())),
        Found::Answer(Answer::Made(id)) => Known::Yes(text_of(&Created { id })),
        Found::Taken(made) => {
            let message = "Another request had this Idempotency-Key, and what came of it stands.";
            let refusal = Refusal::invalid(IDEMPOTENCY_KEY_HEADER, message);
            Known::Yes(Err(refusal.coded(code::IDEMPOTENCY_KEY_REUSED).with_made(made)))
        }
        Found::Free(place) => Known::No(place),
    };
    Ok(find(context.conn, &context.caller.user, &asked)?.into_iter().map(told).collect())
}

/// Keeps what the caller's requests made.
pub(super) fn keep_made<'k>(
    context: &Context<'_>,
    makes: Makes,
    made: impl Iterator<Item = (&'k Key, Place, &'k str)>,
) -> Result<()> {
    let kept =
        made.map(|(key, place, id)| Kept { asked: key.asked(), place, makes, made: Some(id), answer: None });
    let kept: Vec<Kept<'_>> = kept.collect();
    if !kept.is_empty() {
        keep(context.conn, &context.caller.user, &kept)?;
        context.kept_a_key.set(true);
    }
    Ok(())
}

/// Does `work`, unless its key says that it was done.
pub(super) fn once(
    context: &Context<'_>,
    key: Option<&Key>,
    makes: Makes,
    work: impl FnOnce() -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    // Who still owes a one-time code is told so, and no more.
    let Some(key) = key.filter(|_| !context.caller.owes_code) else { return work() };
    let place = match known(context, &[key])?.pop() {
        Some(Known::Yes(answer)) => return answer,
        Some(Known::No(place)) => place,
        None => return Err(Refusal::internal()),
    };
    let answer = String::from_utf8(work()?).map_err(|_| Refusal::internal())?;
    if answer.len() > LARGEST_ANSWER {
        let message = "The answer is too large to be kept under an Idempotency-Key: ask for less at once.";
        return Err(Refusal::invalid(IDEMPOTENCY_KEY_HEADER, message));
    }
    match makes {
        Makes::Nothing => {
            let kept = Kept { asked: key.asked(), place, makes, made: None, answer: Some(&answer) };
            keep(context.conn, &context.caller.user, &[kept])?;
            context.kept_a_key.set(true);
        }
        Makes::Item | Makes::Folder | Makes::Vault => {
            let id = serde_json::from_str::<Created>(&answer).map_err(|_| Refusal::internal())?.id;
            keep_made(context, makes, std::iter::once((key, place, &*id)))?;
        }
    }
    Ok(answer.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_as_the_draft_writes_it_and_as_clients_do() {
        let split = |value| split(value).map(|(text, rest)| (text, rest.to_owned()));
        let plain = |text: &str| Some((text.to_owned(), String::new()));
        assert_eq!(split("\"8e03978e-40d5\""), plain("8e03978e-40d5"));
        assert_eq!(split("8e03978e-40d5"), plain("8e03978e-40d5"));
        assert_eq!(split("\"a\\\"b\\\\\""), plain("a\"b\\"));
        assert_eq!(split("\"a;b\" ;run=1"), Some(("a;b".to_owned(), ";run=1".to_owned())));
        assert_eq!(split("a;run=1"), Some(("a".to_owned(), ";run=1".to_owned())));
        for wrong in ["", "\"\"", "\"a", "\"a\"b", "\"a\\n\"", "é", ";run=1", &"x".repeat(256)] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }
}
