//! The secret store of this machine: one file a secret under /etc/haoscar/secrets, root only. Bytes leave it only
//! into staged files and over an agent's stdio.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::HostError;
use super::file::put;
use super::machine::Machine;
use crate::desired::{Directory, Mode, Owner, Piece, fingerprint};

/// Shorter ones are found in every text by chance.
const MASKED_BYTES_MIN: usize = 4;

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(from) {
            out.extend_from_slice(to);
            at += from.len();
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

/// Where secrets lie.
pub(super) const FOLDER: &str = "/etc/haoscar/secrets";

/// The file of a secret on the machine that this runs on.
pub fn path(name: &str) -> Utf8PathBuf {
    Utf8PathBuf::from(FOLDER).join(name)
}

/// The store of one machine.
pub struct Secrets<'a> {
    machine: &'a dyn Machine,
    folder: Utf8PathBuf,
}

impl<'a> Secrets<'a> {
    /// The store of a machine.
    pub fn of(machine: &'a dyn Machine) -> Self {
        Self { machine, folder: FOLDER.into() }
    }

    /// A secret's bytes.
    ///
    /// # Errors
    /// It is not in the store.
    pub fn get(&self, name: &str) -> Result<Vec<u8>, HostError> {
        self.machine.read(&self.folder.join(name)).map_err(|e| HostError::failed(format!("secret {name}"), e))
    }

    /// Keeps a secret.
    ///
    /// # Errors
    /// What the system said.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<(), HostError> {
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            return Err(HostError::failed(format!("secret {name}"), "is not a name"));
        }
        self.make_folder()?;
        put(self.machine, &self.folder.join(name), bytes, &Owner::root(), Mode(0o600))
    }

    /// Makes the store's folder, for root alone.
    ///
    /// # Errors
    /// What the system said.
    pub fn make_folder(&self) -> Result<(), HostError> {
        let above = self.folder.parent().unwrap_or(&self.folder).to_owned();
        for (path, mode) in [(above, 0o755), (self.folder.clone(), 0o700)] {
            let folder = Directory { path, owner: Owner::root(), mode: Mode(mode), shared: false };
            super::file::make_folder(self.machine, &folder)?;
        }
        Ok(())
    }

    /// Fingerprints of those that are here. The name goes into the hash, so that equal secrets of two names differ.
    pub fn have(&self, names: &[String]) -> BTreeMap<String, String> {
        let one = |name: &String| {
            let bytes = self.get(name).ok()?;
            Some((name.clone(), fingerprint(&[name.as_bytes(), b"\0", &bytes].concat())))
        };
        names.iter().filter_map(one).collect()
    }

    /// Bytes as text that may be shown: every kept secret in them stands as its name.
    pub fn mask(&self, bytes: &[u8]) -> String {
        let names = self.machine.list(&self.folder).into_iter();
        let mut kept: Vec<_> = names.filter_map(|name| Some((self.get(&name).ok()?, name))).collect();
        kept.sort_by_key(|(secret, name)| (std::cmp::Reverse(secret.len()), name.clone()));
        let mut shown = bytes.to_vec();
        for (secret, name) in kept.iter().filter(|(secret, _)| secret.trim_ascii().len() >= MASKED_BYTES_MIN)
        {
            shown = replace(&shown, secret.trim_ascii(), format!("<secret {name}>").as_bytes());
        }
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// A rendered text's bytes, secrets put in.
    ///
    /// # Errors
    /// A secret that is not in the store.
    pub fn fill(&self, text: &[Piece]) -> Result<Vec<u8>, HostError> {
        let mut bytes = Vec::new();
        for piece in text {
            match piece {
                Piece::Text(text) => bytes.extend_from_slice(text.as_bytes()),
                Piece::Secret(name) => bytes.extend(self.get(name)?),
            }
        }
        Ok(bytes)
    }
}
