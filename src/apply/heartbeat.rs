//! heartbeat's way through an apply: it reads its files when it starts, so what changes on both heads at once is changed
//! while it is down on both.

use super::{ApplyError, Crew, Say, engine};
use crate::desired::{Desired, HostName};
use crate::engines::{heartbeat, main_unit};
use crate::host::{Host, Request};
use crate::plan::{HostPlan, Plan, Turn, UnitAction, UnitVerb};
use crate::spec::EngineKind;

/// A group that has started must be seen to stay so.
const STEADY: std::time::Duration = std::time::Duration::from_millis(1_500);

fn action(verb: UnitVerb) -> UnitAction {
    let unit = main_unit(EngineKind::Heartbeat).to_owned();
    UnitAction { verb, unit, reason: "its files change on both heads at once".to_owned() }
}

/// Stops heartbeat where it runs and its joint files are to change: the standby head first, so that nothing moves
/// there. Before any script changes, for heartbeat stops a group with the scripts that lie there.
///
/// # Errors
/// A head on which it did not stop.
pub fn halt(plan: &Plan, crew: &mut Crew, say: Say<'_>) -> Result<Vec<HostName>, ApplyError> {
    if plan.engine.kind != EngineKind::Heartbeat || plan.hosts.values().all(|host| host.joint.is_empty()) {
        return Ok(Vec::new());
    }
    let starting = |name: &HostName| plan.hosts.get(name).is_some_and(HostPlan::starts_engine);
    let runs: Vec<_> = plan.engine.members.iter().filter(|name| !starting(name)).cloned().collect();
    for turn in [Turn::Standby, Turn::Active] {
        let of_turn =
            |name: &&HostName| plan.hosts.get(*name).map_or(Turn::Standby, |host| host.turn) == turn;
        let names: Vec<_> = runs.iter().filter(of_turn).cloned().collect();
        if !names.is_empty() {
            say(&format!("stopping heartbeat, for its files change: {}", names.join(", ")));
            crew.all(&names, |_, host| host.ask(&Request::Units(vec![action(UnitVerb::Stop)])))?;
        }
    }
    Ok(runs)
}

/// Starts heartbeat where it was stopped or is new, and waits until the group is carried. Nothing is committed yet: what
/// does not come about is stopped with its new scripts, and the caller puts the old ones back.
///
/// # Errors
/// It did not start, or the group is not carried in time.
pub fn start(
    plan: &Plan,
    desired: &Desired,
    crew: &mut Crew,
    halted: &[HostName],
    say: Say<'_>,
) -> Result<(), ApplyError> {
    let names: Vec<_> = plan
        .engine
        .members
        .iter()
        .filter(|name| halted.contains(name) || acts(plan, name))
        .cloned()
        .collect();
    let Some(member) = names.first() else { return Ok(()) };
    say(&format!("starting heartbeat on {}", names.join(", ")));
    let mut done = crew.all(&names, |name, host| {
        let own = plan.hosts.get(name).map(|host| host.engine_units.clone()).unwrap_or_default();
        let again = halted.iter().any(|halted| halted == name).then(|| action(UnitVerb::Start));
        host.ask(&Request::Units(own.into_iter().chain(again).collect()))
    });
    if let (Ok(()), Some(engine)) = (&done, &desired.engine) {
        say("waiting until every service is started");
        done = engine::settle(engine, crew, member, STEADY);
    }
    if done.is_err() {
        let _ = crew.all(&names, |_, host| host.ask(&Request::Units(vec![action(UnitVerb::Stop)])));
    }
    done
}

fn acts(plan: &Plan, name: &HostName) -> bool {
    plan.hosts.get(name).is_some_and(|host| !host.engine_units.is_empty())
}

/// What every head says of the engine.
pub fn read_state(members: &[HostName], crew: &mut Crew) -> crate::engines::EngineState {
    let ask = heartbeat::ask();
    let ask = ask.each_ref().map(String::as_str);
    let answers = crew.each(members, |name, host| engine::run(name, host, &ask, ""));
    let said = answers.into_iter().filter_map(|(name, answer)| Some((name, answer.ok()?.stdout)));
    heartbeat::state(&said.collect())
}

/// Has heartbeat on this head give its group to the other one; it only begins here.
///
/// # Errors
/// The host did not answer, or heartbeat refused.
pub fn give_away(host: &mut dyn Host) -> Result<(), ApplyError> {
    engine::expect_good(&engine::run("heartbeat", host, &["/usr/share/heartbeat/hb_standby", "all"], "")?)
}
