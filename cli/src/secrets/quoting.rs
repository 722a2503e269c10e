//! How a value is written where it must not end a word, a text or an address.

/// Every byte as `%XX`, but letters, digits and the bytes to keep (RFC 3986).
pub fn percent(text: &str, keep: &[u8]) -> String {
    let mut out = String::with_capacity(3 * text.len());
    let digit = |half: u8| char::from(b"0123456789ABCDEF"[usize::from(half & 15)]);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || keep.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.extend(['%', digit(byte >> 4), digit(byte)]);
        }
    }
    out
}

/// A word of a POSIX shell: in single quotes, with `'\''` for each of those in it.
pub fn shell_word(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 3 * text.matches('\'').count() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' => out.push_str(r"'\''"),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_end_an_address_or_a_word_is_hidden() {
        assert_eq!(percent("a/b é~", b"-._~"), "a%2Fb%20%C3%A9~");
        assert_eq!(percent("a/b", b"/"), "a/b");
        assert_eq!(shell_word("it's\n$x"), "'it'\\''s\n$x'");
    }
}
