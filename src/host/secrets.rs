//! The secret store of this machine: one file a secret under /etc/haoscar/secrets, root only. Bytes leave it only
//! into staged files and over an agent's stdio.

use std::collections::BTreeMap;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use super::HostError;
use super::file::{fingerprint, put};
use crate::desired::{Directory, Mode, Owner, Piece};

/// Where secrets lie.
pub struct Secrets {
    folder: Utf8PathBuf,
}

impl Secrets {
    /// The store under a root (`/`, or a test's folder).
    pub fn under(root: &Utf8Path) -> Self {
        Self { folder: root.join("etc/haoscar/secrets") }
    }

    /// A secret's bytes.
    ///
    /// # Errors
    /// It is not in the store.
    pub fn get(&self, name: &str) -> Result<Vec<u8>, HostError> {
        fs::read(self.folder.join(name)).map_err(|e| HostError::failed(format!("secret {name}"), e))
    }

    /// Keeps a secret.
    ///
    /// # Errors
    /// What the system said.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<(), HostError> {
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            return Err(HostError::failed(format!("secret {name}"), "is not a name"));
        }
        let above = self.folder.parent().unwrap_or(&self.folder).to_owned();
        for (path, mode) in [(above, 0o755), (self.folder.clone(), 0o700)] {
            super::file::make_folder(&Directory {
                path,
                owner: Owner::root(),
                mode: Mode(mode),
                shared: false,
            })?;
        }
        put(&self.folder.join(name), bytes, &Owner::root(), Mode(0o600))
    }

    /// Fingerprints of those that are here. The name goes into the hash, so that equal secrets of two names differ.
    pub fn have(&self, names: &[String]) -> BTreeMap<String, String> {
        let one = |name: &String| {
            let bytes = self.get(name).ok()?;
            Some((name.clone(), fingerprint(&[name.as_bytes(), b"\0", &bytes].concat())))
        };
        names.iter().filter_map(one).collect()
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
