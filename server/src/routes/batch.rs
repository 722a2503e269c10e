//! Batches: one transaction for all, a savepoint for each. A request that is refused undoes
//! itself and leaves the others; a database that fails undoes the batch.

use super::creations::Draft;
use super::once::once;
use super::part::{self, Part};
use super::{Body, Context, Does, Visit, creations, dispatch, table};
use crate::error::{Refusal, Result};
use crate::store::item::index_texts;
use http::{Method, StatusCode};
use keyferry_api::IDEMPOTENCY_KEY_HEADER;
use keyferry_api::batch::{Batch, BatchRequest};
use keyferry_api::error::code;
use serde_json::Value;
use serde_json::value::RawValue;

/// Far beyond what clients send; one batch shall not hold the writer for minutes.
const LARGEST_BATCH: usize = 1000;

/// Bytes of items that are read before their turn, and stand in memory beside their text.
const MOST_READ: usize = 8 << 20;

/// Beyond what clients take, and far below what would end the server: an attachment may be asked for many times over.
const LARGEST_ANSWER: usize = 256 << 20;

/// Passwords that one batch may set, of new users or of others.
const MOST_PASSWORDS: usize = 4;

/// A batch, read as far as that goes without the database: whoever writes holds up all others who do.
pub(super) struct Parsed<'a> {
    requests: Vec<BatchRequest<'a>>,
    /// Of each what it wants to be made, where it makes an item.
    drafts: Vec<Option<Draft>>,
    pub does: Does,
}

impl Parsed<'_> {
    /// How many requests there are.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Under a key of the whole, passwords that are set would be kept as digests, and new tokens as they are.
    pub fn may_be_kept(&self) -> Result<()> {
        let kept = |request: &BatchRequest<'_>| table::may_be_kept(&request.method, &request.relative_url);
        if self.requests.iter().all(kept) {
            return Ok(());
        }
        let message = "A request of this batch heeds no Idempotency-Key: give each of the others its own.";
        Err(Refusal::invalid(IDEMPOTENCY_KEY_HEADER, message))
    }
}

/// Strangers are turned away before their body is taken apart.
pub(super) fn parse<'a>(visit: &Visit<'_>, body: &'a Body) -> Result<Parsed<'a>> {
    visit.environment.store().read(|conn| visit.caller(conn))?;
    let batch: Batch<'_> = body.borrow()?;
    if batch.requests.len() > LARGEST_BATCH {
        return Err(Refusal::invalid("requests", format!("A batch holds at most {LARGEST_BATCH} requests.")));
    }
    if batch.requests.iter().filter_map(|request| request.body).any(is_too_deep) {
        return Err(Refusal::malformed("A body within the batch is nested too deep."));
    }
    // Each costs a password's hash, and all wait for one transaction.
    let passwords = batch.requests.iter().filter(|request| sets_a_password(request)).count();
    if passwords > MOST_PASSWORDS {
        let message = format!("A batch makes users, or sets passwords, at most {MOST_PASSWORDS} times.");
        return Err(Refusal::invalid("requests", message));
    }
    let reads = |request: &BatchRequest<'_>| request.method.eq_ignore_ascii_case("GET");
    let does = if batch.requests.iter().all(reads) {
        Does::Reads
    } else if batch.requests.iter().all(|request| reads(request) || creations::is_asked_by(request)) {
        Does::MakesItems
    } else {
        Does::Writes
    };
    let mut left = MOST_READ;
    let draft = |request: &BatchRequest<'_>| {
        left = left.saturating_sub(request.body.map_or(0, |body| body.get().len()));
        if left > 0 { Draft::read(body, request) } else { None }
    };
    let drafts = batch.requests.iter().map(draft).collect();
    Ok(Parsed { requests: batch.requests, drafts, does })
}

/// Nested deeper than a body alone may be. Text is passed over in any depth, so it is looked at; one with few brackets is not.
fn is_too_deep(body: &RawValue) -> bool {
    /// `serde_json`'s own limit.
    const DEEPEST: usize = 128;
    let opens = body.get().bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
    opens >= DEEPEST && serde_json::from_str::<Value>(body.get()).is_err()
}

fn sets_a_password(request: &BatchRequest<'_>) -> bool {
    let path = request.relative_url.split('?').next().unwrap_or_default().trim_end_matches('/');
    if path.contains("/vaults/") || path.contains("/folders/") {
        return false;
    }
    let changes = || {
        let has_password = || {
            let body = request.body.and_then(|body| serde_json::from_str::<Value>(body.get()).ok());
            body.and_then(|body| body.get("password").map(|one| !one.is_null())).unwrap_or_default()
        };
        path.rsplit('/').nth(1) == Some("users") && has_password()
    };
    request.method.eq_ignore_ascii_case("POST") && path.ends_with("/users")
        || request.method.eq_ignore_ascii_case("PATCH") && changes()
}

/// Answers every request of the batch that `text` is, in order.
pub(super) fn run(context: &Context<'_>, text: &Body, batch: &Parsed<'_>) -> Result<Vec<u8>> {
    let mut out = br#"{"responses":["#.to_vec();
    let mut first = true;
    let mut put = |answer: Result<Vec<u8>>| {
        if !first {
            out.push(b',');
        }
        first = false;
        let (status, body) = match answer {
            Ok(body) => (200, body),
            Err(Refusal::Answer(answer)) => {
                let (status, body) = answer.into_body();
                (status.as_u16(), body)
            }
            Err(error) => return Err(error),
        };
        if out.len() + body.len() > LARGEST_ANSWER {
            let message = "The answers are too large together: ask for fewer at once.";
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, code::VALIDATION_ERROR, message));
        }
        out.extend_from_slice(format!("{{\"statusCode\":{status},\"body\":").as_bytes());
        out.extend_from_slice(&body);
        out.push(b'}');
        Ok(())
    };
    let (mut left, mut drafts) = (&*batch.requests, &*batch.drafts);
    while !left.is_empty() {
        let count = creations::together(left).max(1);
        let (now, these);
        (now, left) = left.split_at(count);
        (these, drafts) = drafts.split_at(count);
        match creations::run(context, text, now, these)? {
            Some(answers) => answers.into_iter().try_for_each(&mut put)?,
            None => now.iter().try_for_each(|request| put(one(context, text, request)))?,
        }
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

fn one(context: &Context<'_>, text: &Body, request: &BatchRequest<'_>) -> Result<Vec<u8>> {
    let Part { endpoint, request, makes, key } = part::read(text, request)?;
    let done = context.events.borrow().len();
    // What is refused was not done.
    let only_reads = request.method == Method::GET;
    let attempt = |request| {
        let result = once(context, key.as_ref(), makes, || dispatch(context, endpoint, request));
        if result.is_err() {
            context.events.borrow_mut().truncate(done);
        }
        result
    };
    if only_reads {
        // What stands before it in the batch can be searched for.
        index_texts(context.conn)?;
        return attempt(request);
    }
    context.conn.savepoint("request")?;
    let result = attempt(request);
    // A new item changes no place, and no right.
    if !creations::is_create(endpoint) {
        context.forget_places();
    }
    if matches!(result, Err(Refusal::Answer(_))) {
        context.conn.roll_back_to("request")?;
    }
    if !matches!(result, Err(Refusal::Database(_))) {
        context.conn.release("request")?;
    }
    result
}
