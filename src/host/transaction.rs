//! One transaction on this machine, journalled: whatever happens between two steps, the next agent puts the old
//! state back, until the commit; after it, the new state stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use super::HostError;
use super::confirm::{Waiting, engine_is_back};
use super::file::{put, take_away};
use super::generation::ACCEPTED;
use super::journal::{Journal, STATE, Saved, below};
use super::ledger::{Entry, Ledger, UnitBefore};
use super::machine::{Lock, Machine};
use super::recover::{decide, done_in_this_boot, end, forget, put_back, put_saved, recover, sync_boot};
use super::secrets::Secrets;
use super::units;
use crate::desired::{Mode, Owner, Rendered, fingerprint};
use crate::observed::{Origin, Recovered};
use crate::plan::UnitAction;

/// An open transaction.
#[derive(Debug)]
pub struct Transaction {
    machine: Arc<dyn Machine>,
    journal: Journal,
    staged: Vec<Rendered>,
    ledger: Ledger,
    /// Units that the engine carried here already when this began: that one runs is the engine's doing.
    carried: BTreeSet<String>,
    _lock: Lock,
}

impl Transaction {
    /// Takes the lock, puts back what a dead transaction left, and opens a new one. None: somebody else holds it.
    ///
    /// # Errors
    /// What the system said.
    pub fn begin(machine: Arc<dyn Machine>, id: &str) -> Result<Option<Self>, HostError> {
        let Some(lock) = machine.lock(false)? else { return Ok(None) };
        recover(machine.as_ref())?;
        if let Some(waiting) = Waiting::read(machine.as_ref())? {
            let why = "waits for its confirmation: haoscar confirm, or wait until it has gone back";
            return Err(HostError::failed(format!("apply {}", waiting.journal.id), why));
        }
        let journal = Journal { id: id.to_owned(), ..Journal::default() };
        let ledger = Ledger::read(machine.as_ref())?;
        let carried = carried(&ledger);
        Ok(Some(Self { machine, journal, staged: Vec::new(), ledger, carried, _lock: lock }))
    }

    /// It belongs to this generation: once it is decided, this machine has seen it.
    pub fn claim(&mut self, generation: u64) {
        self.journal.generation = Some(generation);
    }

    /// Puts files in the staging area, with their secrets.
    ///
    /// # Errors
    /// A missing secret or user, or what the system said.
    pub fn stage(&mut self, files: &[Rendered], secrets: &Secrets) -> Result<(), HostError> {
        let area = self.area();
        let _ = self.machine.remove_tree(&area);
        for file in files {
            let bytes = secrets.fill(&file.text)?;
            self.machine.knows(&file.owner)?;
            put(
                self.machine.as_ref(),
                &below(&area, &file.path),
                &bytes,
                &Owner::root(),
                Mode(file.mode.0 & 0o777),
            )?;
        }
        files.clone_into(&mut self.staged);
        Ok(())
    }

    /// A program's argument with `{staged:/path}` put in place.
    pub fn place(&self, argument: &str) -> String {
        let Some((before, rest)) = argument.split_once("{staged:") else { return argument.to_owned() };
        let Some((path, after)) = rest.split_once('}') else { return argument.to_owned() };
        let path = Utf8Path::new(path);
        let staged = self.staged.iter().any(|file| file.path == path);
        let place = if staged { below(&self.area(), path) } else { path.to_owned() };
        let place = self.machine.place(&place);
        format!("{before}{place}{after}")
    }

    /// Puts the staged files of these paths in their places. A hand edit and an adopted original are kept for good.
    ///
    /// # Errors
    /// What the system said; the caller reverts.
    pub fn swap(&mut self, paths: &[Utf8PathBuf]) -> Result<(), HostError> {
        let files: Vec<_> = self.staged.iter().filter(|file| paths.contains(&file.path)).cloned().collect();
        self.keep(files.iter().map(|file| &file.path))?;
        for file in files {
            let staged = below(&self.area(), &file.path);
            let bytes = self.machine.read(&staged).map_err(|e| HostError::failed(&staged, e))?;
            put(self.machine.as_ref(), &file.path, &bytes, &file.owner, file.mode)?;
            let entry = Entry { sha256: fingerprint(&bytes), source: file.source.clone() };
            self.ledger.files.insert(file.path.clone(), entry);
        }
        Ok(())
    }

