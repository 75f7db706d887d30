//! The true machine, below a root: `/`, or a folder of a test (which has no systemd of its own).

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use camino::{Utf8Path, Utf8PathBuf};

use super::machine::{Lock, Look, Machine};
use super::{HostError, socket, units};
use crate::desired::{Answer, Mode, Owner, Question};
use crate::observed::UnitFact;
use crate::plan::UnitAction;

/// This machine below a root.
#[derive(Debug)]
pub struct Real {
    root: Utf8PathBuf,
}

impl Real {
    /// Below a root.
    pub fn under(root: impl Into<Utf8PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn has_systemd(&self) -> bool {
        self.root == "/"
    }
}

impl Machine for Real {
    fn read(&self, path: &Utf8Path) -> io::Result<Vec<u8>> {
        fs::read(self.place(path))
    }

    fn look(&self, path: &Utf8Path) -> io::Result<Look> {
        let meta = fs::metadata(self.place(path))?;
        Ok(Look { folder: meta.is_dir(), owner: owner_of(&meta), mode: Mode(meta.mode() & 0o7777) })
    }

    fn link_of(&self, path: &Utf8Path) -> Option<Utf8PathBuf> {
        self.place(path).read_link_utf8().ok()
    }

    fn list(&self, folder: &Utf8Path) -> Vec<String> {
        let entries = fs::read_dir(self.place(folder)).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    fn create(&self, path: &Utf8Path, bytes: &[u8], owner: &Owner, mode: Mode) -> io::Result<()> {
        let (user, group) = ids(owner).map_err(io::Error::other)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.place(path))?;
        file.write_all(bytes)?;
        std::os::unix::fs::fchown(&file, Some(user), Some(group))?;
        file.set_permissions(fs::Permissions::from_mode(mode.0))
    }

    fn sync(&self, path: &Utf8Path) -> io::Result<()> {
        File::open(self.place(path))?.sync_all()
    }

    fn sync_disk(&self, folder: &Utf8Path) -> io::Result<()> {
        Ok(nix::unistd::syncfs(File::open(self.place(folder))?)?)
    }

    fn rename(&self, from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
        fs::rename(self.place(from), self.place(to))
    }

    fn remove(&self, path: &Utf8Path) -> io::Result<()> {
        fs::remove_file(self.place(path))
    }

    fn remove_tree(&self, path: &Utf8Path) -> io::Result<()> {
        fs::remove_dir_all(self.place(path))
    }

    fn link(&self, target: &Utf8Path, path: &Utf8Path) -> io::Result<()> {
        std::os::unix::fs::symlink(target, self.place(path))
    }

    fn make_folder(&self, path: &Utf8Path) -> io::Result<()> {
        fs::create_dir(self.place(path))
    }

    fn give(&self, path: &Utf8Path, owner: &Owner, mode: Mode) -> io::Result<()> {
        let (user, group) = ids(owner).map_err(io::Error::other)?;
        std::os::unix::fs::chown(self.place(path), Some(user), Some(group))?;
        fs::set_permissions(self.place(path), fs::Permissions::from_mode(mode.0))
    }

    fn knows(&self, owner: &Owner) -> Result<(), HostError> {
        ids(owner).map(|_| ())
    }

    /// dpkg's status lists path and md5 of configuration files (`Conffiles:`); md5sum is asked, so that we need no md5
    /// of ours.
    fn packaged(&self, path: &Utf8Path, _bytes: &[u8]) -> bool {
        let Ok(status) = self.read(Utf8Path::new("/var/lib/dpkg/status")) else { return false };
        let status = String::from_utf8_lossy(&status);
        let line = status.lines().find_map(|line| {
            let mut words = line.strip_prefix(' ')?.split(' ');
            (words.next() == Some(path.as_str())).then(|| words.next().map(str::to_owned)).flatten()
        });
        let sum = || units::run(&["md5sum".to_owned(), self.place(path).into_string()], "", MD5_LIMIT_MS);
        line.is_some_and(|md5| sum().stdout.split(' ').next() == Some(md5.as_str()))
    }

    fn lock(&self, wait: bool) -> Result<Option<Lock>, HostError> {
        let run = self.place(Utf8Path::new("/run/haoscar"));
        fs::create_dir_all(&run).map_err(|e| HostError::failed(&run, e))?;
        let path = run.join("apply.lock");
        let file = File::create(&path).map_err(|e| HostError::failed(&path, e))?;
        let locked = if wait { file.lock().map_err(TryLockError::Error) } else { file.try_lock() };
        match locked {
            Ok(()) => Ok(Some(Lock::File(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(HostError::failed(&path, e)),
        }
    }

    fn place(&self, path: &Utf8Path) -> Utf8PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn units(&self, names: &[String]) -> BTreeMap<String, UnitFact> {
        units::observe(names)
    }

    fn invocation(&self, unit: &str) -> String {
        units::invocation(unit)
    }

    fn act(&self, action: &UnitAction) -> Result<(), HostError> {
        if self.has_systemd() { units::act(action) } else { Ok(()) }
    }

    fn act_later(&self, actions: &[UnitAction]) -> Result<(), HostError> {
        if self.has_systemd() { units::act_later(actions) } else { Ok(()) }
    }

    fn arm(&self, seconds: Option<u64>) -> Result<(), HostError> {
        if self.has_systemd() { units::arm(seconds) } else { Ok(()) }
    }

    fn now(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    fn run(&self, argv: &[String], input: &str, timeout_ms: u64) -> Answer {
        units::run(argv, input, timeout_ms)
    }

    fn ask(&self, question: &Question) -> Answer {
        match question {
            Question::Command { argv, timeout_ms } => units::run(argv, "", *timeout_ms),
            Question::Socket { path, send, timeout_ms } => {
                socket::ask(path, send, Duration::from_millis(*timeout_ms))
            }
        }
    }
}

/// A configuration file is read in milliseconds.
const MD5_LIMIT_MS: u64 = 10_000;

/// Numeric ids of an owner; digits are ids, for what is on the disk may belong to nobody that is known.
fn ids(owner: &Owner) -> Result<(u32, u32), HostError> {
    let user = nix::unistd::User::from_name(&owner.user).ok().flatten().map(|user| user.uid.as_raw());
    let group = nix::unistd::Group::from_name(&owner.group).ok().flatten().map(|group| group.gid.as_raw());
    let missing = |what: &str, name: &str| {
        HostError::failed(format!("{what} {name}"), "is not known on this host: is its package installed?")
    };
    let user = user.or_else(|| owner.user.parse().ok()).ok_or_else(|| missing("user", &owner.user))?;
    let group = group.or_else(|| owner.group.parse().ok()).ok_or_else(|| missing("group", &owner.group))?;
    Ok((user, group))
}

/// The owner of what is there, by name where names are known.
fn owner_of(meta: &fs::Metadata) -> Owner {
    let user = nix::unistd::User::from_uid(meta.uid().into()).ok().flatten().map(|u| u.name);
    let group = nix::unistd::Group::from_gid(meta.gid().into()).ok().flatten().map(|g| g.name);
    Owner {
        user: user.unwrap_or_else(|| meta.uid().to_string()),
        group: group.unwrap_or_else(|| meta.gid().to_string()),
    }
}
