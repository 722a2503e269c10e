//! Many requests in one.
//!
//! A batch answers 200 though each of its requests may have failed, so each status is looked at.
//! A server that does not batch is remembered, and asked one by one from then on.

use crate::client::echo::Confided;
use crate::client::{Call, Client, Repeat, answer, pace, to_bytes};
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Method;
use keyferry_api::batch::BatchAnswer;
use keyferry_api::item::{Item, ItemDraft};
use keyferry_api::{BASE_PATH, Created};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::cell::LazyCell;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes of one batch of creates; one record alone may be larger.
const MAX_BYTES: usize = 8 << 20;

const PATH: &str = "/batch";

/// A request of a batch that is not its own copy of the body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a, T> {
    method: &'static str,
    relative_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Headers<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a T>,
}

/// An answer of a batch, with its part of the text.
struct Response {
    status: u16,
    body: Bytes,
}

/// The headers of a request of a batch.
#[derive(Serialize)]
struct Headers<'a> {
    #[serde(rename = "idempotency-key")]
    key: &'a OnceKey,
}

/// An `Idempotency-Key`: what a server that heeds it does once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OnceKey(String);

impl OnceKey {
    /// `key` and `run` are made of letters, digits, `-` and `_`. What two runs do under one key happens once; `run` tells
    /// whose answer it is.
    #[must_use]
    pub fn new(key: &str, run: &str) -> Self {
        // A parameter's value that is no text begins with a letter.
        Self(format!("\"{key}\";run=r{run}"))
    }

    /// As the header has it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What came of a request that makes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// It was made, by this request or by the same one sent before.
    New(String),
    /// Another request had made it under the same key, and it stands as it was made.
    There(String),
}

impl Made {
    /// The identifier of what is there now.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::New(id) | Self::There(id) => id,
        }
    }
}

/// A batch's JSON, written part by part so that its size is known at each step.
struct Writer {
    json: Vec<u8>,
    count: usize,
}

impl Writer {
    const HEAD: &'static [u8] = b"{\"requests\":[";

    fn new() -> Self {
        Self { json: Self::HEAD.to_vec(), count: 0 }
    }

    /// Adds a part. `false`: it would make the batch too large, and was taken back.
    fn push<T: Serialize>(&mut self, part: &Part<'_, T>) -> Result<bool> {
        let before = self.json.len();
        if self.count > 0 {
            self.json.push(b',');
        }
        serde_json::to_writer(&mut self.json, part).map_err(|error| {
            Error::new(ErrorKind::Internal, "a request could not be written as JSON").because(error)
        })?;
        if self.count > 0 && self.json.len() > MAX_BYTES {
            self.json.truncate(before);
            return Ok(false);
        }
        self.count += 1;
        Ok(true)
    }

    fn finish(mut self) -> Bytes {
        self.json.extend_from_slice(b"]}");
        Bytes::from(self.json)
    }
}

impl Client {
    /// Items by id, each found or not, in the order asked for.
    pub async fn items(&self, ids: &[String]) -> Vec<Result<Item>> {
        let chunks = ids.chunks(self.batch_count).map(|chunk| self.items_of_one_batch(chunk));
        let mut items = Vec::with_capacity(ids.len());
        let mut answers = stream::iter(chunks.collect::<Vec<_>>()).buffered(pace::MOST);
        while let Some(answer) = answers.next().await {
            items.extend(answer);
        }
        items
    }

    async fn items_of_one_batch(&self, ids: &[String]) -> Vec<Result<Item>> {
        // An identifier that is none fails alone: the single way says so for each.
        if ids.len() < 2
            || !self.shared.batched_reads.load(Relaxed)
            || ids.iter().any(|id| crate::client::segment(id).is_err())
        {
            return self.items_one_by_one(ids).await;
        }
        let responses = match self.batch_of_reads(ids).await {
            Ok(responses) => responses,
            Err(error) if no_such_endpoint(&error) => {
                self.shared.batched_reads.store(false, Relaxed);
                return self.items_one_by_one(ids).await;
            }
            Err(error) => return same_for_all(error, ids.len()),
        };
        let mut items = Vec::with_capacity(ids.len());
        for (id, response) in ids.iter().zip(responses) {
            let path = format!("/items/{id}");
            let item = outcome(&Method::GET, &path, &response);
            let item = item.and_then(|item| crate::client::item::asked_for(item, id, &path));
            items.push(match item {
                // Alone it gets the pauses and the renewal that a batch's part cannot have.
                Err(error)
                    if error.kind().may_retry()
                        || matches!(error.kind(), ErrorKind::NotAuthenticated | ErrorKind::Locked) =>
                {
                    self.item(id).await
                }
                item => item,
            });
        }
        items
    }

