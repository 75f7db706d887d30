//! Carries a plan out over hosts: checkpoint, stage, check, swap, reload, verify, commit or revert. Decides nothing.
//!
//! Order: every host's lock; secrets; on every host stage and check, and only when all are good: the standby heads' files
//! and units, then the active heads', the members' joint files and the engine's units, commit; the engine's own
//! configuration, and a wait until it has settled; then the nodes, which are clients of all that;
//! then the objects that running services hold themselves.
#![allow(clippy::disallowed_methods)]

mod accept;
mod confirm;
mod crew;
mod engine;
mod gate;
mod heartbeat;
mod leave;
mod live;
mod moves;
mod packages;
mod remove;
mod secrets;

use std::time::Duration;

use camino::Utf8PathBuf;

pub use accept::{Acceptance, accept, hold, keep, tell};
pub use confirm::give_back;
pub use crew::Crew;
pub use engine::{push_engine, read_cib, read_state, restart, run_within, settle};
pub use gate::STEADY_FOR;
pub use heartbeat::give_away;
pub use live::{ask as ask_live, feed};
pub use moves::{Engine, carried_by, stays_on};
pub use packages::install;
pub use remove::remove;
pub use secrets::{rotate, spread};

use crate::desired::{Answer, Check, Desired, HostName, Question, Rendered, Verdict};
use crate::engines::{membership_daemon, pacemaker};
use crate::host::{Host, HostError, Request, Response};
use crate::plan::{FileChange, HostPlan, Plan, Turn};
use crate::spec::EngineKind;

/// Why an apply did not go through.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A host did not do what it was asked.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A program refused the staged files.
    #[error("{host}: {check} refuses the new configuration; nothing was changed\n{said}")]
    Refused {
        /// The host.
        host: HostName,
        /// What was asked.
        check: String,
        /// What the program said.
        said: String,
    },
    /// A secret that only a person can know is missing everywhere.
    #[error("secret {0} is kept on no head")]
    SecretMissing(String),
    /// A secret could not be made on the one host that can make it.
    #[error("secret {name} cannot be made, for {host} has to make it: {why}")]
    SecretUnmade {
        /// The secret.
        name: String,
        /// The host.
        host: HostName,
        /// What its program said, or why there is no session.
        why: String,
    },
    /// Two hosts keep different bytes under one name.
    #[error("secret {name} differs between {one} and {other}")]
    SecretsDiffer {
        /// The secret.
        name: String,
        /// A host.
        one: HostName,
        /// Another.
        other: HostName,
    },
    /// A secret of a name that no host uses.
    #[error("secret {0} is used on no host of the spec")]
    SecretUnknown(String),
    /// A secret that haoscar did not make and cannot make anew.
    #[error("secret {0} is given by a person: haoscar cannot make another")]
    SecretGiven(String),
    /// Packages were not installed; nothing else was changed.
    #[error("{host}: packages were not installed, and nothing else was changed\n{said}")]
    Packages {
        /// The host.
        host: HostName,
        /// What apt-get said.
        said: String,
    },
    /// A unit that was started and does not go on running.
    #[error("{unit} on {host} does not go on running: it is {state} (journalctl -u {unit} there)")]
    Unsteady {
        /// The host.
        host: HostName,
        /// The unit.
        unit: String,
        /// How systemd finds it.
        state: String,
    },
    /// A unit that runs and does not serve.
    #[error("{unit} on {host} runs and does not serve: {why} (journalctl -u {unit} there)")]
    Unanswered {
        /// The host.
        host: HostName,
        /// The unit.
        unit: String,
        /// What its probe said.
        why: String,
    },
    /// A change that cannot go back by itself.
    #[error(
        "the engine's own files change on all members at once, and cannot go back by themselves: nothing was changed"
    )]
    Unconfirmable,
    /// The engine refused or did not settle.
    #[error("the engine: {0}")]
    Engine(String),
    /// Some nodes failed; each was put back, the others are done.
    #[error(
        "{failed} of {count} nodes failed and were put back, the heads and the other nodes are done: {first}"
    )]
    Nodes {
        /// How many.
        failed: usize,
        /// Of how many that changed.
        count: usize,
        /// What the first said.
        first: String,
    },
    /// Something failed, and not every host could be put back.
    #[error("{first}\nand this could not be put back; the next session with the host tries again:\n{}", left.join("\n"))]
    NotPutBack {
        /// What went wrong first.
        first: Box<ApplyError>,
        /// What each host said.
        left: Vec<String>,
    },
    /// A running service did not take an object.
    #[error("{service} on {host}: {why}")]
    Live {
        /// The service.
        service: String,
        /// The head that carries it.
        host: HostName,
        /// The statement, and what its program said.
        why: String,
    },
}

