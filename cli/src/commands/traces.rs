//! `serve` tells a collector of OpenTelemetry what was asked of it, where `OTEL_EXPORTER_OTLP_ENDPOINT` names one: over HTTP, in
//! protobuf, by the HTTP client that everything else here uses.

use crate::exit::usage;
use bytes::Bytes;
use keyferry_core::{Error, ErrorKind, Result};
use keyferry_server::{Parent, Part, Trace, Tracer, What};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Where spans go; `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` counts before the general one.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
/// How long a collector may take, in milliseconds.
const TIMEOUTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
const USUAL_TIMEOUT: Duration = Duration::from_secs(10);

/// What sends the spans of this process.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// By the standard variables; nothing where none of them names a collector, or one says that nothing is to be sent.
    pub fn by_variables() -> Result<Option<Self>> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let off = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || variable("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        if off || !ENDPOINTS.iter().any(|name| variable(name).is_some()) {
            return Ok(None);
        }
        if let Some(other) =
            PROTOCOLS.iter().find_map(|name| variable(name)).filter(|one| one != "http/protobuf")
        {
            let next = "set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, and the collector's address for that (port 4318)";
            return Err(usage(format!("traces are sent as http/protobuf, and not as {other}"), next));
        }
        // What stands in these variables may be secret, and errors repeat it.
        let wrong = |name: &str| {
            let next = "OTEL_EXPORTER_OTLP_ENDPOINT is an address such as http://127.0.0.1:4318";
            usage(format!("traces cannot be sent: {name} cannot be understood"), next)
        };
        let is_address = |text: String| {
            url::Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        };
        if let Some(name) = ENDPOINTS.iter().find(|name| !variable(name).is_none_or(is_address)) {
            return Err(wrong(name));
        }
        let client = Client::new().map_err(|error| {
            Error::new(ErrorKind::Io, "traces cannot be sent").because(error.without_url())
        })?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(client)
            .build()
            .map_err(|error| {
                let text = error.to_string();
                let name = text.split(": ").find(|part| part.starts_with("OTEL_") && !part.contains(' '));
                wrong(name.unwrap_or("a variable of OTEL_EXPORTER_OTLP_"))
            })?;
        let mut resource = Resource::builder();
        let named = variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|all| all.contains("service.name="));
        if variable("OTEL_SERVICE_NAME").is_none() && !named {
            resource = resource.with_service_name("keyferry");
        }
        let resource =
            resource.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build();
        Ok(Some(Self(
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build(),
        )))
    }

    /// Who is told of each request.
    pub fn tracer(&self) -> Tracer {
        let tracer = self.0.tracer("keyferry");
        Tracer::new(move |trace| tell(&tracer, trace))
    }

    /// Sends what has not been sent yet.
    pub fn end(self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// One span for the request, and one in it for each thing that the database did.
fn tell(tracer: &SdkTracer, trace: Trace) {
    let database = if trace.on_server { "postgresql" } else { "sqlite" };
    let mut name = trace.method.to_owned();
    let mut attributes = vec![
        KeyValue::new("http.request.method", if trace.method == "other" { "_OTHER" } else { trace.method }),
        KeyValue::new("http.response.status_code", i64::from(trace.status)),
        KeyValue::new("db.system.name", database),
    ];
    if !trace.endpoint.is_empty() {
        name = format!("{name} {}", trace.endpoint);
        attributes.push(KeyValue::new("http.route", trace.endpoint));
    }
    if let Some(requests) = trace.batch {
        attributes
            .push(KeyValue::new("keyferry.batch.requests", i64::try_from(requests).unwrap_or(i64::MAX)));
    }
    let parent = trace
        .parent
        .map_or_else(Context::new, |parent| Context::new().with_remote_span_context(context(parent)));
    let mut span = SpanBuilder::from_name(name)
        .with_kind(SpanKind::Server)
        .with_start_time(trace.began)
        .with_attributes(attributes)
        .start_with_context(tracer, &parent);
    if trace.status >= 500 {
        span.set_status(Status::error(""));
    }
    let within = parent.with_span(span);
    for Part { what, began, ended } in trace.parts {
        let name = match what {
            What::Waiting => "wait for the writer",
            What::Reading => "read transaction",
            What::Writing => "write transaction",
        };
        SpanBuilder::from_name(name)
            .with_start_time(began)
            .with_attributes([KeyValue::new("db.system.name", database)])
            .start_with_context(tracer, &within)
            .end_with_timestamp(ended);
    }
    within.span().end_with_timestamp(trace.ended);
}

fn context(parent: Parent) -> SpanContext {
    let flags = TraceFlags::default().with_sampled(parent.sampled);
    let (trace, span) = (TraceId::from(parent.trace), SpanId::from(parent.span));
    SpanContext::new(trace, span, flags, true, TraceState::NONE)
}

/// The HTTP client of everything else, for a thread of the exporter's own.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: tokio::runtime::Handle,
    /// Whether the collector was out of reach the last time: it is said once.
    away: AtomicBool,
}

impl Client {
    fn new() -> std::result::Result<Self, reqwest::Error> {
        // The exporter bounds only clients of its own making, and waits for this one.
        let given = TIMEOUTS.iter().find_map(|name| std::env::var(name).ok()?.parse().ok());
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(given.map_or(USUAL_TIMEOUT, Duration::from_millis))
            .build()?;
        Ok(Self { http, runtime: tokio::runtime::Handle::current(), away: AtomicBool::new(false) })
    }
}

async fn send(
    http: reqwest::Client,
    request: http::Request<Bytes>,
) -> std::result::Result<http::Response<Bytes>, HttpError> {
    let answer = http.execute(request.try_into()?).await.map_err(reqwest::Error::without_url)?;
    let status = answer.status();
    // What a collector says at length is not read by anybody.
    let mut whole = http::Response::new(Bytes::new());
    *whole.status_mut() = status;
    Ok(whole)
}

type Sending<'a> =
    Pin<Box<dyn Future<Output = std::result::Result<http::Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for Client {
    fn send_bytes<'a, 'b>(&'a self, request: http::Request<Bytes>) -> Sending<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        let sending = self.runtime.spawn(send(self.http.clone(), request));
        Box::pin(async move {
            let answer = sending.await.map_err(HttpError::from).flatten();
            let why = match &answer {
                Ok(answer) if answer.status().is_success() => None,
                Ok(answer) => Some(format!("it answered {}", answer.status())),
                Err(error) => Some(error.to_string()),
            };
            if let (Some(why), false) = (&why, self.away.load(Ordering::Relaxed)) {
                tracing::warn!(why, "spans do not reach the collector");
            }
            self.away.store(why.is_some(), Ordering::Relaxed);
            answer
        })
    }
}
