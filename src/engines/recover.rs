//! What ends an apply that a power cut has cut short, before the engine of a head starts; the same for every engine.

use serde_json::json;

use super::units;
use crate::desired::{HostDesired, OnChange, Rendered, Unit, UnitWant};
use crate::spec::{EngineKind, Problem};
use crate::templates::Templates;

/// Runs before the engine at boot.
const UNIT: &str = "haoscar-recover.service";

/// Gives a member its unit, and the engine's first unit its condition: the others of an engine need that one.
///
/// # Errors
/// What a template says.
pub fn lay(kind: EngineKind, host: &mut HostDesired, templates: &Templates) -> Result<(), Problem> {
    let file = |path: String, template: &str| -> Result<Rendered, Problem> {
        templates.file(path, template, json!({}), OnChange::DaemonReload(None)) // a restart would do nothing
    };
    host.files.push(file(format!("/etc/systemd/system/{UNIT}"), "engine/recover.service.hbs")?);
    for engine in units(kind).iter().take(1) {
        let path = format!("/etc/systemd/system/{engine}.d/haoscar-recover.conf");
        host.files.push(file(path, "engine/recover.conf.hbs")?);
    }
    host.units.push(Unit { name: UNIT.to_owned(), want: UnitWant::Running });
    Ok(())
}
