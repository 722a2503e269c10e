//! What is inside: entries, one after the other, in a fixed layout without a parser's copies.
//!
//! `text = length (u32) ‖ bytes`, `list = count (u32) ‖ items`, `option = 0 | 1 ‖ item`; integers
//! are big-endian. An [`Output`] and an [`Input`] are compression's two ends, so a secret goes
//! from its own buffer straight into the compressor and back.

use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::{Attachment, Custom, CustomKind, Record, RecordPath};
use keyferry_crypto::secret::{SecretBytes, SecretString};
use zeroize::Zeroizing;

const RECORD: u8 = 1;
const FOLDER: u8 = 2;
const END: u8 = 3;

/// What the texts of one entry may weigh together: 100 attachments of the largest size.
const LIMIT: u64 = 512 << 20;
/// What a text weighs besides its bytes, so that a list of empty ones has its price too.
const TEXT: u64 = 64;

/// Takes encoded bytes.
pub(super) trait Output {
    fn raw(&mut self, bytes: &[u8]) -> Result<()>;

    fn text(&mut self, text: &[u8]) -> Result<()> {
        self.count(text.len())?;
        self.raw(text)
    }

    fn count(&mut self, count: usize) -> Result<()> {
        self.raw(&u32::try_from(count).map_err(|_| too_large())?.to_be_bytes())
    }

    fn texts(&mut self, texts: &[String]) -> Result<()> {
        self.count(texts.len())?;
        texts.iter().try_for_each(|text| self.text(text.as_bytes()))
    }

    fn optional(&mut self, text: Option<&str>) -> Result<()> {
        self.raw(&[u8::from(text.is_some())])?;
        text.map_or(Ok(()), |text| self.text(text.as_bytes()))
    }
}

/// An output that only weighs.
struct Scales(u64);

impl Output for Scales {
    fn raw(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn text(&mut self, text: &[u8]) -> Result<()> {
        self.0 += TEXT + text.len() as u64;
        if self.0 > LIMIT { Err(too_large()) } else { Ok(()) }
    }
}

fn too_large() -> Error {
    Error::new(ErrorKind::Refused, "an archive takes at most 512 MiB for one record")
        .next_step("take attachments out of the record, or choose others with --folder or --query")
}

/// Whether an entry fits; asked before its first byte is written, so that a refusal harms nothing.
pub(super) fn weigh(encode: impl FnOnce(&mut dyn Output) -> Result<()>) -> Result<()> {
    encode(&mut Scales(0))
}

pub(super) fn encode_record(record: &Record, out: &mut dyn Output) -> Result<()> {
    out.raw(&[RECORD])?;
    encode_path(&record.path, out)?;
    out.text(record.name.as_bytes())?;
    out.text(record.login.as_bytes())?;
    out.optional(record.password.as_ref().map(SecretString::expose))?;
    out.text(record.url.as_bytes())?;
    out.text(record.description.as_bytes())?;
    out.texts(&record.tags)?;
    out.raw(&[u8::from(record.color.is_some())])?;
    if let Some(color) = record.color {
        out.raw(&color.to_be_bytes())?;
    }
    out.raw(&[u8::from(record.favorite)])?;
    out.count(record.customs.len())?;
    for custom in &record.customs {
        out.text(custom.name.as_bytes())?;
        out.text(custom.kind.as_str().as_bytes())?;
        out.text(custom.value.expose().as_bytes())?;
    }
    out.count(record.attachments.len())?;
    for attachment in &record.attachments {
        out.text(attachment.name.as_bytes())?;
        out.text(attachment.content.expose())?;
    }
    Ok(())
}

pub(super) fn encode_folder(path: &RecordPath, out: &mut dyn Output) -> Result<()> {
    out.raw(&[FOLDER])?;
    encode_path(path, out)
}

fn encode_path(path: &RecordPath, out: &mut dyn Output) -> Result<()> {
    out.optional(path.vault.as_deref())?;
    out.texts(&path.folders)
}

/// How many of each an archive holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub records: u64,
    pub folders: u64,
}

