//! Any bytes into any reader: the short form runs in the tests, the long one under a fuzzer.

use keyferry_formats::detect::detect;
use keyferry_formats::{Format, ReadOptions, reader};
use std::io::Cursor;

/// Entries of one file that are looked at.
const MOST: usize = 10_000;

/// The first byte chooses a format, the rest is the file; detection sees it too, and what it finds reads it.
pub fn into_any_format(bytes: &[u8]) {
    let Some((first, file)) = bytes.split_first() else { return };
    let formats: Vec<Format> = Format::all().collect();
    let chosen = formats[usize::from(*first) % formats.len()];
    let found = detect(file, None).ok();
    for format in [Some(chosen), found].into_iter().flatten() {
        let options =
            ReadOptions { no_password: true, name: Some("any".to_owned()), ..ReadOptions::default() };
        if let Ok(entries) = reader(format, Box::new(Cursor::new(file.to_vec())), &options) {
            entries.take(MOST).for_each(drop);
        }
    }
}