    /// Takes files away that haoscar wrote.
    ///
    /// # Errors
    /// What the system said; the caller reverts.
    pub fn remove(&mut self, paths: &[Utf8PathBuf]) -> Result<(), HostError> {
        let owned: Vec<_> = paths.iter().filter(|path| self.ledger.files.contains_key(*path)).collect();
        self.keep(owned.iter().copied())?;
        for path in owned {
            take_away(self.machine.as_ref(), path)?;
            self.ledger.files.remove(path);
            let nothing = |saved: &Saved| saved.kept.is_none() && saved.link.is_none();
            if self.ledger.originals.get(path).is_some_and(nothing) {
                self.ledger.originals.remove(path); // as it was: what comes there later is somebody else's
            }
        }
        Ok(())
    }

    /// What haoscar found when it came: files and units as they were, and nothing owned. Units are stopped before their
    /// files go, and started when the old ones are there; `keep`: services run on as they are.
    ///
    /// # Errors
    /// What the system said; the caller reverts.
    pub fn dismantle(&mut self, keep: bool) -> Result<(), HostError> {
        let names: Vec<_> = self.ledger.units.keys().cloned().collect();
        let now = self.machine.units(&names);
        let (stops, starts) = units::back(&self.ledger.units, &now, keep);
        self.act(&stops)?;
        let known = self.ledger.originals.keys().chain(self.ledger.files.keys());
        // where haoscar gave a path up and somebody has put a file since, that one stays
        let theirs = |path: &&Utf8PathBuf| {
            let there = self.machine.look(path).is_ok() || self.machine.link_of(path).is_some();
            there && !self.ledger.files.contains_key(*path)
        };
        let mut paths: BTreeSet<_> = known.filter(|path| !theirs(path)).cloned().collect();
        paths.insert(ACCEPTED.into()); // nothing is healed any more
        self.keep(paths.iter())?;
        self.ledger.originals.remove(Utf8Path::new(ACCEPTED)); // kept for a revert; there is none of before haoscar
        for path in &paths {
            match self.ledger.originals.get(path) {
                Some(saved) => put_saved(self.machine.as_ref(), saved)?,
                None => take_away(self.machine.as_ref(), path)?,
            }
        }
        self.act(&starts)?;
        self.ledger = Ledger::default();
        Ok(())
    }

    /// Acts on units, each written into the journal first.
    ///
    /// # Errors
    /// systemd's words; the caller reverts.
    pub fn act(&mut self, actions: &[UnitAction]) -> Result<(), HostError> {
        for action in actions {
            self.note(&action.unit);
            self.journal.acted.push(action.clone());
            self.write_journal()?;
            self.machine.act(action)?;
        }
        Ok(())
    }

    /// Remembers how a unit was before haoscar first acted on it.
    fn note(&mut self, unit: &str) {
        if unit.is_empty() || self.ledger.units.contains_key(unit) {
            return;
        }
        let fact = self.machine.units(&[unit.to_owned()]).remove(unit).unwrap_or_default();
        let runs = ["active", "activating", "reloading"].contains(&fact.active.as_str());
        let active = runs && !self.carried.contains(unit);
        self.ledger.units.insert(unit.to_owned(), UnitBefore { enabled: fact.enabled, active });
    }

