//! A member that the spec no longer has: what it carries moves, its engine stops, and it becomes what it was before
//! haoscar, before the others forget it. In order, so that nobody has a reason to fence it.

use super::{ApplyError, Crew, Say, engine};
use crate::desired::HostName;
use crate::engines;
use crate::host::Request;
use crate::plan::{Plan, UnitAction, UnitVerb};

/// Members that leave and can be spoken to; of the others only the engine's memory goes.
pub fn reached(plan: &Plan) -> Vec<HostName> {
    plan.engine.leaves.iter().filter(|(_, away)| away.is_none()).map(|(name, _)| name.clone()).collect()
}

/// Stops the engine there, which moves all that it carries to the members that stay, then takes haoscar's files away.
///
/// # Errors
/// What did not stop, or could not be put back; the caller reverts.
pub fn stop(plan: &Plan, crew: &mut Crew, say: Say<'_>) -> Result<(), ApplyError> {
    let names = reached(plan);
    if names.is_empty() {
        return Ok(());
    }
    say(&format!("leaving: what {} carries moves, and its engine stops", names.join(", ")));
    let stop = |unit: &&str| UnitAction {
        verb: UnitVerb::Stop,
        unit: (*unit).to_owned(),
        reason: "it leaves".to_owned(),
    };
    let stops: Vec<_> = engines::units(plan.engine.kind).iter().rev().map(stop).collect();
    crew.all(&names, |_, host| host.ask(&Request::Units(stops.clone())))?;
    say(&format!("making files and units as they were on {}", names.join(", ")));
    crew.all(&names, |_, host| host.ask(&Request::Dismantle { keep: false }))
}

/// Has the members that stay forget those that left, for good.
///
/// # Errors
/// What the engine said.
pub fn forgotten(plan: &Plan, crew: &mut Crew) -> Result<(), ApplyError> {
    let reached = crew.names();
    let stay: Vec<_> = plan.engine.members.iter().filter(|name| reached.contains(name)).cloned().collect();
    plan.engine.leaves.keys().try_for_each(|gone| engine::forget(crew, &stay, gone))
}
