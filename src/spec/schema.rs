//! The schema of the spec, from the Rust types: one source for the loader, editors and `explain`.

use serde_json::{Value, json};

use super::Cluster;

/// Every kind of service; a service that is named so may leave `kind` out.
pub const KINDS: [&str; 8] = ["dhcp", "boot", "names", "time", "nfs", "scheduler", "unit", "ocf"];

/// Format words of the loader as patterns, for readers that have only JSON Schema. Wider than the loader's checks.
pub const PATTERNS: &[(&str, &str)] = &[
    ("mac", "^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$"),
    ("cidr", "^[0-9A-Fa-f.:]+/[0-9]{1,3}$"),
    ("range", "^[0-9A-Fa-f.:]+ *- *[0-9A-Fa-f.:]+$"),
    ("span", "^[0-9]+(ms|s|m|h|d)$"),
    ("node-range", r"^[A-Za-z0-9-]+(\[[0-9,-]+\][A-Za-z0-9-]*)?$"),
    ("ip", "^[0-9A-Fa-f.:]+$"),
    ("first-address", r"^[0-9A-Fa-f.:]+\+?$"),
    ("label", "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"),
    ("domain", "^[A-Za-z0-9-]{1,63}([.][A-Za-z0-9-]{1,63})*$"),
    ("interface", "^[^/: ]{1,15}$"),
    ("unit", r"^[A-Za-z0-9@:._\\-]+\.service$"),
    ("ocf-agent", "^ocf:[A-Za-z0-9_-]+:[A-Za-z0-9_-]+$"),
    ("absolute-path", "^/.+$"),
    ("partition", "^(swap|/([A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)?)$"),
    ("console", "^[A-Za-z][A-Za-z0-9]*(,[A-Za-z0-9]+)?$"),
    ("pbs-attribute", "^[a-z][a-z0-9_.]*$"),
    ("pbs-hook", "^[A-Za-z][A-Za-z0-9_]*$"),
];

/// What the types say, where every service has its `kind`.
pub fn of_types() -> Value {
    let mut schema = schemars::schema_for!(Cluster).to_value();
    without_null(&mut schema);
    schema
}

/// The JSON schema for editors and other tools, as it is published in schemas/cluster.v1.json: services that are
/// named like their kind may leave it out, no value may be null, and addresses say their two families.
pub fn published() -> Value {
    let mut schema = of_types();
    let variants = schema["$defs"]["Service"]["oneOf"].as_array().cloned().unwrap_or_default();
    let mut named = serde_json::Map::new();
    for mut variant in variants {
        let Some(kind) = variant["properties"]["kind"]["const"].as_str().map(str::to_owned) else { continue };
        if let Some(required) = variant["required"].as_array_mut() {
            required.retain(|name| name != "kind");
        }
        let service = json!({ "$ref": "#/$defs/Service" });
        named.insert(kind, json!({ "if": { "required": ["kind"] }, "then": service, "else": variant }));
    }
    schema["properties"]["services"]["properties"] = Value::Object(named);
    schema["$id"] = json!("https://haoscar.example/schemas/cluster.v1.json");
    schema["title"] = json!("haoscar cluster spec, version 1");
    with_patterns(&mut schema);
    schema
}

/// Removes `null` as an alternative: in a spec, a key without a value is a mistake.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(map) => {
            map.values_mut().for_each(without_null);
            if map.get("default").is_some_and(Value::is_null) {
                map.remove("default");
            }
            if let Some(Value::Array(types)) = map.get("type")
                && let [only] = types.iter().filter(|t| *t != "null").collect::<Vec<_>>()[..]
            {
                let only = only.clone();
                map.insert("type".into(), only);
            }
            if let Some(Value::Array(all)) = map.get_mut("anyOf") {
                all.retain(|s| s["type"] != "null");
                if let [Value::Object(only)] = &all[..] {
                    let only = only.clone();
                    map.remove("anyOf");
                    map.extend(only);
                }
            }
        }
        _ => {}
    }
}

/// Turns format words that only haoscar knows into patterns.
fn with_patterns(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(with_patterns),
        Value::Object(map) => {
            map.values_mut().for_each(with_patterns);
            let format = map.get("format").and_then(Value::as_str);
            if let Some((_, pattern)) = PATTERNS.iter().find(|(name, _)| format == Some(*name)) {
                map.insert("pattern".into(), json!(pattern));
                map.remove("format");
            }
        }
        _ => {}
    }
}
