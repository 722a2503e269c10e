//! A TCP proxy between client and server that breaks HTTP where it is told to.
//!
//! It finds the borders of requests and answers by `Content-Length`, which both sides always send,
//! and uses a connection of its own to the server for each request.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What can go wrong on the way.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The connection breaks before the server hears of it.
    DropBefore,
    /// The server acts, and the connection breaks before its answer.
    DropAfter,
    /// The connection breaks in the middle of the answer's body.
    MidBody,
    /// An answer of the proxy's own; the server hears nothing. 429 and 503 ask for a second's pause.
    Status(u16),
    /// An answer of the proxy's own, with this body; the server hears nothing.
    Refuses(u16, &'static str),
    /// The server acts, and a gateway answers that it failed.
    GatewayAfter(u16),
    /// The request arrives later.
    Delay(Duration),
    /// The request arrives after the client has given up: the server acts all the same.
    TooLate(Duration),
    /// The server hears it twice; the client gets the second answer.
    Twice,
    /// The access token has expired, says the answer.
    Expired,
    /// The server's answer, changed: its JSON.
    Lie(fn(&mut serde_json::Value)),
    /// Another body in place of the server's answer.
    Body(fn() -> Vec<u8>),
    /// A body that begins so and goes on with this for ever.
    Endless(&'static str, &'static str),
    /// A redirect to this address.
    Redirect(SocketAddr),
}

/// What the proxy is told about a request.
pub struct Asked {
    /// `POST`
    pub method: String,
    /// `/api/v1/batch`
    pub path: String,
}

/// Chooses a fault for a request, or none.
pub type Plan = Box<dyn FnMut(&Asked) -> Option<Fault> + Send>;

/// A running proxy. It ends with the test's process.
pub struct Proxy {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
    done: Arc<Mutex<Vec<String>>>,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Proxy {
    /// Stands between a client and the server at `url`.
    pub fn new(url: &str, plan: Plan) -> Self {
        Self::start(url, plan, false)
    }

    /// As [`Proxy::new`], before a server that does not heed an `Idempotency-Key`, as most do not: it says so of itself, and
    /// sees none.
    pub fn before_another_server(url: &str, plan: Plan) -> Self {
        Self::start(url, plan, true)
    }

    fn start(url: &str, plan: Plan, without_keys: bool) -> Self {
        let server: SocketAddr = url.trim_start_matches("http://").parse().expect("an address with a port");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let done = Arc::new(Mutex::new(Vec::new()));
        let plan = Arc::new(Mutex::new(plan));
        let received = Arc::new(Mutex::new(Vec::new()));
        let (seen, heard) = (done.clone(), received.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (plan, seen, heard) = (plan.clone(), seen.clone(), heard.clone());
                // A broken connection is what this is about.
                std::thread::spawn(move || drop(serve(client, (server, without_keys), &plan, &seen, &heard)));
            }
        });
        Self { url, done, received }
    }

    /// All that clients sent, in the order of its arrival.
    pub fn received(&self) -> Vec<u8> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The faults that happened, each with its request.
    pub fn done(&self) -> Vec<String> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Head and body, as they came.
struct Message {
    head: Vec<u8>,
    body: Vec<u8>,
}

