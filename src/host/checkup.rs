//! What this machine was told of the last run of `haoscar doctor`. Losing it loses no safety.

use camino::Utf8Path;

use super::HostError;
use super::file::put;
use super::machine::Machine;
use crate::desired::{Mode, Owner};
use crate::observed::Checkup;

const PATH: &str = "/var/lib/haoscar/doctor.json";

/// The last one; none where the file is missing or cannot be read.
pub fn read(machine: &dyn Machine) -> Option<Checkup> {
    serde_json::from_slice(&machine.read(Utf8Path::new(PATH)).ok()?).ok()
}

/// Keeps the last one.
///
/// # Errors
/// What the system said.
pub fn remember(machine: &dyn Machine, checkup: &Checkup) -> Result<(), HostError> {
    let path = Utf8Path::new(PATH);
    let text = serde_json::to_string_pretty(checkup).map_err(|e| HostError::failed(path, e))?;
    put(machine, path, text.as_bytes(), &Owner::root(), Mode(0o644))
}
