//! `docs/openapi.json` says of the API what it does, and all of it.

use std::collections::BTreeSet;

use super::*;
use crate::{config::Edit, control::api::router::CONFIGURATION};

fn file() -> Value {
    serde_json::from_str(include_str!("../../../../docs/openapi.json")).unwrap()
}

/// Why a value is not what a schema says, if it is not.
fn fault(file: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = file.pointer(name.trim_start_matches('#'));
        return fault(file, schema.expect(name), value, at);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = |one: &Value| fault(file, one, value, at).is_none();
        return (!choices.iter().any(fits)).then(|| format!("{at}: {value} is none of them"));
    }
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("{at}: no kind is called {other}"),
    };
    let fits = match &schema["type"] {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().any(|kind| is(kind.as_str().unwrap())),
        other => panic!("{at}: no type: {other}"),
    };
    let listed = schema["enum"].as_array();
    if !fits || listed.is_some_and(|listed| !listed.contains(value)) {
        return Some(format!("{at}: {value} is not of {schema}"));
    }
    let mut items = value.as_array().into_iter().flatten();
    if let Some(fault) = items.find_map(|item| fault(file, &schema["items"], item, at)) {
        return Some(fault);
    }
    keys(file, schema, value, at)
}

/// The same of the keys of an object.
fn keys(file: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    let object = value.as_object()?;
    let required = schema["required"].as_array().into_iter().flatten();
    let missing = required.map(|key| key.as_str().unwrap());
    if let Some(key) = missing.into_iter().find(|key| !object.contains_key(*key)) {
        return Some(format!("{at}: `{key}` is not there"));
    }
    object.iter().find_map(|(key, value)| {
        let at = format!("{at}.{key}");
        match (&schema["properties"][key], &schema["additionalProperties"]) {
            (Value::Null, Value::Object(_)) => {
                fault(file, &schema["additionalProperties"], value, &at)
            }
            (Value::Null, _) => Some(format!("{at} is not in the file")),
            (schema, _) => fault(file, schema, value, &at),
        }
    })
}

/// What each method of the file's paths answers, and what its body is.
fn schema_of<'f>(file: &'f Value, path: &str, method: &str) -> &'f Value {
    let content = &file["paths"][path][method]["responses"]["200"]["content"];
    &content["application/json"]["schema"]
}

#[test]
fn the_file_has_the_routers_paths_and_no_others() {
    let routes = include_str!("../router.rs").split(".route(").skip(1);
    let routes: BTreeSet<(String, &str)> = routes
        .map(|route| {
            let (path, method) = route.split_once(',').unwrap();
            let (path, method) = (path.trim(), method.trim_start());
            let path = match path {
                "CONFIGURATION" => CONFIGURATION,
                path => path.trim_matches('"'),
            };
            let method = if method.starts_with("post(") {
                "post"
            } else {
                "get"
            };
            (path.to_owned(), method)
        })
        .collect();
    let file = file();
    let paths = file["paths"].as_object().unwrap();
    let told = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(|method| (path.clone(), method.as_str()))
    });
    assert_eq!(told.collect::<BTreeSet<_>>(), routes);
}

#[tokio::test]
async fn answers_are_as_the_file_says() {
    let program = Program::with_sessions(2).await;
    let file = file();
    let mut asked = 0;
    for (path, methods) in file["paths"].as_object().unwrap() {
        let schema = schema_of(&file, path, "get");
        if schema.is_null() {
            continue;
        }
        assert!(methods["get"]["summary"].is_string(), "{path}");
        let query = match path.as_str() {
            "/route" => "?to=10.10.0.11",
            "/explain" => "?flow=tcp,10.9.0.0:31337,10.9.0.100:80",
            _ => "",
        };
        let (status, answer) = program.get(&format!("{path}{query}")).await;
        assert_eq!(status, 200, "{path}");
        let empty = answer.as_array().is_some_and(Vec::is_empty);
        assert!(!empty, "{path}: nothing to look at");
        assert_eq!(fault(&file, schema, &answer, path), None);
        asked += 1;
    }
    assert!(asked > 15);
    let (examined, schema) = (
        json!(samples::examination()),
        schema_of(&file, "/doctor", "post"),
    );
    assert_eq!(fault(&file, schema, &examined, "/doctor"), None);
    let changed = json!(samples::changed());
    assert_eq!(
        fault(
            &file,
            schema_of(&file, "/reload", "post"),
            &changed,
            "/reload"
        ),
        None
    );
    let (_, refusal) = program.get("/nothing").await;
    let refused = &file["components"]["schemas"]["Refusal"];
    assert_eq!(fault(&file, refused, &refusal, "/nothing"), None);
}

/// What a schema does not say is a fault, and so is what it says otherwise.
#[test]
fn the_file_can_be_wrong() {
    let file = file();
    let version = &file["components"]["schemas"]["Version"];
    for (value, expected) in [
        (json!({ "version": "weir" }), None),
        (
            json!({ "version": 1 }),
            Some("version.version: 1 is not of"),
        ),
        (json!({}), Some("version: `version` is not there")),
        (
            json!({ "version": "", "more": 1 }),
            Some("version.more is not in the file"),
        ),
    ] {
        let fault = fault(&file, version, &value, "version");
        let right = match (&fault, expected) {
            (None, None) => true,
            (Some(fault), Some(expected)) => fault.starts_with(expected),
            _ => false,
        };
        assert!(right, "{value}: {fault:?}");
    }
}

#[test]
fn changes_can_be_written_by_the_file() {
    let file = file();
    let body = &file["paths"]["/edit"]["post"]["requestBody"]["content"]["application/json"];
    let edits = json!([
        { "action": "set", "service": "web", "backend": "web1", "keys": { "weight": "5" } },
        { "action": "remove", "service": "old", "backend": null, "keys": { "quic": null } },
    ]);
    assert_eq!(fault(&file, &body["schema"], &edits, "/edit"), None);
    let read: Vec<Edit> = serde_json::from_value(edits).unwrap();
    assert_eq!(fault(&file, &body["schema"], &json!(read), "/edit"), None);
}
