//! Passwork's JSON where most of it waits in a spool: the same records, and little of them in memory at once.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use keyferry_crypto::model::{Entry, Record, RecordPath};
use keyferry_formats::{Format, ReadOptions, Spool, Spools, WriteOptions, reader, writer};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

/// A spool that counts what it is given, and may be full from some piece on.
#[derive(Clone, Default)]
struct Counting {
    pieces: Arc<Mutex<Vec<Vec<u8>>>>,
    room: Option<usize>,
}

impl Spool for Counting {
    fn put(&mut self, piece: &[u8]) -> io::Result<()> {
        let mut pieces = self.pieces.lock().unwrap();
        if self.room.is_some_and(|room| pieces.len() >= room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        pieces.push(piece.to_vec());
        Ok(())
    }

    fn get(&mut self, number: u64, into: &mut Zeroizing<Vec<u8>>) -> io::Result<()> {
        let pieces = self.pieces.lock().unwrap();
        into.extend_from_slice(&pieces[usize::try_from(number).unwrap()]);
        Ok(())
    }
}

impl Counting {
    fn spools(&self) -> Spools {
        let spool = self.clone();
        Spools::new(move || Ok(Box::new(spool.clone())))
    }

    fn bytes(&self) -> usize {
        self.pieces.lock().unwrap().iter().map(Vec::len).sum()
    }
}

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

/// Records that go from folder to folder, as a table's rows do.
fn records() -> impl Iterator<Item = Record> {
    (0..30_000).map(|n: usize| Record {
        path: RecordPath {
            vault: (!n.is_multiple_of(7)).then(|| format!("Vault {}", n % 7)),
            folders: vec![format!("Team {}", n % 40), format!("Service {}", n % 3)],
        },
        name: format!("record \"{n}\""),
        password: Some(format!("{n}-").repeat(200).into()),
        ..Record::default()
    })
}

fn written(spools: Spools) -> Vec<u8> {
    let out = Shared::default();
    let options = WriteOptions { spools, ..WriteOptions::default() };
    let mut writer = writer(Format::PASSWORK_JSON, Box::new(out.clone()), &options).unwrap();
    records().for_each(|record| writer.take(record).unwrap());
    writer.finish().unwrap();
    std::mem::take(&mut *out.0.lock().unwrap())
}

fn read(file: &[u8], spools: Spools) -> Vec<Entry> {
    let options = ReadOptions { spools, ..ReadOptions::default() };
    let entries = reader(Format::PASSWORK_JSON, Box::new(io::Cursor::new(file.to_vec())), &options).unwrap();
    entries.collect::<Result<_, _>>().unwrap()
}

#[test]
fn what_waits_in_a_spool_is_what_waits_in_memory() {
    let (writing, reading) = (Counting::default(), Counting::default());
    let file = written(writing.spools());
    assert_eq!(file, written(Spools::default()));
    assert!(file.len() > 32 << 20, "{}", file.len());
    // All but the last that fits: two thirds and more of the file were put away while it was made.
    assert!(writing.bytes() > file.len() / 2, "{} of {}", writing.bytes(), file.len());
    let entries = read(&file, reading.spools());
    assert!(reading.bytes() > file.len() * 9 / 10, "{} of {}", reading.bytes(), file.len());
    assert!(reading.pieces.lock().unwrap().iter().all(|piece| piece.len() < 2 << 20));
    let mut left: HashMap<String, Record> = records().map(|record| (record.name.clone(), record)).collect();
    let mut last = None;
    for entry in entries {
        match entry {
            Entry::Record(record, _) => assert_eq!(left.remove(&record.name), Some(record)),
            Entry::Values(values) => last = Some(values),
            other => panic!("{other:?}"),
        }
    }
    assert!(left.is_empty(), "{} are missing", left.len());
    let values = last.unwrap();
    assert_eq!(values.read, values.carried + values.resolved + values.told);
}

#[test]
fn names_of_folders_may_stand_after_a_million_bytes_of_records() {
    let mut file = String::from(r#"{"passwords":["#);
    for n in 0..4000 {
        let gap = if n > 0 { "," } else { "" };
        let long = "x".repeat(500);
        let _ = write!(
            file,
            r#"{gap}{{"name":"r{n}","password":"{long}","folderId":"f{}","vaultId":"v"}}"#,
            n % 2
        );
    }
    file += r#"],"folders":[{"name":"One","id":"f0","vaultId":"v"},{"id":"f1","name":"Two","parentId":"f0"}],"vaults":[{"id":"v","name":"V"}]}"#;
    let spool = Counting::default();
    let mut count = 0_usize;
    for entry in read(file.as_bytes(), spool.spools()) {
        let Entry::Record(record, at) = entry else { continue };
        let folders: &[&str] = if count.is_multiple_of(2) { &["One"] } else { &["One", "Two"] };
        assert_eq!(record.name, format!("r{count}"));
        assert_eq!(
            (record.path.vault.as_deref(), record.path.folders),
            (Some("V"), folders.iter().map(|one| (*one).to_owned()).collect())
        );
        assert_eq!(at.pointer.as_deref(), Some(format!("/passwords/{count}").as_str()));
        count += 1;
    }
    assert_eq!(count, 4000);
    assert!(spool.bytes() > 1 << 20);
}

#[test]
fn a_spool_that_is_full_is_an_error_and_no_part_of_a_file() {
    let spool = Counting { room: Some(3), ..Counting::default() };
    let file = written(Spools::default());
    let options = ReadOptions { spools: spool.spools(), ..ReadOptions::default() };
    let error = reader(Format::PASSWORK_JSON, Box::new(io::Cursor::new(file)), &options).err().unwrap();
    assert_eq!(error.kind(), keyferry_crypto::ErrorKind::Io);
    let spool = Counting { room: Some(3), ..Counting::default() };
    let options = WriteOptions { spools: spool.spools(), ..WriteOptions::default() };
    let mut writer = writer(Format::PASSWORK_JSON, Box::new(io::sink()), &options).unwrap();
    let failed = records().find_map(|record| writer.take(record).err());
    assert_eq!(failed.unwrap().kind(), keyferry_crypto::ErrorKind::Io);
}
