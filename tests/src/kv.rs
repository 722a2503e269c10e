//! Servers of HashiCorp Vault's API: one that gives recorded answers, and a real one where `make test-vault` has built it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET` and its like.
    pub method: String,
    /// Path and query, as they were sent.
    pub path: String,
    /// `X-Vault-Token`.
    pub token: String,
    /// `X-Vault-Namespace`.
    pub namespace: String,
}

/// An answer: status, further header lines, body.
pub type Reply = (u16, &'static str, String);

/// A server that answers as it was told.
pub struct Recorded {
    /// Host and port.
    pub address: String,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Recorded {
    /// Answers each request, the number of which is given as well, until the test ends.
    pub fn new(answer: impl Fn(&Request, usize) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let asked: Arc<Mutex<Vec<Request>>> = Arc::default();
        let kept = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let Some(request) = read(&stream) else { continue };
                let number = {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.push(request.clone());
                    kept.len() - 1
                };
                let (status, headers, body) = answer(&request, number);
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
                );
            }
        });
        Self { address, asked }
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut request = Request { method, path, token: String::new(), namespace: String::new() };
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "x-vault-token" => value.trim().clone_into(&mut request.token),
            "x-vault-namespace" => value.trim().clone_into(&mut request.namespace),
            _ => {}
        }
    }
    Some(request)
}

/// A real server in memory, ended when dropped.
pub struct Real {
    child: Child,
    /// Host and port.
    pub address: String,
    /// Who may do everything.
    pub token: String,
}

impl Real {
    /// Starts the program that `KEYFERRY_VAULT_SERVER` names. `None`, said out loud, where it names none.
    pub fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("KEYFERRY_VAULT_SERVER") else {
            eprintln!("skipped: a real server of HashiCorp Vault (make test-vault builds and runs one)");
            return None;
        };
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("its first line");
        let ready: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
        let text = |name: &str| ready[name].as_str().expect("a text").to_owned();
        Some(Self { child, address: text("address"), token: text("token") })
    }

    /// Sends a request as a user; the status and the JSON of the answer.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: &serde_json::Value,
    ) -> (u16, serde_json::Value) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        write!(
            stream,
            "{method} /v1/{path} HTTP/1.1\r\nHost: x\r\nX-Vault-Token: {token}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        let body = body.get(body.find('{').unwrap_or(body.len())..).unwrap_or_default();
        let body = body.get(..=body.rfind('}').unwrap_or_default()).unwrap_or("null");
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// Insists that the administrator may do it.
    pub fn does(&self, method: &str, path: &str, body: &serde_json::Value) -> serde_json::Value {
        let (status, answer) = self.send(method, path, &self.token, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
