//! Puts back on this host what drifted: a transaction of its own, as an apply's, under the same lock.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use camino::Utf8Path;

use crate::apply::{self, ApplyError, Crew};
use crate::desired::Accepted;
use crate::host::{Host, HostError, Request, Response};
use crate::observed::HostObserved;
use crate::plan::Heal;

/// The same heal without restarts of units that run with what comes back: they were started before the edit.
pub fn spared(heal: Heal) -> Heal {
    let readers = heal.readers();
    let unread = readers.iter().filter(|(unit, paths)| {
        let started = started_seconds(unit);
        started.is_some_and(|started| paths.iter().all(|path| touched_seconds(path) > Some(started)))
    });
    let spared: BTreeSet<_> = unread.map(|(unit, _)| unit.clone()).collect();
    heal.sparing(&spared)
}

/// When a file, or where it is gone its folder, was last changed, in whole seconds of the epoch, by the kernel's own stamp:
/// a unit that started within the same second is taken to have read the edit.
fn touched_seconds(path: &Utf8Path) -> Option<u64> {
    let changed = |path: &Utf8Path| std::fs::metadata(path).ok().map(|found| found.ctime());
    u64::try_from(changed(path).or_else(|| changed(path.parent()?))?).ok()
}

/// When systemd last started a unit, in whole seconds of the epoch.
fn started_seconds(unit: &str) -> Option<u64> {
    let argv = ["show", "--timestamp=unix", "--property=ActiveEnterTimestamp", "--value", unit];
    let output = Command::new("systemctl").args(argv).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().strip_prefix('@')?.parse().ok()
}

/// Files, folders and units of this host. What fails is put back as it was found.
///
/// # Errors
/// What went wrong; [`HostError::Locked`] while an apply is at work here.
pub fn put_back(accepted: &Accepted, heal: &Heal, id: &str, host: &mut dyn Host) -> Result<(), HostError> {
    let name = accepted.host.as_str();
    begin(accepted, id, host)?;
    let mut ask = |request: &Request| host.ask(request)?.good(name);
    let plan = &heal.host;
    let files: Vec<_> = plan.files.iter().filter_map(|change| change.file.clone()).collect();
    let paths = files.iter().map(|file| file.path.clone()).collect();
    let steps = || -> Result<Response, HostError> {
        ask(&Request::Directories(plan.directories.clone()))?;
        ask(&Request::Stage(files.clone()))?;
        ask(&Request::Swap(paths))?;
        ask(&Request::Units(plan.units.clone()))?;
        ask(&Request::Commit { restarts: plan.restarts.clone(), confirm: None })
    };
    if let Err(error) = steps() {
        host.ask(&Request::Revert)?;
        return Err(error);
    }
    Ok(())
}

/// What a host answers to `Observe`.
///
/// # Errors
/// It did not answer so.
pub fn observe(name: &str, host: &mut dyn Host, request: &Request) -> Result<HostObserved, HostError> {
    match host.ask(request)?.good(name)? {
        Response::Observed(seen) => Ok(*seen),
        other => Err(HostError::Failed { subject: "observe".to_owned(), why: format!("{other:?}") }),
    }
}

/// This host's lock. What was looked at before it was held may be old: an apply or a `remove` that ended in between has told
/// this host something else, and that must not be healed away.
fn begin(accepted: &Accepted, id: &str, host: &mut dyn Host) -> Result<(), HostError> {
    let name = accepted.host.as_str();
    host.ask(&Request::Begin { id: id.to_owned() })?.good(name)?;
    let nothing = Request::Observe { files: Vec::new(), directories: Vec::new(), units: Vec::new() };
    let now = observe(name, host, &nothing)?;
    if now.seen <= accepted.generation && now.asks == accepted.digest() {
        return Ok(());
    }
    host.ask(&Request::Revert)?.good(name)?;
    Err(HostError::Locked { host: name.to_owned() })
}

/// Services that have read an edit and that the engine carries here: it restarts them.
///
/// # Errors
/// What the engine said.
pub fn restart(accepted: &Accepted, heal: &Heal, crew: &mut Crew) -> Result<(), ApplyError> {
    let Some(engine) = &accepted.engine else { return Ok(()) };
    let resources = heal.host.restarts.keys().filter_map(|unit| engine.units.get(unit));
    resources.into_iter().try_for_each(|resource| apply::restart(crew, &accepted.host, resource))
}

/// The engine's configuration as accepted, under this host's lock, so that no apply is at work meanwhile.
///
/// # Errors
/// What the engine said.
pub fn configure(accepted: &Accepted, id: &str, crew: &mut Crew) -> Result<(), ApplyError> {
    let Some(engine) = &accepted.engine else { return Ok(()) };
    let names = [accepted.host.clone()];
    crew.all(&names, |_, host| begin(accepted, id, host).map(|()| Response::Done))?;
    let done = apply::push_engine(crew, &accepted.host, engine);
    crew.all(&names, |_, host| host.ask(&Request::Revert))?;
    done
}
