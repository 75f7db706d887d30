//! What is wrong with a spec, where, and how to mend it: data, so that text, JSON and GitHub annotations
//! are only ways to show it.

use std::ops::Range;

use camino::Utf8PathBuf;
use serde::Serialize;

/// How bad a problem is. An `Error` makes the spec invalid (exit 65), a `Note` is said and passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The spec is refused.
    Error,
    /// The spec is accepted; the reader should know.
    Note,
}

/// A place in a source file. Lines and columns count from 1; columns count characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, relative to the spec's folder.
    pub file: Utf8PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// Byte range in the file, for carets.
    #[serde(skip)]
    pub bytes: Range<usize>,
    /// What stands here, said beside the caret; may be empty.
    pub label: String,
}

/// One thing that is wrong, with a code that `haoscar explain` and `waive` know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// `area/rule`, for example `spec/unknown-key` or `fence/none`.
    pub code: String,
    /// Error or note.
    pub severity: Severity,
    /// One sentence: lower case, no full stop.
    pub message: String,
    /// The place to look at first, then the places that it conflicts with.
    pub places: Vec<Place>,
    /// The mend, as something the reader can type; none if there is nothing sure to say.
    pub hint: Option<String>,
}

impl Problem {
    /// An error without places or hint; both are added by the caller that knows them.
    pub fn error(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            severity: Severity::Error,
            message: message.into(),
            places: Vec::new(),
            hint: None,
        }
    }

    /// The same with a mend.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with one more place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.places.push(place);
        self
    }
}
