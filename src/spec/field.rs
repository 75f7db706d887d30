//! Fields of the spec as `haoscar explain` tells them, read from the schema of the Rust types.
//!
//! A path names a field: `ha.detect`, `heads.*.nics.*.mac`. Where the spec has names of its own, `*` stands for any,
//! and any name may stand there: `heads.head-1.fence` is the same field as `heads.*.fence`.

use serde_json::Value;

use super::schema;

/// One field, in words.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Field {
    /// With `*` where names of the site stand.
    pub path: String,
    /// What may stand here: `text`, `a mapping`, `one of …`.
    pub form: String,
    /// Whether it must be there.
    pub required: bool,
    /// What holds when it is left out.
    pub default: Option<String>,
    /// What it is, and what its type is.
    pub about: Vec<String>,
    /// How it is written.
    pub example: Option<String>,
    /// The words that may stand here, each with its meaning.
    pub words: Vec<(String, String)>,
    /// The keys of a mapping: name, whether it must be there, and what it is.
    pub keys: Vec<(String, bool, String)>,
}

/// Every field that `path` names: several where services of different kinds have a key of the same name. None when
/// there is no such field.
pub fn fields(path: &str) -> Vec<Field> {
    let schema = schema::of_types();
    let parts: Vec<&str> = path.split('.').filter(|part| !part.is_empty()).collect();
    let mut found = vec![Step { path: String::new(), node: &schema, outer: &schema, required: true }];
    for part in parts {
        found = found.iter().flat_map(|step| step.into(part, &schema)).collect();
    }
    found.retain(|step| !step.path.is_empty());
    found.iter().map(|step| step.told(&schema)).collect()
}

/// Every path, for lists and for "did you mean".
pub fn field_paths() -> Vec<String> {
    let schema = schema::of_types();
    let mut paths = Vec::new();
    let mut open = vec![Step { path: String::new(), node: &schema, outer: &schema, required: true }];
    while let Some(step) = open.pop() {
        if !step.path.is_empty() {
            paths.push(step.path.clone());
        }
        open.extend(step.below(&schema));
    }
    paths.sort();
    paths.dedup();
    paths
}

/// A place in the schema: `outer` is what the field says, `node` its type behind `$ref`.
struct Step<'a> {
    path: String,
    outer: &'a Value,
    node: &'a Value,
    required: bool,
}

