//! The gate between turns: what was started on the heads that had their turn runs, and goes on running.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{ApplyError, Crew, engine};
use crate::desired::HostName;
use crate::host::{Host, HostError};
use crate::plan::{HostPlan, Plan, UnitVerb};

/// A daemon that reads its configuration and cannot live with it ends soon after its start; longer waits would be paid by
/// every apply. A choice, not a measurement.
pub const STEADY_FOR: Duration = Duration::from_millis(1_500);

/// A restart after a crash waits 100 ms (systemd's default): a look at half of that does not miss it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks for so long at the units that were acted on there.
///
/// # Errors
/// A unit that does not go on running, or a host that does not answer.
pub fn steady(plan: &Plan, names: &[HostName], crew: &mut Crew, span: Duration) -> Result<(), ApplyError> {
    for (host, found) in crew.each(names, |name, host| watch(name, &plan.hosts[name], host, span)) {
        if let Some((unit, state)) = found? {
            return Err(ApplyError::Unsteady { host, unit, state });
        }
    }
    Ok(())
}

/// The first unit that does not go on running, and how it is.
fn watch(
    name: &str,
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
        if let Some(fallen) = fallen(name, &all, &mut run, host)? {
            return Ok(Some(fallen));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(None)
}

/// A restart or reload leaves a unit alone that does not run, as the engine's do on a standby: only what was started or seen
/// to run (`run`, which grows) must go on.
fn fallen(
    name: &str,
    all: &BTreeSet<String>,
    run: &mut BTreeSet<String>,
    host: &mut dyn Host,
) -> Result<Option<(String, String)>, HostError> {
    let units = all.iter().map(String::as_str);
    let argv: Vec<_> = ["systemctl", "is-active"].into_iter().chain(units).collect();
    let answer = engine::run(name, host, &argv, "")?; // a line a unit, in order: systemctl(1)
    let states: Vec<_> = answer.stdout.lines().collect();
    if states.len() != all.len() {
        return Err(HostError::Failed {
            subject: format!("{name}: systemctl is-active"),
            why: answer.stderr,
        });
    }
    for (unit, state) in all.iter().zip(states) {
        match state {
            "active" | "reloading" => drop(run.insert(unit.clone())),
            "inactive" | "unknown" if !run.contains(unit) => {}
            state => return Ok(Some((unit.clone(), state.to_owned()))),
        }
    }
    Ok(None)
}