    async fn batch_of_reads(&self, ids: &[String]) -> Result<Vec<Response>> {
        let mut writer = Writer::new();
        for id in ids {
            let relative_url = format!("{BASE_PATH}/items/{id}");
            writer.push(&Part::<()> {
                method: "GET",
                relative_url: &relative_url,
                headers: None,
                body: None,
            })?;
        }
        self.batch(writer.finish(), ids.len(), Repeat::Always).await
    }

    async fn items_one_by_one(&self, ids: &[String]) -> Vec<Result<Item>> {
        let calls: Vec<_> = ids.iter().map(|id| self.item(id)).collect();
        stream::iter(calls).buffered(pace::MOST).collect().await
    }

    /// Makes items; their ids in the order of the drafts. An error that
    /// [`leaves it open`](ErrorKind::leaves_open) is to be settled by looking.
    pub async fn create_items(&self, drafts: &[ItemDraft]) -> Vec<Result<String>> {
        let made = self.create_items_once(drafts, &[]).await.into_iter();
        made.map(|made| made.map(|(Made::New(id) | Made::There(id))| id)).collect()
    }

    /// As [`Client::create_items`], each draft under its key, so that it is not made a second time; `keys` are as many as the
    /// drafts, or none.
    pub async fn create_items_once(&self, drafts: &[ItemDraft], keys: &[OnceKey]) -> Vec<Result<Made>> {
        let mut batches = Vec::new();
        let (mut rest, mut keys) = (drafts, keys);
        while !rest.is_empty() {
            let batch = self.batch_of_creates(rest, keys);
            let count = batch.as_ref().map_or(rest.len(), |(_, count)| *count);
            let (these, under);
            (these, rest) = rest.split_at(count);
            (under, keys) = keys.split_at(count.min(keys.len()));
            batches.push(async move {
                if !self.shared.batched_creates.load(Relaxed) || these.len() < 2 {
                    return self.create_one_by_one(these, under).await;
                }
                match batch {
                    Ok((body, _)) => self.create_in_batch(body, these, under).await,
                    Err(error) => same_for_all(error, these.len()),
                }
            });
        }
        let mut made = Vec::with_capacity(drafts.len());
        let mut answers = stream::iter(batches).buffered(pace::MOST);
        while let Some(answer) = answers.next().await {
            made.extend(answer);
        }
        made
    }

    /// The JSON of as many drafts as fit, and how many these are.
    fn batch_of_creates(&self, drafts: &[ItemDraft], keys: &[OnceKey]) -> Result<(Bytes, usize)> {
        let relative_url = format!("{BASE_PATH}/items");
        let mut writer = Writer::new();
        for (index, draft) in drafts.iter().enumerate().take(self.batch_count) {
            let headers = keys.get(index).map(|key| Headers { key });
            let part = Part { method: "POST", relative_url: &relative_url, headers, body: Some(draft) };
            if !writer.push(&part)? {
                break;
            }
        }
        let count = writer.count;
        Ok((writer.finish(), count))
    }

    async fn create_in_batch(
        &self,
        body: Bytes,
        drafts: &[ItemDraft],
        keys: &[OnceKey],
    ) -> Vec<Result<Made>> {
        let responses = match self.batch(body, drafts.len(), Repeat::IfNotActed).await {
            Ok(responses) => responses,
            Err(error) if no_such_endpoint(&error) => {
                self.shared.batched_creates.store(false, Relaxed);
                return self.create_one_by_one(drafts, keys).await;
            }
            // Refused as a whole: nothing was made, and single requests show which drafts are at fault.
            Err(error) if error.kind() == ErrorKind::Refused => {
                return self.create_instead(drafts, keys).await;
            }
            Err(error) => return same_for_all(error, drafts.len()),
        };
        if responses.iter().all(|response| matches!(response.status, 404 | 405 | 501)) {
            return self.create_instead(drafts, keys).await;
        }
        let mut all = Vec::with_capacity(drafts.len());
        for (index, (draft, response)) in drafts.iter().zip(responses).enumerate() {
            all.push(match made(outcome(&Method::POST, "/items", &response)) {
                // The server did not act on this one.
                Err(error) if matches!(error.kind(), ErrorKind::Busy | ErrorKind::Locked) => {
                    self.create_one(draft, keys.get(index)).await
                }
                made => made,
            });
        }
        all
    }