    /// Saves the old state of paths and says so in the journal, before any is touched.
    fn keep<'a>(&mut self, paths: impl Iterator<Item = &'a Utf8PathBuf>) -> Result<(), HostError> {
        let before = self.journal.saved.len();
        for path in paths {
            let (saved, original) = self.save(path)?;
            self.journal.saved.push(saved);
            if !self.ledger.files.contains_key(path) {
                self.ledger.originals.entry(path.clone()).or_insert(original);
            }
        }
        if self.journal.saved.len() == before { Ok(()) } else { self.write_journal() }
    }

    /// The old state of a path, kept until the end, and kept for good as far as it is (a hand edit, somebody else's file).
    fn save(&self, path: &Utf8Path) -> Result<(Saved, Saved), HostError> {
        let link = self.machine.link_of(path);
        let read = match self.machine.read(path) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(HostError::failed(path, e)), // there, and could not be put back
        };
        let Some(bytes) = read else {
            let (owner, mode) = (Owner::root(), Mode(0));
            let nothing = Saved { path: path.to_owned(), kept: None, link, owner, mode };
            return Ok((nothing.clone(), nothing));
        };
        let look = self.machine.look(path).map_err(|e| HostError::failed(path, e))?;
        let store = |kind: &str| {
            let place = below(&Utf8Path::new(STATE).join(kind).join(&self.journal.id), path);
            put(self.machine.as_ref(), &place, &bytes, &Owner::root(), Mode(0o600)).map(|()| place)
        };
        let kept = Some(store("checkpoint")?);
        let forever = match self.ledger.origin(self.machine.as_ref(), path, &bytes) {
            Origin::Edited => Some(store("edits")?),
            Origin::Unowned | Origin::Packaged => Some(store("adopted")?),
            Origin::Old => None,
        };
        let saved = Saved { path: path.to_owned(), kept, link, owner: look.owner, mode: look.mode };
        Ok((saved.clone(), Saved { kept: forever, ..saved }))
    }

    fn write_journal(&self) -> Result<(), HostError> {
        self.journal.write(self.machine.as_ref())
    }

    fn area(&self) -> Utf8PathBuf {
        Utf8Path::new(STATE).join("stage").join(&self.journal.id)
    }

    /// Keeps what was done: the journal says so with the new ledger, then the ledger follows, then the journal goes.
    /// `restarts`: units that have not read what was changed, which the engine is to restart. `confirm`: the change goes
    /// back after so many seconds, unless it is confirmed.
    ///
    /// # Errors
    /// What the system said.
    pub fn commit(
        mut self,
        restarts: &BTreeMap<String, String>,
        confirm: Option<u64>,
    ) -> Result<(), HostError> {
        let machine = self.machine.as_ref();
        if confirm.is_some() {
            machine.arm(confirm)?; // before the decision: without a timer there is none
        }
        self.journal.confirm = confirm;
        self.ledger.await_restart(restarts, |unit| machine.invocation(unit));
        sync_boot(machine, &self.journal)?;
        self.journal.committed = Some(self.ledger.clone());
        self.journal.write(machine)?;
        decide(machine, &self.journal, &self.ledger)?;
        if self.journal.generation.is_some() {
            forget(machine); // an apply makes it old news; a heal does not
            engine_is_back(machine)?; // and gives the engine what it is to have
        }
        self.journal.end(machine)
    }

    /// A running engine may have read what is in place: `after` tells it when that is put back and nobody commands it.
    ///
    /// # Errors
    /// What the system said; the caller reverts.
    pub fn joint(&mut self, after: &[String]) -> Result<(), HostError> {
        after.clone_into(&mut self.journal.after);
        self.write_journal()
    }

    /// Nobody commands any more: ends as after a kill, and remembers it.
    ///
    /// # Errors
    /// What the system said; the journal stays then, for the next try.
    pub fn hang_up(self) -> Result<(), HostError> {
        if self.journal.saved.is_empty() && self.journal.acted.is_empty() {
            return self.revert(); // nothing was done that anybody should know of
        }
        end(self.machine.as_ref(), &self.journal, false).map(|_| ())
    }

    /// Puts everything back.
    ///
    /// # Errors
    /// What the system said; the journal stays then, for the next try.
    pub fn revert(self) -> Result<(), HostError> {
        put_back(self.machine.as_ref(), &self.journal, false)?;
        self.journal.end(self.machine.as_ref())
    }
}

/// Units with the drop-in by which haoscar gives them to the engine.
fn carried(ledger: &Ledger) -> BTreeSet<String> {
    let unit = |path: &Utf8PathBuf| {
        let path = path.as_str().strip_prefix("/etc/systemd/system/")?;
        path.strip_suffix(".d/haoscar-engine.conf").map(str::to_owned)
    };
    ledger.files.keys().filter_map(unit).collect()
}

/// Waits for the lock and ends what a dead transaction left: what a head does at its boot, before its engine starts.
/// None: nothing was left.
///
/// # Errors
/// Why it could be ended neither way.
pub fn recover_alone(machine: &dyn Machine) -> Result<Option<Recovered>, HostError> {
    if done_in_this_boot(machine) {
        return Ok(None); // also an apply that starts this very unit and holds the lock
    }
    let _lock = machine.lock(true)?;
    recover(machine)
}
