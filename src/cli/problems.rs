//! Problems of a spec as carets for people, and as JSON, GitHub annotations and JUnit for machines.

use std::fmt::Write;
use std::io::IsTerminal;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use serde_json::json;

use super::source::Gathered;
use crate::spec::{Place, Problem, Severity};

/// Places further apart than this are shown as two snippets.
const SNIPPET_BYTES_MAX: usize = 4_096;

/// Colour only where a person looks, and not with NO_COLOR (no-color.org).
pub(super) fn colour_of_stdout() -> bool {
    std::io::stdout().is_terminal() && wanted()
}

/// The same for standard error.
pub(super) fn colour_of_stderr() -> bool {
    std::io::stderr().is_terminal() && wanted()
}

fn wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Every problem with its lines and carets.
pub(super) fn text(problems: &[Problem], gathered: &Gathered, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut shown = String::new();
    for problem in problems {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Note => Level::NOTE,
        };
        let mut group = Group::with_title(level.primary_title(&problem.message).id(&problem.code));
        for element in snippets(&problem.places, gathered) {
            group = group.element(element);
        }
        if let Some(hint) = &problem.hint {
            group = group.element(Level::HELP.message(hint));
        }
        shown.push_str(&renderer.render(&[group]));
        shown.push_str("\n\n");
    }
    shown
}

fn snippets<'a>(places: &'a [Place], gathered: &'a Gathered) -> Vec<Element<'a>> {
    let mut elements = Vec::new();
    let mut rest = places;
    while let Some(first) = rest.first() {
        let near = |place: &&Place| {
            place.file == first.file && place.bytes.start.abs_diff(first.bytes.start) < SNIPPET_BYTES_MAX
        };
        let together = rest.iter().take_while(near).count();
        let (now, later) = rest.split_at(together);
        elements.push(snippet(now, gathered));
        rest = later;
    }
    elements
}

fn snippet<'a>(places: &'a [Place], gathered: &'a Gathered) -> Element<'a> {
    let first = &places[0];
    let path = gathered.shown(&first.file).into_string();
    let origin = || Origin::path(path.clone()).line(first.line).char_column(first.column).into();
    let Some(text) = gathered.sources.get(&first.file).and_then(|bytes| std::str::from_utf8(bytes).ok())
    else {
        return origin();
    };
    let text = text.trim_end_matches('\n');
    let from = places.iter().map(|p| p.bytes.start).min().unwrap_or(0).min(text.len());
    let to = places.iter().map(|p| p.bytes.end).max().unwrap_or(0).clamp(from, text.len());
    let start = text.get(..from).and_then(|t| t.rfind('\n')).map_or(0, |at| at + 1);
    let end = text.get(to..).and_then(|t| t.find('\n')).map_or(text.len(), |at| to + at);
    let Some(window) = text.get(start..end).filter(|window| window.len() < 8 * SNIPPET_BYTES_MAX) else {
        return origin();
    };
    let line = places.iter().map(|p| p.line).min().unwrap_or(1);
    let annotations = places.iter().enumerate().map(|(index, place)| {
        let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let span = place.bytes.start.clamp(start, end) - start..place.bytes.end.clamp(start, end) - start;
        let annotation = kind.span(span);
        if place.label.is_empty() { annotation } else { annotation.label(&place.label) }
    });
    Snippet::source(window).path(path).line_start(line).annotations(annotations).into()
}

/// One object: the file, whether the spec is valid, what it describes, and every problem.
pub(super) fn json(problems: &[Problem], gathered: &Gathered, summary: Option<&str>) -> serde_json::Value {
    let problems: Vec<_> = problems.iter().map(|problem| placed(problem, gathered)).collect();
    let file = gathered.shown(&gathered.sources.root);
    json!({ "file": file, "valid": summary.is_some(), "summary": summary, "problems": problems })
}

/// With places as the user would write them from here.
fn placed(problem: &Problem, gathered: &Gathered) -> Problem {
    let mut problem = problem.clone();
    for place in &mut problem.places {
        place.file = gathered.shown(&place.file);
    }
    problem
}

/// GitHub workflow commands: one annotation a problem.
pub(super) fn github(problems: &[Problem], gathered: &Gathered) -> String {
    let mut shown = String::new();
    for problem in problems {
        let word = match problem.severity {
            Severity::Error => "error",
            Severity::Note => "notice",
        };
        let mut place = String::new();
        if let Some(first) = problem.places.first() {
            let file = property(gathered.shown(&first.file).as_str());
            place = format!("file={file},line={},col={},", first.line, first.column);
        }
        let mut message = problem.message.clone();
        if let Some(hint) = &problem.hint {
            let _ = write!(message, "\nhelp: {hint}");
        }
        let _ = writeln!(shown, "::{word} {place}title={}::{}", property(&problem.code), data(&message));
    }
    shown
}

/// Escapes as actions/toolkit does for the text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The same for its properties.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A test suite of JUnit XML: one test case a problem, or one that passed.
pub(super) fn junit(problems: &[Problem], gathered: &Gathered) -> String {
    let root = gathered.shown(&gathered.sources.root);
    let root = xml(root.as_str());
    let failures = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let mut cases = String::new();
    for problem in problems {
        let place = problem
            .places
            .first()
            .map_or_else(String::new, |p| format!("{}:{}:{}", gathered.shown(&p.file), p.line, p.column));
        let said = xml(&format!("{place}: {}", problem.message));
        let hint = xml(problem.hint.as_deref().unwrap_or_default());
        let body = match problem.severity {
            Severity::Error => format!("<failure message=\"{said}\">{hint}</failure>"),
            Severity::Note => format!("<system-out>{said}</system-out>"),
        };
        let _ = writeln!(
            cases,
            "    <testcase classname=\"{root}\" name=\"{}\">{body}</testcase>",
            xml(&problem.code)
        );
    }
    if problems.is_empty() {
        let _ = writeln!(cases, "    <testcase classname=\"{root}\" name=\"valid\"/>");
    }
    let tests = problems.len().max(1);
    format!(
        "  <testsuite name=\"{root}\" tests=\"{tests}\" failures=\"{failures}\">\n{cases}  </testsuite>\n"
    )
}

/// Escapes for XML 1.0, which has no control characters at all.
fn xml(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
