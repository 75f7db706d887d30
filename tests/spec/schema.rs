//! The published JSON schema: not stale, and of one mind with the loader about shapes.

use super::{folder, specs_of};
use haoscar::spec::schema;
use serde_json::Value;

#[test]
fn the_committed_schema_is_what_the_types_say() {
    let file = folder("schemas/cluster.v1.json");
    let now = format!("{:#}\n", schema::published());
    if std::env::var_os("HAOSCAR_BLESS").is_some() {
        std::fs::write(&file, &now).unwrap();
    }
    let message = "schemas/cluster.v1.json is stale: haoscar generate schema -o schemas/cluster.v1.json";
    assert_eq!(std::fs::read_to_string(&file).unwrap(), now, "{message}");
}

fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(&schema::published()).unwrap()
}

fn yaml(path: &std::path::Path) -> Option<Value> {
    let text = std::fs::read_to_string(path).ok()?;
    // of equal keys the last one counts here: the schema cannot see them anyhow
    let options = serde_saphyr::options! { duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins, strict_booleans: true };
    serde_saphyr::from_str_with_options(&text, options).ok()
}

#[test]
fn every_valid_spec_validates_against_the_schema() {
    let validator = validator();
    for path in specs_of("specs").into_iter().chain(specs_of("tests/accepts")) {
        let value = yaml(&path).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|e| format!("{} at {}", e, e.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    }
}

/// Codes that say that the shape itself is wrong.
const STRUCTURAL: [&str; 8] = [
    "spec/unknown-key",
    "spec/wrong-type",
    "spec/bad-word",
    "spec/missing-key",
    "spec/no-value",
    "spec/too-few",
    "spec/no-kind",
    "spec/bad-name",
];

/// A range that runs backwards has the form of a range; only the loader counts.
const BEYOND_SCHEMA: [&str; 2] = ["bad-name-nodes.yaml", "bad-name-many-nodes.yaml"];

#[test]
fn every_structural_reject_is_refused_by_the_schema_too() {
    let validator = validator();
    let mut refused = 0;
    for path in specs_of("tests/rejects") {
        let said = std::fs::read_to_string(path.with_extension("txt")).unwrap();
        let structural = STRUCTURAL.iter().any(|code| said.contains(&format!("[{code}]")));
        let beyond = BEYOND_SCHEMA.iter().any(|name| path.ends_with(name));
        if let Some(value) = yaml(&path).filter(|_| structural && !beyond) {
            assert!(!validator.is_valid(&value), "{} is valid by the schema", path.display());
            refused += 1;
        }
    }
    assert!(refused >= 30, "only {refused} rejects are structural");
}

#[test]
fn every_format_of_the_schema_has_a_pattern() {
    fn formats(node: &Value, found: &mut Vec<String>) {
        match node {
            Value::Object(map) => {
                found.extend(map.get("format").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|node| formats(node, found));
            }
            Value::Array(list) => list.iter().for_each(|node| formats(node, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    formats(&schema::of_types(), &mut found);
    found.retain(|format| !format.contains("int"));
    for format in found {
        assert!(schema::PATTERNS.iter().any(|(name, _)| *name == format), "no pattern for format {format}");
    }
}

#[test]
fn every_field_of_the_spec_says_what_it_is() {
    for path in haoscar::spec::field_paths() {
        let fields = haoscar::spec::fields(&path);
        assert!(!fields.is_empty(), "{path} cannot be explained");
        let value = path.ends_with(".*");
        let kind = path.ends_with(".kind") && path.starts_with("services.");
        assert!(
            kind || value || fields.iter().all(|field| !field.about.is_empty()),
            "{path} has no description"
        );
    }
}
