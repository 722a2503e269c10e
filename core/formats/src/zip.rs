//! A zip archive in memory: members by name, names checked, sizes bounded by what comes out rather than by what a header
//! says. Nothing is unpacked to a disk, and an archive within an archive is not opened.

use crate::tally::Tally;
use crate::wiped::append;
use keyferry_crypto::error::{Error, ErrorKind, Position, Result};
use keyferry_crypto::model::visible::shown;
use keyferry_crypto::model::{Entry, Reject};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use rawzip::{CompressionMethod, ErrorKind as Fault, ZipArchive};
use std::collections::HashMap;
use std::io::Read;
use zeroize::Zeroizing;

/// What all members may come to: an archive of attachments is no larger, a bomb is.
const MOST_BYTES: usize = 1 << 30;
/// Members beyond this are no manager's.
const MOST_MEMBERS: usize = 1 << 20;
/// What is told of a member that nothing refers to.
pub(crate) const UNCLAIMED: &str = "a file of the archive belongs to no record";
/// What is told of a file that a document names, and that did not come with it.
pub(crate) const NO_BYTES: &str = "a file is named, but its bytes are not in this file";
/// Bytes that a compressed byte can come to at most, by the format.
const MOST_RATIO: usize = 1032;

/// An archive, unpacked where it is asked for.
pub(crate) struct Zip {
    bytes: Zeroizing<Vec<u8>>,
    members: HashMap<String, Member>,
    /// In the archive's order.
    names: Vec<String>,
    left: usize,
    /// Members that no reader may have, with the reason.
    refused: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Member {
    start: usize,
    length: usize,
    is_deflated: bool,
    crc: u32,
}

impl Zip {
    /// Reads all of an archive.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] where it is none, is damaged, or has an encrypted member.
    pub(crate) fn open(mut input: Box<dyn Read + Send>) -> Result<Self> {
        let mut bytes = Zeroizing::new(Vec::new());
        let mut chunk = Zeroizing::new(vec![0; 1 << 16]);
        loop {
            match input.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => append(&mut bytes, chunk.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::stream(error)),
            }
        }
        let mut zip = Self {
            bytes: Zeroizing::new(Vec::new()),
            members: HashMap::new(),
            names: Vec::new(),
            left: MOST_BYTES,
            refused: Vec::new(),
        };
        zip.list(&bytes)?;
        zip.bytes = bytes;
        Ok(zip)
    }

    fn list(&mut self, bytes: &[u8]) -> Result<()> {
        let archive = ZipArchive::from_slice(bytes).map_err(|error| damaged(&error))?;
        let mut entries = archive.entries();
        // Two names that differ by case alone are one file on some systems.
        let mut folded: HashMap<String, usize> = HashMap::new();
        while let Some(entry) = entries.next_entry().map_err(|error| damaged(&error))? {
            let path = entry.file_path();
            let Ok(name) = std::str::from_utf8(path.as_bytes()).map(str::to_owned) else {
                self.refuse("", "its name is not UTF-8");
                continue;
            };
            if entry.is_dir() || is_litter(&name) {
                continue;
            }
            if entry.flags().is_encrypted() {
                return Err(Error::new(ErrorKind::Input, "this zip archive is encrypted")
                    .next_step("open it with 7-Zip or unzip, and import what is inside"));
            }
            if self.names.len() + self.refused.len() >= MOST_MEMBERS {
                return Err(Error::new(ErrorKind::Input, "this zip archive has more than a million members"));
            }
            if let Some(why) = unsafe_name(&name) {
                self.refuse(&name, why);
                continue;
            }
            let method = entry.compression_method();
            let is_deflated = method == CompressionMethod::DEFLATE;
            if !is_deflated && method != CompressionMethod::STORE {
                self.refuse(&name, "it is packed in a way that is not known here");
                continue;
            }
            let found = archive.get_entry(entry.wayfinder()).map_err(|error| damaged(&error))?;
            let (start, end) = found.compressed_data_range();
            let (Ok(start), Ok(end)) = (usize::try_from(start), usize::try_from(end)) else { continue };
            let seen = folded.entry(name.to_lowercase()).or_default();
            *seen += 1;
            if *seen > 1 {
                self.refuse(&name, "another member has the same name");
                continue;
            }
            let member = Member { start, length: end.saturating_sub(start), is_deflated, crc: entry.crc32() };
            self.members.insert(name.clone(), member);
            self.names.push(name);
        }
        Ok(())
    }

