//! Records as JSON lines to items as JSON lines, and back: bulk encryption for programs that speak
//! Passwork's API themselves, through any language that has pipes or buffers.
//!
//! A record's line is that of `jsonl` ([`Format::JSON_LINES`](super::Format::JSON_LINES)); where it stands (`vault`, `path`) is not part of an item.
//! An item's line is the body of `POST /api/v1/items` without `vaultId` and `folderId`, or the answer of
//! `GET /api/v1/items/{id}`; an attachment whose `encryptedData` is there is decrypted, any other is left out.

use crate::jsonl::{LinesWriter, Reader};
use keyferry_api::item::{Attachment, Custom, Item};
use keyferry_crypto::bulk;
use keyferry_crypto::error::{Error, ErrorKind, Place, Result};
use keyferry_crypto::model::{Entry, RecordPath};
use keyferry_crypto::record::Protection;
use serde::Deserialize;
use std::io::{BufRead as _, BufReader, Read, Write};

/// Records that are in memory at once: many enough for every core, few enough for the cores' caches.
const GROUP: usize = 256;

/// Encrypts records line by line, on every core; the number of items written. Memory stays bounded by the
/// longest lines.
///
/// # Errors
/// [`ErrorKind::Input`] names the line that is no record; what was written before it stays written.
pub fn encrypt_lines(input: impl Read, output: impl Write, protection: Protection<'_>) -> Result<u64> {
    let mut records = Reader::new(input);
    let mut output = output;
    let (mut written, mut group) = (0, Vec::with_capacity(GROUP));
    let mut ended = false;
    while !ended {
        match records.next().transpose()? {
            Some(Entry::Record(record, _)) => group.push((record, protection)),
            Some(Entry::Reject(reject)) => {
                let at = Place::Record(format!("in {}", reject.at));
                return Err(Error::new(ErrorKind::Input, reject.why).at(at));
            }
            Some(Entry::Folder(_) | Entry::Note(_) | Entry::Values(_)) => {}
            None => ended = true,
        }
        if group.len() < GROUP && !ended {
            continue;
        }
        for ((record, _), draft) in group.iter().zip(bulk::encrypt(&group)) {
            let draft = draft.map_err(|error| error.at(Place::Record(record.name.clone())))?;
            serde_json::to_writer(&mut output, &draft).map_err(|error| Error::stream(error.into()))?;
            output.write_all(b"\n").map_err(Error::stream)?;
            written += 1;
        }
        group.clear();
    }
    output.flush().map_err(Error::stream)?;
    Ok(written)
}

/// Decrypts items of one vault line by line; the number of records written.
///
/// # Errors
/// [`ErrorKind::Input`] names the line that is no item, [`ErrorKind::Decrypt`] the item that cannot be read;
/// what was written before it stays written.
pub fn decrypt_lines(input: impl Read, output: impl Write, protection: Protection<'_>) -> Result<u64> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let mut output = LinesWriter::new(output);
    let (mut line, mut text, mut written) = (0_u64, String::new(), 0);
    let (mut items, mut files) = (Vec::with_capacity(GROUP), Vec::with_capacity(GROUP));
    let mut ended = false;
    while !ended {
        text.clear();
        line += 1;
        ended = input.read_line(&mut text).map_err(Error::stream)? == 0;
        if !text.trim().is_empty() {
            let (item, attached) = Line::parse(&text).map_err(|error| {
                // The parser's words could quote the line.
                Error::new(ErrorKind::Input, format!("not an item (column {})", error.column()))
                    .at(Place::Record(format!("in line {line}")))
            })?;
            items.push(item);
            files.push(attached);
        }
        if items.len() < GROUP && !ended {
            continue;
        }
        let opened = bulk::decrypt(&items, protection, |_| RecordPath::default());
        for ((item, opened), files) in items.drain(..).zip(opened).zip(files.drain(..)) {
            let record = opened.and_then(|opened| opened.with_attachments(&files));
            output.record(&record.map_err(|error| error.at(Place::Record(item.name)))?)?;
            written += 1;
        }
    }
    output.flush()?;
    Ok(written)
}

