//! A list of breached passwords on this machine, in the format of Have I Been Pwned: the SHA-1 of each in
//! hexadecimal, a colon, how often it was seen.
//!
//! Either one file sorted by hash, tens of gigabytes large, searched by halving; or a folder of range files,
//! each named by the first five digits and holding the other 35, as the service's own downloader makes them.
//! What is looked up is in no message, and neither is where: the place in the list would tell the hash.

use crate::error::{Error, ErrorKind, Place, Result};
use crate::secret::{SecretString, wiped};
use data_encoding::HEXUPPER;
use sha1::{Digest as _, Sha1};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Digits of a SHA-1, and those that name a range file.
const DIGITS: usize = 40;
const PREFIX: usize = 5;
/// No line of a list is longer.
const LINE: usize = 128;
/// When the halves are so small, the rest is read through.
const BLOCK: u64 = 8 << 10;
/// Lines that are compared to see whether a list is sorted.
const SAMPLES: u64 = 64;
/// A range file holds some thousand lines; a larger one is something else.
const LARGEST_RANGE: u64 = 16 << 20;

/// An opened list.
pub(crate) struct List {
    path: PathBuf,
    shape: Shape,
}

enum Shape {
    Sorted { file: Mutex<File>, length: u64 },
    Ranges,
}

/// What a list says of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Listed,
    Absent,
    /// The folder lacks the range file.
    Unknown,
}

