//! The loop's part of a host: its unit, the same for every engine.

use serde_json::json;

use crate::desired::{HostDesired, OnChange, Unit, UnitWant};
use crate::spec::{Cluster, Problem};
use crate::templates::Templates;

/// The loop's unit, which cannot restart itself.
pub const UNIT: &str = "haoscar.service";

/// Gives a host the loop, and what it needs to follow a repository.
///
/// # Errors
/// What a template says.
pub fn lay(host: &mut HostDesired, cluster: &Cluster, templates: &Templates) -> Result<(), Problem> {
    let path = format!("/etc/systemd/system/{UNIT}");
    let change = OnChange::DaemonReload(Some(UNIT.to_owned()));
    host.files.push(templates.file(path, "engine/daemon.service.hbs", json!({}), change)?);
    host.units.push(Unit { name: UNIT.to_owned(), want: UnitWant::Running });
    if cluster.policy.source.is_some() {
        host.packages.extend(["git", "openssh-client"].map(str::to_owned));
    }
    Ok(())
}
