//! `api`: any call, its answer or a part of it as JSON.

use crate::passwork::failure::{Failure, Result};
use crate::passwork::items::Client;
use crate::passwork::python::{dumps, int};
use crate::passwork::value::Value;
use crate::passwork::{Parsed, complain, print};
use keyferry_core::secret::SecretString;

/// Calls, and prints.
pub async fn run(client: &Client, parsed: &Parsed) -> Result<u8> {
    let params = match parsed.text("--params").filter(|text| !text.is_empty()) {
        None => Value::Dict(Vec::new()),
        Some(text) => match Value::loads(&text) {
            Ok(Value::None) => Value::Dict(Vec::new()),
            Ok(params) => params,
            Err(error) => return Ok(complain(&format!("Error parsing parameters JSON: {error}"))),
        },
    };
    let endpoint = parsed.text("--endpoint").unwrap_or_default();
    let endpoint = format!("/api/{}", endpoint.strip_prefix('/').unwrap_or(&endpoint));
    let method = parsed.text("--method").unwrap_or_default();
    let answer = match method.as_str() {
        "GET" => client.server.get(&endpoint, &params).await?,
        method => client.server.send(method, &endpoint, &params).await?,
    };
    let shown = match parsed.text("--field").filter(|name| !name.is_empty()) {
        Some(name) => part(&answer, &name)?,
        None => answer,
    };
    Ok(print(SecretString::new(dumps(&shown)).expose()))
}

/// `a.b`, `a[0]`, `a`; of a list, the member of each object that has it. What is not there is `None`.
fn part(value: &Value, name: &str) -> Result<Value> {
    if let Value::List(values) = value {
        return Ok(Value::List(values.iter().filter_map(|value| value.get(name)).cloned().collect()));
    }
    if let Some((first, rest)) = name.split_once('.') {
        let inner = value.get(first).filter(|inner| matches!(inner, Value::Dict(_) | Value::List(_)));
        return inner.map_or(Ok(Value::None), |inner| part(inner, rest));
    }
    if let (Value::Dict(_), Some((name, index))) =
        (value, name.strip_suffix(']').and_then(|name| name.split_once('[')))
    {
        let index = int(index).map_err(Failure::value)?;
        let element = match value.get(name) {
            Some(Value::List(values)) => usize::try_from(index).ok().and_then(|index| values.get(index)),
            _ => None,
        };
        return Ok(element.cloned().unwrap_or(Value::None));
    }
    Ok(value.get(name).cloned().unwrap_or(Value::None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passwork::python::repr;

    #[test]
    fn parts_are_found_as_the_official_one_finds_them() {
        let answer = r#"{"items": [{"id": 1, "a": {"b": 2}}, {"id": 3}], "a.b": 4, "u": {"n": 5}}"#;
        let answer = Value::loads(answer).unwrap();
        let of = |name| part(&answer, name).map(|part| repr(&part)).map_err(|failure| failure.what);
        assert_eq!(of("items.id").as_deref(), Ok("[1, 3]"));
        assert_eq!(of("u.n").as_deref(), Ok("5"));
        assert_eq!(of("items[1]").as_deref(), Ok("{'id': 3}"));
        for nothing in ["a.b", "items[0].id", "items[-1]", "items[9]", "none"] {
            assert_eq!(of(nothing).as_deref(), Ok("None"), "{nothing}");
        }
        assert!(of("items[x]").is_err_and(|what| what.starts_with("invalid literal for int()")));
    }
}
