//! Names as they are shown. They come from files and servers, and a terminal or a browser obeys some characters: what turns
//! the direction of a line or has no width makes one name look like another.

/// A character as it is shown: control characters as U+FFFD, format characters (Unicode's category Cf) as `\u{202e}`, others
/// as they are.
pub fn visible(c: char) -> impl Iterator<Item = char> {
    let shown = match c {
        c if c.is_control() => Some('\u{fffd}'),
        c if is_format(c) => None,
        c => Some(c),
    };
    shown.into_iter().chain(shown.is_none().then(|| c.escape_unicode()).into_iter().flatten())
}

/// A text as it is shown.
#[must_use]
pub fn shown(text: &str) -> String {
    text.chars().flat_map(visible).collect()
}

fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_shown() {
        assert_eq!(shown("a\u{202e}b\u{200b}\u{feff}c"), r"a\u{202e}b\u{200b}\u{feff}c");
        assert_eq!(shown("e\u{1b}[31m\n"), "e\u{fffd}[31m\u{fffd}");
        assert_eq!(shown("Ёлка é 漢字 🙂"), "Ёлка é 漢字 🙂");
    }
}