impl<'a> Step<'a> {
    fn to(&self, name: &str, outer: &'a Value, required: bool, root: &'a Value) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { path, outer, node: resolve(outer, root), required }
    }

    /// The fields one level down that `part` names.
    fn into(&self, part: &str, root: &'a Value) -> Vec<Self> {
        let exact: Vec<Self> =
            self.below(root).into_iter().filter(|step| step.path.rsplit('.').next() == Some(part)).collect();
        if !exact.is_empty() {
            return exact;
        }
        if self.node["items"].is_object() && part != "*" && part.parse::<usize>().is_err() {
            // `exports.path` for `exports.*.path`
            return self.below(root).iter().flat_map(|item| item.into(part, root)).collect();
        }
        // a name of the site's own, an index, or the kind of a service
        let mut any: Vec<Self> =
            self.below(root).into_iter().filter(|step| step.path.ends_with('*')).collect();
        if let Some(kinds) = any.first().and_then(|step| step.node["oneOf"].as_array())
            && let Some(kind) = kinds.iter().find(|kind| kind["properties"]["kind"]["const"] == part)
        {
            any = vec![self.to(part, kind, false, root)];
        }
        any
    }

    /// Every field one level down.
    fn below(&self, root: &'a Value) -> Vec<Self> {
        let mut all = Vec::new();
        let alternatives = ["oneOf", "anyOf"].iter().filter_map(|word| self.node[*word].as_array()).flatten();
        for node in std::iter::once(self.node).chain(alternatives.map(|node| resolve(node, root))) {
            let required =
                |name: &str| node["required"].as_array().is_some_and(|all| all.iter().any(|n| n == name));
            for (name, schema) in node["properties"].as_object().into_iter().flatten() {
                all.push(self.to(name, schema, required(name), root));
            }
            if node["additionalProperties"].is_object() {
                all.push(self.to("*", &node["additionalProperties"], false, root));
            }
            if node["items"].is_object() && resolve(&node["items"], root)["type"] == "object" {
                all.push(self.to("*", &node["items"], false, root));
            }
        }
        all
    }

    fn told(&self, root: &Value) -> Field {
        let text = |node: &Value| node["description"].as_str().map(|text| text.replace('\n', " "));
        let mut about: Vec<String> = [text(self.outer), text(self.node)].into_iter().flatten().collect();
        about.dedup();
        let alternatives = ["oneOf", "anyOf"].iter().filter_map(|word| self.node[*word].as_array()).flatten();
        let words = alternatives.filter_map(|alternative| {
            let word = alternative["const"]
                .as_str()
                .or_else(|| alternative["properties"]["kind"]["const"].as_str())?;
            Some((word.to_owned(), text(alternative).unwrap_or_default()))
        });
        let words: Vec<(String, String)> = words.collect();
        let example = [self.outer, self.node].iter().find_map(|node| node["examples"].get(0));
        Field {
            path: self.path.clone(),
            form: form(self.node, root),
            required: self.required,
            default: self.outer.get("default").and_then(plain),
            about,
            example: example.and_then(plain),
            keys: if words.is_empty() { self.keys(root) } else { Vec::new() },
            words,
        }
    }

    fn keys(&self, root: &'_ Value) -> Vec<(String, bool, String)> {
        let node = self.node;
        let required =
            |name: &str| node["required"].as_array().is_some_and(|all| all.iter().any(|n| n == name));
        let about = |schema: &Value| {
            let text =
                schema["description"].as_str().or_else(|| resolve(schema, root)["description"].as_str());
            text.unwrap_or_default().replace('\n', " ")
        };
        let named = node["properties"].as_object().into_iter().flatten();
        let mut keys: Vec<_> =
            named.map(|(name, schema)| (name.clone(), required(name), about(schema))).collect();
        for entry in [&node["additionalProperties"], &node["items"]].into_iter().filter(|n| n.is_object()) {
            keys.push(("*".to_owned(), false, about(entry)));
            let entry =
                Step { path: String::new(), outer: entry, node: resolve(entry, root), required: false };
            let below = entry.keys(root).into_iter().filter(|(name, ..)| !name.starts_with('*'));
            keys.extend(below.map(|(name, required, about)| (format!("*.{name}"), required, about)));
        }
        keys
    }
}

fn resolve<'a>(node: &'a Value, root: &'a Value) -> &'a Value {
    let name = node["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/"));
    name.map_or(node, |name| &root["$defs"][name])
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if text.contains(": ") || text.contains('{') || text.split(':').count() > 2 => {
            Some(format!("\"{text}\""))
        }
        Value::String(text) => Some(text.clone()),
        Value::Array(list) if list.is_empty() => None,
        Value::Object(map) if map.is_empty() => None,
        other => Some(other.to_string()),
    }
}

fn form(node: &Value, root: &Value) -> String {
    let all = node["oneOf"].as_array().or_else(|| node["anyOf"].as_array());
    if let Some(all) = all {
        if all.iter().any(|n| n["const"].is_string()) {
            return "one word".to_owned();
        }
        if all.iter().all(|n| n["properties"]["kind"].is_object()) {
            return "a mapping, by `kind`".to_owned();
        }
        let forms: Vec<String> = all.iter().map(|n| form(resolve(n, root), root)).collect();
        return forms.join(" or ");
    }
    match node["type"].as_str() {
        Some("object") if node["additionalProperties"].is_object() => "a mapping by name".to_owned(),
        Some("object") => "a mapping".to_owned(),
        Some("array") => format!("a list, each {}", form(resolve(&node["items"], root), root)),
        Some("boolean") => "true or false".to_owned(),
        Some("integer") => "a whole number".to_owned(),
        _ => match node["format"].as_str() {
            Some("mac") => "a MAC address".to_owned(),
            Some("ip") => "an IP address".to_owned(),
            Some("cidr") => "a network ADDRESS/PREFIX".to_owned(),
            Some("range") => "addresses FIRST-LAST".to_owned(),
            Some("span") => "a length of time".to_owned(),
            Some("absolute-path") => "an absolute path".to_owned(),
            Some("first-address") => "an IP address, with + to count up".to_owned(),
            _ => "text".to_owned(),
        },
    }
}
