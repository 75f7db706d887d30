//! What a transaction on this machine remembers, so that whoever comes after its death can end it.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::HostError;
use super::file::{put, sync_folder};
use super::ledger::Ledger;
use crate::desired::{Mode, Owner};
use crate::plan::UnitAction;

/// haoscar's own state below a root.
pub const STATE: &str = "var/lib/haoscar";

/// What is remembered of one path before it is touched.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Journal {
    /// Names it.
    pub id: String,
    /// What was there, in the order in which it was touched.
    pub saved: Vec<Saved>,
    /// What was done to units, or was about to be.
    #[serde(default)]
    pub acted: Vec<UnitAction>,
    /// The new ledger, once the transaction has been decided: from then on it is carried forward, not back.
    pub committed: Option<Ledger>,
}

impl Journal {
    /// The journal that a dead transaction left, if one did.
    ///
    /// # Errors
    /// One that is there and cannot be read: what it remembers is then nobody's to guess.
    pub fn left(root: &Utf8Path) -> Result<Option<Self>, HostError> {
        let path = path(root);
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|e| HostError::failed(&path, e)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(HostError::failed(&path, e)),
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// What the system said.
    pub fn write(&self, root: &Utf8Path) -> Result<(), HostError> {
        let path = path(root);
        let text = serde_json::to_string(self).map_err(|e| HostError::failed(&path, e))?;
        put(&path, text.as_bytes(), &Owner::root(), Mode(0o600))
    }

    /// Forgets a transaction: the journal first, then what it kept.
    pub fn end(&self, root: &Utf8Path) {
        let _ = fs::remove_file(path(root));
        let _ = sync_folder(&root.join(STATE));
        for folder in ["stage", "checkpoint"] {
            let _ = fs::remove_dir_all(root.join(STATE).join(folder).join(&self.id));
        }
    }
}

fn path(root: &Utf8Path) -> Utf8PathBuf {
    root.join(STATE).join("journal.json")
}

/// An absolute path, below a root.
pub fn below(root: &Utf8Path, path: &Utf8Path) -> Utf8PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}