/// Says what is being done, one line a step.
pub type Say<'a> = &'a (dyn Fn(&str) + Sync);

/// Carries the plan out. What fails before the heads' commit leaves every host as it was; what fails in the engine
/// after it takes the engine's configuration back; a node that fails is put back alone, and the others go on.
///
/// # Errors
/// What went wrong, with what could not be put back.
pub fn apply(
    plan: &Plan,
    desired: &Desired,
    crew: &mut Crew,
    id: &str,
    say: Say<'_>,
) -> Result<(), ApplyError> {
    apply_for(plan, desired, crew, &Order { id, ..Order::default() }, say)
}

/// What an apply is to be called, and whether it waits for a confirmation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Order<'a> {
    /// Names it in journals.
    pub id: &'a str,
    /// Every host puts it back after so many seconds, unless it is confirmed.
    pub confirm: Option<u64>,
    /// The generation that it makes; a host that has seen one as high refuses it.
    pub generation: Option<u64>,
    /// Units of a head that were acted on must go on running for so long before the next turn; zero: nobody looks.
    pub steady_for: Duration,
}

/// The same, and where it waits for a confirmation: what fails after the commit goes back at once.
///
/// # Errors
/// What went wrong, with what could not be put back.
pub fn apply_for(
    plan: &Plan,
    desired: &Desired,
    crew: &mut Crew,
    order: &Order<'_>,
    say: Say<'_>,
) -> Result<(), ApplyError> {
    let confirm = order.confirm.map(|seconds| seconds + confirm::MARGIN_SECONDS);
    confirm.map_or(Ok(()), |_| confirm::refuse(plan, crew))?;
    let trial = confirm.is_none() && confirm::is_trial(plan, crew);
    let way_back = confirm.or(trial.then_some(confirm::MARGIN_SECONDS));
    let staged = lock(plan, crew, order).and_then(|()| stage(plan, desired, crew, say));
    if let Err(error) =
        staged.and_then(|()| change_heads(plan, desired, crew, (way_back, order.steady_for), say))
    {
        say("reverting every host");
        return Err(revert(crew, error));
    }
    let tried = if trial { confirm::on_trial(plan, desired, crew, order.id) } else { Ok(()) };
    let configured = tried.and_then(|()| engine::configure(plan, desired, crew, say));
    let before = match configured {
        Ok(before) => before,
        Err(error) => {
            let error = revert(crew, error); // nodes have nothing in place yet
            return Err(if way_back.is_some() {
                confirm::go_back(plan, desired, crew, error, say)
            } else {
                error
            });
        }
    };
    if trial {
        confirm::keep(plan, crew, say);
    }
    leave::forgotten(plan, crew)?; // asked again: a membership that formed since may have brought one back
    let nodes = change_nodes(plan, crew, confirm, say);
    let told = live::feed_all(desired, crew, say); // also where one node of many failed
    unlock(plan, crew);
    nodes.and(told)?;
    let Some(seconds) = order.confirm else { return Ok(()) };
    confirm::wait(plan, desired, crew, (order.id, seconds), before)
}

/// Puts every host back that has an open transaction; what cannot be put back is added to what went wrong first.
fn revert(crew: &mut Crew, error: ApplyError) -> ApplyError {
    let left: Vec<_> = crew
        .each(&crew.names(), |_, host| host.ask(&Request::Revert))
        .into_iter()
        .filter_map(|(_, result)| result.err())
        .filter(|stuck| !error.to_string().contains(&stuck.to_string()))
        .map(|stuck| stuck.to_string())
        .collect();
    if left.is_empty() { error } else { ApplyError::NotPutBack { first: Box::new(error), left } }
}

/// The lock of every host that changes and of every member that was reached: two applies that share a member exclude each
/// other. The kernel lets a lock go with its holder's agent, so a dead holder holds nothing.
fn lock(plan: &Plan, crew: &mut Crew, order: &Order<'_>) -> Result<(), ApplyError> {
    let names = [plan.hosts.keys().cloned().collect(), bystanders(plan, crew), leave::reached(plan)].concat();
    crew.all(&names, |name, host| begin(name, host, order.id))?;
    order.generation.map_or(Ok(()), |number| crew.all(&names, |_, host| host.ask(&Request::Claim(number))))
}

/// The host's own loop holds the lock for a moment while it heals; a person's apply holds it for longer.
const HEAL_LIMIT: Duration = Duration::from_secs(10);

/// The lock of one host; its loop is waited for.
fn begin(name: &str, host: &mut dyn Host, id: &str) -> Result<Response, HostError> {
    let since = std::time::Instant::now();
    loop {
        match host.ask(&Request::Begin { id: id.to_owned() }).and_then(|answer| answer.good(name)) {
            Err(HostError::Locked { .. }) if since.elapsed() < HEAL_LIMIT => {
                std::thread::sleep(Duration::from_millis(200));
            }
            answer => return answer,
        }
    }
}

