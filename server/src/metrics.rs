//! What a server counts of itself, as Prometheus reads it.
//!
//! Labels are words of this program: methods, the paths of the table of endpoints with their parameters as names, codes of the
//! wire. Nothing that somebody sent is one, so that there is no name, identifier or address among them, and no more of them
//! than there are endpoints.

use crate::trace::What;
use http::{Method, StatusCode};
use keyferry_sql::DatabaseError;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The content type of [`Metrics::text`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Where a request went that no endpoint answers.
const NO_ENDPOINT: &str = "none";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    method: &'static str,
    endpoint: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    endpoint: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Transacted {
    kind: &'static str,
    outcome: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// From half a millisecond to half a minute: a read from memory, and a writer that waits as long as it may.
fn seconds() -> Histogram {
    Histogram::new([
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    ])
}

/// The counts of one open environment.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    durations: Histograms<Asked>,
    under_way: Gauge,
    batches: Histogram,
    refusals: Family<Reason, Counter>,
    transactions: Family<Transacted, Counter>,
    transaction_times: Histograms<Kind>,
    waits: Histogram,
    connections: Family<Kind, Gauge>,
    errors: Family<Kind, Counter>,
    housekeepings: Counter,
}

impl Metrics {
    /// For a store of this kind, `folder` or `postgres`.
    pub fn new(store: &'static str) -> Self {
        let mut registry = Registry::default();
        let started = Gauge::<f64, AtomicU64>::default();
        started.set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
        registry.register(
            "process_start_time_seconds",
            "When the environment was opened, in Unix seconds",
            started,
        );
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION")), ("store", store)]);
        registry.register("keyferry_build", "What is running", build);
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(seconds),
            under_way: Gauge::default(),
            batches: Histogram::new([1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0]),
            refusals: Family::default(),
            transactions: Family::default(),
            transaction_times: Family::new_with_constructor(seconds),
            waits: seconds(),
            connections: Family::default(),
            errors: Family::default(),
            housekeepings: Counter::default(),
            registry,
        };
        metrics.registered()
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register(
            "keyferry_http_requests",
            "Requests by endpoint, method and class of status",
            self.requests.clone(),
        );
        registry.register(
            "keyferry_http_request_seconds",
            "From a request's head to its answer",
            self.durations.clone(),
        );
        registry.register(
            "keyferry_http_requests_under_way",
            "Requests not answered yet",
            self.under_way.clone(),
        );
        registry.register("keyferry_batch_requests", "Requests in a batch", self.batches.clone());
        registry.register(
            "keyferry_refusals",
            "Requests that were refused for who asked, or for how often, by the code that was answered",
            self.refusals.clone(),
        );
        registry.register(
            "keyferry_transactions",
            "Transactions, kept or taken back",
            self.transactions.clone(),
        );
        registry.register(
            "keyferry_transaction_seconds",
            "How long transactions took, the commit included",
            self.transaction_times.clone(),
        );
        registry.register(
            "keyferry_writer_wait_seconds",
            "How long a write waited until it was the one that writes",
            self.waits.clone(),
        );
        registry.register(
            "keyferry_database_connections",
            "Connections in use at this moment",
            self.connections.clone(),
        );
        registry.register("keyferry_database_errors", "What the database said no with", self.errors.clone());
        registry.register(
            "keyferry_housekeepings",
            "How often this server took out what was beyond its time",
            self.housekeepings.clone(),
        );
        // An alert on a count that is not there yet stays silent.
        for kind in ["full", "away", "unsettled", "conflict", "other"] {
            drop(self.errors.get_or_create(&Kind { kind }));
        }
        self
    }

    /// A request that is under way as long as this is there.
    pub fn request(&self) -> UnderWay<'_> {
        self.under_way.inc();
        UnderWay(&self.under_way)
    }

    /// A request was answered by this endpoint, `""` for none.
    pub fn answered(&self, method: &Method, endpoint: &'static str, status: StatusCode, took: Duration) {
        let method = name_of(method);
        let endpoint = if endpoint.is_empty() { NO_ENDPOINT } else { endpoint };
        let status = match status.as_u16() {
            100..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            _ => "5xx",
        };
        self.requests.get_or_create(&Answered { method, endpoint, status }).inc();
        self.durations.get_or_create(&Asked { method, endpoint }).observe(took.as_secs_f64());
    }

    /// A batch of so many requests was asked for.
    pub fn batch(&self, requests: usize) {
        self.batches.observe(requests as f64);
    }

    /// Somebody was turned away: not known, or too often here.
    pub fn refused(&self, code: &'static str) {
        self.refusals.get_or_create(&Reason { reason: code }).inc();
    }

    /// The database begins with something.
    pub fn begins(&self, what: What) {
        if let Some(kind) = kind_of(what) {
            self.connections.get_or_create(&Kind { kind }).inc();
        }
    }

    /// It has ended, after so long.
    pub fn ends(&self, what: What, took: Duration, kept: bool) {
        let Some(kind) = kind_of(what) else {
            self.waits.observe(took.as_secs_f64());
            return;
        };
        self.connections.get_or_create(&Kind { kind }).dec();
        let outcome = if kept { "kept" } else { "taken_back" };
        self.transactions.get_or_create(&Transacted { kind, outcome }).inc();
        self.transaction_times.get_or_create(&Kind { kind }).observe(took.as_secs_f64());
    }

    /// The database said no.
    pub fn failed(&self, error: &DatabaseError) {
        let kind = if error.is_full() {
            "full"
        } else if error.is_unsettled() {
            "unsettled"
        } else if error.is_away() {
            "away"
        } else if error.is_to_be_tried_again() {
            "conflict"
        } else {
            "other"
        };
        self.errors.get_or_create(&Kind { kind }).inc();
    }

    /// This server kept the house.
    pub fn housekept(&self) {
        self.housekeepings.inc();
    }

    /// Everything, in the text format of `OpenMetrics`.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a text does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// A request that is not answered yet; also where its client goes away meanwhile.
pub(crate) struct UnderWay<'m>(&'m Gauge);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A method's name; clients may make up others.
pub(crate) fn name_of(method: &Method) -> &'static str {
    const KNOWN: [Method; 7] = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
    ];
    const NAMES: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    KNOWN.iter().position(|known| known == method).map_or("other", |at| NAMES[at])
}

fn kind_of(what: What) -> Option<&'static str> {
    match what {
        What::Waiting => None,
        What::Reading => Some("read"),
        What::Writing => Some("write"),
    }
}
