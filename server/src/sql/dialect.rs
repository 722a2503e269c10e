//! What differs between the SQL of `SQLite` and of PostgreSQL. Both read nearly all that the store writes; PostgreSQL is given
//! the rest in its own words, here.

use std::fmt::Write as _;

/// Whose SQL is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// Says of a column that no index on it serves this condition better than others would: `SQLite` takes a plus for that.
    /// PostgreSQL counts what is in its tables, and chooses by itself.
    pub fn aside(self) -> &'static str {
        match self {
            Self::Sqlite => "+",
            Self::Postgres => "",
        }
    }

    /// Puts the texts of the item `?1` into the index of texts, in place of what is there.
    pub fn index_text(self) -> &'static str {
        match self {
            Self::Sqlite => "INSERT OR REPLACE INTO item_text (rowid, text) VALUES (?1, ?2)",
            Self::Postgres => {
                "INSERT INTO item_text (item, text) VALUES (?1, ?2) ON CONFLICT (item) DO UPDATE SET text = ?2"
            }
        }
    }

    /// The items whose texts a search narrows down to, as a condition on what stands before it.
    pub fn text_has(self, parameter: usize) -> String {
        match self {
            Self::Sqlite => format!("IN (SELECT rowid FROM item_text WHERE item_text MATCH ?{parameter})"),
            Self::Postgres => format!("IN (SELECT item FROM item_text WHERE text LIKE ?{parameter})"),
        }
    }

    /// What [`Dialect::text_has`] is asked for, where the query gives it anything.
    pub fn text_query(self, query: &str) -> Option<String> {
        let query = query.to_lowercase();
        match self {
            Self::Sqlite => trigrams(&query),
            Self::Postgres => pattern(&query),
        }
    }
}

/// Every three characters that stand together in the query, but for those with a NUL, where the index's own language ends.
/// Which hits have them in a row is looked at one by one. A shorter query has none.
fn trigrams(query: &str) -> Option<String> {
    let letters: Vec<char> = query.chars().collect();
    let words = letters.windows(3).filter(|three| !three.contains(&'\0')).map(|three| {
        let word: String = three.iter().collect();
        format!("\"{}\"", word.replace('"', "\"\""))
    });
    // A few dozen narrow it down as far as it goes.
    let words: Vec<String> = words.take(32).collect();
    (!words.is_empty()).then(|| words.join(" AND "))
}

/// The query with anything before and after it. No text has a NUL, and none is asked for.
fn pattern(query: &str) -> Option<String> {
    if query.is_empty() || query.contains('\0') {
        return None;
    }
    let mut pattern = String::from("%");
    for letter in query.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    Some(pattern)
}

/// The store's SQL as PostgreSQL reads it: parameters are `$1` for `?1`, and functions have other names.
pub(super) fn for_postgres(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 64);
    let mut rest = sql;
    let mut unnumbered = 0;
    // A place outside texts where a word may begin.
    let mut at_word = true;
    // Closing brackets of calls that were opened in other words, by how deep they stand.
    let (mut depth, mut closing) = (0_usize, Vec::new());
    while let Some(letter) = rest.chars().next() {
        if let (true, Some((theirs, ours, end))) = (at_word, call(rest)) {
            rest = &rest[theirs.len()..];
            out.push_str(ours);
            depth += 1;
            closing.push((depth, end));
            continue;
        }
        if let (true, Some(after)) = (at_word, rest.strip_prefix("CROSS JOIN ")) {
            // SQLite's word for a join whose order is kept; its condition follows.
            out.push_str("JOIN ");
            rest = after;
            continue;
        }
        at_word = !(letter.is_ascii_alphanumeric() || letter == '_');
        let length = match letter {
            '\'' | '"' => rest[1..].find(letter).map_or(rest.len(), |end| end + 2),
            '?' => {
                let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
                out.push('$');
                if digits == 0 {
                    unnumbered += 1;
                    // Writing into a text does not fail.
                    let _ = write!(out, "{unnumbered}");
                }
                rest = &rest[1..];
                out.push_str(&rest[..digits]);
                rest = &rest[digits..];
                continue;
            }
            '(' => {
                depth += 1;
                1
            }
            ')' => {
                if let Some((_, end)) = closing.pop_if(|(opened, _)| *opened == depth) {
                    out.push_str(end);
                }
                depth = depth.saturating_sub(1);
                1
            }
            other => other.len_utf8(),
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// A call that has another name: what it is, how it begins, and what stands before its closing bracket.
fn call(sql: &str) -> Option<(&'static str, &'static str, &'static str)> {
    const CALLS: [(&str, &str, &str); 3] = [
        ("json_each(", "json_array_elements_text((", ")::json"),
        // Of no rows it is a list, and not nothing.
        ("json_group_array(", "coalesce(json_agg(", ")::text, '[]'"),
        ("instr(", "strpos(", ""),
    ];
    CALLS.into_iter().find(|(theirs, ..)| sql.starts_with(theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_is_given_its_own_words() {
        for (ours, theirs) in [
            (
                "SELECT a FROM b WHERE c = ?1 AND d = '?2' AND \"e?\" = ?12",
                "SELECT a FROM b WHERE c = $1 AND d = '?2' AND \"e?\" = $12",
            ),
            ("UPDATE a SET b = ?, c = ? WHERE d = ?", "UPDATE a SET b = $1, c = $2 WHERE d = $3"),
            (
                "a IN (SELECT value FROM json_each(?1)) AND (b OR c)",
                "a IN (SELECT value FROM json_array_elements_text(($1)::json)) AND (b OR c)",
            ),
            (
                "(SELECT json_group_array(id) FROM (SELECT (1)) x)",
                "(SELECT coalesce(json_agg(id)::text, '[]') FROM (SELECT (1)) x)",
            ),
            ("instr(',' || a || ',', ',' || ?2 || ',') > 0", "strpos(',' || a || ',', ',' || $2 || ',') > 0"),
            ("FROM a CROSS JOIN b ON b.c = a.c", "FROM a JOIN b ON b.c = a.c"),
            ("my_instr(a) 'it''s ?1' é", "my_instr(a) 'it''s ?1' é"),
        ] {
            assert_eq!(for_postgres(ours), theirs);
        }
    }

    #[test]
    fn a_query_is_looked_for_as_it_is() {
        assert_eq!(pattern("50%_\\"), Some("%50\\%\\_\\\\%".to_owned()));
        assert_eq!(pattern(""), None);
        assert_eq!(trigrams("ab\"c"), Some("\"ab\"\"\" AND \"b\"\"c\"".to_owned()));
        assert_eq!(trigrams("ab"), None);
    }
}
