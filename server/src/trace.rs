//! What is seen of a request from outside: when it came, which endpoint answered it, what the database did for it and for how
//! long. It has no room for what was asked, and by whom.

use http::HeaderMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The span of whoever asked, where it is named (`traceparent`).
    pub parent: Option<Parent>,
    /// Such as `GET`; a method that nobody knows is `other`.
    pub method: &'static str,
    /// The endpoint's path with its parameters as names, such as `/api/v1/items/{id}`; empty where none answered.
    pub endpoint: String,
    /// The answer's.
    pub status: u16,
    /// Whether the environment is in a database on a server.
    pub on_server: bool,
    /// How many requests the batch held, if it was one.
    pub batch: Option<usize>,
    /// When it came.
    pub began: SystemTime,
    /// When it was answered.
    pub ended: SystemTime,
    /// What the database did for it, in order.
    pub parts: Vec<Part>,
}

/// Something that a database did for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub what: What,
    /// When it began.
    pub began: SystemTime,
    /// When it was over.
    pub ended: SystemTime,
}

/// What a database does for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A write waits until nobody else writes.
    Waiting,
    /// A transaction that reads.
    Reading,
    /// A transaction that writes, with its commit.
    Writing,
}

/// The span in which a request was made, as W3C's Trace Context names it. What else a client may say of its trace
/// (`tracestate`) is passed over: it is a text of the client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Of the whole trace.
    pub trace: u128,
    /// Of the span within it.
    pub span: u64,
    /// Whether whoever asked keeps it.
    pub sampled: bool,
}

impl Parent {
    /// `traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`, of this version or a later one.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut given = headers.get_all("traceparent").iter();
        let text = given.next()?.to_str().ok()?;
        if given.next().is_some() {
            return None;
        }
        let mut parts = text.split('-');
        let mut part = |length: usize| {
            let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            parts.next().filter(|part| part.len() == length && part.bytes().all(lower))
        };
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        if version == "ff" || version == "00" && parts.next().is_some() {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

/// Whoever is told of each request that was answered.
#[derive(Clone)]
pub struct Tracer(Arc<dyn Fn(Trace) + Send + Sync>);

impl Tracer {
    /// Calls this, on the way of each answer: it should not take long.
    pub fn new(tell: impl Fn(Trace) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn tell(&self, trace: Trace) {
        (self.0)(trace);
    }
}

impl std::fmt::Debug for Tracer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tracer")
    }
}

/// What was seen of a request.
#[derive(Default)]
pub(crate) struct Seen {
    pub batch: Option<usize>,
    pub parts: Vec<(What, Instant, Duration)>,
}

/// The clocks at a request's beginning: what comes later is told by how much later.
pub(crate) struct Clock {
    pub instant: Instant,
    time: SystemTime,
}

impl Clock {
    pub fn start() -> Self {
        Self { instant: Instant::now(), time: SystemTime::now() }
    }

    fn at(&self, instant: Instant) -> SystemTime {
        self.time + instant.saturating_duration_since(self.instant)
    }

    /// What was seen of the request that began then.
    pub fn trace(
        &self,
        parent: Option<Parent>,
        (method, path, status): (&'static str, &'static str, u16),
        on_server: bool,
        seen: Seen,
    ) -> Trace {
        let endpoint =
            if path.is_empty() { String::new() } else { format!("{}{path}", keyferry_api::BASE_PATH) };
        let part = |(what, began, took): (What, Instant, Duration)| {
            let began = self.at(began);
            Part { what, began, ended: began + took }
        };
        let (began, ended) = (self.time, self.at(Instant::now()));
        let parts = seen.parts.into_iter().map(part).collect();
        Trace { parent, method, endpoint, status, on_server, batch: seen.batch, began, ended, parts }
    }
}

/// The parent that a request names, where anybody is to be told of it.
pub(crate) fn parent(tracer: Option<&Tracer>, headers: &HeaderMap) -> Option<Parent> {
    tracer.and_then(|_| Parent::of(headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_taken_as_the_recommendation_writes_it_and_as_nothing_otherwise() {
        let of = |texts: &[&str]| {
            let mut headers = HeaderMap::new();
            for text in texts {
                headers.append("traceparent", text.parse().unwrap());
            }
            Parent::of(&headers)
        };
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let parent = Parent {
            trace: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c,
            span: 0xb7ad_6b71_6920_3331,
            sampled: true,
        };
        assert_eq!(of(&[good]), Some(parent));
        assert_eq!(of(&[&good.replace("-01", "-02")]), Some(Parent { sampled: false, ..parent }));
        // A later version may say more.
        assert_eq!(of(&[&format!("{}-more", good.replacen("00", "cc", 1))]), Some(parent));
        for wrong in [
            "",
            "planted",
            &good.to_uppercase(),
            &format!("{good}-more"),
            &good.replacen("00", "ff", 1),
            &good.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &good.replace("b7ad6b7169203331", &"0".repeat(16)),
            &good.replace("b7ad6b7169203331", "+7ad6b7169203331"),
        ] {
            assert_eq!(of(&[wrong]), None, "{wrong}");
        }
        assert_eq!(of(&[good, good]), None, "which of two?");
    }
}
