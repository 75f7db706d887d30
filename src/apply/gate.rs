//! The gate between turns: what was started on the heads that had their turn runs, and goes on running.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{ApplyError, Crew};
use crate::desired::HostName;
use crate::host::{Host, HostError, Request, Response};
use crate::plan::{HostPlan, Plan, UnitVerb};

/// A daemon that cannot live with its configuration ends within a second of its start (measured: chronyd, kea, dnsmasq and
/// slurmctld refuse theirs within 0.3 s); half a second more for a busy machine.
pub const STEADY_FOR: Duration = Duration::from_millis(1_500);

/// A restart after a crash waits 100 ms (systemd's default): a look at half of that does not miss it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks for so long at the units that were acted on there.
///
/// # Errors
/// A unit that does not go on running, or a host that does not answer.
pub fn steady(plan: &Plan, names: &[HostName], crew: &mut Crew, span: Duration) -> Result<(), ApplyError> {
    for (host, found) in crew.each(names, |name, host| watch(&plan.hosts[name], host, span)) {
        if let Some((unit, state)) = found? {
            return Err(ApplyError::Unsteady { host, unit, state });
        }
    }
    Ok(())
}

/// The first unit that does not go on running, and how it is.
fn watch(
    change: &HostPlan,
    host: &mut dyn Host,
    span: Duration,
) -> Result<Option<(String, String)>, HostError> {
    let of = |wanted: &[UnitVerb]| -> BTreeSet<String> {
        let acted = change.units.iter().filter(|action| wanted.contains(&action.verb));
        acted.map(|action| action.unit.clone()).collect()
    };
    let all = of(&[UnitVerb::Start, UnitVerb::Restart, UnitVerb::Reload]);
    let mut run = of(&[UnitVerb::Start]);
    let begin = Instant::now();
    while !all.is_empty() && begin.elapsed() < span {
        if let Some(fallen) = fallen(&all, &mut run, host)? {
            return Ok(Some(fallen));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(None)
}

/// A restart or reload leaves a unit alone that does not run, as the engine's do on a standby: only what was started or seen
/// to run (`run`, which grows) must go on.
fn fallen(
    all: &BTreeSet<String>,
    run: &mut BTreeSet<String>,
    host: &mut dyn Host,
) -> Result<Option<(String, String)>, HostError> {
    let units = all.iter().cloned().collect();
    let look = Request::Observe { files: Vec::new(), directories: Vec::new(), units };
    let Response::Observed(seen) = host.ask(&look)? else { return Ok(None) };
    for unit in all {
        match seen.units.get(unit).map_or("unknown", |fact| fact.active.as_str()) {
            "active" | "reloading" => drop(run.insert(unit.clone())),
            "inactive" | "unknown" if !run.contains(unit) => {}
            state => return Ok(Some((unit.clone(), state.to_owned()))),
        }
    }
    Ok(None)
}