fn serve(
    client: TcpStream,
    (server, without_keys): (SocketAddr, bool),
    plan: &Mutex<Plan>,
    done: &Mutex<Vec<String>>,
    received: &Mutex<Vec<u8>>,
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut from_client = BufReader::new(client.try_clone()?);
    let mut to_client = client;
    while let Some(request) = read(&mut from_client)? {
        {
            let mut received = received.lock().unwrap_or_else(PoisonError::into_inner);
            received.extend_from_slice(&request.head);
            received.extend_from_slice(&request.body);
        }
        let line = String::from_utf8_lossy(&request.head).lines().next().unwrap_or_default().to_owned();
        let mut words = line.split(' ').map(str::to_owned);
        let asked =
            Asked { method: words.next().unwrap_or_default(), path: words.next().unwrap_or_default() };
        let fault = plan.lock().unwrap_or_else(PoisonError::into_inner)(&asked);
        if let Some(fault) = fault {
            let what = format!("{fault:?} at {} {}", asked.method, asked.path);
            done.lock().unwrap_or_else(PoisonError::into_inner).push(what);
        }
        match fault {
            None if without_keys && asked.path.ends_with("/app/features") => {
                let answer = forward(&request, server)?;
                let mut features: serde_json::Value = serde_json::from_slice(&answer.body)?;
                if let Some(features) = features.as_array_mut() {
                    features.retain(|feature| feature["name"] != "idempotencyKey");
                }
                own(200, &features.to_string()).write(&mut to_client)?;
            }
            None => forward(&request, server)?.write(&mut to_client)?,
            Some(Fault::DropBefore) => return Ok(()),
            Some(Fault::DropAfter) => return forward(&request, server).map(drop),
            Some(Fault::MidBody) => {
                let answer = forward(&request, server)?;
                to_client.write_all(&answer.head)?;
                return to_client.write_all(&answer.body[..answer.body.len() / 2]);
            }
            Some(Fault::Status(status)) => own(status, "").write(&mut to_client)?,
            Some(Fault::Refuses(status, body)) => own(status, body).write(&mut to_client)?,
            Some(Fault::GatewayAfter(status)) => {
                forward(&request, server)?;
                own(status, "").write(&mut to_client)?;
            }
            Some(Fault::Delay(pause)) => {
                std::thread::sleep(pause);
                forward(&request, server)?.write(&mut to_client)?;
            }
            Some(Fault::TooLate(pause)) => {
                std::thread::sleep(pause);
                return forward(&request, server).map(drop);
            }
            Some(Fault::Twice) => {
                forward(&request, server)?;
                forward(&request, server)?.write(&mut to_client)?;
            }
            Some(Fault::Expired) => {
                let body = r#"{"errors":[{"code":"accessTokenExpired","message":"expired"}]}"#;
                own(401, body).write(&mut to_client)?;
            }
            Some(Fault::Lie(change)) => {
                let answer = forward(&request, server)?;
                let mut body = serde_json::from_slice(&answer.body)?;
                change(&mut body);
                own(200, &body.to_string()).write(&mut to_client)?;
            }
            Some(Fault::Body(body)) => {
                let mut answer = own(200, "");
                answer.body = body();
                answer.head =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.body.len()).into();
                answer.write(&mut to_client)?;
            }
            Some(Fault::Endless(start, more)) => {
                write!(to_client, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{start}", 1_u64 << 40)?;
                let more = more.repeat(1000);
                loop {
                    to_client.write_all(more.as_bytes())?;
                }
            }
            Some(Fault::Redirect(address)) => {
                let path = &asked.path;
                write!(
                    to_client,
                    "HTTP/1.1 307 Elsewhere\r\nlocation: http://{address}{path}\r\ncontent-length: 0\r\n\r\n"
                )?;
            }
        }
    }
    Ok(())
}

fn forward(request: &Message, server: SocketAddr) -> std::io::Result<Message> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    request.write(&mut stream)?;
    read(&mut BufReader::new(stream))?.ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

fn own(status: u16, body: &str) -> Message {
    let pause = if matches!(status, 429 | 503) { "retry-after: 1\r\n" } else { "" };
    let head = format!("HTTP/1.1 {status} Fault\r\n{pause}content-length: {}\r\n\r\n", body.len());
    Message { head: head.into_bytes(), body: body.as_bytes().to_vec() }
}

/// One message; `None` where the connection ends between two.
fn read(from: &mut BufReader<TcpStream>) -> std::io::Result<Option<Message>> {
    let mut head = Vec::new();
    let mut length = 0;
    loop {
        let start = head.len();
        if from.read_until(b'\n', &mut head)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&head[start..]).to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(|_| std::io::ErrorKind::InvalidData)?;
        }
        assert!(!line.starts_with("transfer-encoding:"), "the proxy finds borders by length alone");
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(Some(Message { head, body }))
}

impl Message {
    fn write(&self, to: &mut TcpStream) -> std::io::Result<()> {
        to.write_all(&[self.head.as_slice(), &self.body].concat())
    }
}