    fn refuse(&mut self, name: &str, why: &str) {
        let at = Position::pointer(shown(name));
        self.refused.push(Entry::Reject(Reject { at, label: String::new(), why: why.to_owned() }));
    }

    /// The names of the members that nobody took yet, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str).filter(|name| self.members.contains_key(*name))
    }

    /// The members that no reader may have, as rejects.
    pub(crate) fn take_refused(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.refused)
    }

    /// Counts what nobody took and tells of it, `what` being a sentence without values; the members that were refused are rejects.
    pub(crate) fn left_over(&mut self, tally: &mut Tally, what: &str) -> Vec<Entry> {
        let refused = std::mem::take(&mut self.refused);
        tally.read(refused.len() as u64);
        tally.rejected(refused.len() as u64);
        for name in self.names() {
            tally.read(1);
            tally.tell(what, shown(name), 1);
        }
        refused
    }

    /// A member's content; `None` where there is no such member, or it was taken already.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] where it is damaged, or the archive holds more than a gigabyte.
    pub(crate) fn take(&mut self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let Some(member) = self.members.remove(name) else { return Ok(None) };
        let packed = self.bytes.get(member.start..member.start + member.length).unwrap_or_default();
        let most = self.left.min(packed.len().saturating_mul(MOST_RATIO));
        let content = if member.is_deflated {
            inflate(packed, most).ok_or_else(if most == self.left { too_large } else { broken })?
        } else {
            let mut content = Zeroizing::new(Vec::with_capacity(packed.len()));
            content.extend_from_slice(packed);
            content
        };
        self.left = self.left.checked_sub(content.len()).ok_or_else(too_large)?;
        if self.left == 0 {
            return Err(too_large());
        }
        if rawzip::crc32(&content) != member.crc {
            return Err(broken());
        }
        Ok(Some(content))
    }
}

/// Whether what comes is a zip archive; nothing of it is taken away.
pub(crate) fn sniff(mut input: Box<dyn Read + Send>) -> Result<(bool, Box<dyn Read + Send>)> {
    let mut start = Vec::with_capacity(2);
    input.by_ref().take(2).read_to_end(&mut start).map_err(Error::stream)?;
    let is_zip = start == b"PK";
    Ok((is_zip, Box::new(std::io::Cursor::new(start).chain(input))))
}

/// Unpacks into one allocation after the other, each overwritten before it is given back; at most `most` bytes.
pub(crate) fn inflate(packed: &[u8], most: usize) -> Option<Zeroizing<Vec<u8>>> {
    let mut state = Box::<DecompressorOxide>::default();
    let mut out = Zeroizing::new(vec![0; most.min((packed.len() * 4).max(1 << 12))]);
    let (mut read, mut written) = (0, 0);
    loop {
        let rest = packed.get(read..).unwrap_or_default();
        let (status, taken, made) =
            decompress(&mut state, rest, &mut out, written, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF);
        read += taken;
        written += made;
        match status {
            TINFLStatus::Done => {
                out.truncate(written);
                return Some(out);
            }
            TINFLStatus::HasMoreOutput if out.len() < most => {
                let mut grown = Zeroizing::new(vec![0; (out.len() * 2).min(most)]);
                grown.get_mut(..written)?.copy_from_slice(out.get(..written)?);
                out = grown;
            }
            _ => return None,
        }
    }
}

/// What file managers leave in an archive that somebody packed anew: nothing of its owner's.
fn is_litter(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    name.starts_with("__MACOSX/") || matches!(last, ".DS_Store" | "Thumbs.db" | "desktop.ini")
}

/// Why a member of that name is not taken.
fn unsafe_name(name: &str) -> Option<&'static str> {
    let drive = name.as_bytes().get(1) == Some(&b':') && name.starts_with(|c: char| c.is_ascii_alphabetic());
    if name.split(['/', '\\']).any(|part| part == "..") || name.starts_with(['/', '\\']) || drive {
        return Some("path leaves the archive");
    }
    name.chars().any(char::is_control).then_some("its name has control characters")
}

