//! Opens the official client's envelopes and reads a file, with the pure crates alone: what `make test-wasm` runs in
//! Node.js, where nothing can be printed, so that whatever is wrong ends the program.

use keyferry_crypto::model::Entry;
use keyferry_crypto::secret::SecretString;
use keyferry_crypto::{Error, ErrorKind, envelope};
use keyferry_formats::{Format, ReadOptions, reader};

const ENVELOPES: &str = include_str!("../../vectors/envelope_text.json");
const FILE: &str = "Folder,Name,Password\nInfra,pg-main,s3cret\n";

fn main() -> Result<(), Error> {
    let wrong = |what: &str| Error::new(ErrorKind::Internal, what);
    let vectors: Vec<serde_json::Value> =
        serde_json::from_str(ENVELOPES).map_err(|error| wrong("the vectors are no JSON").because(error))?;
    assert!(!vectors.is_empty(), "no vectors, no test");
    for vector in &vectors {
        let member = |name: &str| vector[name].as_str().unwrap_or_default();
        let opened = envelope::decrypt_text(member("envelope"), &SecretString::from(member("passphrase")))?;
        assert!(opened.expose() == member("plaintext"), "a vector opens to something else");
    }
    let entries = reader(Format::CSV, Box::new(FILE.as_bytes()), &ReadOptions::default())?;
    for entry in entries {
        if let Entry::Record(record, _) = entry? {
            assert!(record.password.is_some_and(|password| password.expose() == "s3cret"));
            return Ok(());
        }
    }
    Err(wrong("the file has a record"))
}
