//! YAML as a tree in which every node knows its bytes. The only file that knows serde-saphyr.

use std::fmt;
use std::ops::Range;

use compact_str::{CompactString, ToCompactString};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error, Location, MessageFormatter, Spanned, UserMessageFormatter};

use super::places::Lines;
use crate::spec::Problem;

/// Bytes of the file, which has at most [`super::BYTES_MAX`] of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bytes {
    start: u32,
    end: u32,
}

impl Bytes {
    /// This range, if a file as large as a spec has it.
    pub(super) fn of(range: Range<usize>) -> Option<Self> {
        Some(Self { start: u32::try_from(range.start).ok()?, end: u32::try_from(range.end).ok()? })
    }

    /// None of them, where these begin.
    pub(super) fn begin(self) -> Self {
        Self { end: self.start, ..self }
    }
}

impl From<Bytes> for Range<usize> {
    fn from(bytes: Bytes) -> Self {
        bytes.start as usize..bytes.end as usize
    }
}

/// A node with its place. Texts of up to 24 bytes, nearly all of a spec's, lie in it: 100,000 nodes are three million texts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) span: Bytes,
}

/// A key with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) text: CompactString,
    pub(super) span: Bytes,
}

/// What YAML can say here.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Flag(bool),
    Number(serde_json::Number),
    Text(CompactString),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

impl Node {
    /// The value of a key, the first if there are several.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node)
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { span: bytes(spanned.referenced), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Flag(flag))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }
    fn visit_i128<E>(self, number: i128) -> Result<Value, E> {
        Ok(Value::Text(number.to_compact_string()))
    }
    fn visit_u128<E>(self, number: u128) -> Result<Value, E> {
        Ok(Value::Text(number.to_compact_string()))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        let exact = serde_json::Number::from_f64(number);
        Ok(exact.map_or_else(|| Value::Text(number.to_compact_string()), Value::Number))
    }
    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.into()))
    }
    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text.into()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = items.next_element()? {
            list.push(node);
        }
        list.shrink_to_fit(); // a vector has room for four at first: most of a large tree would be that
        Ok(Value::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<CompactString>>()? {
            map.push((Key { text: key.value, span: bytes(key.referenced) }, entries.next_value()?));
        }
        map.shrink_to_fit();
        Ok(Value::Map(map))
    }
}

fn bytes(location: Location) -> Bytes {
    let size = |n: Option<u64>| u32::try_from(n.unwrap_or(0)).unwrap_or(0);
    let start = size(location.span().byte_offset());
    Bytes { start, end: start.saturating_add(size(location.span().byte_len())) }
}

/// Events of 100,000 nodes that are written one by one, with room: 31 nodes each. serde-saphyr's own budget ends
/// at 8,000 of them (knowledge/scale.md).
pub(super) const YAML_NODES_MAX: usize = 8_000_000;
/// What aliases may unfold to, all together. A bomb has millions; a spec that repeats a fence device has dozens.
const ALIAS_EVENTS_MAX: usize = 100_000;
/// A spec is at most 7 deep.
pub(super) const DEPTH_MAX: usize = 32;

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 3 * YAML_NODES_MAX,
            max_nodes: YAML_NODES_MAX,
            max_depth: DEPTH_MAX,
            flow_nesting_limit: 2 * DEPTH_MAX,
            max_documents: 2,
            max_aliases: ALIAS_EVENTS_MAX,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: ALIAS_EVENTS_MAX },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        reject_unsupported_tags: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    }
}

/// Reads one document.
pub(super) fn parse(lines: &Lines) -> Result<Node, Vec<Problem>> {
    let file = lines.file();
    let text = lines.text();
    let content =
        |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#') && line != "---";
    if !text.trim_start_matches('\u{feff}').lines().any(content) {
        let empty = Problem::error("spec/empty", format!("{file} says nothing"));
        let hint = "start from specs/minimal.yaml: apiVersion, kind, name, domain, networks and heads";
        return Err(vec![empty.at(lines.place(0..0, "")).hint(hint)]);
    }
    match super::plain::parse(text) {
        Some(tree) => Ok(tree),
        None => by_library(lines),
    }
}

/// Reads any document.
pub(super) fn by_library(lines: &Lines) -> Result<Node, Vec<Problem>> {
    serde_saphyr::from_str_with_options(lines.text(), options()).map_err(|error| {
        let tabs = tabs(lines);
        if tabs.is_empty() { vec![problem(&error, lines)] } else { tabs }
    })
}

/// Reads a small document of a site's own, a front matter, by the same rules; what is wrong and in which line of it.
///
/// # Errors
/// As the parser says it.
pub fn small<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, (usize, String)> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let line = error.location().map_or(1, |location| usize::try_from(location.line()).unwrap_or(1));
        (line, lower(&UserMessageFormatter.format_message(error.without_snippet())))
    })
}

