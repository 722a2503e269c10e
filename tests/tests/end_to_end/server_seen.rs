//! What a server shows of itself: counts at an address of their own, and spans for a collector of OpenTelemetry. A real collector's
//! place is taken by a listener that reads what it is sent.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use keyferry_tests::Scene;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// What was asked, by the names that stood in it: none of them leaves the server.
const MARKERS: [&str; 5] =
    ["planted-vault", "planted-user", "planted-item", "planted-query", "planted-state"];
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// Whatever was sent: paths, and bodies.
type Sent = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// Takes what is sent to it, and answers with success.
fn collector() -> (u16, Sent) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, sent) = (listener.local_addr().unwrap().port(), Sent::default());
    let heard = sent.clone();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let (mut reader, heard) = (BufReader::new(connection.unwrap()), heard.clone());
            std::thread::spawn(move || {
                while let Some((path, body)) = request(&mut reader) {
                    heard.lock().unwrap().push((path, body));
                    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
                    reader.get_mut().write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    (port, sent)
}

fn request(reader: &mut BufReader<std::net::TcpStream>) -> Option<(String, Vec<u8>)> {
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first.split(' ').nth(1)?.to_owned(), body))
}

/// A field of a message in protobuf.
enum Field<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    while let Some((&byte, rest)) = bytes.split_first() {
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut bytes)),
            kind => {
                let length = match kind {
                    1 => 8,
                    5 => 4,
                    2 => usize::try_from(varint(&mut bytes)).unwrap(),
                    other => panic!("kind {other}"),
                };
                let (own, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(own)
            }
        };
        all.push((tag >> 3, field));
    }
    all
}

/// The messages, texts or bytes under a number.
fn under(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    let found = fields(bytes).into_iter().filter(|(own, _)| *own == number);
    found.filter_map(|(_, field)| if let Field::Bytes(bytes) = field { Some(bytes) } else { None }).collect()
}

fn text(bytes: &[u8], number: u64) -> String {
    under(bytes, number).first().map(|text| String::from_utf8((*text).to_vec()).unwrap()).unwrap_or_default()
}

/// The attributes under a number, as texts.
fn attributes(bytes: &[u8], number: u64) -> Vec<(String, String)> {
    let of = |one: &&[u8]| {
        let value = under(one, 2)[0];
        let number = fields(value).into_iter().find_map(|(number, field)| match field {
            Field::Number(value) if number == 3 => Some(value.to_string()),
            _ => None,
        });
        (text(one, 1), number.unwrap_or_else(|| text(value, 1)))
    };
    let mut all: Vec<_> = under(bytes, number).iter().map(of).collect();
    all.sort();
    all
}

/// A span, as a collector reads it.
#[derive(Debug)]
struct Span {
    name: String,
    trace: String,
    id: String,
    parent: String,
    attributes: Vec<(String, String)>,
}

impl Span {
    fn says(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

fn spans(sent: &Sent) -> Vec<Span> {
    let hex = |bytes: &[u8], number| {
        under(bytes, number).first().map(|bytes| data_encoding::HEXLOWER.encode(bytes)).unwrap_or_default()
    };
    let mut all = Vec::new();
    for (path, body) in sent.lock().unwrap().iter() {
        assert_eq!(path, "/v1/traces");
        for of_resource in under(body, 1) {
            let resource = attributes(under(of_resource, 1)[0], 1);
            assert!(resource.contains(&("service.name".to_owned(), "keyferry".to_owned())), "{resource:?}");
            for of_scope in under(of_resource, 2) {
                all.extend(under(of_scope, 2).into_iter().map(|span| Span {
                    name: text(span, 5),
                    trace: hex(span, 1),
                    id: hex(span, 2),
                    parent: hex(span, 4),
                    attributes: attributes(span, 9),
                }));
            }
        }
    }
    all
}

/// A server that is stopped with a word, and what it said when it was ready.
struct Server {
    child: Child,
    ready: Value,
}

impl Server {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, ready: serde_json::from_str(&line).unwrap() }
    }

    fn says(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap()
    }

    /// Ends it, and tells what it logged.
    fn end(self) -> String {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(told.unwrap().success());
        let output = self.child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stderr).unwrap()
    }
}

/// A development server, told of a collector by these variables.
fn server(scene: &Scene, variables: &[(&str, &str)]) -> Server {
    let words = [
        "--json",
        "serve",
        "--dev",
        "--client-encryption",
        "off",
        "--listen",
        "127.0.0.1:0",
        "--metrics",
        "0",
    ];
    let mut command = scene.command(&words);
    command.env("OTEL_BSP_SCHEDULE_DELAY", "50").envs(variables.iter().copied());
    Server::start(command)
}

