//! Names in paths and references as users type them: a backslash makes the next `/`, `#`, `:`, `?` or backslash part
//! of a name.

fn is_special(c: char) -> bool {
    matches!(c, '/' | '#' | ':' | '?' | '\\')
}

/// The parts before and after the first `mark` that no backslash stands before.
#[must_use]
pub fn split(text: &str, mark: char) -> (&str, Option<&str>) {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == mark => {
                let (before, after) = text.split_at(at);
                return (before, after.get(mark.len_utf8()..));
            }
            _ => {}
        }
    }
    (text, None)
}

/// The name that was typed so.
#[must_use]
pub fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match rest.peek() {
            Some(&next) if c == '\\' && is_special(next) => {
                out.push(next);
                rest.next();
            }
            _ => out.push(c),
        }
    }
    out
}

/// The name as it can be typed.
#[must_use]
pub fn escaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if is_special(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
