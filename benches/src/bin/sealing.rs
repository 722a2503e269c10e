//! The archive's sealing layer against `openssl speed -evp aes-256-gcm` on blocks of 16 KiB, both
//! with one core and with all, in one run. `openssl` must be on the path.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that fails ends; its result is its output"
)]

use keyferry_core::archive::stream::{Key, Sealer, Unsealer};
use std::io::{self, Cursor, Write};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Instant;

const BYTES: usize = 512 << 20;
/// The best of so many: the machine may be doing other things.
const ROUNDS: usize = 3;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn key() -> Key {
    Key::new(&[7; 32], [1; 7])
}

fn seal(to: Box<dyn Write + Send>) {
    let mut sealer = Sealer::new(to, key());
    let mut left = BYTES;
    while left > 0 {
        let room = sealer.room().unwrap();
        let bytes = room.len().min(left);
        room[..bytes].fill(3);
        sealer.filled(bytes);
        left -= bytes;
    }
    sealer.finish().unwrap();
}

fn open(sealed: Arc<[u8]>) {
    let mut unsealer = Unsealer::new(Box::new(Cursor::new(sealed)), key(), 0);
    let mut came = 0;
    loop {
        let ready = unsealer.ready().unwrap().len();
        if ready == 0 {
            break;
        }
        came += ready;
        unsealer.take(ready);
    }
    assert_eq!(came, BYTES);
}

/// Megabytes a second, the best of a few rounds.
fn rate(threads: usize, work: impl Fn() + Send + Sync) -> f64 {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let once = |_| {
        let start = Instant::now();
        pool.install(&work);
        BYTES as f64 / 1e6 / start.elapsed().as_secs_f64()
    };
    (0..ROUNDS).map(once).fold(0.0, f64::max)
}

/// Megabytes a second, as `openssl` counts them.
fn openssl(threads: usize) -> f64 {
    let mut words = vec!["speed", "-mr", "-seconds", "3", "-bytes", "16384", "-evp", "aes-256-gcm"];
    let count = threads.to_string();
    if threads > 1 {
        words.extend(["-multi", &count]);
    }
    let answer = Command::new("openssl").args(words).output().unwrap();
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    // `+F:number:name:bytes a second`
    let line =
        text.lines().rfind(|line| line.starts_with("+F:")).unwrap_or_else(|| panic!("no figure in {text}"));
    line.rsplit(':').next().unwrap().parse::<f64>().unwrap() / 1e6
}

fn main() {
    let sealed = Shared::default();
    seal(Box::new(sealed.clone()));
    let sealed: Arc<[u8]> = std::mem::take(&mut *sealed.0.lock().unwrap()).into();
    let all = std::thread::available_parallelism().unwrap().get();
    let mut single = None;
    for threads in [1, all] {
        let peer = openssl(threads);
        let seal = rate(threads, || seal(Box::new(io::sink())));
        let open = rate(threads, || open(sealed.clone()));
        println!(
            "{threads} core(s): openssl {peer:.0} MB/s; seal {seal:.0} MB/s = {:.0} %; open {open:.0} MB/s = {:.0} %",
            100.0 * seal / peer,
            100.0 * open / peer
        );
        if let Some((seal_one, open_one)) = single.replace((seal, open)) {
            println!("{all} cores against one: seal {:.2} x, open {:.2} x", seal / seal_one, open / open_one);
        }
    }
}
