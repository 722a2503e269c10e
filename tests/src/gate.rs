//! A TCP proxy before a target, which breaks connections where it is told to.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// What happens to a connection.
#[derive(Clone, Copy, Debug)]
pub enum Break {
    /// Nothing.
    Never,
    /// It is closed before anything goes through.
    AtOnce,
    /// It is closed when these bytes come from the client, and the target does not get them.
    Before(&'static str),
    /// The target gets these bytes and answers, and the answer does not arrive.
    After(&'static str),
}

/// A running gate. It ends with the test's process.
pub struct Gate {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    plan: Arc<Mutex<Break>>,
    left: Arc<Mutex<u32>>,
}

impl Gate {
    /// Stands before a target.
    pub fn new(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let plan = Arc::new(Mutex::new(Break::Never));
        let left = Arc::new(Mutex::new(0));
        let (now, count) = (plan.clone(), left.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (now, count) = (now.clone(), count.clone());
                std::thread::spawn(move || {
                    let target = SocketAddr::from(([127, 0, 0, 1], target));
                    // A broken connection is what this is about.
                    drop(serve(&client, target, &now, &count));
                });
            }
        });
        Self { port, plan, left }
    }

    /// Breaks that many connections this way, from now on.
    pub fn breaks(&self, how: Break, times: u32) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = how;
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = times;
    }

    /// How many of them are left to break.
    pub fn left(&self) -> u32 {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the breaks that are left, if there is one.
fn take(left: &Mutex<u32>) -> bool {
    let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = *left > 0;
    *left = left.saturating_sub(1);
    taken
}

fn serve(
    client: &TcpStream,
    target: SocketAddr,
    plan: &Mutex<Break>,
    left: &Mutex<u32>,
) -> std::io::Result<()> {
    let now = || *plan.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(now(), Break::AtOnce) && take(left) {
        return client.shutdown(Shutdown::Both);
    }
    let server = TcpStream::connect(target)?;
    let muted = Arc::new(Mutex::new(false));
    let (from, to, silent) = (server.try_clone()?, client.try_clone()?, muted.clone());
    let back = std::thread::spawn(move || {
        let (mut from, mut to) = (from, to);
        let mut bytes = [0; 8192];
        loop {
            let count = from.read(&mut bytes).unwrap_or(0);
            let silent = *silent.lock().unwrap_or_else(PoisonError::into_inner);
            if count == 0 || silent || to.write_all(&bytes[..count]).is_err() {
                let _ = to.shutdown(Shutdown::Both);
                return;
            }
        }
    });
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    let mut bytes = [0; 8192];
    loop {
        let count = from.read(&mut bytes).unwrap_or(0);
        let sent = &bytes[..count];
        let holds = |words: &str| sent.windows(words.len()).any(|part| part == words.as_bytes());
        match now() {
            _ if count == 0 => break,
            Break::Before(words) if holds(words) && take(left) => {
                let _ = client.shutdown(Shutdown::Both);
                break;
            }
            Break::After(words) if holds(words) && take(left) => {
                *muted.lock().unwrap_or_else(PoisonError::into_inner) = true;
                to.write_all(sent)?;
                // The thread above ends when the target has answered.
                let _ = back.join();
                return server.shutdown(Shutdown::Both);
            }
            _ => to.write_all(sent)?,
        }
    }
    server.shutdown(Shutdown::Both)
}