impl List {
    /// Opens a file or a folder, and makes sure that it is such a list.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |error| Error::io(path, error);
        let shape = if std::fs::metadata(path).map_err(failed)?.is_dir() {
            let mut entries = std::fs::read_dir(path).map_err(failed)?;
            if !entries.any(|entry| entry.is_ok_and(|entry| is_range(Path::new(&entry.file_name())))) {
                return Err(Error::new(ErrorKind::Input, "this folder holds no range file")
                    .at(Place::File { path: path.to_owned(), at: None })
                    .next_step("its files are named 00000.txt to FFFFF.txt, as the downloader of Have I Been Pwned makes them"));
            }
            Shape::Ranges
        } else {
            let mut file = File::open(path).map_err(failed)?;
            let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
            Shape::Sorted { file: Mutex::new(file), length }
        };
        let list = Self { path: path.to_owned(), shape };
        list.check()?;
        Ok(list)
    }

    /// Whether a password is in the list.
    pub(crate) fn look_up(&self, password: &SecretString) -> Result<Answer> {
        let digest = wiped(|| HEXUPPER.encode(&Sha1::digest(password.expose().as_bytes())));
        self.find(digest.as_bytes())
    }

    fn find(&self, digest: &[u8]) -> Result<Answer> {
        match &self.shape {
            Shape::Sorted { file, length } => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                self.search(&mut file, *length, digest)
            }
            Shape::Ranges => self.search_range(digest),
        }
    }

    /// Halves what may hold the line until little is left.
    fn search(&self, file: &mut File, length: u64, digest: &[u8]) -> Result<Answer> {
        // Both always stand where a line begins, or at the end.
        let (mut from, mut to) = (0, length);
        while to - from > BLOCK {
            let (start, hash) = self.line_after(file, from + (to - from) / 2)?;
            if digest < hash.as_slice() { to = start } else { from = start }
        }
        let mut block = Vec::new();
        self.read(file, from, to - from, &mut block)?;
        self.scan(&block, digest)
    }

    /// The first line that begins after `at`: where, and its hash. At least [`BLOCK`] / 2 bytes follow.
    fn line_after(&self, file: &mut File, at: u64) -> Result<(u64, Vec<u8>)> {
        let mut bytes = Vec::new();
        self.read(file, at, 2 * LINE as u64, &mut bytes)?;
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(|| self.no_list())?;
        let hash = hash_of(bytes.get(end + 1..).unwrap_or_default(), DIGITS).ok_or_else(|| self.no_list())?;
        Ok((at + end as u64 + 1, hash))
    }

    fn search_range(&self, digest: &[u8]) -> Result<Answer> {
        let (prefix, rest) = digest.split_at(PREFIX);
        let prefix = String::from_utf8_lossy(prefix);
        let small = prefix.to_lowercase();
        for name in [format!("{prefix}.txt"), prefix.to_string(), format!("{small}.txt"), small] {
            let file = match File::open(self.path.join(name)) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io(&self.path, error)),
            };
            let mut block = Vec::new();
            file.take(LARGEST_RANGE + 1)
                .read_to_end(&mut block)
                .map_err(|error| Error::io(&self.path, error))?;
            if block.len() as u64 > LARGEST_RANGE {
                return Err(self.no_list());
            }
            return self.scan(&block, rest);
        }
        Ok(Answer::Unknown)
    }

    /// Looks for digits among whole lines.
    fn scan(&self, lines: &[u8], digits: &[u8]) -> Result<Answer> {
        for line in lines.split(|byte| *byte == b'\n') {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let hash = hash_of(line, digits.len()).ok_or_else(|| self.no_list())?;
            if hash == digits {
                // The service pads its answers with lines that were seen zero times.
                let padding = line.get(digits.len()..).is_some_and(|count| count.trim_ascii() == b":0");
                return Ok(if padding { Answer::Absent } else { Answer::Listed });
            }
        }
        Ok(Answer::Absent)
    }

    /// Makes sure that a file is a list and in order: one in another order would hide what it holds.
    fn check(&self) -> Result<()> {
        let Shape::Sorted { file, length } = &self.shape else { return Ok(()) };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut head = Vec::new();
        self.read(&mut file, 0, (*length).min(BLOCK), &mut head)?;
        let whole = if *length > BLOCK {
            head.iter().rposition(|byte| *byte == b'\n').unwrap_or(0)
        } else {
            head.len()
        };
        let lines =
            head.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let mut before = Vec::new();
        let mut next = |hash: Vec<u8>| {
            if before > hash {
                return Err(Error::new(ErrorKind::Input, "this list is not sorted by hash")
                    .at(self.place())
                    .next_step("take the list ordered by hash, or sort it: LC_ALL=C sort LIST > SORTED"));
            }
            before = hash;
            Ok(())
        };
        let mut count = 0;
        for line in lines.filter(|line| !line.is_empty()) {
            next(hash_of(line, DIGITS).ok_or_else(|| self.no_list())?)?;
            count += 1;
        }
        if count == 0 {
            return Err(self.no_list());
        }
        // Behind the head, lines from all over the file.
        let behind = length.saturating_sub(2 * BLOCK);
        for sample in 0..SAMPLES {
            if behind > 0 {
                next(self.line_after(&mut file, BLOCK + behind / SAMPLES * sample)?.1)?;
            }
        }
        Ok(())
    }

    fn read(&self, file: &mut File, at: u64, length: u64, into: &mut Vec<u8>) -> Result<()> {
        let mut read = || {
            file.seek(SeekFrom::Start(at))?;
            file.take(length).read_to_end(into)
        };
        read().map(drop).map_err(|error| Error::io(&self.path, error))
    }

    fn place(&self) -> Place {
        Place::File { path: self.path.clone(), at: None }
    }

    fn no_list(&self) -> Error {
        Error::new(ErrorKind::Input, "this is no list of breached passwords")
            .at(self.place())
            .next_step("lines are SHA1HEX:COUNT in a file, and SUFFIX:COUNT in the range files of a folder; unpack it first")
    }
}

