//! The file system that every lab host stands on: the spec's distribution with the real daemons, built once by
//! mmdebstrap and kept by the hash of its recipe. Nothing is ever installed on the machine itself.

use std::fs::{self, File};
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};

use super::error::{LabError, io};
use super::program;
use crate::desired::package;
use crate::spec::{EngineKind, Os};

/// Where roots are kept when the environment names no other place.
const CACHE: &str = "/var/cache/haoscar";
/// The environment variable that names another place.
pub const CACHE_VARIABLE: &str = "HAOSCAR_CACHE";
/// What a host needs: systemd, the daemons of every backend, and a client for each.
const PACKAGES: &[&str] = &[
    "systemd",
    "systemd-sysv",
    "dbus",
    "corosync",
    "corosync-qdevice",
    "corosync-qnetd",
    "pacemaker",
    "pacemaker-cli-utils",
    "resource-agents",
    "kea-dhcp4-server",
    "kea-dhcp6-server",
    "dnsmasq",
    "radvd",
    "chrony",
    "nfs-ganesha",
    "nfs-ganesha-vfs",
    "libnfs-utils",
    "slurmctld",
    "slurmd",
    "slurm-client",
    "munge",
    "nginx-light",
    "git",
    "openssh-client",
    "openssh-server",
    "curl",
    "iproute2",
    "iputils-ping",
    "iputils-arping",
    "isc-dhcp-client",
    "procps",
    "psmisc",
    "rsync",
    "socat",
    "netbase",
    "e2fsprogs",
];
/// Debian's heartbeat, where the spec's engine is heartbeat: two engines on one host would be no plain host of either.
const HEARTBEAT: &[&str] = &["heartbeat", "cluster-glue"];
/// Makes a bare root of what the packages leave.
const FINISH: &str = include_str!("root-finish.sh");

/// Where Ubuntu's packages are, beside what Debian's mmdebstrap knows by itself.
const UBUNTU: &str = "http://archive.ubuntu.com/ubuntu";
/// Debian's package with Ubuntu's keys, and the first release that has the newest of them.
const UBUNTU_KEYS: [&str; 2] = ["ubuntu-keyring", "trixie"];

/// What a root is made of.
#[derive(Debug, Clone, Copy)]
pub struct Recipe<'a> {
    /// The distribution that the hosts run.
    pub os: Os,
    /// The engine of the spec.
    pub engine: EngineKind,
    /// Packages beside haoscar's own.
    pub more: &'a [String],
}

impl Recipe<'_> {
    /// The root that this version of haoscar wants, whether it is there or not.
    pub fn path(&self) -> Utf8PathBuf {
        folder().join(format!("root-{}", self.key()))
    }

    /// Builds the root unless it is there. Takes 90 seconds the first time.
    ///
    /// # Errors
    /// There is no such distribution to be had, mmdebstrap is missing or failed, or the cache cannot be written.
    pub fn build(&self) -> Result<Utf8PathBuf, LabError> {
        let (root, folder) = (self.path(), folder());
        if root.is_dir() {
            return Ok(root); // while another one is built
        }
        fs::create_dir_all(&folder).map_err(io(folder.as_str()))?;
        let lock = folder.join("lock");
        let lock = File::create(&lock).map_err(io(lock.as_str()))?;
        lock.lock().map_err(io("the lock of the lab's roots"))?;
        if !root.is_dir() {
            let half = folder.join("root-half");
            remove(&half)?; // what a killed build left
            self.fill(&half)?;
            fs::rename(&half, &root).map_err(io(root.as_str()))?;
            prune(&folder);
        }
        Ok(root)
    }

    fn fill(&self, root: &Utf8Path) -> Result<(), LabError> {
        let Some(release) = self.os.release() else {
            return Err(LabError::NoRoot { os: self.os.word().to_owned() });
        };
        let include = format!("--include={}", self.packages().join(","));
        let mut argv = vec!["mmdebstrap", "--quiet", "--variant=minbase", &include];
        let keys = folder().join("keys-half");
        let keyring = format!("--keyring={keys}/usr/share/keyrings/ubuntu-archive-keyring.gpg");
        if self.os.is_ubuntu() {
            remove(&keys)?;
            let [package, of] = UBUNTU_KEYS;
            let include = format!("--include={package}");
            program::run(&["mmdebstrap", "--quiet", "--variant=extract", &include, of, keys.as_str()])?;
            argv.extend(["--components=main,universe", &keyring, release, root.as_str(), UBUNTU]);
        } else {
            argv.extend([release, root.as_str()]);
        }
        let filled = program::run(&argv);
        remove(&keys)?;
        filled?;
        program::finish(Command::new("sh").args(["-c", FINISH, "root-finish.sh", root.as_str()])).map(|_| ())
    }

    /// As they are called there.
    fn packages(&self) -> Vec<String> {
        let engine = if self.engine == EngineKind::Heartbeat { HEARTBEAT } else { &[] };
        let own = PACKAGES.iter().chain(engine).flat_map(|name| package(self.os, (*name).to_owned()));
        own.chain(self.more.iter().cloned()).collect()
    }

    /// The recipe in short.
    fn key(&self) -> String {
        let release = self.os.release().unwrap_or_default();
        let digest = Sha256::digest(format!("{release}\n{}\n{FINISH}", self.packages().join("\n")));
        digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}

