//! Ends a transaction that died: back, or forward where it was decided; and remembers which, for `status`.
//!
//! It does not decide: the journal does.

use camino::{Utf8Path, Utf8PathBuf};

use super::confirm::{self, Waiting};
use super::file::{beside, put, put_link, take_away};
use super::journal::{CHECKPOINT, Journal, KEPT, STATE, Saved};
use super::ledger::Ledger;
use super::machine::Machine;
use super::units;
use super::{HostError, generation};
use crate::desired::{Mode, Owner};
use crate::observed::{End, Recovered};
use crate::plan::UnitAction;

/// Below /run, so that it is gone with each boot: the engine's units start only where it is.
const DONE: &str = "/run/haoscar/recovered";

/// Whether a dead transaction has been looked for since this machine's boot.
pub fn done_in_this_boot(machine: &dyn Machine) -> bool {
    machine.look(Utf8Path::new(DONE)).is_ok()
}

/// Ends a dead transaction as its journal says. None: nothing was left. What came of it is remembered until the next
/// commit, also where it can be ended neither way. To be called under the lock.
///
/// # Errors
/// What the system said.
pub fn recover(machine: &dyn Machine) -> Result<Option<Recovered>, HostError> {
    let booting = !done_in_this_boot(machine);
    let first = follow(machine, booting);
    let waited = || confirm::at_boot(machine).map_err(|e| ("unconfirmed".to_owned(), e));
    let ended =
        first.and_then(|first| if booting && waited()? { follow(machine, booting) } else { Ok(first) });
    match ended {
        Ok(ended) => {
            if ended.is_none() && remembered(machine).is_some_and(|last| matches!(last.end, End::Stuck(_))) {
                forget(machine); // somebody has mended it by hand
            }
            put(machine, Utf8Path::new(DONE), b"", &Owner::root(), Mode(0o644))?;
            Ok(ended)
        }
        Err((id, error)) => {
            let _ = remember(machine, &Recovered { id, end: End::Stuck(error.to_string()) }); // the error is told
            Err(error)
        }
    }
}

fn follow(machine: &dyn Machine, booting: bool) -> Result<Option<Recovered>, (String, HostError)> {
    let left = Journal::left(machine).map_err(|e| ("unknown".to_owned(), e))?;
    let ended =
        left.map(|journal| end(machine, &journal, booting).map_err(|e| (journal.id, e))).transpose()?;
    clean(machine);
    Ok(ended)
}

/// What was kept for a transaction that died before it had a journal, or after; not for one that waits.
fn clean(machine: &dyn Machine) {
    let waits = confirm::Waiting::read(machine).ok().flatten().map(|waiting| waiting.journal.id);
    for kind in KEPT {
        let folder = Utf8Path::new(STATE).join(kind);
        let waits = waits.as_ref().filter(|_| kind == CHECKPOINT);
        for id in machine.list(&folder).into_iter().filter(|id| Some(id) != waits) {
            let _ = machine.remove_tree(&folder.join(id));
        }
    }
}

/// The decision has been made: the ledger follows, and the wait where the change is to be confirmed.
///
/// # Errors
/// What the system said; the journal stays then, for the next try.
pub fn decide(machine: &dyn Machine, journal: &Journal, ledger: &Ledger) -> Result<(), HostError> {
    if let Some(seconds) = journal.confirm.filter(|_| !matches!(Waiting::read(machine), Ok(Some(_)))) {
        let (journal, before) = (journal.clone(), Ledger::read(machine)?);
        let until = machine.now() + seconds;
        Waiting { journal, before, seconds, until, engine: None, asked: false }.write(machine)?;
    }
    if let Some(number) = journal.generation {
        generation::saw(machine, number)?; // before the ledger: what has been put out is not healed back
    }
    ledger.write(machine)
}

/// The running engine waits for its members and ends its maintenance within this time.
const AFTER_LIMIT_MS: u64 = 60_000;