/// Members on which nothing changes have nothing to put back: this ends their transaction.
fn unlock(plan: &Plan, crew: &mut Crew) {
    let names = bystanders(plan, crew);
    let _ = crew.all(&names, |_, host| host.ask(&Request::Revert));
}

fn bystanders(plan: &Plan, crew: &Crew) -> Vec<HostName> {
    let aside = |name: &HostName| plan.engine.members.contains(name) && !plan.hosts.contains_key(name);
    crew.names().into_iter().filter(aside).collect()
}

fn stage(plan: &Plan, desired: &Desired, crew: &mut Crew, say: Say<'_>) -> Result<(), ApplyError> {
    let names: Vec<_> = plan.hosts.keys().cloned().collect();
    secrets::spread(desired, crew, say)?;
    say(&format!("staging and checking on {} hosts", names.len()));
    crew.all(&names, |name, host| {
        let change = &plan.hosts[name];
        host.ask(&Request::Directories(change.directories.clone()))?;
        host.ask(&Request::Stage(staged(change)))
    })?;
    check(plan, desired, crew)
}

/// Standby heads first: what fails there, or does not go on running, has not touched the head that serves.
fn change_heads(
    plan: &Plan,
    desired: &Desired,
    crew: &mut Crew,
    (confirm, steady_for): (Option<u64>, Duration),
    say: Say<'_>,
) -> Result<(), ApplyError> {
    let halted = heartbeat::halt(plan, crew, say)?;
    for turn in [Turn::Standby, Turn::Active] {
        let names = whose(plan, turn);
        if !names.is_empty() {
            say(&format!("putting files in place and acting on units: {}", names.join(", ")));
            crew.all(&names, |name, host| change(&plan.hosts[name], host))?;
            gate::steady(plan, desired, &names, crew, steady_for)?;
        }
    }
    match plan.engine.kind {
        EngineKind::Pacemaker => change_membership(plan, crew, confirm, say),
        EngineKind::Heartbeat => {
            swap_joint(plan, crew, say)?;
            heartbeat::start(plan, desired, crew, &halted, say)?;
            commit_heads(plan, crew, confirm)
        }
    }
}

fn commit_heads(plan: &Plan, crew: &mut Crew, confirm: Option<u64>) -> Result<(), ApplyError> {
    let names = [whose(plan, Turn::Standby), whose(plan, Turn::Active)].concat();
    crew.all(&names, |name, host| commit(&plan.hosts[name], confirm, host))?;
    crew.all(&leave::reached(plan), |_, host| commit(&HostPlan::default(), None, host))
}

/// Nodes are clients of what the heads serve now, and nobody waits for another.
fn change_nodes(plan: &Plan, crew: &mut Crew, confirm: Option<u64>, say: Say<'_>) -> Result<(), ApplyError> {
    let names = whose(plan, Turn::Nodes);
    if names.is_empty() {
        return Ok(());
    }
    say(&format!("putting files in place and acting on units on {} nodes", names.len()));
    let results = crew.each(&names, |name, host| {
        let done = change(&plan.hosts[name], host).and_then(|_| commit(&plan.hosts[name], confirm, host));
        if done.is_err() {
            host.ask(&Request::Revert)?;
        }
        done
    });
    let count = results.len();
    let failed: Vec<_> = results.into_iter().filter_map(|(_, result)| result.err()).collect();
    let first = failed.first().map(ToString::to_string);
    first.map_or(Ok(()), |first| Err(ApplyError::Nodes { failed: failed.len(), count, first }))
}

fn whose(plan: &Plan, turn: Turn) -> Vec<HostName> {
    plan.hosts.iter().filter(|(_, host)| host.turn == turn).map(|(name, _)| name.clone()).collect()
}

fn change(change: &HostPlan, host: &mut dyn Host) -> Result<Response, HostError> {
    host.ask(&Request::Swap(paths(&change.files, true)))?;
    host.ask(&Request::Remove(paths(&change.files, false)))?;
    host.ask(&Request::Units(change.units.clone()))
}

fn commit(change: &HostPlan, confirm: Option<u64>, host: &mut dyn Host) -> Result<Response, HostError> {
    host.ask(&Request::Commit { restarts: change.restarts.clone(), confirm })
}