pub(super) fn encode_end(counts: Counts, out: &mut dyn Output) -> Result<()> {
    out.raw(&[END])?;
    out.raw(&counts.records.to_be_bytes())?;
    out.raw(&counts.folders.to_be_bytes())
}

/// Gives encoded bytes.
pub(super) trait Input {
    /// Fills all of `bytes`, or fails.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()>;
}

/// An entry as it stands in an archive.
#[expect(clippy::large_enum_variant, reason = "nearly every entry is a record")]
pub(super) enum Decoded {
    Record(Record),
    Folder(RecordPath),
    End(Counts),
}

/// An error of what is inside: it was sealed so, by another program or with intent.
pub(super) fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::Input, format!("the archive's content is malformed: {what}"))
        .next_step("make the archive again; what wrote this one did not keep to the format")
}

pub(super) fn decode(input: &mut dyn Input) -> Result<Decoded> {
    let mut decoder = Decoder { input, left: LIMIT };
    match decoder.byte()? {
        RECORD => decoder.record().map(Decoded::Record),
        FOLDER => decoder.path().map(Decoded::Folder),
        END => Ok(Decoded::End(Counts { records: decoder.u64()?, folders: decoder.u64()? })),
        _ => Err(malformed("an entry of an unknown kind")),
    }
}

struct Decoder<'a> {
    input: &'a mut dyn Input,
    left: u64,
}

impl Decoder<'_> {
    fn record(&mut self) -> Result<Record> {
        Ok(Record {
            path: self.path()?,
            name: self.text()?,
            login: self.text()?,
            password: self.optional(Self::secret)?,
            url: self.text()?,
            description: self.text()?,
            tags: self.list(Self::text)?,
            color: self.optional(|decoder| Ok(decoder.u64()?.cast_signed()))?,
            favorite: self.flag()?,
            customs: self.list(|decoder| {
                Ok(Custom {
                    name: decoder.text()?,
                    kind: CustomKind::from(decoder.text()?.as_str()),
                    value: decoder.secret()?,
                })
            })?,
            attachments: self.list(|decoder| {
                Ok(Attachment { name: decoder.text()?, content: SecretBytes::new(decoder.bytes()?) })
            })?,
            created_at: None,
            changed_at: None,
            also_in: Vec::new(),
            history: Vec::new(),
            sealed_under: None,
        })
    }

    fn path(&mut self) -> Result<RecordPath> {
        Ok(RecordPath { vault: self.optional(Self::text)?, folders: self.list(Self::text)? })
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = self.u32()?;
        // Nothing is reserved on the word of a count: each item pays for itself as it comes.
        (0..count).map(|_| item(self)).collect()
    }

    fn optional<T>(&mut self, item: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        if self.flag()? { item(self).map(Some) } else { Ok(None) }
    }

    fn text(&mut self) -> Result<String> {
        String::from_utf8(self.bytes()?).map_err(|_| malformed("a text that is not UTF-8"))
    }

    fn secret(&mut self) -> Result<SecretString> {
        SecretBytes::new(self.bytes()?).into_text().ok_or_else(|| malformed("a text that is not UTF-8"))
    }

    fn bytes(&mut self) -> Result<Vec<u8>> {
        let length = self.u32()?;
        self.left = self
            .left
            .checked_sub(TEXT + u64::from(length))
            .ok_or_else(|| malformed("an entry of more than 512 MiB"))?;
        // Wiped where the rest of it never comes.
        let mut bytes = Zeroizing::new(vec![0; length as usize]);
        self.input.fill(&mut bytes)?;
        Ok(std::mem::take(&mut *bytes))
    }

    fn flag(&mut self) -> Result<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(malformed("a flag that is neither 0 nor 1")),
        }
    }

    fn byte(&mut self) -> Result<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.fill(&mut bytes)?;
        Ok(bytes)
    }
}
