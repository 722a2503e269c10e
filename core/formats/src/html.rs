//! HTML in notes, as the managers of teams keep it, as plain text: line by line, without tags, nothing lost that can be read.
//!
//! Only a text with a tag that HTML has is touched: `<host>` and `a < b` are what somebody typed.

use keyferry_crypto::model::{CustomKind, Entry, Record};
use keyferry_crypto::secret::SecretString;
use zeroize::Zeroizing;

/// Tags that begin or end a line.
const LINES: &[&str] = &[
    "br",
    "p",
    "div",
    "li",
    "tr",
    "ul",
    "ol",
    "table",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "pre",
    "blockquote",
    "section",
    "article",
    "header",
    "footer",
    "dl",
    "dt",
    "dd",
    "figure",
    "tbody",
    "thead",
];
/// Tags within a line.
const WITHIN: &[&str] = &[
    "a", "b", "i", "u", "s", "em", "strong", "span", "font", "code", "small", "sub", "sup", "td", "th",
    "img", "mark", "del", "ins", "kbd", "label", "center", "strike", "big", "tt", "html", "body", "head",
    "meta", "title", "link", "col", "colgroup",
];
/// Tags whose content nobody sees.
const UNSEEN: &[&str] = &["script", "style"];
const ENTITIES: &[(&str, char)] =
    &[("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\''), ("nbsp", ' ')];

/// The entry with its record's texts plain, and how many were HTML.
pub(crate) fn plain_entry(entry: Entry) -> (Entry, u64) {
    match entry {
        Entry::Record(mut record, at) => {
            let count = plain_record(&mut record);
            (Entry::Record(record, at), count)
        }
        other => (other, 0),
    }
}

fn plain_record(record: &mut Record) -> u64 {
    let mut count = 0;
    if let Some(mut text) = plain(&record.description) {
        record.description = std::mem::take(&mut *text);
        count += 1;
    }
    for custom in record.customs.iter_mut().filter(|custom| custom.kind == CustomKind::Text) {
        if let Some(mut text) = plain(custom.value.expose()) {
            custom.value = SecretString::new(std::mem::take(&mut *text));
            count += 1;
        }
    }
    count
}

/// The text without tags; `None` where it has none.
fn plain(text: &str) -> Option<Zeroizing<String>> {
    let mut out = Lines { text: Zeroizing::new(String::with_capacity(text.len() + 16)), blank: 0 };
    let (mut rest, mut found) = (text, false);
    let mut address: Option<String> = None;
    while let Some(at) = rest.find('<') {
        let (before, after) = rest.split_at(at);
        let Some((tag, behind)) = Tag::of(after) else {
            out.words(before);
            out.words("<");
            rest = after.get(1..).unwrap_or_default();
            continue;
        };
        found = true;
        out.words(before);
        rest = behind;
        if UNSEEN.contains(&tag.name.as_str()) && !tag.closes {
            let end = rest.to_ascii_lowercase().find(&format!("</{}", tag.name)).unwrap_or(rest.len());
            rest = rest.get(end..).unwrap_or_default();
        } else if LINES.contains(&tag.name.as_str()) {
            out.end_line();
            if tag.name == "li" && !tag.closes {
                out.words("- ");
            }
        } else if matches!(tag.name.as_str(), "td" | "th") && tag.closes {
            out.words("\t");
        } else if tag.name == "a" && !tag.closes {
            address = tag.attribute("href");
        } else if tag.name == "a"
            && let Some(address) = address.take().filter(|address| !out.text.ends_with(address.as_str()))
        {
            // Where it leads is worth as much as its words.
            out.words(&format!(" ({address})"));
        } else if tag.name == "img"
            && let Some(source) = tag.attribute("alt").or_else(|| tag.attribute("src"))
        {
            out.words(&format!("[{source}]"));
        }
    }
    if !found {
        return None;
    }
    out.words(rest);
    let end = out.text.trim_end().len();
    out.text.truncate(end);
    Some(out.text)
}

/// Lines that are being put together.
struct Lines {
    text: Zeroizing<String>,
    /// Line breaks at the end so far.
    blank: usize,
}

impl Lines {
    /// Words of the document: entities stand for their characters, breaks of its source are blanks.
    fn words(&mut self, words: &str) {
        let mut rest = words;
        while let Some(at) = rest.find(['&', '\n', '\r']) {
            let (before, after) = rest.split_at(at);
            self.push(before);
            rest = match entity(after) {
                Some((character, behind)) => {
                    self.push(character.encode_utf8(&mut [0; 4]));
                    behind
                }
                None if after.starts_with('&') => {
                    self.push("&");
                    after.get(1..).unwrap_or_default()
                }
                None => {
                    if self.blank == 0 && !self.text.is_empty() && !self.text.ends_with(' ') {
                        self.push(" ");
                    }
                    after.trim_start_matches(['\n', '\r'])
                }
            };
        }
        self.push(rest);
    }

    fn push(&mut self, piece: &str) {
        // At the beginning of a line blanks are nothing.
        let is_nothing = if self.blank > 0 { piece.trim().is_empty() } else { piece.is_empty() };
        if !is_nothing {
            self.text.push_str(piece);
            self.blank = 0;
        }
    }

    /// At most one empty line in a row, and none at the beginning.
    fn end_line(&mut self) {
        if !self.text.is_empty() && self.blank < 1 {
            self.text.push('\n');
            self.blank += 1;
        }
    }
}

/// The character that a text begins with in the writing of HTML.
fn entity(text: &str) -> Option<(char, &str)> {
    let (name, behind) = text.strip_prefix('&')?.split_once(';')?;
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        };
        return Some((char::from_u32(code)?, behind));
    }
    ENTITIES.iter().find(|(known, _)| *known == name).map(|(_, character)| (*character, behind))
}

