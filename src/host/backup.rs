//! What a lost pair needs beside the spec's repository and an image: secrets, keys that were trusted by hand, generations and
//! their history, rehearsals, events; and, where that is asked, what services have written.
//!
//! One tar: `manifest.json` first, with the digest of every file that follows. A restore puts files where none are, and reads all
//! of the archive before it writes the first byte. It must not decide what a backup is of beyond this.

use std::io::{Read, Write};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use tar::{Archive, Builder, EntryType, Header};

use super::file::put;
use super::machine::Machine;
use super::{HostError, events, generation, rehearsals, secrets, trusted};
use crate::desired::{Mode, Owner, fingerprint};

/// Of a cluster's own state, in the order of the archive. Folders with all that is in them.
const OWN: [&str; 6] = [
    secrets::FOLDER,
    trusted::TRUSTED,
    generation::SEEN,
    generation::HISTORY,
    rehearsals::PATH,
    events::EVENTS,
];

const MANIFEST: &str = "manifest.json";

/// Of the form of the archive: another number is refused.
const VERSION: u32 = 1;

/// Where files lie that a restore has put others in place of.
const REPLACED: &str = "/var/lib/haoscar/replaced";

/// No state of a head is larger, and all of it is in memory for a moment.
const BYTES_MAX: u64 = 1 << 30;

/// What a backup is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    version: u32,
    /// The cluster's name.
    pub cluster: String,
    /// The head that it was made on.
    pub host: String,
    /// The generation that was accepted there; 0: none.
    pub generation: u64,
    /// When, in seconds since the epoch.
    pub made_s: u64,
    /// Folders of services' own state that are in it.
    pub state: Vec<Utf8PathBuf>,
    /// Its files, by their absolute paths, with their SHA-256.
    pub files: Vec<Kept>,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Where it lies.
    pub path: Utf8PathBuf,
    /// Whose it is.
    pub owner: Owner,
    /// Its permission bits.
    pub mode: Mode,
    /// Of its bytes.
    pub sha256: String,
}

/// A backup that was read, and is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// What it is of.
    pub about: About,
    files: Vec<Vec<u8>>,
}

/// Why there is no backup, or why it was not put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The archive is damaged, or none of ours.
    #[error("{0}")]
    Damaged(String),
    /// A file of another content is in its place.
    #[error("{} would be replaced: {}", if .0.len() == 1 { "a file" } else { "files" }, listed(.0))]
    Taken(Vec<Utf8PathBuf>),
    /// The machine refuses.
    #[error(transparent)]
    Host(#[from] HostError),
}

const LISTED_MOST: usize = 5;

