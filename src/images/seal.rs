//! Signatures of manifests, by the cluster's own key and the system's ssh-keygen (PROTOCOL.sshsig of OpenSSH).

use std::fs;
use std::io::Write;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use super::error::{ImageError, disk};
use super::program::{ran, run};

/// What a signature is for: one of another purpose is none (ssh-keygen(1), -n).
const PURPOSE: &str = "image@haoscar";

/// Who signs, as far as ssh-keygen wants a name.
const WHO: &str = "cluster";

/// Signs manifests, or proves them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    key: Utf8PathBuf,
}

impl Seal {
    /// With the private key in this file, which need not be there yet.
    pub fn of(key: impl Into<Utf8PathBuf>) -> Self {
        Self { key: key.into() }
    }

    /// The public key, one line.
    ///
    /// # Errors
    /// There is no key, or none that ssh-keygen takes.
    pub fn public(&self) -> Result<String, ImageError> {
        if !self.key.exists() {
            return Err(ImageError::NoKey(self.key.clone()));
        }
        Ok(ran("ssh-keygen", &["-y", "-P", "", "-f", self.key.as_str()], "")?.trim().to_owned())
    }

    /// A signature of these bytes.
    ///
    /// # Errors
    /// As above.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, ImageError> {
        if !self.key.exists() {
            return Err(ImageError::NoKey(self.key.clone()));
        }
        let mut sign = Command::new("ssh-keygen");
        sign.args(["-q", "-Y", "sign", "-n", PURPOSE, "-f", self.key.as_str()]);
        run(&mut sign, bytes)
    }

    /// Whether the signature is of these bytes and this key.
    ///
    /// # Errors
    /// It is not, or it cannot be told.
    pub fn prove(&self, subject: &str, bytes: &[u8], signature: &Utf8Path) -> Result<(), ImageError> {
        prove_by(&self.public()?, subject, bytes, signature)
    }
}

/// Whether the signature in that file is of these bytes and this public key.
///
/// # Errors
/// It is not, or it cannot be told.
pub fn prove_by(key: &str, subject: &str, bytes: &[u8], signature: &Utf8Path) -> Result<(), ImageError> {
    let refused = |error| match error {
        ImageError::Program { said, .. } => ImageError::Seal { subject: subject.to_owned(), why: said },
        other => other,
    };
    let signers = Signers::of(key)?;
    let mut verify = Command::new("ssh-keygen");
    verify.args(["-Y", "verify", "-n", PURPOSE, "-I", WHO, "-f", signers.path.as_str(), "-s"]);
    run(verify.arg(signature), bytes).map(|_| ()).map_err(refused)
}

/// A file that says who may sign (ssh-keygen(1), ALLOWED SIGNERS), and goes.
struct Signers {
    path: Utf8PathBuf,
}

impl Signers {
    fn of(key: &str) -> Result<Self, ImageError> {
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(|error| disk("random bytes")(error.into()))?;
        let folder = Utf8PathBuf::from_path_buf(std::env::temp_dir()).unwrap_or_else(|_| "/tmp".into());
        let path = folder.join(format!("haoscar-signers-{:016x}", u64::from_ne_bytes(number)));
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).open(&path).map_err(disk(&path))?;
        let line = format!("{WHO} namespaces=\"{PURPOSE}\" {key}\n");
        file.write_all(line.as_bytes()).map_err(disk(&path))?;
        Ok(Self { path })
    }
}

impl Drop for Signers {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::make_image_key;

    fn key(folder: &Utf8Path, name: &str) -> Seal {
        let path = folder.join(name);
        ran("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", path.as_str()], "").unwrap();
        Seal::of(path)
    }

    #[test]
    fn a_signature_is_of_these_bytes_and_this_key_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let (own, other) = (key(folder, "own"), key(folder, "other"));
        let signature = folder.join("sig");
        fs::write(&signature, own.sign(b"manifest").unwrap()).unwrap();
        own.prove("head@1", b"manifest", &signature).unwrap();
        let changed = own.prove("head@1", b"manifest!", &signature).unwrap_err();
        assert!(changed.to_string().starts_with("head@1 is not signed by this cluster's key: "), "{changed}");
        assert!(other.prove("head@1", b"manifest", &signature).is_err());
        assert!(own.prove("head@1", b"manifest", &folder.join("none")).is_err());
        assert!(matches!(Seal::of(folder.join("no")).sign(b""), Err(ImageError::NoKey(_))));
    }

    #[test]
    fn the_key_that_haoscar_makes_is_one_that_signs() {
        let hex = run(Command::new("sh").args(&make_image_key()[1..]), b"").unwrap();
        let hex = String::from_utf8(hex).unwrap();
        let bytes: Vec<_> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("key");
        fs::write(&path, bytes).unwrap();
        ran("chmod", &["600", path.as_str()], "").unwrap();
        assert!(Seal::of(path).public().unwrap().starts_with("ssh-ed25519 "));
    }
}
