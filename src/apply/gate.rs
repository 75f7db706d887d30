//! The gate between turns: what was started on the heads that had their turn runs, and goes on running.

use std::time::{Duration, Instant};

use super::{ApplyError, Crew};
use crate::desired::HostName;
use crate::host::{Host, HostError, Request, Response};
use crate::plan::{HostPlan, Plan, UnitVerb};

/// A daemon that cannot live with its configuration ends within a second of its start (measured: chronyd, kea, dnsmasq and
/// slurmctld refuse theirs within 0.3 s); half a second more for a busy machine.
const STEADY_FOR: Duration = Duration::from_millis(1_500);

/// A restart after a crash waits 100 ms (systemd's default): a look at half of that does not miss it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks for a while at the units that were acted on there.
///
/// # Errors
/// A unit that does not go on running, or a host that does not answer.
pub fn steady(plan: &Plan, names: &[HostName], crew: &mut Crew) -> Result<(), ApplyError> {
    for (host, found) in crew.each(names, |name, host| watch(&plan.hosts[name], host)) {
        if let Some((unit, state)) = found? {
            return Err(ApplyError::Unsteady { host, unit, state });
        }
    }
    Ok(())
}

/// The first unit that is not active any more, and how it is.
fn watch(change: &HostPlan, host: &mut dyn Host) -> Result<Option<(String, String)>, HostError> {
    let started = |verb| matches!(verb, UnitVerb::Start | UnitVerb::Restart | UnitVerb::Reload);
    let acted = change.units.iter().filter(|action| started(action.verb));
    let units: Vec<_> = acted.map(|action| action.unit.clone()).collect();
    let begin = Instant::now();
    while !units.is_empty() && begin.elapsed() < STEADY_FOR {
        if let Some(fallen) = fallen(&units, host)? {
            return Ok(Some(fallen));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(None)
}

fn fallen(units: &[String], host: &mut dyn Host) -> Result<Option<(String, String)>, HostError> {
    let look = Request::Observe { files: Vec::new(), directories: Vec::new(), units: units.to_vec() };
    let Response::Observed(seen) = host.ask(&look)? else { return Ok(None) };
    let not_active = |unit: &String| seen.units.get(unit).is_none_or(|fact| fact.active != "active");
    let fallen = units.iter().find(|unit| not_active(unit));
    Ok(fallen.map(|unit| (unit.clone(), seen.units.get(unit).map_or_else(String::new, |f| f.active.clone()))))
}