fn listed(paths: &[Utf8PathBuf]) -> String {
    let first: Vec<_> = paths.iter().take(LISTED_MOST).map(|path| path.as_str()).collect();
    let more = paths.len().saturating_sub(LISTED_MOST);
    first.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

impl Backup {
    /// Reads what a machine has; `state` are folders of services.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn of(
        machine: &dyn Machine,
        (cluster, host): (&str, &str),
        state: &[Utf8PathBuf],
    ) -> Result<Self, BackupError> {
        let mut paths = Vec::new();
        let own = OWN.map(Utf8PathBuf::from);
        own.iter().chain(state).for_each(|path| below(machine, path, &mut paths));
        let (mut kept, mut files) = (Vec::new(), Vec::new());
        for path in paths {
            let seen = |error| HostError::failed(&path, error);
            let (look, bytes) = (machine.look(&path).map_err(seen)?, machine.read(&path).map_err(seen)?);
            let sha256 = fingerprint(&bytes);
            kept.push(Kept { path, owner: look.owner, mode: look.mode, sha256 });
            files.push(bytes);
        }
        let about = About {
            version: VERSION,
            cluster: cluster.to_owned(),
            host: host.to_owned(),
            generation: generation::seen(machine),
            made_s: machine.now(),
            state: state.to_vec(),
            files: kept,
        };
        Ok(Self { about, files })
    }

    /// Writes it as a tar.
    ///
    /// # Errors
    /// Whoever takes it refuses.
    pub fn write(&self, to: &mut dyn Write) -> std::io::Result<()> {
        let mut archive = Builder::new(to);
        let manifest = serde_json::to_vec_pretty(&self.about)?;
        let root = Owner::root();
        append(&mut archive, Utf8Path::new(MANIFEST), &manifest, &root, Mode(0o600), self.about.made_s)?;
        for (kept, bytes) in self.about.files.iter().zip(&self.files) {
            let path = kept.path.strip_prefix("/").unwrap_or(&kept.path);
            append(&mut archive, path, bytes, &kept.owner, kept.mode, self.about.made_s)?;
        }
        archive.into_inner()?.flush()
    }

    /// Reads a whole one.
    ///
    /// # Errors
    /// It is no backup, another version's, not complete, or not what its manifest says.
    pub fn read(from: &mut dyn Read) -> Result<Self, BackupError> {
        let damaged =
            |why: &dyn std::fmt::Display| BackupError::Damaged(format!("not a whole backup: {why}"));
        let mut archive = Archive::new(from.take(BYTES_MAX));
        let mut found = Vec::new();
        for entry in archive.entries().map_err(|e| damaged(&e))? {
            let mut entry = entry.map_err(|e| damaged(&e))?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(|e| damaged(&e))?;
            found.push((path, bytes));
        }
        let mut found = found.into_iter();
        let manifest = found.next().filter(|(path, _)| path == MANIFEST);
        let (_, manifest) = manifest.ok_or_else(|| damaged(&"it does not begin with a manifest"))?;
        let about: About = serde_json::from_slice(&manifest).map_err(|e| damaged(&e))?;
        if about.version != VERSION {
            let (theirs, path) = (about.version, MANIFEST);
            return Err(BackupError::Damaged(format!(
                "{path} is of version {theirs}, and this haoscar reads {VERSION}"
            )));
        }
        let mut files = Vec::new();
        for kept in &about.files {
            if !about.may_hold(&kept.path) {
                return Err(damaged(&format!("{} is no path of a backup", kept.path)));
            }
            let same = |(path, bytes): &(String, Vec<u8>)| {
                kept.path.strip_prefix("/").is_ok_and(|own| own == path) && fingerprint(bytes) == kept.sha256
            };
            let bytes = found.next().filter(same).map(|(_, bytes)| bytes);
            files
                .push(bytes.ok_or_else(|| damaged(&format!("{} is not what the manifest says", kept.path)))?);
        }
        Ok(Self { about, files })
    }

    /// Puts files where they were, those of services' state only where that is wanted. What has another content is refused, or, with
    /// `over`, kept aside.
    ///
    /// # Errors
    /// Files in its way, an owner that this machine does not have, or what the system said.
    pub fn put(&self, machine: &dyn Machine, state: bool, over: bool) -> Result<usize, BackupError> {
        let wanted = |kept: &Kept| state || !self.about.is_state(&kept.path);
        let files: Vec<_> =
            self.about.files.iter().zip(&self.files).filter(|(kept, _)| wanted(kept)).collect();
        for (kept, _) in &files {
            machine.knows(&kept.owner)?;
        }
        let differs =
            |kept: &Kept| machine.read(&kept.path).is_ok_and(|old| fingerprint(&old) != kept.sha256);
        let taken: Vec<_> = files.iter().filter(|(kept, _)| differs(kept)).map(|(kept, _)| *kept).collect();
        if !over && !taken.is_empty() {
            return Err(BackupError::Taken(taken.into_iter().map(|kept| kept.path.clone()).collect()));
        }
        let aside = Utf8Path::new(REPLACED).join(machine.now().to_string());
        for kept in taken {
            let old = machine.read(&kept.path).map_err(|error| HostError::failed(&kept.path, error))?;
            let path = aside.join(kept.path.strip_prefix("/").unwrap_or(&kept.path));
            put(machine, &path, &old, &Owner::root(), Mode(0o600))?;
        }
        if files.iter().any(|(kept, _)| kept.path.starts_with(secrets::FOLDER)) {
            secrets::Secrets::of(machine).make_folder()?;
        }
        for (kept, bytes) in &files {
            put(machine, &kept.path, bytes, &kept.owner, kept.mode)?;
        }
        Ok(files.len())
    }
}

impl About {
    fn is_state(&self, path: &Utf8Path) -> bool {
        self.state.iter().any(|folder| path.starts_with(folder))
    }

    /// An archive that somebody else made must not write where a backup has no business.
    fn may_hold(&self, path: &Utf8Path) -> bool {
        let plain = path.components().skip(1).all(|part| matches!(part, Utf8Component::Normal(_)));
        path.is_absolute() && plain && (self.is_state(path) || OWN.iter().any(|own| path.starts_with(own)))
    }
}

fn below(machine: &dyn Machine, path: &Utf8Path, found: &mut Vec<Utf8PathBuf>) {
    match machine.look(path) {
        Ok(look) if look.folder => {
            let mut names = machine.list(path);
            names.sort();
            names.iter().for_each(|name| below(machine, &path.join(name), found));
        }
        Ok(_) => found.push(path.to_owned()),
        Err(_) => {} // not there, or a socket that nobody can read
    }
}