    /// Single requests after a batch that failed as a whole. Only if all succeed was it the
    /// batch's fault: then there are no more batches.
    async fn create_instead(&self, drafts: &[ItemDraft], keys: &[OnceKey]) -> Vec<Result<Made>> {
        let made = self.create_one_by_one(drafts, keys).await;
        if made.iter().all(Result::is_ok) {
            self.shared.batched_creates.store(false, Relaxed);
        }
        made
    }

    async fn create_one_by_one(&self, drafts: &[ItemDraft], keys: &[OnceKey]) -> Vec<Result<Made>> {
        let one = |(index, draft)| self.create_one(draft, keys.get(index));
        let calls: Vec<_> = drafts.iter().enumerate().map(one).collect();
        stream::iter(calls).buffered(pace::MOST).collect().await
    }

    async fn create_one(&self, draft: &ItemDraft, key: Option<&OnceKey>) -> Result<Made> {
        match key {
            Some(key) => self.make_once("/items", draft, key).await,
            None => self.create_item(draft).await.map(Made::New),
        }
    }

    /// Makes what `path` makes of `body`, under a key.
    pub(crate) async fn make_once(&self, path: &str, body: &impl Serialize, key: &OnceKey) -> Result<Made> {
        let (method, body) = (Method::POST, Some(to_bytes(body)?));
        let call = Call { method: method.clone(), path, body, repeat: Repeat::IfNotActed, key: Some(key) };
        made(self.call(&call).await.and_then(|body| answer::parse::<Created>(&method, path, &body)))
    }

    async fn batch(&self, body: Bytes, count: usize, repeat: Repeat) -> Result<Vec<Response>> {
        let call = Call { method: Method::POST, path: PATH, body: Some(body.clone()), repeat, key: None };
        let asked = body;
        let body = self.call(&call).await?;
        let answer: BatchAnswer<'_> = answer::parse(&Method::POST, PATH, &body)?;
        if answer.responses.len() == count {
            let credentials = self.shared.keeper.credentials();
            // Only where something failed.
            let confided = LazyCell::new(|| Confided::of(Some(&credentials), Some(&asked)));
            let responses = answer.responses.into_iter().map(|one| {
                let part = one.body.map(|part| part.get().as_bytes()).unwrap_or_default();
                if answer::is_success(one.status_code) {
                    return Ok(Response { status: one.status_code, body: body.slice_ref(part) });
                }
                let mut errors = serde_json::from_slice(part).unwrap_or_default();
                confided.hide_in(&mut errors);
                Ok(Response { status: one.status_code, body: to_bytes(&errors)? })
            });
            return responses.collect();
        }
        Err(Error::new(
            ErrorKind::Protocol,
            format!("{count} requests were answered with {} answers", answer.responses.len()),
        )
        .at(answer::place(&Method::POST, PATH, None, None)))
    }
}

fn outcome<T: DeserializeOwned>(method: &Method, path: &str, response: &Response) -> Result<T> {
    if answer::is_success(response.status) {
        return answer::parse(method, path, &response.body);
    }
    let errors = serde_json::from_slice(&response.body).unwrap_or_default();
    Err(answer::failure(method, path, response.status, None, &errors))
}

/// What came of a request that makes something.
fn made(answer: Result<Created>) -> Result<Made> {
    match answer {
        Ok(created) => Ok(Made::New(created.id)),
        Err(error) => match answer::already_made(&error) {
            Some(id) => Ok(Made::There(id.to_owned())),
            None => Err(error),
        },
    }
}

fn no_such_endpoint(error: &Error) -> bool {
    matches!(answer::status_and_code(error).0, Some(404 | 405 | 501))
}

/// A batch's failure is the failure of each of its requests.
fn same_for_all<T>(error: Error, count: usize) -> Vec<Result<T>> {
    let mut all: Vec<_> = (1..count).map(|_| Err(error.again())).collect();
    all.push(Err(error));
    all
}
