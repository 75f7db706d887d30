//! The gate between turns: what was started on the heads that had their turn runs, goes on running, and serves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{ApplyError, Crew, engine};
use crate::desired::{Desired, HostName};
use crate::engines::pacemaker;
use crate::host::{Host, HostError};
use crate::plan::{HostPlan, Plan, UnitVerb};

/// A daemon that reads its configuration and cannot live with it ends soon after its start; longer waits would be paid by
/// every apply. A choice, not a measurement.
pub const STEADY_FOR: Duration = Duration::from_millis(1_500);

/// A unit that ends and stays so is seen soon; one that systemd starts again is seen by its count, however late.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks for so long at the units that were acted on there.
///
/// # Errors
/// A unit that does not go on running, or a host that does not answer.
pub fn steady(
    plan: &Plan,
    desired: &Desired,
    names: &[HostName],
    crew: &mut Crew,
    span: Duration,
) -> Result<(), ApplyError> {
    if span.is_zero() {
        return Ok(());
    }
    for (host, found) in crew.each(names, |name, host| watch(name, &plan.hosts[name], host, span)) {
        if let Some((unit, state)) = found? {
            return Err(ApplyError::Unsteady { host, unit, state });
        }
    }
    let probes = desired.engine.as_ref().map(pacemaker::probes).unwrap_or_default();
    for (host, found) in crew.each(names, |name, host| silent(name, &plan.hosts[name], &probes, host)) {
        if let Some((unit, why)) = found? {
            return Err(ApplyError::Unanswered { host, unit, why });
        }
    }
    Ok(())
}

/// Asked as the engine asks, whose limit for a start is longer: a daemon that has just read its configuration again answers
/// within a second, on a loaded machine within some.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The first unit that runs and does not answer its probe, and what the probe said. One that the engine stops meanwhile has not
/// answered it either.
fn silent(
    name: &str,
    change: &HostPlan,
    probes: &BTreeMap<String, String>,
    host: &mut dyn Host,
) -> Result<Option<(String, String)>, HostError> {
    let begin = Instant::now();
    let all = acted(change, &[UnitVerb::Start, UnitVerb::Restart, UnitVerb::Reload]);
    for unit in all.into_iter().filter(|unit| probes.contains_key(unit)) {
        let one = BTreeSet::from([unit.clone()]);
        let runs = |state: &str| ["active", "reloading"].contains(&state);
        let mut said: Option<String> = None;
        loop {
            let ended = !look(name, &one, host)?.values().any(|(state, _)| runs(state));
            if let Some(why) = said.take_if(|_| ended || begin.elapsed() > ANSWER_LIMIT) {
                return Ok(Some((unit, why)));
            }
            if ended {
                break; // the engine's, on a standby
            }
            let answer = engine::run(name, host, &["sh", "-c", &probes[&unit]], "")?;
            if answer.status == Some(0) {
                break;
            }
            let all = format!("{}{}", answer.stdout, answer.stderr);
            let last = all.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            said = Some(last.trim().to_owned());
            std::thread::sleep(LOOK_EVERY * 4);
        }
    }
    Ok(None)
}

/// Units of a host on which this was done.
fn acted(change: &HostPlan, wanted: &[UnitVerb]) -> BTreeSet<String> {
    let acted = change.units.iter().filter(|action| wanted.contains(&action.verb));
    acted.map(|action| action.unit.clone()).collect()
}

/// The first unit that does not go on running, and how it is.
fn watch(
    name: &str,
    change: &HostPlan,
    host: &mut dyn Host,
    span: Duration,
) -> Result<Option<(String, String)>, HostError> {
    let all = acted(change, &[UnitVerb::Start, UnitVerb::Restart, UnitVerb::Reload]);
    // a restart or reload leaves a unit alone that does not run, as the engine's do on a standby
    let mut run = acted(change, &[UnitVerb::Start]);
    let mut restarts = BTreeMap::new();
    let begin = Instant::now();
    while !all.is_empty() && begin.elapsed() < span {
        for (unit, (state, count)) in look(name, &all, host)? {
            let before = *restarts.entry(unit.clone()).or_insert(count);
            match state.as_str() {
                _ if count > before => return Ok(Some((unit, "started again and again".to_owned()))),
                "active" | "reloading" => drop(run.insert(unit)),
                "inactive" if !run.contains(&unit) => {}
                _ => return Ok(Some((unit, state))),
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(None)
}

/// Each unit's state, and how often systemd has started it by itself: with `RestartSec=0` it is `active` again before any
/// look (13 ms on the lab), and only the count tells.
fn look(
    name: &str,
    units: &BTreeSet<String>,
    host: &mut dyn Host,
) -> Result<BTreeMap<String, (String, u64)>, HostError> {
    let argv: Vec<_> = ["systemctl", "show", "-p", "ActiveState,NRestarts"]
        .into_iter()
        .chain(units.iter().map(String::as_str))
        .collect();
    let answer = engine::run(name, host, &argv, "")?;
    if answer.status != Some(0) {
        return Err(HostError::Failed { subject: format!("{name}: {}", argv.join(" ")), why: answer.stderr });
    }
    Ok(units.iter().cloned().zip(answer.stdout.split("\n\n").map(shown)).collect())
}

/// A unit's part of `systemctl show`, in which the units stand in the order asked for; what is no service has no count.
fn shown(block: &str) -> (String, u64) {
    let value = |key: &str| block.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    (value("ActiveState=").to_owned(), value("NRestarts=").parse().unwrap_or(0))
}
