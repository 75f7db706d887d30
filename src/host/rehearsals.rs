//! What this machine was told of rehearsals: figures for a plan's impact, by group. Losing them loses no safety.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::HostError;
use super::file::put;
use super::machine::Machine;
use crate::desired::{Mode, Owner};
use crate::observed::Rehearsal;

pub(super) const PATH: &str = "/var/lib/haoscar/rehearsals.json";

/// All that is known; nothing where the file is missing or cannot be read.
pub fn read(machine: &dyn Machine) -> BTreeMap<String, Rehearsal> {
    serde_json::from_slice(&machine.read(Utf8Path::new(PATH)).unwrap_or_default()).unwrap_or_default()
}

/// Keeps the last rehearsal of a group.
///
/// # Errors
/// What the system said.
pub fn remember(machine: &dyn Machine, group: &str, rehearsal: &Rehearsal) -> Result<(), HostError> {
    let path = Utf8Path::new(PATH);
    let mut known = read(machine);
    known.insert(group.to_owned(), rehearsal.clone());
    let text = serde_json::to_string_pretty(&known).map_err(|e| HostError::failed(path, e))?;
    put(machine, path, text.as_bytes(), &Owner::root(), Mode(0o644))
}
