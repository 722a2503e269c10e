//! The `OpenAPI` document and the answers that it is about.

use crate::rights::read_of_everything;
use crate::world::world;
use keyferry_server::ServeOptions;
use serde_json::Value;

/// The members of an answer that its schema does not name, as paths.
fn unnamed(document: &Value, schema: &Value, answer: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = document.pointer(name.trim_start_matches('#')).unwrap();
        return unnamed(document, schema, answer, at, found);
    }
    // Null or what it is otherwise.
    if let Some(any) = schema["anyOf"].as_array() {
        let schema = any.iter().find(|one| one["type"] != "null").unwrap();
        return unnamed(document, schema, answer, at, found);
    }
    match answer {
        Value::Array(entries) => {
            for entry in entries {
                unnamed(document, &schema["items"], entry, &format!("{at}[]"), found);
            }
        }
        Value::Object(members) if schema["additionalProperties"].is_null() => {
            for (name, member) in members {
                let at = format!("{at}.{name}");
                match schema["properties"].get(name) {
                    // Anything at all.
                    Some(Value::Bool(true)) => {}
                    Some(schema) => unnamed(document, schema, member, &at, found),
                    None => found.push(at),
                }
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn no_answer_has_a_member_that_the_document_does_not_name() {
    let (world, alice, bob) = world(ServeOptions::default());
    let document = world.get_whole("/api/openapi.json").await;
    let mut found = Vec::new();
    let mut entries = 0;
    for (template, path) in read_of_everything(&world, &alice, &bob).await {
        let token = if template.starts_with("/inbox-items") { &bob } else { &alice };
        let answer = world.ok("GET", &path, token, Value::Null).await;
        entries += answer["items"].as_array().map_or(1, Vec::len);
        let schema = document["paths"][format!("/api/v1{template}")]["get"]
            .pointer("/responses/200/content/application~1json/schema/anyOf/0")
            .unwrap();
        unnamed(&document, schema, &answer, template, &mut found);
    }
    assert_eq!(found, [""; 0]);
    assert!(entries > 40, "too little was there to look at: {entries}");
}