fn folder() -> Utf8PathBuf {
    let cache = std::env::var(CACHE_VARIABLE).unwrap_or_else(|_| CACHE.to_owned());
    Utf8PathBuf::from(cache).join("lab")
}

/// Takes every cached root away, half ones too, and gives their paths. Nothing else in the cache is touched.
///
/// # Errors
/// A lab stands on one of them, or one resists.
pub fn purge() -> Result<Vec<Utf8PathBuf>, LabError> {
    let folder = folder();
    let labs = super::running().into_iter().filter(|lab| lab.root.starts_with(&folder));
    let labs: Vec<_> = labs.map(|lab| lab.name).collect();
    if !labs.is_empty() {
        return Err(LabError::RootUsed { labs: labs.join(", ") });
    }
    if !folder.is_dir() {
        return Ok(Vec::new()); // nothing was ever built here
    }
    let lock = folder.join("lock");
    let lock = File::create(&lock).map_err(io(lock.as_str()))?;
    lock.lock().map_err(io("the lock of the lab's roots"))?;
    let roots = roots(&folder);
    roots.iter().try_for_each(|root| remove(root))?;
    Ok(roots)
}

fn roots(folder: &Utf8Path) -> Vec<Utf8PathBuf> {
    let entries = folder.read_dir_utf8().into_iter().flatten().flatten();
    let mut roots: Vec<_> = entries
        .filter(|entry| entry.file_name().starts_with("root-"))
        .map(|entry| entry.path().to_owned())
        .collect();
    roots.sort();
    roots
}

/// Older roots go, but for the newest of them (whoever goes back a version builds nothing) and those that a lab stands
/// on. A root that cannot be removed is no reason to stop.
fn prune(folder: &Utf8Path) {
    let engines = [EngineKind::Pacemaker, EngineKind::Heartbeat];
    let every =
        Os::ALL.into_iter().flat_map(|os| engines.map(|engine| Recipe { os, engine, more: &[] }.path()));
    let wanted: Vec<_> = every.collect();
    let used: Vec<_> = super::running().into_iter().map(|lab| lab.root).collect();
    let made = |path: &Utf8PathBuf| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let mut old: Vec<_> = roots(folder).into_iter().filter(|path| !wanted.contains(path)).collect();
    old.sort_by_key(|path| std::cmp::Reverse(made(path)));
    for path in old.into_iter().skip(1).filter(|path| !used.contains(path)) {
        let _ = fs::remove_dir_all(&path);
    }
}

fn remove(folder: &Utf8Path) -> Result<(), LabError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(folder.as_str())(error)),
        _ => Ok(()),
    }
}
