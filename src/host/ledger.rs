//! What haoscar wrote on this machine: tells a hand edit from an old version, and both from somebody else's file.

use std::collections::BTreeMap;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::HostError;
use super::file::{fingerprint, put};
use crate::desired::{Mode, Owner};
use crate::observed::Origin;

/// One owned file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// sha256 of the bytes as written, in hex.
    pub sha256: String,
    /// Where they came from.
    pub source: String,
}

/// All owned files of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// By path.
    pub files: BTreeMap<Utf8PathBuf, Entry>,
}

/// Where it lies below a root.
pub const PATH: &str = "var/lib/haoscar/ledger.json";

impl Ledger {
    /// Reads it; none yet means that nothing is owned.
    ///
    /// # Errors
    /// A ledger that is there and cannot be read: without it an edit could be taken for our own.
    pub fn read(root: &Utf8Path) -> Result<Self, HostError> {
        let path = root.join(PATH);
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| HostError::failed(&path, e)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(HostError::failed(&path, e)),
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// What the system said.
    pub fn write(&self, root: &Utf8Path) -> Result<(), HostError> {
        let path = root.join(PATH);
        let text = serde_json::to_string_pretty(self).map_err(|e| HostError::failed(&path, e))?;
        put(&path, text.as_bytes(), &Owner::root(), Mode(0o600))
    }

    /// Whose the bytes at `path` are.
    pub fn origin(&self, root: &Utf8Path, path: &Utf8Path, bytes: &[u8]) -> Origin {
        match self.files.get(path) {
            Some(entry) if entry.sha256 == fingerprint(bytes) => Origin::Old,
            Some(_) => Origin::Edited,
            None if packaged(root, path, bytes) => Origin::Packaged,
            None => Origin::Unowned,
        }
    }
}

/// Whether dpkg knows the file as a configuration file and its bytes are as packaged (`Conffiles:` in dpkg's status
/// lists path and md5). Debian's own md5 is compared by asking dpkg, which needs no md5 of ours.
fn packaged(root: &Utf8Path, path: &Utf8Path, bytes: &[u8]) -> bool {
    let Ok(status) = fs::read_to_string(root.join("var/lib/dpkg/status")) else { return false };
    let line = status.lines().find_map(|line| {
        let mut words = line.strip_prefix(' ')?.split(' ');
        (words.next() == Some(path.as_str())).then(|| words.next().map(str::to_owned)).flatten()
    });
    line.is_some_and(|md5| md5_of(root, path, bytes).as_deref() == Some(md5.as_str()))
}

fn md5_of(root: &Utf8Path, path: &Utf8Path, _bytes: &[u8]) -> Option<String> {
    let file = root.join(path.strip_prefix("/").unwrap_or(path));
    let output = std::process::Command::new("md5sum").arg(file).output().ok()?;
    String::from_utf8_lossy(&output.stdout).split(' ').next().map(str::to_owned)
}
