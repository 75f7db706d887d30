//! A head's part of the outside watch: what it must know, the address, and the unit. Laid where the spec has one.

use serde_json::json;

use crate::desired::{HostDesired, Mode, OnChange, Owner, Piece, Rendered, SecretKind, Unit, UnitWant};
use crate::engines::EngineDesired;
use crate::engines::alive::{ALIVE, ALIVE_URL, Alive};
use crate::spec::{Cluster, Problem, WatchUrl};
use crate::templates::Templates;

const UNIT: &str = "haoscar-alive.service";

/// Adds it to a head.
///
/// # Errors
/// What a template says.
pub fn lay(
    name: &str,
    cluster: &Cluster,
    engine: &EngineDesired,
    host: &mut HostDesired,
    templates: &Templates,
) -> Result<(), Problem> {
    let Some(watched_by) = &cluster.ha.watched_by else { return Ok(()) };
    let Some(speaker) = cluster.groups.keys().next() else { return Ok(()) };
    let alive = Alive { every_ms: watched_by.every.as_millis(), ..Alive::of(name, speaker, engine) };
    let text = serde_json::to_string_pretty(&alive).unwrap_or_default() + "\n"; // strings alone: it cannot fail
    let url = match &watched_by.url {
        WatchUrl::Text(url) => Piece::Text((url.clone() + "\n").into()),
        WatchUrl::Secret { secret } => {
            host.secrets.insert(secret.clone(), SecretKind::Given);
            Piece::Secret(secret.clone())
        }
    };
    let restart = OnChange::Restart(UNIT.to_owned());
    host.files.push(file(ALIVE, Mode(0o644), Piece::Text(text.into()), restart));
    host.files.push(file(ALIVE_URL, Mode(0o600), url, OnChange::Nothing)); // read at each sign of life
    let change = OnChange::DaemonReload(Some(UNIT.to_owned()));
    let path = format!("/etc/systemd/system/{UNIT}");
    host.files.push(templates.file(path, "engine/pacemaker/alive.service.hbs", json!({}), change)?);
    host.units.push(Unit { name: UNIT.to_owned(), want: UnitWant::Running });
    host.packages.insert("curl".to_owned());
    Ok(())
}

fn file(path: &str, mode: Mode, piece: Piece, on_change: OnChange) -> Rendered {
    let source = "ha.watched_by".to_owned();
    Rendered { path: path.into(), owner: Owner::root(), mode, text: vec![piece], on_change, source }
}
