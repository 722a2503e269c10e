//! What differs between the SQL of `SQLite` and of PostgreSQL. Both read nearly all that is written; PostgreSQL is given the rest in
//! its own words, here.

use std::fmt::Write as _;

/// Whose SQL is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// That of a file.
    Sqlite,
    /// That of a server.
    Postgres,
}

impl Dialect {
    /// Says of a column that no index on it serves this condition better than others would: `SQLite` takes a plus for that.
    /// PostgreSQL counts what is in its tables, and chooses by itself.
    #[must_use]
    pub fn aside(self) -> &'static str {
        match self {
            Self::Sqlite => "+",
            Self::Postgres => "",
        }
    }

    /// The database's own clock, in Unix milliseconds.
    #[must_use]
    pub fn milliseconds(self) -> &'static str {
        match self {
            Self::Sqlite => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            Self::Postgres => "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
        }
    }

    /// After a query: its rows are locked, and those that somebody else has locked are passed over. In a file there is one
    /// writer, and nothing to pass over.
    #[must_use]
    pub fn for_update_skip_locked(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }
}

/// SQL as PostgreSQL reads it: parameters are `$1` for `?1`, and functions have other names.
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
            (
                "a = ANY (ARRAY(SELECT CAST(value AS BIGINT) FROM json_each(?1)))",
                "a = ANY (ARRAY(SELECT CAST(value AS BIGINT) FROM json_array_elements_text(($1)::json)))",
            ),
            ("FROM a CROSS JOIN b ON b.c = a.c", "FROM a JOIN b ON b.c = a.c"),
            ("my_instr(a) 'it''s ?1' é", "my_instr(a) 'it''s ?1' é"),
        ] {
            assert_eq!(for_postgres(ours), theirs);
        }
    }
}
