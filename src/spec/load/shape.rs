//! The tree against the schema of the Rust types: unknown keys, types, words, missing keys, forms of texts.
//! One walk finds them all; serde would stop at the first.

use std::fmt;
use std::ops::Range;

use serde_json::Value as Json;

use super::formats;
use super::places::Lines;
use super::tree::{Bytes, Key, Node, Value};
use crate::spec::{Problem, nearest, schema};

/// Gives every service the `kind` that its name says, where it has none.
pub(super) fn fill_kinds(root: &mut Node) {
    let Value::Map(sections) = &mut root.value else { return };
    for (_, node) in sections.iter_mut().filter(|(key, _)| key.text == "services") {
        let Value::Map(services) = &mut node.value else { continue };
        for (name, service) in services {
            let known = schema::KINDS.contains(&name.text.as_str());
            let Value::Map(words) = &mut service.value else { continue };
            if known && !words.iter().any(|(key, _)| key.text == "kind") {
                let span = name.span;
                let kind = Node { value: Value::Text(name.text.clone()), span };
                words.push((Key { text: "kind".into(), span }, kind));
            }
        }
    }
}

/// Everything in `root` that does not have the shape of a cluster.
pub(super) fn check(root: &Node, lines: &Lines) -> Vec<Problem> {
    let schema = schema::of_types();
    let mut walk = Walk { schema: &schema, lines, problems: Vec::new() };
    walk.check(root, &schema, &At { above: None, name: Name::Key(""), key: root.span.begin() });
    walk.problems
}

type Words = serde_json::Map<String, Json>;

/// Where the walk is, and the key that led there. A path is put together only where something is said of it.
#[derive(Clone, Copy)]
struct At<'a> {
    above: Option<&'a At<'a>>,
    name: Name<'a>,
    key: Bytes,
}

/// The last part of a path.
#[derive(Clone, Copy)]
enum Name<'a> {
    Key(&'a str),
    Index(usize),
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Index(index) => index.fmt(f),
        }
    }
}

impl<'a> At<'a> {
    fn below(&'a self, name: Name<'a>, key: Bytes) -> Self {
        Self { above: Some(self), name, key }
    }

    fn path(&self) -> String {
        match self.above.map(At::path) {
            None => String::new(),
            Some(above) if above.is_empty() => self.name.to_string(),
            Some(above) => format!("{above}.{}", self.name),
        }
    }

    fn subject(&self) -> String {
        if self.above.is_none() { "the spec".to_owned() } else { self.path() }
    }
}