fn append(
    archive: &mut Builder<&mut dyn Write>,
    path: &Utf8Path,
    bytes: &[u8],
    owner: &Owner,
    mode: Mode,
    at_s: u64,
) -> std::io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes.len() as u64);
    header.set_mode(mode.0);
    header.set_mtime(at_s);
    header.set_username(&owner.user)?;
    header.set_groupname(&owner.group)?;
    archive.append_data(&mut header, path.as_std_path(), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Memory;

    const LEASES: &str = "/srv/state/dhcp/leases";

    fn head() -> Memory {
        let machine = Memory::default();
        let root = Owner::root();
        for (path, text, mode) in [
            ("/etc/haoscar/secrets/munge-key", "secret", 0o600),
            ("/etc/haoscar/trusted_keys", "ssh-ed25519 AAA ops\n", 0o644),
            ("/var/lib/haoscar/generation", "7\n", 0o644),
            ("/var/lib/haoscar/history.git/HEAD", "ref: refs/heads/main\n", 0o644),
            ("/var/lib/haoscar/ledger.json", "of this head alone", 0o600),
            (LEASES, "52:54:00:20:02:01 10.20.2.1\n", 0o640),
        ] {
            put(&machine, Utf8Path::new(path), text.as_bytes(), &root, Mode(mode)).unwrap();
        }
        machine
    }

    fn archive(state: &[&str]) -> Vec<u8> {
        let state: Vec<_> = state.iter().map(Utf8PathBuf::from).collect();
        let mut bytes = Vec::new();
        Backup::of(&head(), ("oscar", "head-1"), &state).unwrap().write(&mut bytes).unwrap();
        bytes
    }

    fn text(machine: &Memory, path: &str) -> Option<String> {
        machine.read(Utf8Path::new(path)).ok().map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn what_was_on_a_head_is_on_a_blank_one_again_with_its_owners_and_modes() {
        let backup = Backup::read(&mut archive(&["/srv/state/dhcp"]).as_slice()).unwrap();
        assert_eq!((backup.about.generation, backup.about.host.as_str()), (7, "head-1"));
        let blank = Memory::default();
        assert_eq!(backup.put(&blank, false, false).unwrap(), 4);
        assert_eq!(text(&blank, "/etc/haoscar/secrets/munge-key").unwrap(), "secret");
        let look = blank.look(Utf8Path::new("/etc/haoscar/secrets/munge-key")).unwrap();
        assert_eq!(look.mode, Mode(0o600));
        assert_eq!(generation::seen(&blank), 7);
        assert_eq!(text(&blank, "/var/lib/haoscar/ledger.json"), None, "it is of the lost head alone");
        assert_eq!(text(&blank, LEASES), None, "state was not asked for");
        backup.put(&blank, true, false).unwrap();
        assert!(text(&blank, LEASES).unwrap().contains("10.20.2.1"));
    }

    #[test]
    fn a_file_with_another_content_is_in_the_way_and_with_over_it_is_kept_aside() {
        let backup = Backup::read(&mut archive(&[]).as_slice()).unwrap();
        let machine = Memory::default();
        let path = Utf8Path::new("/etc/haoscar/secrets/munge-key");
        put(&machine, path, b"newer", &Owner::root(), Mode(0o600)).unwrap();
        let error = backup.put(&machine, false, false).unwrap_err();
        assert_eq!(error.to_string(), format!("a file would be replaced: {path}"));
        assert_eq!(text(&machine, "/etc/haoscar/trusted_keys"), None, "nothing was written");
        backup.put(&machine, false, true).unwrap();
        assert_eq!(text(&machine, path.as_str()).unwrap(), "secret");
        let aside = machine.list(Utf8Path::new(REPLACED));
        let kept = format!("{REPLACED}/{}{path}", aside[0]);
        assert_eq!(text(&machine, &kept).unwrap(), "newer");
    }

    #[test]
    fn an_archive_that_is_cut_or_changed_or_leads_elsewhere_is_refused() {
        let good = archive(&[]);
        for cut in [0, 100, good.len() / 2] {
            let error = Backup::read(&mut &good[..cut]).unwrap_err().to_string();
            assert!(error.starts_with("not a whole backup: "), "{error}");
        }
        let changed = good.windows(6).rposition(|window| window == b"secret").unwrap();
        let mut bad = good.clone();
        bad[changed] = b'S';
        let error = Backup::read(&mut bad.as_slice()).unwrap_err().to_string();
        assert!(error.ends_with("is not what the manifest says"), "{error}");
        let mut elsewhere = Backup::read(&mut good.as_slice()).unwrap();
        for path in
            ["/etc/shadow", "/var/lib/haoscar/history.git/../../../../etc/shadow", "etc/haoscar/trusted_keys"]
        {
            elsewhere.about.files[0].path = path.into();
            let mut bytes = Vec::new();
            let _ = elsewhere.write(&mut bytes); // tar itself refuses some
            assert!(Backup::read(&mut bytes.as_slice()).is_err(), "{path}");
        }
    }
}
