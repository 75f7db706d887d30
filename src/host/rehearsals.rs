//! What this machine was told of rehearsals: figures for a plan's impact, by group. Losing them loses no safety.

use std::collections::BTreeMap;
use std::fs;

use camino::Utf8Path;

use super::HostError;
use super::file::put;
use crate::desired::{Mode, Owner};
use crate::observed::Rehearsal;

const PATH: &str = "var/lib/haoscar/rehearsals.json";

/// All that is known; nothing where the file is missing or cannot be read.
pub fn read(root: &Utf8Path) -> BTreeMap<String, Rehearsal> {
    let text = fs::read_to_string(root.join(PATH)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Keeps the last rehearsal of a group.
///
/// # Errors
/// What the system said.
pub fn remember(root: &Utf8Path, group: &str, rehearsal: &Rehearsal) -> Result<(), HostError> {
    let path = root.join(PATH);
    let mut known = read(root);
    known.insert(group.to_owned(), rehearsal.clone());
    let text = serde_json::to_string_pretty(&known).map_err(|e| HostError::failed(&path, e))?;
    put(&path, text.as_bytes(), &Owner::root(), Mode(0o644))
}
