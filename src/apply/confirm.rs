//! A change that waits for its confirmation: every host keeps the way back, and what the engine then gets.
//!
//! Hosts go back each by itself, for nobody may reach them then; so does the engine's part, from any member.

use std::collections::BTreeMap;

use super::{ApplyError, Crew, Say, engine};
use crate::desired::{Desired, HostName};
use crate::engines::{EngineDesired, pacemaker};
use crate::host::{EngineBack, Request};
use crate::plan::{Plan, Turn};
use crate::spec::EngineKind;

/// Longer than an apply takes after its commit: the wait begins anew when all is done.
pub const MARGIN_SECONDS: u64 = 300;

/// A change of the membership under a running engine cannot go back by itself: it must on all members at once.
///
/// # Errors
/// It is such a change.
pub fn refuse(plan: &Plan, crew: &Crew) -> Result<(), ApplyError> {
    let joint = plan.hosts.values().any(|host| !host.joint.is_empty());
    if joint && engine::running_member(plan, crew).is_some() {
        return Err(ApplyError::Unconfirmable);
    }
    Ok(())
}

fn concerned(plan: &Plan, crew: &Crew) -> Vec<HostName> {
    let wanted = |name: &HostName| plan.hosts.contains_key(name) || plan.engine.members.contains(name);
    crew.names().into_iter().filter(wanted).collect()
}

/// All went well: the wait begins.
///
/// # Errors
/// A host that could not be told; it goes back by itself later than it would.
pub fn wait(
    plan: &Plan,
    desired: &Desired,
    crew: &mut Crew,
    (id, seconds): (&str, u64),
    old: Option<String>,
) -> Result<(), ApplyError> {
    let back = engine_back(plan, desired, old);
    crew.all(&concerned(plan, crew), |name, host| {
        let engine = back.clone().filter(|_| plan.engine.members.contains(name));
        host.ask(&Request::Await { id: id.to_owned(), seconds, engine, asked: true })
    })
}

fn engine_back(plan: &Plan, desired: &Desired, old: Option<String>) -> Option<EngineBack> {
    let wanted = desired.engine.as_ref();
    let units = wanted.iter().flat_map(|engine| &engine.units);
    let restarts: BTreeMap<_, _> = units
        .filter(|(_, resource)| plan.engine.restarts.contains_key(*resource))
        .map(|(unit, resource)| (unit.clone(), resource.clone()))
        .collect();
    let new = wanted.map(|engine| engine.cib.clone()).unwrap_or_default();
    (old.is_some() || !restarts.is_empty()).then_some(EngineBack { old, new, restarts })
}

/// Heads and witnesses that have committed: the others hold their lock still.
fn committed(plan: &Plan) -> Vec<HostName> {
    let hosts = plan.hosts.iter().filter(|(_, host)| host.turn != Turn::Nodes);
    hosts.map(|(name, _)| name.clone()).collect()
}

/// Whether what a running engine is about to do for new files and a new configuration may go wrong, and go back: a service that
/// moves cannot be tried on a standby first.
pub fn is_trial(plan: &Plan, crew: &Crew) -> bool {
    let acts = !plan.engine.restarts.is_empty() || !plan.engine.changes.is_empty();
    let running = plan.engine.kind == EngineKind::Pacemaker && engine::running_member(plan, crew).is_some();
    acts && running && refuse(plan, crew).is_ok()
}

/// That goes back by itself, should nobody say in time that all runs.
///
/// # Errors
/// A host that could not be told.
pub fn on_trial(plan: &Plan, desired: &Desired, crew: &mut Crew, id: &str) -> Result<(), ApplyError> {
    let member = desired.engine.as_ref().and_then(|wanted| engine::spokesman(plan, wanted, crew));
    let member = member.filter(|_| !plan.engine.changes.is_empty());
    let old = member.and_then(|member| engine::read_cib(crew, &member)).filter(|cib| pacemaker::is_ours(cib));
    let engine = engine_back(plan, desired, old);
    let request = Request::Await { id: id.to_owned(), seconds: MARGIN_SECONDS, engine, asked: false };
    crew.all(&committed(plan), |_, host| host.ask(&request))
}

/// It runs: what was on trial stays. A host that cannot be told any more goes back by itself, as one that was away.
pub fn keep(plan: &Plan, crew: &mut Crew, say: Say<'_>) {
    for (name, told) in crew.each(&committed(plan), |_, host| host.ask(&Request::Confirm)) {
        if let Err(error) = told {
            say(&format!("{name} is not told that this stays, and goes back by itself: {error}"));
        }
    }
}

/// What failed after the commit goes back at once, and what was restarted for it reads its old files again; a host that cannot
/// be told goes back when its time is over. The error, with what did not go back.
pub fn go_back(
    plan: &Plan,
    desired: &Desired,
    crew: &mut Crew,
    error: ApplyError,
    say: Say<'_>,
) -> ApplyError {
    say("putting back what was committed");
    let back = crew.all(&committed(plan), |_, host| host.ask(&Request::Expire));
    match back.and_then(|()| engine::start_again(plan, desired, crew, say)) {
        Ok(()) => error,
        Err(stuck) => ApplyError::NotPutBack { first: Box::new(error), left: vec![stuck.to_string()] },
    }
}

/// Gives the engine back what it was before a change that nobody confirmed, through this member: its configuration,
/// where it is still that of the change, and another start of what runs here and was restarted for it.
///
/// # Errors
/// The engine does not answer, or refuses.
pub fn give_back(crew: &mut Crew, member: &str, back: &EngineBack) -> Result<(), ApplyError> {
    let unread = |e: pacemaker::EngineError| ApplyError::Engine(e.to_string());
    if let Some(old) = &back.old {
        let current = engine::read_cib(crew, member)
            .ok_or_else(|| ApplyError::Engine(format!("it does not answer on {member}")))?;
        let pushed = EngineDesired { cib: back.new.clone(), ..EngineDesired::default() };
        if pacemaker::changes(&pushed, &current).map_err(unread)?.is_empty() {
            engine::push(crew, member, &|current| pacemaker::put_back(old, current))?;
        }
    }
    for (unit, resource) in &back.restarts {
        if engine::ask(crew, member, &["systemctl", "is-active", "--quiet", unit], "")?.status == Some(0) {
            engine::restart(crew, member, resource)?;
        }
    }
    Ok(())
}
