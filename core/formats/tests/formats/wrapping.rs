//! Texts of known formats within what seals or wraps them, made here from the public descriptions, apart from the code that reads it.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::conservation::zipped_all;
use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeEncrypt as _, KeyIvInit as _};
use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::fmt::Write as _;

pub const PASSPHRASE: &str = "open sesame";

fn derived<const N: usize>(salt: &[u8], rounds: u32) -> [u8; N] {
    pbkdf2::pbkdf2_hmac_array::<Sha256, N>(PASSPHRASE.as_bytes(), salt, rounds)
}

/// An export of Padloc, sealed for the passphrase.
pub fn padloc(content: &str) -> Vec<u8> {
    let (salt, iv, beside) = ([1; 16], [2; 12], [3; 16]);
    let mut body = content.as_bytes().to_vec();
    let cipher = Aes256Gcm::new(&derived::<32>(&salt, 2).into());
    cipher.encrypt_in_place(&Nonce::from(iv), &beside, &mut body).unwrap();
    let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    format!(
        "{{\"kind\":\"x\",\"keyParams\":{{\"iterations\":2,\"salt\":\"{}\",\"keySize\":256}},\"encryptionParams\":{{\"iv\":\"{}\",\"additionalData\":\"{}\"}},\"encryptedData\":\"{}\"}}",
        text(&salt),
        text(&iv),
        text(&beside),
        text(&body)
    )
    .into_bytes()
}

/// gzip, stored as it is.
fn gzip(content: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    out.extend(miniz_oxide::deflate::compress_to_vec(content, 6));
    out.extend(crc32fast::hash(content).to_le_bytes());
    out.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
    out
}

/// A vault of Buttercup of this kind, sealed for the passphrase.
pub fn buttercup(kind: char, content: &str) -> Vec<u8> {
    let (iv, salt, rounds) = ([7_u8; 16], "saltsaltsalt", 2);
    let keys = derived::<64>(salt.as_bytes(), rounds);
    let packed: String = gzip(content.as_bytes()).into_iter().map(char::from).collect();
    let sealed = cbc::Encryptor::<Aes256>::new_from_slices(&keys[..32], &iv)
        .unwrap()
        .encrypt_padded_vec::<Pkcs7>(packed.as_bytes());
    let (sealed, iv) = (BASE64_STANDARD.encode(sealed), "07".repeat(16));
    let mut mac = Hmac::<Sha256>::new_from_slice(&keys[32..]).unwrap();
    mac.update([sealed.as_str(), iv.as_str(), salt].concat().as_bytes());
    let mut tag = String::new();
    mac.finalize().into_bytes().iter().for_each(|byte| write!(tag, "{byte:02x}").unwrap());
    format!("b~>buttercup/{kind}{sealed}${iv}${salt}${tag}${rounds}$cbc").into_bytes()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Each line and cell of a simple table (commas, no quotes) within what opens and closes them.
fn marked(table: &str, row: [&str; 2], cell: [&str; 2]) -> String {
    let mut out = String::new();
    for line in table.lines() {
        out += row[0];
        for text in line.split(',') {
            out.extend([cell[0], &escaped(text), cell[1]]);
        }
        out += row[1];
    }
    out
}

/// A workbook of one sheet, whose cells a simple table has.
pub fn xlsx(table: &str) -> Vec<u8> {
    let rows = marked(table, ["<row>", "</row>"], ["<c t=\"inlineStr\"><is><t>", "</t></is></c>"]);
    xlsx_of(&format!("<worksheet><sheetData>{rows}</sheetData></worksheet>"))
}

/// A workbook whose only sheet is this document.
pub fn xlsx_of(sheet: &str) -> Vec<u8> {
    let kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet";
    let relations = format!(
        "<Relationships><Relationship Id=\"r1\" Type=\"{kind}\" Target=\"worksheets/sheet1.xml\"/></Relationships>"
    );
    zipped_all(&[
        (
            "xl/workbook.xml",
            b"<workbook xmlns:r=\"r\"><sheets><sheet name=\"One\" r:id=\"r1\"/></sheets></workbook>",
        ),
        ("xl/_rels/workbook.xml.rels", relations.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

/// The same for `LibreOffice`.
pub fn ods(table: &str) -> Vec<u8> {
    let cell = ["<table:table-cell office:value-type=\"string\"><text:p>", "</text:p></table:table-cell>"];
    let rows = marked(table, ["<table:table-row>", "</table:table-row>"], cell);
    ods_of(&format!("<table:table table:name=\"One\">{rows}</table:table>"))
}

/// A workbook with these sheets.
pub fn ods_of(sheets: &str) -> Vec<u8> {
    let content = format!(
        "<office:document-content><office:body><office:spreadsheet>{sheets}</office:spreadsheet></office:body></office:document-content>"
    );
    zipped_all(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("content.xml", content.as_bytes()),
    ])
}