/// Tabs in the indentation, which YAML forbids and parsers explain badly.
fn tabs(lines: &Lines) -> Vec<Problem> {
    let mut start = 0;
    let mut problems = Vec::new();
    for line in lines.text().split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(at) = line[..indent].find('\t').filter(|_| !line.trim().is_empty()) {
            let place = lines.place(start + at..start + at + 1, "a tab");
            let tab = Problem::error("spec/tab", "YAML is indented by spaces, never by tabs");
            problems.push(tab.at(place).hint("replace the tab by two spaces"));
        }
        start += line.len();
    }
    problems
}

fn problem(error: &Error, lines: &Lines) -> Problem {
    let span = error.location().map_or(0..0, |location| match location.span().byte_offset() {
        Some(_) => bytes(location).into(),
        None => lines.span_at(location.line(), location.column()),
    });
    let place = lines.place(span, "");
    let mut error = error.without_snippet();
    while let Error::AliasError { error: inner, .. } = error {
        error = inner.without_snippet();
    }
    let (code, message, hint) = match error {
        Error::MultipleDocuments { .. } => (
            "spec/two-documents",
            "a spec is one YAML document; a second one begins here".to_owned(),
            Some("remove the `---`, or keep the other document in a file of its own"),
        ),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => (
            "spec/alias-bomb",
            format!("aliases unfold to more than {ALIAS_EVENTS_MAX} values"),
            Some("write what is meant without `*` aliases"),
        ),
        Error::Budget { breach, .. } => (
            "spec/too-complex",
            format!("the document is more complex than a spec can be: {}", said(breach)),
            None,
        ),
        other => ("spec/syntax", UserMessageFormatter.format_message(other).into_owned(), syntax_hint(other)),
    };
    let problem = Problem::error(code, lower(&message)).at(place);
    match hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

fn said(breach: &serde_saphyr::budget::BudgetBreach) -> String {
    use serde_saphyr::budget::BudgetBreach;
    match breach {
        BudgetBreach::Depth { .. } => format!("nested deeper than {DEPTH_MAX}"),
        BudgetBreach::Documents { .. } => "several documents".to_owned(),
        _ => format!("more than {YAML_NODES_MAX} values"),
    }
}

fn syntax_hint(error: &Error) -> Option<&'static str> {
    let text = error.to_string();
    if text.contains("mapping values are not allowed") {
        Some("indent keys of one mapping alike, and quote a value that holds `: `")
    } else if text.contains("flow") || text.contains("',' or") {
        Some("look for a `{` or `[` that is not closed, or a missing comma")
    } else if text.contains("string scalar") || text.contains("null is not") {
        Some("a key is a plain word, or a text in quotes")
    } else if text.contains("quoted") {
        Some("look for a quote that is not closed, here or on a line above")
    } else if text.contains("anchor") || text.contains("unknown value") {
        Some("an alias `*name` needs an anchor `&name` before it")
    } else {
        None
    }
}

/// Messages are lower case without full stop (DESIGN.md section 10).
fn lower(message: &str) -> String {
    let message = message.trim_end_matches('.');
    let mut chars = message.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// Every key that stands twice in one mapping.
pub(super) fn duplicate_keys(node: &Node, lines: &Lines) -> Vec<Problem> {
    let mut problems = Vec::new();
    collect_duplicates(node, lines, &mut problems);
    problems
}

/// So few keys are looked through faster than they are sorted.
const FEW: usize = 16;

fn collect_duplicates(node: &Node, lines: &Lines, problems: &mut Vec<Problem>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| collect_duplicates(item, lines, problems)),
        Value::Map(entries) => {
            if problems.len() >= super::PROBLEMS_MAX {
                return;
            }
            let mut first = std::collections::BTreeMap::new();
            for (at, (key, child)) in entries.iter().enumerate() {
                let before = if entries.len() <= FEW {
                    entries[..at]
                        .iter()
                        .find(|(other, _)| other.text == key.text)
                        .map(|(other, _)| other.span)
                } else {
                    Some(*first.entry(key.text.as_str()).or_insert(key.span))
                };
                if let Some(before) = before.filter(|before| *before != key.span) {
                    let message = format!("key `{}` stands twice in one mapping", key.text);
                    let problem = Problem::error("spec/duplicate-key", message)
                        .at(lines.place(key.span.into(), "again here"))
                        .at(lines.place(before.into(), "first here"));
                    problems
                        .push(problem.hint("keep one of them; YAML readers disagree about which one counts"));
                }
                collect_duplicates(child, lines, problems);
            }
        }
        _ => {}
    }
}