/// What came of it is remembered before the journal goes: a cut in between finds both, and ends the same way. Where this
/// machine is not `booting`, an engine that may have read what was put back is told.
///
/// # Errors
/// What the system said; the journal stays then, for the next try.
pub fn end(machine: &dyn Machine, journal: &Journal, booting: bool) -> Result<Recovered, HostError> {
    let id = journal.id.clone();
    if let Some(ledger) = &journal.committed {
        decide(machine, journal, ledger)?;
        let recovered = Recovered { id, end: End::New };
        remember(machine, &recovered)?;
        return journal.end(machine).map(|()| recovered);
    }
    put_back(machine, journal, booting)?;
    let end = match &journal.unconfirmed {
        Some(before) => {
            before.restore(machine)?;
            if journal.asked { End::Unconfirmed } else { End::Old }
        }
        None => End::Old,
    };
    let recovered = Recovered { id, end };
    remember(machine, &recovered)?;
    if journal.unconfirmed.is_some() {
        if !journal.asked {
            generation::unsee(machine)?; // nobody has accepted it, and nobody will
        }
        confirm::over(machine)?;
    }
    journal.end(machine)?;
    if !booting && !journal.after.is_empty() {
        machine.run(&journal.after, "", AFTER_LIMIT_MS); // as good as it gets: the files are right
    }
    Ok(recovered)
}

/// Files, then units, as they were. `booting`: see [`units::act_later`].
///
/// # Errors
/// What the system said; the journal stays then, for the next try.
pub fn put_back(machine: &dyn Machine, journal: &Journal, booting: bool) -> Result<(), HostError> {
    for saved in journal.saved.iter().rev() {
        let _ = machine.remove(&beside(&saved.path)); // half written, and gone for good with the next sync
        put_saved(machine, saved)?;
    }
    undo(machine, &journal.acted, booting)?;
    sync_boot(machine, journal)
}

/// What was there.
///
/// # Errors
/// What the system said.
pub fn put_saved(machine: &dyn Machine, saved: &Saved) -> Result<(), HostError> {
    match (&saved.link, &saved.kept) {
        (Some(target), _) => put_link(machine, &saved.path, target),
        (None, Some(kept)) => {
            let bytes = machine.read(kept).map_err(|e| HostError::failed(kept, e))?;
            put(machine, &saved.path, &bytes, &saved.owner, saved.mode)
        }
        (None, None) => take_away(machine, &saved.path),
    }
}

/// Units as they were before; each is tried, and the first that would not is told.
fn undo(machine: &dyn Machine, acted: &[UnitAction], booting: bool) -> Result<(), HostError> {
    if booting {
        return machine.act_later(&units::inverse(acted));
    }
    let results: Vec<_> = units::inverse(acted).iter().map(|action| machine.act(action)).collect();
    results.into_iter().collect()
}

/// Makes durable what systemd has done to what starts at boot.
///
/// # Errors
/// What the system said.
pub fn sync_boot(machine: &dyn Machine, journal: &Journal) -> Result<(), HostError> {
    let folder = Utf8Path::new("/etc/systemd/system");
    if !journal.changed_boot() {
        return Ok(());
    }
    machine.sync_disk(folder).map_err(|e| HostError::failed(folder, e))
}

/// What came of the last transaction that died here, unless one has been committed since.
pub fn remembered(machine: &dyn Machine) -> Option<Recovered> {
    serde_json::from_slice(&machine.read(&memory()).ok()?).ok()
}

fn remember(machine: &dyn Machine, recovered: &Recovered) -> Result<(), HostError> {
    let path = memory();
    let text = serde_json::to_string(recovered).map_err(|e| HostError::failed(&path, e))?;
    put(machine, &path, text.as_bytes(), &Owner::root(), Mode(0o600))
}

/// After a commit nobody needs to know any more.
pub fn forget(machine: &dyn Machine) {
    let _ = machine.remove(&memory());
}

fn memory() -> Utf8PathBuf {
    Utf8Path::new(STATE).join("recovered.json")
}
