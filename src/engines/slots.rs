//! Files of the engine's whose secrets only their target can fill in.

use camino::Utf8PathBuf;

use crate::desired::{Mode, OnChange, Rendered};
use crate::spec::Problem;
use crate::templates::Templates;

pub use crate::templates::slot;

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
    Ok(Rendered { mode, ..templates.file(path, template, values, OnChange::Nothing)? })
}
