//! Devolutions' XML (`.rdm`): Remote Desktop Manager.
//!
//! Signature: `ArrayOfConnection` with `Connection`. Its members are those of the JSON, which says what becomes of them.
//! The whole document is kept in memory.

use crate::head::{Fit, Head};
use crate::managers::devolutions::{fill, group};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use std::io::Read;

/// Whether it is such a document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    head.has_element("ArrayOfConnection/Connection").into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = super::open(input, "ArrayOfConnection", "Devolutions")?;
    document.elements(&mut members, "Connection", "/ArrayOfConnection", &Place::default());
    for found in std::mem::take(&mut document.found) {
        if let Some(item) = group(&mut document, found) {
            document.found.push(item);
        }
    }
    document.leave_rest(members, "/ArrayOfConnection");
    Ok(document.entries(Box::new(fill)))
}
