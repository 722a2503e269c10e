//! The index of items' texts, which each of the two databases has in its own way: FTS5 or trigrams.

use keyferry_sql::Dialect;

/// Puts the texts of the item `?1` into the index of texts, in place of what is there.
pub fn index(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "INSERT OR REPLACE INTO item_text (rowid, text) VALUES (?1, ?2)",
        Dialect::Postgres => {
            "INSERT INTO item_text (item, text) VALUES (?1, ?2) ON CONFLICT (item) DO UPDATE SET text = ?2"
        }
    }
}

/// The items whose texts a search narrows down to, as a condition on what stands before it.
pub fn has(dialect: Dialect, parameter: usize) -> String {
    match dialect {
        Dialect::Sqlite => format!("IN (SELECT rowid FROM item_text WHERE item_text MATCH ?{parameter})"),
        Dialect::Postgres => format!("IN (SELECT item FROM item_text WHERE text LIKE ?{parameter})"),
    }
}

/// What [`has`] is asked for, where the query gives it anything.
pub fn query(dialect: Dialect, query: &str) -> Option<String> {
    let query = query.to_lowercase();
    match dialect {
        Dialect::Sqlite => trigrams(&query),
        Dialect::Postgres => pattern(&query),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_looked_for_as_it_is() {
        assert_eq!(pattern("50%_\\"), Some("%50\\%\\_\\\\%".to_owned()));
        assert_eq!(pattern(""), None);
        assert_eq!(trigrams("ab\"c"), Some("\"ab\"\"\" AND \"b\"\"c\"".to_owned()));
        assert_eq!(trigrams("ab"), None);
    }
}
