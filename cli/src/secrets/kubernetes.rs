//! A Secret of Kubernetes, as `kubectl apply -f` takes it.

use crate::exit::usage;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use std::fmt::Write as _;

/// What Kubernetes takes of one Secret's values.
const LARGEST: usize = 1 << 20;

/// Makes sure that Kubernetes takes the name: RFC 1123, small letters, digits, `-` and `.`.
pub fn check_name(name: &str) -> Result<()> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let part = |part: &str| {
        let bytes = part.as_bytes();
        let ends = [bytes.first(), bytes.last()].into_iter().all(|end| end.is_some_and(|byte| letter(*byte)));
        ends && bytes.iter().all(|byte| letter(*byte) || *byte == b'-')
    };
    if name.len() <= 253 && name.split('.').all(part) {
        return Ok(());
    }
    Err(usage(
        format!("`{}` cannot be the name of a Kubernetes Secret", crate::output::clean(name)),
        "take small letters, digits, - and ., with a letter or digit at each end",
    ))
}

/// The manifest.
pub fn secret<'a>(
    name: &str,
    values: impl IntoIterator<Item = (&'a str, &'a SecretString)>,
) -> Result<SecretString> {
    check_name(name)?;
    let mut data = String::new();
    let mut size = 0;
    for (key, value) in values {
        size += value.expose().len();
        // In quotes, since YAML takes words such as `NO` for something else.
        let _ = writeln!(data, "  \"{key}\": {}", quoted(&STANDARD.encode(value.expose())));
    }
    if size > LARGEST {
        return Err(Error::new(ErrorKind::Refused, "a Kubernetes Secret holds at most 1 MiB")
            .next_step("choose fewer records, or make several Secrets"));
    }
    Ok(SecretString::new(format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"{name}\"\ntype: Opaque\ndata:\n{data}"
    )))
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_holds_base64_under_names_that_stay_names() {
        let values = [("NO", SecretString::from("planted")), ("A", SecretString::from(""))];
        let manifest = secret("app.db-1", values.iter().map(|(name, value)| (*name, value))).unwrap();
        assert_eq!(
            manifest.expose(),
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"app.db-1\"\ntype: Opaque\ndata:\n  \"NO\": \"cGxhbnRlZA==\"\n  \"A\": \"\"\n"
        );
    }

    #[test]
    fn names_that_kubernetes_refuses_are_refused_here() {
        for name in ["", "App", "a_b", "-a", "a-", "a..b", "a b", &"a".repeat(254)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        let large = SecretString::new("x".repeat(LARGEST + 1));
        assert_eq!(secret("a", [("A", &large)]).unwrap_err().kind(), ErrorKind::Refused);
    }
}
