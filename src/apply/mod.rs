//! Carries a plan out over hosts: checkpoint, stage, check, swap, reload, verify, commit or revert. Decides nothing.
//!
//! Order: secrets; on every host stage and check, and only when all are good swap; units; then the members' joint
//! files, the engine's units, the engine's own configuration, and a wait until it has settled.
#![allow(clippy::disallowed_methods)]

mod crew;
mod engine;
mod secrets;

use camino::Utf8PathBuf;

pub use crew::Crew;
pub use engine::{read_cib, read_state, settle};

use crate::desired::{Answer, Check, Desired, HostName, Question, Rendered, Verdict};
use crate::host::{HostError, Request, Response};
use crate::plan::{FileChange, HostPlan, Plan};

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
    /// The engine refused or did not settle.
    #[error("the engine: {0}")]
    Engine(String),
}

/// Says what is being done, one line a step.
pub type Say<'a> = &'a (dyn Fn(&str) + Sync);

/// Carries the plan out.
///
/// # Errors
/// What went wrong; up to the commit every host is put back first.
pub fn apply(
    plan: &Plan,
    desired: &Desired,
    crew: &mut Crew,
    id: &str,
    say: Say<'_>,
) -> Result<(), ApplyError> {
    secrets::spread(desired, crew, say)?;
    let done = change_hosts(plan, desired, crew, id, say);
    if let Err(error) = done {
        say("reverting every host");
        for (_, result) in crew.each(&crew.names(), |_, host| host.ask(&Request::Revert)) {
            result?; // what cannot be put back must be said first
        }
        return Err(error);
    }
    engine::configure(plan, desired, crew, say)
}

fn change_hosts(
    plan: &Plan,
    desired: &Desired,
    crew: &mut Crew,
    id: &str,
    say: Say<'_>,
) -> Result<(), ApplyError> {
    let names: Vec<_> = plan.hosts.keys().cloned().collect();
    say(&format!("staging and checking on {} hosts", names.len()));
    crew.all(&names, |name, host| {
        host.ask(&Request::Begin { id: id.to_owned() })?;
        let change = &plan.hosts[name];
        host.ask(&Request::Directories(change.directories.clone()))?;
        host.ask(&Request::Stage(staged(change)))
    })?;
    check(plan, desired, crew)?;
    say("putting files in place and acting on units");
    crew.all(&names, |name, host| {
        let change = &plan.hosts[name];
        host.ask(&Request::Swap(paths(&change.files, true)))?;
        host.ask(&Request::Remove(paths(&change.files, false)))?;
        host.ask(&Request::Units(change.units.clone()))
    })?;
    change_membership(plan, crew, say)?;
    crew.all(&names, |_, host| host.ask(&Request::Commit))
}

/// The members' joint files and the engine's own units. Where the engine runs already it is in maintenance
/// meanwhile: with the new node list it has no quorum until the others have joined, and would stop everything.
fn change_membership(plan: &Plan, crew: &mut Crew, say: Say<'_>) -> Result<(), ApplyError> {
    let with = |wanted: fn(&HostPlan) -> bool| {
        plan.hosts.iter().filter(|(_, host)| wanted(host)).map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let joint = with(|host| !host.joint.is_empty());
    let starts = with(|host| !host.engine_units.is_empty());
    let running = engine::running_member(plan, crew).filter(|_| !joint.is_empty());
    if let Some(member) = &running {
        engine::maintain(crew, member, true)?;
    }
    let change = |crew: &mut Crew| {
        if !joint.is_empty() {
            say(&format!("changing corosync's files on all members at once: {}", joint.join(", ")));
            crew.all(&joint, |name, host| host.ask(&Request::Swap(paths(&plan.hosts[name].joint, true))))?;
        }
        if let Some(member) = &running {
            engine::reload_membership(crew, member)?;
        }
        if !starts.is_empty() {
            say(&format!("starting the engine on {}", starts.join(", ")));
            crew.all(&starts, |name, host| host.ask(&Request::Units(plan.hosts[name].engine_units.clone())))?;
        }
        running.as_ref().map_or(Ok(()), |member| engine::await_members(plan, crew, member))
    };
    let changed = change(crew);
    let Some(member) = &running else { return changed };
    if changed.is_err() {
        say("the others did not join: going back to the members that were");
        engine::go_back(plan, crew, member);
    }
    let ended = engine::maintain(crew, member, false);
    changed.and(ended)
}

fn staged(change: &HostPlan) -> Vec<Rendered> {
    change.files.iter().chain(&change.joint).filter_map(|change| change.file.clone()).collect()
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

/// A check is asked when a file that it reads changes.
fn concerns(check: &Check, touched: &[Rendered]) -> bool {
    let Question::Command { argv, .. } = &check.question else { return false };
    touched
        .iter()
        .any(|file| argv.iter().any(|argument| argument.contains(&format!("{{staged:{}}}", file.path))))
}
