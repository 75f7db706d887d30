//! Secrets in templates: a slot in the values becomes a piece of the rendered file that only its target can fill.

use camino::Utf8PathBuf;

use crate::desired::{Mode, OnChange, Piece, Rendered};
use crate::spec::Problem;
use crate::templates::Templates;

/// Marks a secret's place in a rendered text; no template and no name in the store holds this character.
const SLOT: char = '\u{1}';

/// A secret's place, for a template's values.
pub fn slot(secret: &str) -> String {
    format!("{SLOT}{secret}{SLOT}")
}

/// A file of root's, whose secrets go in on the target.
///
/// # Errors
/// What the template says.
pub fn with_secrets(
    templates: &Templates,
    path: impl Into<Utf8PathBuf>,
    template: &str,
    values: serde_json::Value,
    mode: Mode,
) -> Result<Rendered, Problem> {
    let file = templates.file(path, template, values, OnChange::Nothing)?;
    let text = file.shown();
    let piece = |(i, part): (usize, &str)| {
        if i % 2 == 0 { Piece::Text(part.to_owned()) } else { Piece::Secret(part.to_owned()) }
    };
    Ok(Rendered { mode, text: text.split(SLOT).enumerate().map(piece).collect(), ..file })
}