/// A tag that HTML has.
struct Tag {
    name: String,
    closes: bool,
    inside: String,
}

impl Tag {
    /// The tag that a text begins with, and what stands behind it.
    fn of(text: &str) -> Option<(Self, &str)> {
        let rest = text.strip_prefix('<')?;
        let (closes, rest) = rest.strip_prefix('/').map_or((false, rest), |rest| (true, rest));
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric())?;
        let (name, rest) = rest.split_at(end);
        let name = name.to_ascii_lowercase();
        if ![LINES, WITHIN, UNSEEN].iter().any(|known| known.contains(&name.as_str())) {
            return None;
        }
        // A `>` within quotes ends no tag.
        let mut quote = None;
        let end = rest.char_indices().find_map(|(at, character)| match (quote, character) {
            (None, '>') => Some(at),
            (None, '"' | '\'') => {
                quote = Some(character);
                None
            }
            (Some(open), _) if open == character => {
                quote = None;
                None
            }
            _ => None,
        })?;
        let (inside, behind) = rest.split_at(end);
        if !inside.is_empty() && !inside.starts_with([' ', '\t', '\n', '\r', '/']) {
            return None;
        }
        Some((Self { name, closes, inside: inside.to_owned() }, behind.get(1..).unwrap_or_default()))
    }

    fn attribute(&self, name: &str) -> Option<String> {
        let lower = self.inside.to_ascii_lowercase();
        let at = lower.find(&format!("{name}="))?;
        let value = self.inside.get(at + name.len() + 1..)?;
        let value = match value.chars().next()? {
            quote @ ('"' | '\'') => value.get(1..)?.split(quote).next()?,
            _ => value.split_whitespace().next()?,
        };
        let mut text = Lines { text: Zeroizing::new(String::new()), blank: 0 };
        text.words(value);
        Some(text.text.to_string()).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_lines_and_nothing_that_can_be_read_is_lost() {
        for (text, wanted) in [
            ("<p>one<br>two &amp; three</p><p>four</p>", "one\ntwo & three\nfour"),
            ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
            (
                "see <a href=\"https://x.example/?a=1&amp;b=2\">here</a>.",
                "see here (https://x.example/?a=1&b=2).",
            ),
            ("<a href='https://x.example'>https://x.example</a>", "https://x.example"),
            ("<table><tr><td>k</td><td>v</td></tr></table>", "k\tv"),
            ("<style>p { x }</style><b>bold</b>\n  text &#8364; &#x41;", "bold   text € A"),
            ("<img src=\"a.png\" alt=\"a plan\">", "[a plan]"),
            ("<span title=\"a > b\">x</span>", "x"),
        ] {
            assert_eq!(plain(text).unwrap().as_str(), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_html_stays() {
        for text in ["ssh <user>@<host>", "a < b > c", "1 &lt; 2", "", "<password>", "x <3 y", "if a<b then"]
        {
            assert!(plain(text).is_none(), "{text}");
        }
    }
}
