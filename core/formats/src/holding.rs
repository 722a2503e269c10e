//! The account of a whole file: what its format cannot hold of one record after the other, before it is written and while it is.

use crate::format::Format;
use crate::held::{Export, Fate, Kind, Losses, Names, differ, names, without_files};
use crate::{Output, WriteOptions, Writer};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::{Record, RecordPath};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;

impl Losses {
    /// Sentences without any value: one for what stays behind, one for what is changed.
    #[must_use]
    pub fn sentences(&self, format: Format) -> Vec<String> {
        let of = |fate: Fate| {
            let counts: Vec<_> = self.iter().filter(|(kind, _)| kind.fate() == fate).collect();
            let listed = counts.iter().map(|(kind, count)| format!("{count} {}", kind.word(*count)));
            let total: u64 = counts.iter().map(|(_, count)| count).sum();
            (listed.collect::<Vec<_>>().join(", "), total)
        };
        let name = format.name();
        let (behind, changed) = (of(Fate::Behind), of(Fate::Changed));
        [
            (behind, "stays behind in", "stay behind in", "cannot hold"),
            (changed, "is changed in", "are changed in", "has no form for"),
        ]
        .into_iter()
        .filter(|((_, total), ..)| *total > 0)
        .map(|((listed, total), one, many, why)| {
            let (verb, it) = if total == 1 { (one, "it") } else { (many, "them") };
            format!("{listed} {verb} {name}, which {why} {it}")
        })
        .collect()
    }
}

/// Counts what a format cannot hold of records and folders, one after the other, as its writer would.
///
/// ```
/// use keyferry_crypto::model::Record;
/// use keyferry_formats::{Format, Holding};
///
/// let mut holding = Holding::of(Format::from_name("chrome-csv").expect("a format"))?;
/// holding.record(&Record { name: "a".into(), color: Some(3), ..Record::default() });
/// assert_eq!(holding.losses().to_string(), "1 color");
/// # Ok::<(), keyferry_crypto::Error>(())
/// ```
pub struct Holding {
    format: Format,
    export: &'static Export,
    losses: Losses,
    /// Names of records by place, where these must differ.
    names: HashMap<RecordPath, Names>,
    /// Empty folders that the format has no place for, and folders that hold something.
    empty: HashSet<RecordPath>,
    filled: HashSet<RecordPath>,
}

impl fmt::Debug for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Holding({:?}: {})", self.format, self.losses)
    }
}

impl Holding {
    /// An account of nothing yet.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a format that is only read.
    pub fn of(format: Format) -> Result<Self> {
        let export = format.export().ok_or_else(|| only_read(format))?;
        Ok(Self {
            format,
            export,
            losses: Losses::default(),
            names: HashMap::new(),
            empty: HashSet::new(),
            filled: HashSet::new(),
        })
    }

    /// What was counted, in sentences: those that the writer says at its end.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        self.losses().sentences(self.format)
    }

    /// What was counted.
    #[must_use]
    pub fn losses(&self) -> Losses {
        let mut losses = self.losses.clone();
        if !self.empty.is_empty() {
            // A folder holds something when a record stands in it or below.
            let mut full: HashSet<(Option<&str>, &[String])> = HashSet::new();
            for RecordPath { vault, folders } in &self.filled {
                let above = (0..=folders.len()).filter_map(|depth| folders.get(..depth));
                full.extend(above.map(|folders| (vault.as_deref(), folders)));
            }
            let is_empty =
                |path: &&RecordPath| !full.contains(&(path.vault.as_deref(), path.folders.as_slice()));
            losses.lose(Kind::EmptyFolders, self.empty.iter().filter(is_empty).count() as u64);
        }
        losses
    }

    /// Counts a record. What the format holds of it is what a file of that format gives back, but for dates where it keeps none.
    pub fn record<'a>(&mut self, record: &'a Record) -> Cow<'a, Record> {
        self.counted(record).0
    }

    /// The same, and its name where that was taken.
    fn counted<'a>(&mut self, record: &'a Record) -> (Cow<'a, Record>, Option<String>) {
        let (mut held, mut new_name) = ((self.export.hold)(record), None);
        self.losses.add(&differ(record, &held, self.export.dates));
        if let Some(twin) = self.export.twin {
            let names = self.names.entry(held.path.clone()).or_default();
            let name = names.unique(&held.name, twin);
            if name != held.name {
                self.losses.lose(Kind::RecordNames, u64::from(held.name == record.name));
                held.to_mut().name.clone_from(&name);
                new_name = Some(name);
            }
        }
        if !self.export.folders && !self.filled.contains(&record.path) {
            self.filled.insert(record.path.clone());
        }
        (held, new_name)
    }

    /// Counts a folder, which may be empty. What the format holds of it; `None` for nothing.
    pub fn folder(&mut self, path: &RecordPath) -> Option<RecordPath> {
        if !self.export.folders {
            self.empty.insert(path.clone());
            return None;
        }
        let held = (self.export.place)(path);
        if names(path).eq(names(&held)) {
            return Some(held);
        }
        let is_behind = names(&held).next().is_none();
        self.losses.lose(if is_behind { Kind::EmptyFolders } else { Kind::FolderNames }, 1);
        (!is_behind).then_some(held)
    }
}

/// An error of a format that is not written.
pub(crate) fn only_read(format: Format) -> Error {
    Error::new(ErrorKind::Usage, format!("{} is read, not written", format.name()))
        .next_step("write jsonl, kdbx or bitwarden-json, or an archive (.kfa); keyferry formats lists all")
}

/// Writes what a format can hold, and tells of the rest at the end.
pub(crate) struct Counted {
    holding: Holding,
    inner: Box<dyn Writer>,
}

impl Counted {
    pub(crate) fn new(format: Format, output: Output, options: &WriteOptions) -> Result<Self> {
        let holding = Holding::of(format)?;
        let inner = (holding.export.write)(output, options)?;
        Ok(Self { holding, inner })
    }

    fn check(&self, path: &RecordPath) -> Result<()> {
        let depth = self.holding.export.depth;
        if path.folders.len() <= depth {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Input, format!("its folders are nested more than {depth} deep"))
            .next_step("write an archive (.kfa), which has no such limit"))
    }
}

impl Writer for Counted {
    fn write(&mut self, record: &Record) -> Result<()> {
        let (held, new_name) = self.holding.counted(record);
        self.check(&held.path)?;
        if self.holding.export.as_is {
            return match new_name {
                Some(name) => self.inner.take(Record {
                    name,
                    attachments: record.attachments.clone(),
                    ..without_files(record)
                }),
                None => self.inner.write(record),
            };
        }
        match held {
            Cow::Borrowed(record) => self.inner.write(record),
            Cow::Owned(record) => self.inner.take(record),
        }
    }

    fn folder(&mut self, path: &RecordPath) -> Result<()> {
        match self.holding.folder(path) {
            Some(held) => {
                self.check(&held)?;
                self.inner.folder(&held)
            }
            None => Ok(()),
        }
    }

    fn finish(self: Box<Self>) -> Result<Vec<String>> {
        let Self { holding, inner } = *self;
        let mut told = inner.finish()?;
        told.extend(holding.sentences());
        Ok(told)
    }
}
