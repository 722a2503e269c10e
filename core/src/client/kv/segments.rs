//! Names of a path as they travel in an address: none of them leads anywhere else.

use std::fmt::Write as _;

/// The names of a path that nests by `/`.
pub(super) fn names(path: &str) -> Vec<String> {
    path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Names as a path of an address: every byte but the unreserved ones (RFC 3986 §2.3) as `%XX`.
pub(super) fn encoded(names: &[String]) -> String {
    let mut path = String::new();
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            path.push('/');
        }
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                path.push(char::from(byte));
            } else {
                // Writing into a text does not fail.
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    path
}

/// Whether a name of a list can be asked for: not one that would lead elsewhere in an address.
#[must_use]
pub fn can_be_asked_for(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains('/') && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_their_segment() {
        let path = ["a b".to_owned(), "x?y#z%".to_owned(), "Ä.~-_".to_owned()];
        assert_eq!(encoded(&path), "a%20b/x%3Fy%23z%25/%C3%84.~-_");
        for name in ["", ".", "..", "a/b", "a\nb"] {
            assert!(!can_be_asked_for(name), "{name:?}");
        }
        assert!(can_be_asked_for("..."));
    }
}
