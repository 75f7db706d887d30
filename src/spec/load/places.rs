//! Where every word of a spec stands: byte spans to lines and columns, and paths to spans.

use std::collections::BTreeMap;
use std::ops::Range;

use camino::{Utf8Path, Utf8PathBuf};

use super::tree::{Bytes, Node, Value};
use crate::spec::Place;

/// A text with the starts of its lines.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    file: Utf8PathBuf,
    text: String,
    starts: Vec<usize>,
}

impl Lines {
    pub(super) fn new(file: Utf8PathBuf, text: &str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file, text: text.to_owned(), starts }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn file(&self) -> &Utf8PathBuf {
        &self.file
    }

    /// The place of a byte range, which is brought to character borders first.
    pub(super) fn place(&self, bytes: Range<usize>, label: impl Into<String>) -> Place {
        let start = self.border(bytes.start);
        let end = self.border(bytes.end.max(start));
        let line = self.starts.partition_point(|at| *at <= start).max(1);
        let from = self.starts.get(line - 1).copied().unwrap_or(0);
        let column = self.text.get(from..start).map_or(0, |t| t.chars().count()) + 1;
        Place { file: self.file.clone(), line, column, bytes: start..end, label: label.into() }
    }

    /// The character at a line and column that count from 1.
    pub(super) fn span_at(&self, line: u64, column: u64) -> Range<usize> {
        let index = |n: u64| usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
        let from = self.starts.get(index(line)).copied().unwrap_or(self.text.len());
        let line = self.text.get(from..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let at = from + line.char_indices().nth(index(column)).map_or(line.len(), |(at, _)| at);
        at..at + usize::from(at < from + line.len())
    }

    fn border(&self, at: usize) -> usize {
        (0..=at.min(self.text.len())).rev().find(|i| self.text.is_char_boundary(*i)).unwrap_or(0)
    }
}

/// The place of a line and column, both from 1, in a file beside the spec.
pub fn place_in(file: &Utf8Path, text: &str, line: usize, column: usize) -> Place {
    let lines = Lines::new(file.to_owned(), text);
    lines.place(lines.span_at(line as u64, column as u64), "")
}

/// Places by path: `heads.head-1.nics.eno1.address`, `groups.control.services.0`.
#[derive(Debug, Clone)]
pub struct Places {
    lines: Lines,
    root: Node,
    beside: BTreeMap<String, Place>,
}

impl Places {
    pub(super) fn new(lines: Lines, root: Node) -> Self {
        Self { lines, root, beside: BTreeMap::new() }
    }

    /// Remembers that the value at `path` came from a file beside the spec.
    pub(super) fn add(&mut self, path: String, place: Place) {
        self.beside.insert(path, place);
    }

    /// Where the value at `path` stands; for a mapping or list, where the key before it stands.
    pub fn place(&self, path: &str) -> Option<Place> {
        if let Some(place) = self.beside.get(path) {
            return Some(place.clone());
        }
        let (key, node) = find(&self.root, path)?;
        let span = match (&node.value, key) {
            (Value::Map(_) | Value::List(_), Some(key)) => key,
            _ => node.span,
        };
        Some(self.lines.place(span.into(), ""))
    }

    /// Where the key that ends `path` stands.
    pub fn key(&self, path: &str) -> Option<Place> {
        find(&self.root, path)?.0.map(|span| self.lines.place(span.into(), ""))
    }

    /// The longest known part of `path`: where a key that is missing would belong.
    pub fn nearest(&self, path: &str) -> Place {
        let mut rest = path;
        loop {
            if let Some(place) = self.place(rest) {
                return place;
            }
            match rest.rsplit_once('.') {
                Some((before, _)) => rest = before,
                None => return self.lines.place(0..0, ""),
            }
        }
    }
}

/// The span of the last key of `path`, and the node there. Keys may hold dots themselves (`eno1.100`).
fn find<'a>(node: &'a Node, path: &str) -> Option<(Option<Bytes>, &'a Node)> {
    match &node.value {
        Value::Map(entries) => entries.iter().find_map(|(key, child)| {
            let rest = path.strip_prefix(key.text.as_str())?;
            if rest.is_empty() {
                return Some((Some(key.span), child));
            }
            find(child, rest.strip_prefix('.')?)
        }),
        Value::List(items) => {
            let (index, rest) = path.split_once('.').unwrap_or((path, ""));
            let item = items.get(index.parse::<usize>().ok()?)?;
            if rest.is_empty() { Some((None, item)) } else { find(item, rest) }
        }
        _ => None,
    }
}