struct Walk<'a> {
    schema: &'a Json,
    lines: &'a Lines,
    problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    fn check(&mut self, node: &Node, schema: &'a Json, at: &At<'_>) {
        let schema = self.resolve(schema);
        if matches!(node.value, Value::Null) {
            self.say(
                "spec/no-value",
                format!("{} has no value", at.subject()),
                at.key,
                no_value_hint(schema, at),
            );
            return;
        }
        let Some(schema) = self.choose(node, schema, at) else { return };
        match (&node.value, schema["type"].as_str()) {
            (Value::Map(entries), Some("object")) => self.check_map(entries, schema, at),
            (Value::List(items), Some("array")) => self.check_list(items, schema, at),
            (Value::Text(text), Some("string")) => self.check_text(text, node, schema, at),
            (Value::Flag(_), Some("boolean")) => {}
            (Value::Number(number), Some("integer")) => self.check_number(number, node, schema, at),
            (Value::Number(number), Some("string")) if schema["format"] == "span" => {
                let message = format!("{}: {number} has no unit", at.path());
                self.say(
                    "spec/bad-value",
                    message,
                    node.span,
                    Some(format!("write {number}s, or {number}ms")),
                );
            }
            (_, Some(kind)) => self.wrong_type(node, &[kind], at),
            (_, None) => {}
        }
    }

    fn resolve(&self, schema: &'a Json) -> &'a Json {
        let name = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/"));
        name.map_or(schema, |name| &self.schema["$defs"][name])
    }

    /// Of several alternatives the one that is meant; none when a problem has been said.
    fn choose(&mut self, node: &Node, schema: &'a Json, at: &At<'_>) -> Option<&'a Json> {
        let Some(all) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) else {
            return Some(schema);
        };
        if let Some(words) = all.iter().map(|s| s["const"].as_str()).collect::<Option<Vec<_>>>() {
            self.check_word(node, &words, at);
            return None;
        }
        if all.iter().all(|s| s["properties"]["kind"]["const"].is_string()) {
            return self.choose_kind(node, all, at);
        }
        let all: Vec<&Json> = all.iter().map(|s| self.resolve(s)).filter(|s| s["type"] != "null").collect();
        if let [only] = all[..] {
            return self.choose(node, only, at);
        }
        let fits = all.iter().find(|s| s["type"].as_str().is_some_and(|t| fits(&node.value, t)));
        if fits.is_none() {
            let kinds: Vec<&str> = all.iter().filter_map(|s| s["type"].as_str()).collect();
            self.wrong_type(node, &kinds, at);
        }
        fits.copied()
    }

    fn choose_kind(&mut self, node: &Node, all: &'a [Json], at: &At<'_>) -> Option<&'a Json> {
        if !matches!(node.value, Value::Map(_)) {
            self.wrong_type(node, &["object"], at);
            return None;
        }
        let words: Vec<&str> = all.iter().filter_map(|s| s["properties"]["kind"]["const"].as_str()).collect();
        let Some(kind) = node.get("kind") else {
            let name = at.name.to_string();
            let message = format!("{} has no kind, and its name is not one", at.path());
            let hint = nearest(&name, words.iter().copied()).map_or_else(
                || format!("add `kind:`, one of {}", words.join(", ")),
                |w| format!("did you mean `{w}`? else add `kind:`"),
            );
            self.say("spec/no-kind", message, at.key, Some(hint));
            return None;
        };
        let below = at.below(Name::Key("kind"), kind.span);
        self.check_word(kind, &words, &below);
        let Value::Text(word) = &kind.value else { return None };
        all.iter().find(|s| s["properties"]["kind"]["const"] == word.as_str())
    }

    fn check_word(&mut self, node: &Node, words: &[&str], at: &At<'_>) {
        let text = match &node.value {
            Value::Text(text) if words.contains(&text.as_str()) => return,
            Value::Text(text) => text.to_string(),
            other => shown(other),
        };
        let message = format!("{}: `{text}` is not one of {}", at.path(), words.join(", "));
        let hint = nearest(&text, words.iter().copied()).map(|word| format!("did you mean `{word}`?"));
        self.say("spec/bad-word", message, node.span, hint);
    }

    fn check_map(&mut self, entries: &[(Key, Node)], schema: &'a Json, at: &At<'_>) {
        let known = schema["properties"].as_object();
        let mut meant = Vec::new();
        if entries.is_empty() && schema["minProperties"].as_u64().is_some_and(|least| least > 0) {
            self.say("spec/too-few", format!("{} needs at least 1 entry", at.subject()), at.key, None);
        }
        for (key, child) in entries {
            let below = at.below(Name::Key(&key.text), key.span);
            if let Some(schema) = known.and_then(|known| known.get(key.text.as_str())) {
                self.check(child, schema, &below);
            } else if schema["additionalProperties"].is_object() {
                self.check_key(key, schema, &below);
                self.check(child, &schema["additionalProperties"], &below);
            } else if schema["additionalProperties"] == false {
                meant.extend(self.unknown_key(key, known, at));
            }
        }
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
        for name in required {
            let there = entries.iter().any(|(key, _)| key.text == name) || meant.contains(&name);
            if !there {
                let hint = known.map(|known| self.example(name, &known[name], at));
                self.say("spec/missing-key", format!("{} lacks `{name}`", at.subject()), at.key, hint);
            }
        }
    }

    /// Says so, and answers the key that was probably meant, which is then not said to be missing too.
    fn unknown_key(&mut self, key: &Key, known: Option<&'a Words>, at: &At<'_>) -> Option<&'a str> {
        let names: Vec<&str> = known.into_iter().flat_map(|known| known.keys().map(String::as_str)).collect();
        let meant = nearest(&key.text, names.iter().copied());
        let hint = meant
            .map_or_else(|| format!("known keys: {}", names.join(", ")), |n| format!("did you mean `{n}`?"));
        let message = format!("{} has no key `{}`", at.subject(), key.text);
        self.say("spec/unknown-key", message, key.span, Some(hint));
        meant
    }

    fn check_key(&mut self, key: &Key, schema: &Json, at: &At<'_>) {
        let format = schema["propertyNames"]["format"].as_str().unwrap_or_default();
        if let Err(message) = formats::check(format, &key.text) {
            self.say("spec/bad-name", format!("{}: {message}", parent(&at.path())), key.span, None);
        }
    }

    fn check_list(&mut self, items: &[Node], schema: &'a Json, at: &At<'_>) {
        let least = schema["minItems"].as_u64().unwrap_or(0);
        if (items.len() as u64) < least {
            self.say("spec/too-few", format!("{} needs at least {least} entry", at.path()), at.key, None);
        }
        for (index, item) in items.iter().enumerate() {
            self.check(item, &schema["items"], &at.below(Name::Index(index), item.span));
        }
    }

    fn check_text(&mut self, text: &str, node: &Node, schema: &Json, at: &At<'_>) {
        let form = schema["format"].as_str().unwrap_or_default();
        if let Some(word) = schema["const"].as_str() {
            self.check_word(node, &[word], at);
        } else if schema["minLength"].as_u64().is_some_and(|least| (text.trim().len() as u64) < least) {
            self.say("spec/no-value", format!("{} is empty", at.path()), node.span, None);
        } else if let Err(message) = formats::check(form, text) {
            self.say("spec/bad-value", format!("{}: {message}", at.path()), node.span, mend(text, form));
        }
    }

    fn check_number(&mut self, number: &serde_json::Number, node: &Node, schema: &Json, at: &At<'_>) {
        let good = match schema["format"].as_str() {
            Some("uint32") => number.as_u64().is_some_and(|n| u32::try_from(n).is_ok()),
            Some("uint64") => number.is_u64(),
            _ => number.is_i64(),
        };
        let least = schema["minimum"].as_u64().unwrap_or(0);
        if !good {
            let message = format!("{}: {number} is not a whole number in range", at.path());
            self.say("spec/bad-value", message, node.span, None);
        } else if number.as_u64().is_some_and(|n| n < least) {
            let message = format!("{}: {number} is too small, at least {least} is expected", at.path());
            self.say("spec/bad-value", message, node.span, None);
        }
    }

    fn wrong_type(&mut self, node: &Node, kinds: &[&str], at: &At<'_>) {
        let expected: Vec<&str> = kinds.iter().map(|kind| said(kind)).collect();
        let message =
            format!("{} must be {}, found {}", at.subject(), expected.join(" or "), shown(&node.value));
        let hint = match (&node.value, kinds) {
            (Value::Number(_) | Value::Flag(_), [.., "string"]) => {
                let written = self.lines.text().get(Range::from(node.span)).unwrap_or_default();
                Some(format!("quote it: \"{written}\""))
            }
            (Value::Text(text), ["array"]) => Some(format!("write a list: [{text}]")),
            (Value::Text(text), ["boolean"]) => match text.to_lowercase().as_str() {
                "yes" | "on" | "true" => Some("write true".to_owned()),
                "no" | "off" | "false" => Some("write false".to_owned()),
                _ => None,
            },
            _ => None,
        };
        let span = if matches!(node.value, Value::Map(_) | Value::List(_)) { at.key } else { node.span };
        self.say("spec/wrong-type", message, span, hint);
    }

    /// How a missing key could be written, from the schema's own example or words.
    fn example(&self, name: &str, schema: &Json, at: &At<'_>) -> String {
        let target = self.resolve(schema);
        let example = schema["examples"][0].as_str().or_else(|| target["examples"][0].as_str());
        if let Some(example) = example {
            let quote = if example.contains(':') { "\"" } else { "" };
            return format!("add `{name}: {quote}{example}{quote}`");
        }
        let words = target["oneOf"].as_array().into_iter().flatten().filter_map(|s| s["const"].as_str());
        match words.collect::<Vec<_>>()[..] {
            [] => format!(
                "`haoscar explain {}` shows its form",
                at.below(Name::Key(name), Bytes::default()).path()
            ),
            [only] => format!("add `{name}: {only}`"),
            ref words => format!("add `{name}:`, one of {}", words.join(", ")),
        }
    }

    fn say(&mut self, code: &str, message: String, span: Bytes, hint: Option<String>) {
        if self.problems.len() < super::PROBLEMS_MAX {
            let mut problem = Problem::error(code, one_line(&message)).at(self.lines.place(span.into(), ""));
            problem.hint = hint;
            self.problems.push(problem);
        }
    }
}

