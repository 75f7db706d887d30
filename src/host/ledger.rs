//! What haoscar wrote on this machine: tells a hand edit from an old version, and both from somebody else's file.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::HostError;
use super::file::{put, take_away};
use super::journal::Saved;
use super::machine::Machine;
use super::real::Real;
use crate::desired::{Mode, Owner, fingerprint};
use crate::observed::Origin;

/// One owned file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// sha256 of the bytes as written, in hex.
    pub sha256: String,
    /// Where they came from.
    pub source: String,
}

/// A unit that reads a file of ours only when it starts, and has not started since the file changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// What changed.
    pub reason: String,
    /// systemd's name of the run that still has the old file; another run has read the new one.
    pub invocation: String,
}

/// All owned files of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// By path.
    pub files: BTreeMap<Utf8PathBuf, Entry>,
    /// Units that the engine still has to restart, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pending: BTreeMap<String, Pending>,
    /// What was at a path before haoscar first wrote it, also where it no longer owns it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub originals: BTreeMap<Utf8PathBuf, Saved>,
    /// How units were before haoscar first acted on them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, UnitBefore>,
}

/// How a unit was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitBefore {
    /// Started at boot.
    pub enabled: bool,
    /// It ran.
    pub active: bool,
}

/// Paths on the machine that this runs on that are haoscar's: files that it wrote, and links that start units of its own at
/// boot.
///
/// # Errors
/// A ledger that is there and cannot be read.
pub fn owned_here() -> Result<Vec<Utf8PathBuf>, HostError> {
    const UNITS: &str = "/etc/systemd/system";
    let machine = Real::under("/");
    let ledger = Ledger::read(&machine)?;
    let wants: Vec<_> = machine.list(Utf8Path::new(UNITS));
    let wants =
        wants.iter().filter(|name| name.ends_with(".wants")).map(|name| Utf8Path::new(UNITS).join(name));
    let links =
        wants.flat_map(|folder| ledger.units.keys().map(move |unit| folder.join(unit)).collect::<Vec<_>>());
    let links = links.filter(|link| machine.link_of(link).is_some());
    Ok(ledger.files.keys().cloned().chain(links).collect())
}

/// Files that were laid below a root where no transaction runs yet are haoscar's from now on: path, sha256 of the bytes in hex, source.
///
/// # Errors
/// A ledger that is there and cannot be read, or what the system said.
pub fn own_below(
    root: &Utf8Path,
    files: impl IntoIterator<Item = (Utf8PathBuf, String, String)>,
) -> Result<(), HostError> {
    let machine = Real::under(root);
    let mut ledger = Ledger::read(&machine)?;
    ledger.files.extend(files.into_iter().map(|(path, sha256, source)| (path, Entry { sha256, source })));
    ledger.write(&machine)
}

/// Where it lies.
pub const PATH: &str = "/var/lib/haoscar/ledger.json";

impl Ledger {
    /// Reads it; none yet means that nothing is owned.
    ///
    /// # Errors
    /// A ledger that is there and cannot be read: without it an edit could be taken for our own.
    pub fn read(machine: &dyn Machine) -> Result<Self, HostError> {
        let path = Utf8Path::new(PATH);
        match machine.read(path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|e| HostError::failed(path, e)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(HostError::failed(path, e)),
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// What the system said.
    pub fn write(&self, machine: &dyn Machine) -> Result<(), HostError> {
        let path = Utf8Path::new(PATH);
        let text = serde_json::to_string_pretty(self).map_err(|e| HostError::failed(path, e))?;
        put(machine, path, text.as_bytes(), &Owner::root(), Mode(0o600))
    }

    /// Writes it as one of before; nothing owned is no file.
    ///
    /// # Errors
    /// What the system said.
    pub fn restore(&self, machine: &dyn Machine) -> Result<(), HostError> {
        if *self == Self::default() { take_away(machine, Utf8Path::new(PATH)) } else { self.write(machine) }
    }

    /// Remembers that these units, as they run now, have not read what was changed. What has started anew since it was
    /// remembered is forgotten.
    pub fn await_restart(
        &mut self,
        restarts: &BTreeMap<String, String>,
        invocation: impl Fn(&str) -> String,
    ) {
        self.pending.retain(|unit, pending| invocation(unit) == pending.invocation);
        for (unit, reason) in restarts {
            let pending = Pending { reason: reason.clone(), invocation: invocation(unit) };
            if !pending.invocation.is_empty() {
                self.pending.insert(unit.clone(), pending);
            }
        }
    }

    /// Units that still run as they did when they were to be restarted, with the reason.
    pub fn awaited(&self, invocation: impl Fn(&str) -> String) -> BTreeMap<String, String> {
        let still = self.pending.iter().filter(|(unit, pending)| invocation(unit) == pending.invocation);
        still.map(|(unit, pending)| (unit.clone(), pending.reason.clone())).collect()
    }

    /// Whose the bytes at `path` are.
    pub fn origin(&self, machine: &dyn Machine, path: &Utf8Path, bytes: &[u8]) -> Origin {
        match self.files.get(path) {
            Some(entry) if entry.sha256 == fingerprint(bytes) => Origin::Old,
            Some(_) => Origin::Edited,
            None if machine.packaged(path, bytes) => Origin::Packaged,
            None => Origin::Unowned,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_awaited_until_the_unit_runs_under_another_name() {
        let mut ledger = Ledger::default();
        let wanted = BTreeMap::from([("kea".to_owned(), "conf changed".to_owned())]);
        ledger.await_restart(&wanted, |_| "run-1".to_owned());
        assert_eq!(ledger.awaited(|_| "run-1".to_owned()), wanted);
        assert!(ledger.awaited(|_| "run-2".to_owned()).is_empty());
        ledger.await_restart(&BTreeMap::new(), |_| "run-2".to_owned());
        assert!(ledger.pending.is_empty());
    }

    #[test]
    fn a_unit_that_does_not_run_will_read_the_new_file_anyway() {
        let mut ledger = Ledger::default();
        let wanted = BTreeMap::from([("kea".to_owned(), "conf changed".to_owned())]);
        ledger.await_restart(&wanted, |_| String::new());
        assert!(ledger.pending.is_empty());
    }
}
