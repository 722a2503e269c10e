//! Items that a batch makes one after another: checked together and kept by a few statements, however many they are.
//!
//! Each is answered as it would be alone. One that is refused was refused before anything was written; where the database has
//! something against the set, all that was done of it is taken back, and they are asked one by one.

use super::once::{Key, Known, keep_made, known};
use super::part::{self, Part};
use super::table::Endpoint;
use super::{Body, Context, item};
use crate::error::{Refusal, Result};
use crate::store::creation::NewItem;
use crate::store::idempotency::{Makes, Place};
use keyferry_api::BASE_PATH;
use keyferry_api::batch::BatchRequest;
use keyferry_api::item::ItemDraft;
use keyferry_sql::DatabaseError;
use std::cell::Cell;
use std::collections::BTreeSet;

/// The most that are made together, and the most bytes of theirs: they stand in memory side by side.
const MOST: usize = 250;
const MOST_BYTES: usize = 4 << 20;

const ITEMS: &str = "/items";

/// A request that makes an item, read before the transaction begins.
pub(super) struct Draft {
    part: Part,
    /// Gone once it was taken: whoever begins anew reads it again.
    draft: Cell<Option<ItemDraft>>,
}

impl Draft {
    /// `None` for any other request, and for one that cannot be read: it is refused in its turn.
    pub fn read(text: &Body, request: &BatchRequest<'_>) -> Option<Self> {
        if !is_asked_by(request) {
            return None;
        }
        let part = part::read(text, request).ok().filter(|part| is_create(part.endpoint))?;
        let draft = part.request.body.peek().ok()?;
        Some(Self { part, draft: Cell::new(Some(draft)) })
    }
}

/// What a request within a batch asks for, and the draft of an item where that is read already.
struct Asked {
    part: Part,
    draft: Option<ItemDraft>,
}

impl Asked {
    fn of(text: &Body, request: &BatchRequest<'_>, read: Option<&Draft>) -> Result<Self> {
        Ok(match read {
            Some(read) => Self { part: read.part.clone(), draft: read.draft.take() },
            None => Self { part: part::read(text, request)?, draft: None },
        })
    }
}

/// Whether an endpoint makes an item of what it is sent.
pub(super) fn is_create(endpoint: &Endpoint) -> bool {
    (endpoint.method, endpoint.path) == ("POST", ITEMS)
}

/// Whether a request within a batch asks for that, as clients write it.
pub(super) fn is_asked_by(request: &BatchRequest<'_>) -> bool {
    request.method.eq_ignore_ascii_case("POST") && request.relative_url.strip_prefix(BASE_PATH) == Some(ITEMS)
}

/// How many of these requests, from the first one on, make an item each and may do so together.
pub(super) fn together(requests: &[BatchRequest<'_>]) -> usize {
    let mut bytes = 0;
    let fits = |request: &&BatchRequest<'_>| {
        bytes += request.body.map_or(0, |body| body.get().len());
        bytes <= MOST_BYTES && is_asked_by(request)
    };
    requests.iter().take(MOST).take_while(fits).count()
}

/// Answers these requests, which all make an item; `None` where that has to be done one by one.
pub(super) fn run(
    context: &Context<'_>,
    text: &Body,
    requests: &[BatchRequest<'_>],
    drafts: &[Option<Draft>],
) -> Result<Option<Vec<Result<Vec<u8>>>>> {
    if requests.len() < 2 || context.caller.owes_code {
        return Ok(None);
    }
    let read = requests.iter().zip(drafts);
    let asked: Vec<Result<Asked>> =
        read.map(|(request, draft)| Asked::of(text, request, draft.as_ref())).collect();
    if asked.iter().flatten().any(|one| !is_create(one.part.endpoint)) || has_a_key_twice(&asked) {
        return Ok(None);
    }
    let (conn, done) = (context.conn, context.events.borrow().len());
    conn.savepoint("creations")?;
    match make(context, asked) {
        Ok(answers) => {
            conn.release("creations")?;
            Ok(Some(answers))
        }
        Err(Refusal::Database(error)) if ends_it(&error) => Err(error.into()),
        Err(refusal) => {
            tracing::debug!(?refusal, "items are made one by one");
            context.events.borrow_mut().truncate(done);
            conn.roll_back_to("creations")?;
            conn.release("creations")?;
            Ok(None)
        }
    }
}

/// What the database says where nothing more can be done in this transaction.
fn ends_it(error: &DatabaseError) -> bool {
    error.is_away()
        || error.is_unsettled()
        || error.is_full()
        || error.is_to_be_tried_again()
        || error.is_taken()
}

/// A key that comes twice is known the second time only when the first one is done.
fn has_a_key_twice(asked: &[Result<Asked>]) -> bool {
    let keys: Vec<&str> =
        asked.iter().flatten().filter_map(|one| one.part.key.as_ref().map(Key::text)).collect();
    BTreeSet::from_iter(&keys).len() < keys.len()
}

fn make(context: &Context<'_>, asked: Vec<Result<Asked>>) -> Result<Vec<Result<Vec<u8>>>> {
    let keys: Vec<&Key> = asked.iter().flatten().filter_map(|one| one.part.key.as_ref()).collect();
    let mut known = known(context, &keys)?.into_iter();
    let (mut items, mut keyed): (Vec<NewItem>, Vec<(Key, Place, usize)>) = Default::default();
    let mut answers = Vec::with_capacity(asked.len());
    for one in asked {
        let Asked { part: Part { request, key, .. }, draft } = match one {
            Ok(asked) => asked,
            Err(refusal) => {
                answers.push(Some(Err(refusal)));
                continue;
            }
        };
        let key = match key.map(|key| (key, known.next())) {
            Some((_, Some(Known::Yes(answer)))) => {
                answers.push(Some(answer));
                continue;
            }
            Some((key, Some(Known::No(place)))) => Some((key, place)),
            Some((_, None)) => return Err(Refusal::internal()),
            None => None,
        };
        match draft.map_or_else(|| request.body.parse(), Ok).and_then(|draft| item::new_item(context, draft))
        {
            Ok(item) => {
                keyed.extend(key.map(|(key, place)| (key, place, items.len())));
                items.push(item);
                answers.push(None);
            }
            Err(refusal @ Refusal::Answer(_)) => answers.push(Some(Err(refusal))),
            Err(failed) => return Err(failed),
        }
    }
    let mut made = item::make(context, &items)?.into_iter();
    let kept = keyed.iter().filter_map(|(key, place, at)| Some((key, *place, items.get(*at)?.id.as_str())));
    keep_made(context, Makes::Item, kept)?;
    answers
        .into_iter()
        .map(|answer| answer.or_else(|| made.next().map(Ok)).ok_or_else(Refusal::internal))
        .collect()
}