/// A value of the spec that is quoted in a message must not break it into lines, or fill the screen.
fn one_line(message: &str) -> String {
    const CHARACTERS_MAX: usize = 400;
    let shown = message.chars().take(CHARACTERS_MAX);
    shown.flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

fn no_value_hint(schema: &Json, at: &At<'_>) -> Option<String> {
    let name = at.name.to_string();
    let object = schema["type"] == "object" || schema["oneOf"][0]["type"] == "object";
    Some(if object {
        format!("write `{name}: {{}}`, or remove the key")
    } else {
        "give it one, or remove the key".to_owned()
    })
}

/// A sure mend of a bad text, if there is one.
fn mend(text: &str, form: &str) -> Option<String> {
    match form {
        "cidr" => {
            let net: ipnet::IpNet = text.parse().ok()?;
            Some(format!("write {}", net.trunc()))
        }
        "ip" | "first-address" => text.split_once('/').map(|(address, _)| format!("write {address}")),
        "unit" => text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-')
            .then(|| format!("write {text}.service")),
        "span" => text.parse::<u64>().ok().map(|_| format!("write {text}s, or {text}ms")),
        "label" => {
            let label = text.trim().to_lowercase().replace(['_', ' ', '.'], "-");
            formats::check("label", &label).ok().map(|()| format!("write {label}"))
        }
        _ => None,
    }
}

fn parent(path: &str) -> &str {
    path.split_once('.').map_or(path, |(section, _)| section)
}

fn fits(value: &Value, kind: &str) -> bool {
    matches!(
        (value, kind),
        (Value::Map(_), "object")
            | (Value::List(_), "array")
            | (Value::Text(_), "string")
            | (Value::Flag(_), "boolean")
            | (Value::Number(_), "integer")
    )
}

fn said(kind: &str) -> &'static str {
    match kind {
        "object" => "a mapping",
        "array" => "a list",
        "boolean" => "true or false",
        "integer" => "a whole number",
        _ => "text",
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Flag(flag) => format!("`{flag}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::Text(text) => format!("the text `{}`", text.chars().take(60).collect::<String>()),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
    }
}