/// Who leaves; the members' joint files and the engine's own units; the commit. Where the engine runs already it is in
/// maintenance meanwhile: with the new node list it has no quorum until the others have joined, and would stop everything.
fn change_membership(
    plan: &Plan,
    crew: &mut Crew,
    confirm: Option<u64>,
    say: Say<'_>,
) -> Result<(), ApplyError> {
    leave::stop(plan, crew, say)?;
    let joint = plan.hosts.values().any(|host| !host.joint.is_empty()) || !plan.engine.leaves.is_empty();
    let running = engine::running_member(plan, crew).filter(|_| joint);
    if let Some(member) = &running {
        engine::maintain(crew, member, true)?;
    }
    let changed = join(plan, crew, running.as_ref(), say).and_then(|()| commit_heads(plan, crew, confirm));
    let Some(member) = &running else { return changed };
    if changed.is_err() {
        say("the members are not all there: going back to those that were");
        engine::go_back(plan, crew, member);
    }
    let ended = engine::maintain(crew, member, false);
    changed.and(ended)
}

/// Swapped on all, read at once, and one membership of all.
fn join(plan: &Plan, crew: &mut Crew, running: Option<&HostName>, say: Say<'_>) -> Result<(), ApplyError> {
    let with = |wanted: fn(&HostPlan) -> bool| {
        plan.hosts.iter().filter(|(_, host)| wanted(host)).map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    swap_joint(plan, crew, say)?;
    if let Some(member) = running {
        let after = Request::Joint { after: pacemaker::after_joint() };
        crew.all(&with(|host| !host.joint.is_empty()), |_, host| host.ask(&after))?;
        engine::reload_membership(crew, member)?;
    }
    let starts = with(|host| !host.engine_units.is_empty());
    if !starts.is_empty() {
        say(&format!("starting the engine on {}", starts.join(", ")));
        crew.all(&starts, |name, host| host.ask(&Request::Units(plan.hosts[name].engine_units.clone())))?;
    }
    let Some(member) = running else { return Ok(()) };
    engine::await_members(plan, crew, member)?;
    // a member that lost its power meanwhile has put its old files back, and may still be taken for online: nobody has
    // committed yet
    let joint = with(|host| !host.joint.is_empty());
    crew.all(&joint, |_, host| host.ask(&Request::Hello))?;
    joint.iter().try_for_each(|name| engine::await_members(plan, crew, name))?;
    leave::forgotten(plan, crew)
}

fn swap_joint(plan: &Plan, crew: &mut Crew, say: Say<'_>) -> Result<(), ApplyError> {
    let joint: Vec<_> =
        plan.hosts.iter().filter(|(_, host)| !host.joint.is_empty()).map(|(name, _)| name.clone()).collect();
    if joint.is_empty() {
        return Ok(());
    }
    let whose = membership_daemon(plan.engine.kind);
    say(&format!("changing {whose}'s files on all members at once: {}", joint.join(", ")));
    crew.all(&joint, |name, host| host.ask(&Request::Swap(paths(&plan.hosts[name].joint, true))))
}

fn staged(change: &HostPlan) -> Vec<Rendered> {
    change.all_files().filter_map(|change| change.file.clone()).collect()
}

fn paths(changes: &[FileChange], wanted: bool) -> Vec<Utf8PathBuf> {
    changes
        .iter()
        .filter(|change| change.file.is_some() == wanted)
        .map(|change| change.path.clone())
        .collect()
}

/// Every check of every host that changes, before anything is swapped.
fn check(plan: &Plan, desired: &Desired, crew: &mut Crew) -> Result<(), ApplyError> {
    let names: Vec<_> = plan.hosts.keys().cloned().collect();
    let answers = crew.each(&names, |name, host| {
        let mut found = Vec::new();
        let (_, wanted) = &desired.hosts[name];
        let touched = staged(&plan.hosts[name]);
        for check in wanted.checks.iter().filter(|check| concerns(check, &touched)) {
            found.push((check.clone(), host.ask(&Request::Check(check.question.clone()))?));
        }
        Ok(found)
    });
    for (host, answers) in answers {
        for (check, response) in answers? {
            if let Response::Answer(answer) = response
                && let Verdict::Bad(said) = judged(&check, &answer)
            {
                return Err(ApplyError::Refused { host, check: check.name, said });
            }
        }
    }
    Ok(())
}

fn judged(check: &Check, answer: &Answer) -> Verdict {
    (check.verdict)(answer)
}

/// A check is asked when a file that it reads changes; one that reads none is of the machine, and asked whenever that changes.
fn concerns(check: &Check, touched: &[Rendered]) -> bool {
    let Question::Command { argv, .. } = &check.question else { return false };
    if !argv.iter().any(|argument| argument.contains("{staged:")) {
        return true;
    }
    touched
        .iter()
        .any(|file| argv.iter().any(|argument| argument.contains(&format!("{{staged:{}}}", file.path))))
}
