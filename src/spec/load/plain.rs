//! The tree of a plain document, from the parser's events: half of the time that [`super::tree::parse`] takes, which makes the same
//! tree by way of serde (docs/benchmarks.md). The only file that knows granit-parser.
//!
//! It must not guess: what is not plain (an anchor, a tag, a merge, a word that could be a number, a mistake) is not read here.
//! serde-saphyr reads it then, by the same parser, and says what is wrong.

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput};

use super::tree::{Bytes, Key, Node, Value, YAML_NODES_MAX};

/// Half of what the library may: whose count is whose does not matter then.
const EVENTS_MAX: usize = YAML_NODES_MAX / 2;
const DEPTH_MAX: usize = super::tree::DEPTH_MAX / 2;

/// The tree of this document, or nothing if it is not plain.
pub(super) fn parse(text: &str) -> Option<Node> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut events = Events { parser: Parser::new_from_str_with_options(text, options), count: 0 };
    let (Event::StreamStart, _) = events.next()? else { return None };
    let (Event::DocumentStart(_, None), _) = events.next()? else { return None };
    let first = events.next()?;
    let node = events.node(first, 0)?;
    let (Event::DocumentEnd, _) = events.next()? else { return None };
    let (Event::StreamEnd, _) = events.next()? else { return None };
    Some(node)
}

struct Events<'t> {
    parser: Parser<'t, StrInput<'t>>,
    count: usize,
}

impl<'t> Events<'t> {
    fn next(&mut self) -> Option<(Event<'t>, Span)> {
        self.count += 1;
        if self.count > EVENTS_MAX { None } else { self.parser.next()?.ok() }
    }

    fn node(&mut self, (event, span): (Event<'t>, Span), depth: usize) -> Option<Node> {
        let value = match event {
            Event::Scalar(text, style, 0, None) => scalar(&text, style)?,
            Event::SequenceStart(_, 0, None) if depth < DEPTH_MAX => self.list(depth + 1)?,
            Event::MappingStart(_, 0, None) if depth < DEPTH_MAX => self.map(depth + 1)?,
            _ => return None,
        };
        Some(Node { value, span: bytes(span)? })
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => break,
                item => list.push(self.node(item, depth)?),
            }
        }
        list.shrink_to_fit(); // a vector has room for four at first: most of a large tree would be that
        Some(Value::List(list))
    }

    fn map(&mut self, depth: usize) -> Option<Value> {
        let mut map = Vec::new();
        loop {
            match self.next()? {
                (Event::MappingEnd, _) => break,
                (Event::Scalar(text, style, 0, None), span) => {
                    let Value::Text(text) = scalar(&text, style)? else { return None };
                    let key = Key { text, span: bytes(span)? };
                    let value = self.next()?;
                    map.push((key, self.node(value, depth)?));
                }
                _ => return None,
            }
        }
        map.shrink_to_fit();
        Some(Value::Map(map))
    }
}

fn bytes(span: Span) -> Option<Bytes> {
    Bytes::of(span.byte_range()?)
}

fn scalar(text: &str, style: ScalarStyle) -> Option<Value> {
    if style != ScalarStyle::Plain || is_word(text) {
        return Some(Value::Text(text.into()));
    }
    match text {
        "true" => Some(Value::Flag(true)),
        "false" => Some(Value::Flag(false)),
        "" | "null" => Some(Value::Null),
        _ => {
            let decimal =
                text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
            // one that no 64 bits hold is not plain
            text.parse::<u64>().ok().filter(|_| decimal).map(|number| Value::Number(number.into()))
        }
    }
}

/// Whether nobody takes it for anything but a text: `eno1`, `10.64.0.1`, `02:00:00:00:00:01`, `30s`, `/home`.
fn is_word(text: &str) -> bool {
    let digits = |byte: u8| byte.is_ascii_digit() || b"_+-.eE".contains(&byte);
    match text.as_bytes() {
        [b'a'..=b'z' | b'A'..=b'Z', ..] => !["null", "true", "false", "nan", "inf", "infinity"]
            .iter()
            .any(|other| text.eq_ignore_ascii_case(other)),
        [b'/' | 0x80.., ..] => true,
        [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..] => false,
        [b'0'..=b'9', ..] => !text.bytes().all(digits) || text.matches('.').count() > 1,
        [b'.', b'/', ..] | [b'.', b'.', b'/', ..] => true,
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // every spec that is here is read
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spec::load::places::Lines;
    use crate::spec::load::tree;

    fn library(text: &str) -> Option<Node> {
        tree::by_library(&Lines::new("cluster.yaml".into(), text)).ok()
    }

    #[test]
    fn every_reference_spec_is_plain_or_read_by_the_library_and_the_trees_are_one() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut plain = 0;
        for folder in [folder.join("specs"), folder.join("tests/accepts"), folder.join("tests/rejects")] {
            for file in walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap) {
                let Ok(text) = std::fs::read_to_string(file.path()) else { continue };
                if let Some(tree) = parse(&text) {
                    plain += 1;
                    assert_eq!(Some(tree), library(&text), "{}", file.path().display());
                }
            }
        }
        assert!(plain > 100, "only {plain} are plain");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_read_here() {
        for text in [
            "a: &b 1",
            "a: !!str 1",
            "<<: {a: 1}",
            "a: 1.5",
            "a: 0x10",
            "a: 007",
            "a: 1_000",
            "a: ~",
            "a: -1",
            "a: .inf",
            "a: Null",
            "a: TRUE",
            "a: 1e3",
            "a: 99999999999999999999999",
            "1: a",
            "null: a",
            "true: a",
            "[a]: b",
            "a: 1\n---\nb: 2",
            "%YAML 1.1\n---\na: on",
            "a: {b: 1",
            "a: \"",
            "? a\n: {[}",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_word_is_what_the_library_takes_for_a_text(text in "[0-9a-fnx_+.:/ oINT~é-]{0,7}|[a-zA-Z]{2,8}|[0-9.]{1,9}[a-z]?") {
            let text = format!("- {text}\n");
            if let Some(tree) = parse(&text) {
                prop_assert_eq!(Some(tree), library(&text));
            }
        }

        #[test]
        fn a_spec_with_slips_of_the_pen_is_what_the_library_makes_of_it(
            slips in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>()), 1..4),
        ) {
            let mut text: Vec<char> = include_str!("../../../specs/ha-oscar-2004.yaml").chars().take(3_000).collect();
            let pen: Vec<char> = " \n:-#&*!|>'\"%@`{}[],?\t<=~0x.é\r\u{feff}\\".chars().collect();
            for (place, letter, added) in slips {
                let place = place.index(text.len());
                if added {
                    text.insert(place, *letter.get(&pen));
                } else {
                    text.remove(place);
                }
            }
            let text: String = text.into_iter().collect();
            if let Some(tree) = parse(&text) {
                prop_assert_eq!(Some(tree), library(&text), "{}", text);
            }
        }

        #[test]
        fn a_document_that_is_plain_is_what_the_library_makes_of_it(text in "([ ]{0,4}(- )?([a-c]|'x'|\"y\"|1)(: ?)?([a-c]|\\[a, b\\]|\\{a: b\\}|\\||>-|# c|'it''s'|12)?\n){1,8}") {
            if let Some(tree) = parse(&text) {
                prop_assert_eq!(Some(tree), library(&text));
            }
        }
    }
}
