//! Records as people have them, from a fixed seed: unicode, notes of many lines, quotes, up to
//! ten custom fields, empty and absent passwords, twins, names with slashes, attachments.

use fastrand::Rng;
use keyferry_core::formats::{self, Format, WriteOptions};
use keyferry_core::model::{Attachment, Custom, CustomKind, Record, RecordPath};
use keyferry_core::secret::{SecretBytes, SecretString};
use std::path::Path;

/// The same records for the same seed. Every 20th is the twin of the one before it.
#[must_use]
pub fn lifelike(count: usize, seed: u64) -> Vec<Record> {
    let mut rng = Rng::with_seed(seed);
    let mut records: Vec<Record> = Vec::with_capacity(count);
    for number in 0..count {
        let record = match records.last() {
            Some(before) if number % 20 == 19 => before.clone(),
            _ => one(&mut rng, number),
        };
        records.push(record);
    }
    records
}

fn one(rng: &mut Rng, number: usize) -> Record {
    let pick = |rng: &mut Rng, from: &[&str]| (*rng.choice(from).unwrap_or(&"")).to_owned();
    let folders = (0..rng.usize(0..4))
        .map(|_| pick(rng, &["Databases", "Network/Edge", "Сервер", "Réseau", "a\\b", "  padded  ", "C:"]))
        .collect();
    // Few names, so that several records share one in a folder.
    let name = pick(rng, &["postgres", "gateway", "Почта \"main\"", "=1+1", "名前 🙂", "printer, 2nd floor"]);
    let password = match number % 7 {
        0 => None,
        1 => Some(SecretString::default()),
        _ => Some(secret(rng, number)),
    };
    let customs = (0..rng.usize(0..=10))
        .map(|index| {
            let kind = [CustomKind::Text, CustomKind::Password, CustomKind::Totp][index % 3].clone();
            let value = match &kind {
                CustomKind::Totp => "otpauth://totp/Lab:ops?secret=GEZDGNBVGY3TQOJQ&digits=8".into(),
                _ if rng.u8(0..8) == 0 => SecretString::default(),
                _ => secret(rng, number),
            };
            Custom { name: pick(rng, &["API key", "Порт", "", "host", "host"]), kind, value }
        })
        .collect();
    let attachments = match number % 25 {
        3 => vec![0],
        8 => vec![1, 1],
        13 => vec![100 << 10],
        _ => vec![],
    };
    let attachments = attachments
        .into_iter()
        .map(|size| Attachment {
            name: pick(rng, &["ca.pem", "../../etc/passwd", "счёт.pdf"]),
            content: SecretBytes::new((0..size).map(|_| rng.u8(..)).collect()),
        })
        .collect();
    Record {
        path: RecordPath { vault: Some(pick(rng, &["Infra", "HR", "Общий/сейф"])), folders },
        name,
        login: pick(rng, &["", "root", "админ", "ops@lab.example"]),
        password,
        url: pick(rng, &["", "https://db.example:5432/x?y=1#z", "ssh://host.example"]),
        description: pick(
            rng,
            &["", "one line", "first\nsecond \"quoted\"\n\n  indented,\r\n\tlast\n", "\u{202e}RTL"],
        ),
        tags: (0..rng.usize(0..3)).map(|_| pick(rng, &["prod", "db, old", "сеть"])).collect(),
        color: (rng.u8(0..3) == 0).then(|| i64::from(rng.u8(1..=10))),
        favorite: rng.u8(0..5) == 0,
        customs,
        attachments,
        created_at: None,
        changed_at: None,
        also_in: Vec::new(),
        history: Vec::new(),
        sealed_under: None,
    }
}

fn secret(rng: &mut Rng, number: usize) -> SecretString {
    let length = rng.usize(1..60);
    let mut text: String = (0..length)
        .map(|_| *rng.choice(&['a', 'Z', '7', '"', ',', '\n', 'ё', '€', '🙂']).unwrap_or(&'x'))
        .collect();
    text.push_str(&number.to_string());
    SecretString::new(text)
}

/// Writes records as JSON lines.
///
/// # Panics
/// Where the file cannot be written.
pub fn write_jsonl(records: &[Record], path: &Path) {
    let file = std::fs::File::create(path).expect("a file to write");
    let output = Box::new(std::io::BufWriter::new(file));
    let mut writer = formats::writer(Format::JSON_LINES, output, &WriteOptions::default()).expect("a writer");
    for record in records {
        writer.write(record).expect("a record is written");
    }
    let lost = writer.finish().expect("the file is finished");
    assert!(lost.is_empty(), "JSON lines hold everything: {lost:?}");
}

/// The lines of a JSON lines file as a sorted multiset, folder lines left out.
#[must_use]
pub fn multiset(jsonl: &str) -> Vec<String> {
    let mut lines: Vec<String> =
        jsonl.lines().filter(|line| !line.contains("\"folder\":true")).map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}
