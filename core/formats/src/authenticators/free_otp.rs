//! FreeOTP's and FreeOTP+'s backup: secrets are lists of signed bytes.
//!
//! Signature: `tokens` and `tokenOrder`. Told: the order, images.

use super::{Code, base32};
use crate::document::take;
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::item::{Item, OWN, list};
use crate::managers::items::{Document, Kept};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use std::io::Read;
use zeroize::Zeroizing;

/// Whether it is such a backup.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own = |document: &Value| {
        matches!(document.get("tokens"), Some(Value::List(_))) && document.has("tokenOrder")
    };
    head.json().is_some_and(own).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "FreeOTP")?;
    document.items(list(&mut members, "tokens"), "/tokens", &Place::default());
    let order = take(&mut members, "tokenOrder");
    document.tally.resolved(order.leaves());
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(fill)))
}

fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    let secret = take(&mut members, "secret");
    let leaves = secret.leaves();
    let Some(bytes) = bytes(&secret) else {
        return Kept::Rejected("its secret is no list of bytes".to_owned());
    };
    item.tally.carried(leaves);
    let issuer = item.simple(&mut members, "issuerExt");
    let inner = item.simple(&mut members, "issuerInt");
    let alternative = item.simple(&mut members, "issuerAlt");
    let issuer = [issuer, inner, alternative].into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    let label = item.simple(&mut members, "label");
    let alternative = item.simple(&mut members, "labelAlt");
    let code = Code {
        issuer,
        account: if label.is_empty() { alternative } else { label },
        secret: base32(&bytes),
        algorithm: item.mark(&mut members, "algo"),
        digits: item.mark(&mut members, "digits"),
        period: item.mark(&mut members, "period"),
        counter: item.mark(&mut members, "counter"),
        kind: item.mark(&mut members, "type"),
    };
    code.fill(item);
    item.leave("", &mut members, &["image", "imageAlt", "color"], OWN);
    item.unknown("", members);
    Kept::Record
}

/// Bytes that are written as numbers from -128 to 255; none where one is something else.
fn bytes(value: &Value) -> Option<Zeroizing<Vec<u8>>> {
    let Value::List(list) = value else { return None };
    let mut bytes = Zeroizing::new(Vec::with_capacity(list.len()));
    for one in list {
        let Value::Number(text) = one else { return None };
        let number: i16 = text.parse().ok().filter(|number| (-128..256).contains(number))?;
        bytes.push(number.to_le_bytes()[0]);
    }
    Some(bytes)
}