/// An item as either side of the API writes it: null and missing are the same.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    name: Option<String>,
    login: Option<String>,
    url: Option<String>,
    description: Option<String>,
    tags: Option<Vec<String>>,
    color: Option<i64>,
    is_favorite: Option<bool>,
    password_encrypted: Option<String>,
    key_encrypted: Option<String>,
    customs: Option<Vec<Custom>>,
    attachments: Option<Vec<File>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    name: Option<String>,
    encrypted_key: Option<String>,
    encrypted_data: Option<String>,
    hash: Option<String>,
}

impl Line {
    /// The item, and its attachments that have content.
    fn parse(text: &str) -> serde_json::Result<(Item, Vec<Attachment>)> {
        let line: Line = serde_json::from_str(text)?;
        let files = line.attachments.unwrap_or_default().into_iter().filter_map(|file| {
            Some(Attachment {
                id: None,
                name: file.name.unwrap_or_default(),
                encrypted_key: file.encrypted_key.unwrap_or_default(),
                encrypted_data: file.encrypted_data?,
                hash: file.hash.unwrap_or_default(),
            })
        });
        let files = files.collect();
        let item = Item {
            id: String::new(),
            vault_id: String::new(),
            folder_id: None,
            name: line.name.unwrap_or_default(),
            login: line.login,
            url: line.url,
            description: line.description,
            tags: line.tags.unwrap_or_default(),
            color: line.color,
            is_favorite: line.is_favorite.unwrap_or_default(),
            is_deleted: false,
            password_encrypted: line.password_encrypted,
            key_encrypted: line.key_encrypted,
            customs: line.customs.unwrap_or_default(),
            attachments: Vec::new(),
            fields_order: None,
            vault_master_key_encrypted: None,
            created_at: None,
            updated_at: None,
            revision: None,
        };
        Ok((item, files))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyferry_crypto::generate;

    const RECORDS: &str = concat!(
        r#"{"path":[],"name":"one","login":"root","password":"hidden","url":"","description":"","tags":["a"],"color":3,"#,
        r#""favorite":true,"customs":[{"name":"pin","type":"password","value":"12"}],"attachments":[{"name":"f","data":"AAEC"}]}"#,
        "\n",
        r#"{"path":[],"name":"two","login":"","url":"","description":"","tags":[],"favorite":false,"customs":[],"attachments":[]}"#,
        "\n",
    );

    fn sealed(protection: Protection<'_>) -> String {
        let mut items = Vec::new();
        assert_eq!(encrypt_lines(RECORDS.as_bytes(), &mut items, protection).unwrap(), 2);
        String::from_utf8(items).unwrap()
    }

    #[test]
    fn records_come_back_byte_for_byte() {
        let key = generate::key().unwrap();
        for protection in [Protection::VaultKey(&key), Protection::Unencrypted] {
            let items = sealed(protection);
            assert!(!items.contains("hidden"));
            let mut records = Vec::new();
            assert_eq!(decrypt_lines(items.as_bytes(), &mut records, protection).unwrap(), 2);
            assert_eq!(String::from_utf8(records).unwrap(), RECORDS);
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_never_quoted() {
        let key = generate::key().unwrap();
        let protection = Protection::VaultKey(&key);
        let told = encrypt_lines(&b"{\"name\":\"n\"}\n\nhidden\n"[..], Vec::new(), protection).unwrap_err();
        assert!(told.to_string().contains("line 3") && !told.to_string().contains("hidden"), "{told}");
        let told = decrypt_lines(&b"\n{\"tags\":\"hidden\"}"[..], Vec::new(), protection).unwrap_err();
        assert!(told.to_string().contains("line 2") && !told.to_string().contains("hidden"), "{told}");
        let other = generate::key().unwrap();
        let items = sealed(protection);
        let told = decrypt_lines(items.as_bytes(), Vec::new(), Protection::VaultKey(&other)).unwrap_err();
        assert_eq!((told.kind(), told.to_string().contains("one")), (ErrorKind::Decrypt, true), "{told}");
    }
}
