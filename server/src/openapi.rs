//! The `OpenAPI` 3.1 document, made from the table of endpoints and the wire types, and a page that shows it.

use crate::routes::table::{ENDPOINTS, Endpoint, Handler, Param};
use http::{HeaderName, header};
use keyferry_api::BASE_PATH;
use keyferry_api::error::ErrorBody;
use keyferry_api::wrapping::Wrapped;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// Shows `/api/openapi.json`: needs nothing from elsewhere.
pub(crate) const PAGE: &str = include_str!("openapi.html");

/// The page runs what is in it and asks its own server alone; no other page frames it.
pub(crate) const PAGE_HEADERS: [(HeaderName, &str); 2] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// The document's text.
pub(crate) fn text() -> &'static str {
    static TEXT: LazyLock<String> =
        LazyLock::new(|| serde_json::to_string_pretty(&document()).unwrap_or_default() + "\n");
    &TEXT
}

fn document() -> Value {
    // What is read and what is written are two views of a type: in an answer every member is there. Answers
    // share their schemas by name, a request's stand in it.
    let mut answers = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut requests =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).into_generator();
    let error = answers.subschema_for::<ErrorBody>();
    let wrapped = answers.subschema_for::<Wrapped>();
    let mut paths = Map::new();
    for endpoint in ENDPOINTS {
        let path = paths.entry(format!("{BASE_PATH}{}", endpoint.path)).or_insert_with(|| json!({}));
        path[endpoint.method.to_ascii_lowercase()] = operation(endpoint, &mut answers, &mut requests);
    }
    let schemas = answers.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Passwork's HTTP API v1, as keyferry's embedded environment serves it",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            "description": "All that is secret is encrypted by the client before it comes here. Answers are JSON; \
                unless the request carries `X-Response-Format: raw` they come wrapped as \
                `{\"format\":\"base64\",\"content\":\"…\"}`.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": {
                "IdempotencyKey": {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": false,
                    "description": "The same request with the same key happens once, and is answered as the first time, for \
                        7 days. Another request with it gets a 422, idempotencyKeyReused, for as long as what the first one \
                        made stands as it was made. Keys are each user's own.",
                    "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[0-9A-Za-z_-]+$" },
                },
            },
            "responses": {
                "Error": {
                    "description": "What went wrong",
                    "content": { "application/json": { "schema": { "anyOf": [error, wrapped] } } },
                },
            },
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "browser": { "type": "apiKey", "in": "cookie", "name": "accessToken" },
            },
        },
    })
}

fn operation(endpoint: &Endpoint, answers: &mut SchemaGenerator, requests: &mut SchemaGenerator) -> Value {
    let mut parameters: Vec<Value> = endpoint
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            let schema = if name == "token" { json!({ "type": "string", "minLength": 1 }) } else { id() };
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .collect();
    parameters.extend(endpoint.params().map(parameter));
    if endpoint.once.is_some() {
        parameters.push(json!({ "$ref": "#/components/parameters/IdempotencyKey" }));
    }
    let gives = (endpoint.gives)(answers);
    let wrapped = answers.subschema_for::<Wrapped>();
    let mut responses = json!({
        "200": {
            "description": "Done",
            "content": { "application/json": { "schema": { "anyOf": [gives, wrapped] } } },
        },
    });
    let open = matches!(endpoint.handler, Handler::Open(_));
    for status in ["400", "401", "403", "404", "405", "409", "413", "422", "429", "503", "507"] {
        responses[status] = json!({ "$ref": "#/components/responses/Error" });
    }
    let mut operation = json!({
        "summary": endpoint.summary,
        "operationId": operation_id(endpoint),
        "tags": [endpoint.path.split('/').nth(1).unwrap_or_default()],
        "parameters": parameters,
        "responses": responses,
        "security": if open { json!([]) } else { json!([{ "token": [] }, { "browser": [] }]) },
    });
    if let Some(takes) = endpoint.takes {
        operation["requestBody"] = json!({
            "required": !endpoint.may_be_empty,
            "content": { "application/json": { "schema": takes(requests) } },
        });
    }
    operation
}

fn id() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-fA-F]{24}$" })
}

fn parameter(param: Param) -> Value {
    let number = || json!({ "type": "integer", "minimum": 0, "maximum": 1_000_000_000 });
    let (name, required, schema) = match param {
        Param::Text(name) => (name.to_owned(), false, text_schema(name)),
        Param::Needed(name) => (name.to_owned(), true, text_schema(name)),
        Param::Number(name) => (name.to_owned(), false, number()),
        Param::Texts(name) => {
            (format!("{name}[]"), false, json!({ "type": "array", "items": { "type": "string" } }))
        }
        Param::Numbers(name) => {
            let items = json!({ "type": "integer", "minimum": -1_000_000, "maximum": 1_000_000 });
            (format!("{name}[]"), false, json!({ "type": "array", "items": items }))
        }
    };
    json!({ "name": name, "in": "query", "required": required, "schema": schema })
}

fn text_schema(name: &str) -> Value {
    if name.ends_with("Id") { id() } else { json!({ "type": "string" }) }
}

/// Such as `post-items-id-move`.
fn operation_id(endpoint: &Endpoint) -> String {
    let path = endpoint.path.replace(['{', '}'], "").replace('/', "-");
    format!("{}{path}", endpoint.method.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// `KEYFERRY_WRITE_OPENAPI=1` writes it anew.
    #[test]
    fn the_document_under_docs_is_the_one_that_is_served() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
        if std::env::var_os("KEYFERRY_WRITE_OPENAPI").is_some() {
            std::fs::write(&path, super::text()).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap();
        assert!(there == super::text(), "make openapi");
    }
}
