//! One transaction on this machine, journalled: whatever happens between two steps, the next agent puts the old
//! state back, until the commit; after it, the new state stays.

use std::collections::BTreeMap;
use std::fs::{self, File};

use camino::{Utf8Path, Utf8PathBuf};

use super::HostError;
use super::file::{fingerprint, mode_of, owner_of, put};
use super::journal::{Journal, STATE, Saved, below};
use super::ledger::{Entry, Ledger};
use super::recover::{done_in_this_boot, forget, put_back, recover};
use super::secrets::Secrets;
use super::units;
use crate::desired::{Mode, Owner, Rendered};
use crate::observed::{Origin, Recovered};
use crate::plan::UnitAction;

/// An open transaction.
#[derive(Debug)]
pub struct Transaction {
    root: Utf8PathBuf,
    journal: Journal,
    staged: Vec<Rendered>,
    ledger: Ledger,
    _lock: File,
}

impl Transaction {
    /// Takes the lock, puts back what a dead transaction left, and opens a new one. None: somebody else holds it.
    ///
    /// # Errors
    /// What the system said.
    pub fn begin(root: &Utf8Path, id: &str) -> Result<Option<Self>, HostError> {
        let (path, lock) = lock_file(root)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
            Err(std::fs::TryLockError::Error(e)) => return Err(HostError::failed(&path, e)),
        }
        recover(root)?;
        let journal = Journal { id: id.to_owned(), ..Journal::default() };
        let ledger = Ledger::read(root)?;
        Ok(Some(Self { root: root.to_owned(), journal, staged: Vec::new(), ledger, _lock: lock }))
    }

    /// Puts files in the staging area, with their secrets.
    ///
    /// # Errors
    /// A missing secret or user, or what the system said.
    pub fn stage(&mut self, files: &[Rendered], secrets: &Secrets) -> Result<(), HostError> {
        let area = self.area();
        let _ = fs::remove_dir_all(&area);
        for file in files {
            let bytes = secrets.fill(&file.text)?;
            super::file::ids(&file.owner)?;
            put(&below(&area, &file.path), &bytes, &Owner::root(), Mode(0o600))?;
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
        let place = if staged { below(&self.area(), path) } else { below(&self.root, path) };
        format!("{before}{place}{after}")
    }

    /// Puts the staged files of these paths in their places. A hand edit and an adopted original are kept for good.
    ///
    /// # Errors
    /// What the system said; the caller reverts.
    pub fn swap(&mut self, paths: &[Utf8PathBuf]) -> Result<(), HostError> {
        let files: Vec<_> = self.staged.iter().filter(|file| paths.contains(&file.path)).cloned().collect();
        for file in files {
            let staged = below(&self.area(), &file.path);
            let bytes = fs::read(&staged).map_err(|e| HostError::failed(&staged, e))?;
            self.keep(&file.path)?;
            put(&below(&self.root, &file.path), &bytes, &file.owner, file.mode)?;
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
        for path in
            paths.iter().filter(|path| self.ledger.files.contains_key(*path)).cloned().collect::<Vec<_>>()
        {
            self.keep(&path)?;
            let place = below(&self.root, &path);
            match fs::remove_file(&place) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(HostError::failed(&place, e));
                }
                _ => {} // gone by another hand is gone
            }
            self.ledger.files.remove(&path);
        }
        Ok(())
    }

    /// Acts on units, each written into the journal first.
    ///
    /// # Errors
    /// systemd's words; the caller reverts.
    pub fn act(&mut self, actions: &[UnitAction]) -> Result<(), HostError> {
        for action in actions {
            self.journal.acted.push(action.clone());
            self.write_journal()?;
            units::act(action)?;
        }
        Ok(())
    }

    /// Saves the old state of a path and says so in the journal, before it is touched.
    fn keep(&mut self, path: &Utf8Path) -> Result<(), HostError> {
        let place = below(&self.root, path);
        let link = place.read_link_utf8().ok();
        let read = match fs::read(&place) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(HostError::failed(&place, e)), // there, and could not be put back
        };
        let Some(bytes) = read else {
            let (owner, mode) = (Owner::root(), Mode(0));
            self.journal.saved.push(Saved { path: path.to_owned(), kept: None, link, owner, mode });
            return self.write_journal();
        };
        let meta = fs::metadata(&place).map_err(|e| HostError::failed(&place, e))?;
        let (owner, mode) = (owner_of(&meta), mode_of(&meta));
        let kept = below(&self.root.join(STATE).join("checkpoint").join(&self.journal.id), path);
        put(&kept, &bytes, &Owner::root(), Mode(0o600))?;
        let forever = match self.ledger.origin(&self.root, path, &bytes) {
            Origin::Edited => Some("edits"),
            Origin::Unowned | Origin::Packaged => Some("adopted"),
            Origin::Old => None,
        };
        if let Some(kind) = forever {
            put(
                &below(&self.root.join(STATE).join(kind).join(&self.journal.id), path),
                &bytes,
                &Owner::root(),
                Mode(0o600),
            )?;
        }
        self.journal.saved.push(Saved { path: path.to_owned(), kept: Some(kept), link, owner, mode });
        self.write_journal()
    }

    fn write_journal(&self) -> Result<(), HostError> {
        self.journal.write(&self.root)
    }

    fn area(&self) -> Utf8PathBuf {
        self.root.join(STATE).join("stage").join(&self.journal.id)
    }

    /// Keeps what was done: the journal says so with the new ledger, then the ledger follows, then the journal goes.
    /// `restarts`: units that have not read what was changed, which the engine is to restart.
    ///
    /// # Errors
    /// What the system said.
    pub fn commit(mut self, restarts: &BTreeMap<String, String>) -> Result<(), HostError> {
        self.ledger.await_restart(restarts, units::invocation);
        self.journal.committed = Some(self.ledger.clone());
        self.write_journal()?;
        self.ledger.write(&self.root)?;
        forget(&self.root);
        self.journal.end(&self.root);
        Ok(())
    }

    /// Puts everything back.
    ///
    /// # Errors
    /// What the system said; the journal stays then, for the next try.
    pub fn revert(self) -> Result<(), HostError> {
        put_back(&self.root, &self.journal, false)?;
        self.journal.end(&self.root);
        Ok(())
    }
}

/// The lock of everybody who changes this machine.
fn lock_file(root: &Utf8Path) -> Result<(Utf8PathBuf, File), HostError> {
    let run = root.join("run/haoscar");
    fs::create_dir_all(&run).map_err(|e| HostError::failed(&run, e))?;
    let path = run.join("apply.lock");
    let lock = File::create(&path).map_err(|e| HostError::failed(&path, e))?;
    Ok((path, lock))
}

/// Waits for the lock and ends what a dead transaction left: what a head does at its boot, before its engine starts.
/// None: nothing was left.
///
/// # Errors
/// Why it could be ended neither way.
pub fn recover_alone(root: &Utf8Path) -> Result<Option<Recovered>, HostError> {
    if done_in_this_boot(root) {
        return Ok(None); // also an apply that starts this very unit and holds the lock
    }
    let (path, lock) = lock_file(root)?;
    lock.lock().map_err(|e| HostError::failed(&path, e))?;
    recover(root)
}