fn damaged(error: &rawzip::Error) -> Error {
    let what = match error.kind() {
        Fault::MissingEndOfCentralDirectory => "it is cut off, or no zip archive",
        _ => "its directory cannot be read",
    };
    Error::new(ErrorKind::Input, format!("this zip archive is damaged: {what}"))
        .next_step("export or download it again")
}

fn broken() -> Error {
    Error::new(ErrorKind::Input, "this zip archive is damaged: a member cannot be unpacked")
        .next_step("export or download it again")
}

fn too_large() -> Error {
    Error::new(ErrorKind::Input, "this zip archive unpacks to more than a gigabyte")
        .next_step("take large files out of it and import it in parts")
}

/// The names of the members that can be seen from the beginning of an archive.
pub(crate) fn first_names(head: &[u8]) -> Vec<String> {
    let (mut names, mut at) = (Vec::new(), 0_usize);
    let number = |at: usize, length: usize| {
        let bytes = head.get(at..at + length)?;
        Some(bytes.iter().rev().fold(0_usize, |value, byte| value << 8 | usize::from(*byte)))
    };
    while head.get(at..).is_some_and(|rest| rest.starts_with(b"PK\x03\x04")) {
        let (Some(flags), Some(packed), Some(name), Some(extra)) =
            (number(at + 6, 2), number(at + 18, 4), number(at + 26, 2), number(at + 28, 2))
        else {
            break;
        };
        let Some(bytes) = head.get(at + 30..at + 30 + name) else { break };
        names.push(String::from_utf8_lossy(bytes).into_owned());
        let Some(mut next) = (at + 30 + name + extra).checked_add(packed) else { break };
        // Where its length follows the content, the next member begins with the next mark of one.
        if flags & 8 != 0 && packed == 0 {
            let rest = head.get(next..).unwrap_or_default();
            let Some(found) = memchr::memmem::find(rest, b"PK\x03\x04") else { break };
            next += found;
        }
        at = next;
    }
    names.retain(|name| !is_litter(name));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_archive_are_not_taken() {
        for name in ["../a", "a/../../b", "/etc/passwd", "C:\\x", "\\\\host\\x", "a\\..\\b", "a\u{1}"] {
            assert!(unsafe_name(name).is_some(), "{name}");
        }
        for name in ["a..b/c", "Proton Pass/data.json", "files/x__..pem"] {
            assert_eq!(unsafe_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_member_that_grows_without_end_is_stopped() {
        let bomb = miniz_oxide::deflate::compress_to_vec(&vec![0; 1 << 20], 9);
        assert!(inflate(&bomb, 1 << 16).is_none());
        assert_eq!(inflate(&bomb, 1 << 21).unwrap().len(), 1 << 20);
        assert!(inflate(b"\xff\xff\xff", 1 << 10).is_none());
    }

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut archive = rawzip::ZipArchiveWriter::new(&mut out);
        for (name, content) in members {
            let (mut entry, config) = archive.new_file(name).start().unwrap();
            let mut writer = config.wrap(&mut entry);
            std::io::Write::write_all(&mut writer, content).unwrap();
            let (_, descriptor) = writer.finish().unwrap();
            entry.finish(descriptor).unwrap();
        }
        archive.finish().unwrap();
        out
    }

    #[test]
    fn members_are_taken_once_and_their_sum_is_bounded() {
        let bytes = archive(&[("a", &[1; 1000]), ("b", &[2; 1000]), ("A", b"twin")]);
        let mut zip = Zip::open(Box::new(std::io::Cursor::new(bytes.clone()))).unwrap();
        assert_eq!((zip.names().count(), zip.refused.len()), (2, 1));
        assert_eq!(zip.take("a").unwrap().unwrap().len(), 1000);
        assert!(zip.take("a").unwrap().is_none() && zip.take("c").unwrap().is_none());
        zip.left = 500;
        assert!(zip.take("b").unwrap_err().to_string().contains("gigabyte"));
        let mut damaged = bytes;
        let at = damaged.windows(8).position(|window| window == [2; 8]).unwrap();
        damaged[at] ^= 1;
        let mut zip = Zip::open(Box::new(std::io::Cursor::new(damaged))).unwrap();
        assert!(zip.take("b").unwrap_err().to_string().contains("damaged"));
    }
}
