//! What a transaction on this machine remembers, so that whoever comes after its death can end it.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::HostError;
use super::file::{put, take_away};
use super::ledger::Ledger;
use super::machine::Machine;
use crate::desired::{Mode, Owner};
use crate::plan::{UnitAction, UnitVerb};

/// haoscar's own state.
pub const STATE: &str = "/var/lib/haoscar";

/// What is remembered of one path before it is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The path.
    pub path: Utf8PathBuf,
    /// Where the old bytes are kept; none when there was no file.
    pub kept: Option<Utf8PathBuf>,
    /// Where it pointed, when it was a symbolic link.
    #[serde(default)]
    pub link: Option<Utf8PathBuf>,
    /// Whose it was.
    pub owner: Owner,
    /// Its permission bits.
    pub mode: Mode,
}

/// One transaction.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Journal {
    /// Names it.
    pub id: String,
    /// What was there, in the order in which it was touched.
    pub saved: Vec<Saved>,
    /// What was done to units, or was about to be.
    #[serde(default)]
    pub acted: Vec<UnitAction>,
    /// What a running engine is told once this has been put back and nobody is there any more who would.
    #[serde(default)]
    pub after: Vec<String>,
    /// The new ledger, once the transaction has been decided: from then on it is carried forward, not back.
    pub committed: Option<Ledger>,
    /// For how many seconds a decided change waits for its confirmation, if it does.
    #[serde(default)]
    pub confirm: Option<u64>,
    /// The generation that this belongs to, if it is an apply's.
    #[serde(default)]
    pub generation: Option<u64>,
    /// The ledger of before, where this is a change that was not confirmed and goes back.
    #[serde(default)]
    pub unconfirmed: Option<Ledger>,
    /// A person was asked to confirm that.
    #[serde(default)]
    pub asked: bool,
}

impl Journal {
    /// The journal that a dead transaction left, if one did.
    ///
    /// # Errors
    /// One that is there and cannot be read: what it remembers is then nobody's to guess.
    pub fn left(machine: &dyn Machine) -> Result<Option<Self>, HostError> {
        let path = path();
        match machine.read(&path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|e| HostError::failed(&path, e)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(HostError::failed(&path, e)),
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// What the system said.
    pub fn write(&self, machine: &dyn Machine) -> Result<(), HostError> {
        let path = path();
        let text = serde_json::to_string(self).map_err(|e| HostError::failed(&path, e))?;
        put(machine, &path, text.as_bytes(), &Owner::root(), Mode(0o600))
    }

    /// Forgets a transaction: the journal first, then what it kept, but for what a change that waits needs to go back.
    ///
    /// # Errors
    /// The journal cannot be taken away. What it kept is only in nobody's way.
    pub fn end(&self, machine: &dyn Machine) -> Result<(), HostError> {
        take_away(machine, &path())?;
        let waits = self.confirm.is_some() && self.committed.is_some();
        for kind in KEPT.into_iter().filter(|kind| !waits || *kind != CHECKPOINT) {
            let _ = machine.remove_tree(&Utf8Path::new(STATE).join(kind).join(&self.id));
        }
        Ok(())
    }

    /// Takes away what a confirmed change has kept.
    pub fn clean(&self, machine: &dyn Machine) {
        let _ = machine.remove_tree(&Utf8Path::new(STATE).join(CHECKPOINT).join(&self.id));
    }

    /// Whether what starts at boot was changed: systemd makes and takes away links, and syncs none.
    pub fn changed_boot(&self) -> bool {
        self.acted.iter().any(|action| matches!(action.verb, UnitVerb::Enable | UnitVerb::Disable))
    }
}

/// Folders below [`STATE`] that hold what a transaction needs while it is open, by its name.
pub const KEPT: [&str; 2] = ["stage", CHECKPOINT];

/// The one of them with what was there before.
pub const CHECKPOINT: &str = "checkpoint";

fn path() -> Utf8PathBuf {
    Utf8Path::new(STATE).join("journal.json")
}

/// An absolute path, below a folder.
pub fn below(folder: &Utf8Path, path: &Utf8Path) -> Utf8PathBuf {
    folder.join(path.strip_prefix("/").unwrap_or(path))
}
