//! OpenPBS's own failover: a primary and a secondary server on two heads, one home on a storage that both have mounted. PBS decides
//! that its primary is lost, and asks the engine before it takes over: `server_priv/stonith`.
//!
//! From OpenPBS's source (failover.c) and knowledge/schedulers.md 4.

use serde_json::json;

use super::{EXEC, Part, Servers, Starts, UNIT, conf};
use crate::backends::{Context, Placement};
use crate::desired::{HostName, Mode, OnChange, Rendered};
use crate::engines::Carried;
use crate::spec::Problem;

/// What starts, asks and watches a server of the two.
const SCRIPT: &str = "/etc/haoscar/openpbs-server";

/// What PBS asks before its secondary takes over; PBS wants it in its home, and that must be empty before its first start.
const STONITH: &str = "/etc/haoscar/openpbs-stonith";

/// The secondary waits for the home that the primary makes (15 s measured), and until it is registered: before that the loss of the
/// primary would cost 5 minutes.
const START_TIMEOUT_MS: u64 = 180_000;

/// `qterm` took 7 s; pbs_init.d gives its daemons time to end.
const STOP_TIMEOUT_MS: u64 = 60_000;

/// The primary and the secondary.
///
/// # Errors
/// `scheduler/native`: not two heads.
pub(super) fn pair<'a>(context: &Context<'a>) -> Result<(&'a HostName, &'a HostName), Problem> {
    match context.group.1.heads.as_slice() {
        [primary, secondary] => Ok((primary, secondary)),
        _ => Err(Problem::error(
            "scheduler/native",
            format!(
                "OpenPBS's own failover knows two servers, and group {} has not two heads",
                context.group.0
            ),
        )),
    }
}

/// A server on each of the two heads.
///
/// # Errors
/// What a template says.
pub(super) fn part(
    context: &Context<'_>,
    home: &str,
    (primary, secondary): (&HostName, &HostName),
) -> Result<Part, Problem> {
    let carried = Carried {
        // it writes to what the other one would take over
        fence_on_stop_failure: true,
        start_timeout_ms: START_TIMEOUT_MS,
        stop_timeout_ms: STOP_TIMEOUT_MS,
        ..Carried::everywhere(context.name, UNIT).asked(&format!("{SCRIPT} alive"))
    };
    let mut files = Vec::new();
    for head in [primary, secondary] {
        let at = || Placement::Host(head.clone());
        let is_secondary = head == secondary;
        // the secondary starts its scheduler itself when it takes over
        let starts = Starts { server: true, scheduler: !is_secondary, mom: false };
        let values = json!({
            "exec": EXEC, "home": home, "primary": primary, "secondary": secondary, "is_secondary": is_secondary,
            "script": SCRIPT, "stonith": STONITH, "resource": format!("{}-{}", context.group.0, context.name),
        });
        files.extend([
            (at(), conf(Servers::Two(primary, secondary), home, starts, context)?),
            (at(), script(SCRIPT, "scheduler/openpbs/server.sh.hbs", &values, context)?),
            (at(), script(STONITH, "scheduler/openpbs/stonith.sh.hbs", &values, context)?),
            (at(), drop_in(values, context)?),
        ]);
    }
    Ok(Part { files, carried: vec![carried], ..Part::default() })
}

fn script(
    path: &str,
    template: &str,
    values: &serde_json::Value,
    context: &Context<'_>,
) -> Result<Rendered, Problem> {
    let file = context.file(path, template, values.clone(), OnChange::Nothing)?;
    Ok(Rendered { mode: Mode(0o755), ..file })
}

fn drop_in(values: serde_json::Value, context: &Context<'_>) -> Result<Rendered, Problem> {
    let path = format!("/etc/systemd/system/{UNIT}.d/haoscar-server.conf");
    context.file(path, "scheduler/openpbs/server.service.hbs", values, OnChange::DaemonReload(None))
}