/// Asks for some of everything; the identifiers and tokens that came along.
async fn used(server: &Server) -> Vec<String> {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let token = server.says("access_token").to_owned();
    let ask = async |method: &str, path: &str, body: Value| {
        let url = format!("{}/api/v1{path}", server.says("url"));
        let mut request = http
            .request(method.parse().unwrap(), url)
            .bearer_auth(&token)
            .header("x-response-format", "raw")
            .header("traceparent", format!("00-{TRACE}-{SPAN}-01"))
            .header("tracestate", format!("vendor={}", MARKERS[4]));
        if !body.is_null() {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{method} {path}");
        serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap()
    };
    let vault = ask("POST", "/vaults", json!({"name": MARKERS[0]})).await["id"].as_str().unwrap().to_owned();
    ask("POST", "/users", json!({"username": MARKERS[1], "password": "correct horse"})).await;
    let draft = json!({"vaultId": vault, "name": MARKERS[2]});
    let item = ask("POST", "/items", draft.clone()).await["id"].as_str().unwrap().to_owned();
    ask("GET", &format!("/items/{item}"), Value::Null).await;
    ask("GET", &format!("/items/search?query={}", MARKERS[3]), Value::Null).await;
    let one = json!({"method": "post", "relativeUrl": "/api/v1/items", "body": draft});
    ask("POST", "/batch", json!({"requests": [one, one]})).await;
    vec![vault, item, token]
}

#[tokio::test]
async fn spans_reach_a_collector_and_hold_no_name_and_no_secret() {
    let scene = Scene::new();
    let (port, sent) = collector();
    let at = format!("http://127.0.0.1:{port}");
    let server = server(&scene, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &at)]);
    let mut secrets = used(&server).await;
    secrets.extend(["password", "refresh_token"].map(|name| server.says(name).to_owned()));
    server.end();

    let spans = spans(&sent);
    let find = |name: &str| {
        spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:#?}"))
    };
    let batch = find("POST /api/v1/batch");
    assert_eq!((batch.trace.as_str(), batch.parent.as_str()), (TRACE, SPAN));
    let said = [
        "http.request.method",
        "http.route",
        "http.response.status_code",
        "keyferry.batch.requests",
        "db.system.name",
    ]
    .map(|name| batch.says(name).unwrap());
    assert_eq!(said, ["POST", "/api/v1/batch", "200", "2", "sqlite"]);
    let within: Vec<&str> =
        spans.iter().filter(|span| span.parent == batch.id).map(|span| span.name.as_str()).collect();
    assert_eq!(within, ["read transaction", "wait for the writer", "write transaction"]);
    assert_eq!(find("GET /api/v1/items/{id}").says("keyferry.batch.requests"), None);
    assert!(spans.iter().all(|span| span.trace == TRACE));
    // Of attributes there are these and no others.
    let known = [
        "http.request.method",
        "http.route",
        "http.response.status_code",
        "keyferry.batch.requests",
        "db.system.name",
    ];
    for span in &spans {
        assert!(span.attributes.iter().all(|(name, _)| known.contains(&name.as_str())), "{span:?}");
    }
    let whole: Vec<u8> = sent.lock().unwrap().iter().flat_map(|(_, body)| body.clone()).collect();
    let holds = |what: &str| memchr::memmem::find(&whole, what.as_bytes()).is_some();
    assert!(holds("/api/v1/items/search"), "the search sees what is there");
    for hidden in MARKERS.into_iter().chain(secrets.iter().map(String::as_str)).chain(["127.0.0.1"]) {
        assert!(!holds(hidden), "{hidden} was sent");
    }
}

#[tokio::test]
async fn nothing_is_sent_unasked_and_a_collector_that_is_away_holds_nobody_up() {
    let scene = Scene::new();
    let (port, sent) = collector();
    let at = format!("http://127.0.0.1:{port}");
    for variables in [
        vec![],
        vec![("OTEL_EXPORTER_OTLP_ENDPOINT", at.as_str()), ("OTEL_SDK_DISABLED", "true")],
        vec![("OTEL_EXPORTER_OTLP_ENDPOINT", at.as_str()), ("OTEL_TRACES_EXPORTER", "none")],
    ] {
        let server = server(&scene, &variables);
        used(&server).await;
        server.end();
        assert!(sent.lock().unwrap().is_empty(), "{variables:?}");
    }
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = server(&scene, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{nowhere}"))]);
    used(&away).await;
    let log = away.end();
    assert_eq!(log.matches("spans do not reach the collector").count(), 1, "{log}");
    // One that takes the connection, and never says anything.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let at_silent = format!("http://{}", silent.local_addr().unwrap());
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", at_silent.as_str()), ("OTEL_EXPORTER_OTLP_TIMEOUT", "200")];
    let unheard = server(&scene, &variables);
    used(&unheard).await;
    let log = unheard.end();
    assert_eq!(log.matches("spans do not reach the collector").count(), 1, "{log}");
    let grpc =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", Some(at.as_str())), ("OTEL_EXPORTER_OTLP_PROTOCOL", Some("grpc"))];
    let serve = ["serve", "--dev", "--listen", "127.0.0.1:0"];
    scene.run_with(&grpc, &serve).exits(2).says("http/protobuf");
    // A collector's address and headers may hold what signs in there.
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:planted-secret@[wrong"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://user:planted-secret@host"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "planted-secret"),
    ] {
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", Some(at.as_str())), (name, Some(value))];
        let run = scene.run_with(&variables, &serve);
        run.exits(2).says(name).hides("planted-secret");
    }
}

#[tokio::test]
async fn counts_are_shown_at_an_address_of_their_own() {
    let scene = Scene::new();
    let server = server(&scene, &[]);
    let secrets = used(&server).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let metrics = server.says("metrics");
    assert!(metrics.starts_with("http://127.0.0.1:") && metrics.ends_with("/metrics"), "{metrics}");
    let text = http.get(metrics).send().await.unwrap().text().await.unwrap();
    let batches = r#"keyferry_http_requests_total{method="POST",endpoint="/batch",status="2xx"} 1"#;
    assert!(text.contains(batches), "{text}");
    for hidden in MARKERS.into_iter().chain(secrets.iter().map(String::as_str)) {
        assert!(!text.contains(hidden), "{hidden} is shown");
    }
    let elsewhere = http.get(format!("{}/metrics", server.says("url"))).send().await.unwrap();
    assert_eq!(elsewhere.status(), 404);
    // The address is taken.
    let taken = metrics.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
    let second = ["serve", "--dev", "--listen", "127.0.0.1:0", "--metrics", taken];
    scene.run(&second).exits(1).says("cannot listen on").says("--metrics");
    server.end();
}