/// Whether a range file may have this name.
fn is_range(name: &Path) -> bool {
    let plain = name.extension().is_none_or(|ending| ending.eq_ignore_ascii_case("txt"));
    let stem = name.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    plain && stem.len() == PREFIX && stem.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The digits at the beginning of a line, in upper case; they end there or at a colon.
fn hash_of(line: &[u8], digits: usize) -> Option<Vec<u8>> {
    let hash = line.get(..digits)?;
    let ends = matches!(line.get(digits), None | Some(b':' | b'\r' | b'\n' | b' '));
    (ends && hash.iter().all(u8::is_ascii_hexdigit)).then(|| hash.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    fn digest(password: &str) -> String {
        HEXUPPER.encode(&Sha1::digest(password.as_bytes()))
    }

    /// A sorted list of these passwords, each line ended so.
    fn list(passwords: &[String], end: &str) -> String {
        let mut lines: Vec<String> = passwords.iter().map(|one| digest(one)).collect();
        lines.sort();
        lines.iter().enumerate().fold(String::new(), |mut text, (count, hash)| {
            write!(text, "{hash}:{}{end}", count % 977 + 1).unwrap();
            text
        })
    }

    fn opened(content: impl AsRef<[u8]>) -> (tempfile::NamedTempFile, Result<List>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let list = List::open(file.path());
        (file, list)
    }

    fn look_up(list: &List, password: &str) -> Answer {
        list.look_up(&password.into()).unwrap()
    }

    #[test]
    fn each_line_of_a_long_file_is_found_and_nothing_else() {
        let inside: Vec<String> = (0..3_000).map(|number| format!("inside {number}")).collect();
        for end in ["\n", "\r\n"] {
            let text = list(&inside, end);
            for text in [text.as_str(), text.trim_end(), &text.to_lowercase()] {
                let (_file, list) = opened(text);
                let list = list.unwrap();
                assert!(inside.iter().all(|one| look_up(&list, one) == Answer::Listed));
                assert!((0..3_000).all(|n| look_up(&list, &format!("outside {n}")) == Answer::Absent));
                let ends = ["0".repeat(DIGITS), "F".repeat(DIGITS)];
                assert!(ends.iter().all(|hash| list.find(hash.as_bytes()).unwrap() == Answer::Absent));
            }
        }
    }

    #[test]
    fn a_folder_says_what_the_file_says_and_knows_what_it_lacks() {
        let inside: Vec<String> = (0..300).map(|number| format!("inside {number}")).collect();
        let folder = tempfile::tempdir().unwrap();
        let mut ranges: BTreeMap<String, String> = BTreeMap::new();
        for (number, one) in inside.iter().enumerate() {
            let hash = digest(one);
            let (prefix, rest) = hash.split_at(PREFIX);
            let count = if number == 7 { 0 } else { 3 };
            write!(ranges.entry(prefix.to_owned()).or_default(), "{rest}:{count}\r\n").unwrap();
        }
        for (number, (prefix, lines)) in ranges.iter().enumerate() {
            let name = if number % 2 == 0 { format!("{prefix}.txt") } else { prefix.clone() };
            std::fs::write(folder.path().join(name), lines).unwrap();
        }
        let list = List::open(folder.path()).unwrap();
        for (number, one) in inside.iter().enumerate() {
            // What was seen zero times is padding.
            let expected = if number == 7 { Answer::Absent } else { Answer::Listed };
            assert_eq!(look_up(&list, one), expected, "{one}");
        }
        assert_eq!(look_up(&list, "outside"), Answer::Unknown);
        std::fs::write(folder.path().join(format!("{}.txt", &digest("outside")[..PREFIX])), "").unwrap();
        assert_eq!(look_up(&list, "outside"), Answer::Absent);
    }

    #[test]
    fn what_is_no_list_or_in_another_order_is_refused() {
        let inside: Vec<String> = (0..3_000).map(|number| format!("inside {number}")).collect();
        let sorted = list(&inside, "\n");
        let shuffled = sorted.lines().rev().collect::<Vec<_>>().join("\n");
        let (good, bad) = sorted.split_at(sorted.len() / 2);
        let late = format!("{}{}", &bad[bad.find('\n').unwrap() + 1..], &good[..=good.rfind('\n').unwrap()]);
        for (text, words) in [
            ("", "no list"),
            ("\n\n", "no list"),
            ("password\n", "no list"),
            ("8846F7EAEE8FB117AD06BDD830B7586C:3\n", "no list"),
            (shuffled.as_str(), "not sorted"),
            (late.as_str(), "not sorted"),
            ("\u{1f}\u{8b}\u{8}\0\0\0", "no list"),
        ] {
            let (_file, list) = opened(text);
            let error = list.err().unwrap_or_else(|| panic!("{words}"));
            assert!(error.what().contains(words), "{error}");
        }
        assert!(List::open(tempfile::tempdir().unwrap().path()).is_err());
        assert!(List::open(Path::new("absent")).is_err());
    }
}
