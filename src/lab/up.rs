//! Makes a lab and takes it away. Whoever makes one owns it until its keeper does; when the owner is dead, the next
//! `up` or `down` sweeps it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::error::{LabError, io};
use super::layout::{self, Layout};
use super::process::Process;
use super::root::{self, Recipe};
use super::state::{self, HOME, Lab};
use super::{HostKind, disk, instances, keeper, power, program, storage, sweep, switch};
use crate::spec::Cluster;

/// An idle machine needs 3 seconds for seven hosts; a loaded one is given time.
const UP_WITHIN: Duration = Duration::from_secs(60);
/// The fence agent of the hosts that may fence; the whole of it is in the haoscar program.
const FENCE_AGENT: &str = "#!/bin/sh\nexec /usr/sbin/haoscar lab fence \"$@\"\n";

/// What to make a lab of.
#[derive(Debug)]
pub struct Request<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The lab's name.
    pub name: &'a str,
    /// Only these hosts; all, if none is named.
    pub hosts: &'a [String],
    /// Debian's packages that hosts have beside haoscar's own.
    pub packages: &'a [String],
    /// The haoscar program that the hosts get and that keeps the lab.
    pub program: &'a Utf8Path,
}

impl<'a> Request<'a> {
    /// What its hosts stand on.
    pub fn recipe(&self) -> Recipe<'a> {
        Recipe { os: self.cluster.os, engine: self.cluster.ha.engine, more: self.packages }
    }
}

/// Makes a lab and waits until every host is up. Gives the hosts' words: `running` or `degraded`.
///
/// # Errors
/// It runs already, or something of it cannot be made; then nothing is left of it.
pub fn up(request: &Request) -> Result<BTreeMap<String, String>, LabError> {
    check_root()?;
    state::check_name(request.name)?;
    let layout = chosen(layout::of(request.cluster), request)?;
    instances::check(layout.hosts.len())?;
    let root = request.recipe().build()?;
    let mut lab = claim(request.name, layout, root)?;
    let result = make(&mut lab, request.program);
    if result.is_err() {
        let _ = sweep::remove(&lab.name); // the first trouble is the one to tell
    }
    result
}

/// Takes a lab away, running or dead. Says whether there was one.
///
/// # Errors
/// Something of it resists.
pub fn down(name: &str) -> Result<bool, LabError> {
    check_root()?;
    let _lock = home_lock()?;
    let there = state::folder(name).exists();
    sweep::remove(name)?;
    sweep::dead()?;
    Ok(there)
}

/// Takes every lab of this machine away and gives their names.
///
/// # Errors
/// Something of one resists.
pub fn down_all() -> Result<Vec<String>, LabError> {
    check_root()?;
    let _lock = home_lock()?;
    let names = state::names();
    names.iter().try_for_each(|name| sweep::remove(name))?;
    Ok(names)
}

/// Takes the cached roots away and gives their paths; the next lab builds one.
///
/// # Errors
/// A lab stands on one of them, or one resists.
pub fn purge_cache() -> Result<Vec<Utf8PathBuf>, LabError> {
    check_root()?;
    let _lock = home_lock()?; // no lab is claimed meanwhile
    root::purge()
}

/// Namespaces and mounts are root's.
///
/// # Errors
/// Somebody else asks.
pub fn check_root() -> Result<(), LabError> {
    if nix::unistd::geteuid().is_root() { Ok(()) } else { Err(LabError::NotRoot) }
}

/// The hosts that were asked for.
fn chosen(mut layout: Layout, request: &Request) -> Result<Layout, LabError> {
    if let Some(host) = request.hosts.iter().find(|host| !layout.hosts.contains_key(*host)) {
        return Err(LabError::HostMissing {
            lab: request.name.to_owned(),
            host: host.clone(),
            hosts: layout.hosts.into_keys().collect::<Vec<_>>().join(", "),
        });
    }
    if !request.hosts.is_empty() {
        layout.hosts.retain(|name, _| request.hosts.contains(name));
    }
    for (storage, about) in &request.cluster.storage {
        let groups = request.cluster.groups.values().filter(|group| group.storage.as_ref() == Some(storage));
        let mut heads: Vec<_> = groups.flat_map(|group| &group.heads).map(String::as_str).collect();
        heads.retain(|head| about.replicated().is_some() && layout.hosts.contains_key(*head));
        if !heads.is_empty() {
            let (storage, heads) = (storage.clone(), heads.join(" and "));
            return Err(LabError::StorageOfKernel { storage, heads });
        }
    }
    Ok(layout)
}

/// The folder of the lab, with its owner written down, before anything else of it is made.
fn claim(name: &str, layout: Layout, root: Utf8PathBuf) -> Result<Lab, LabError> {
    let _lock = home_lock()?;
    sweep::dead()?;
    let folder = state::folder(name);
    if folder.exists() {
        return Err(LabError::LabRuns { name: name.to_owned() });
    }
    let nobody = || io("/proc/self/stat")(std::io::ErrorKind::NotFound.into());
    let owner = Process::own().ok_or_else(nobody)?;
    fs::create_dir_all(&folder).map_err(io(folder.as_str()))?;
    program::run(&["mount", "-t", "tmpfs", "-o", "mode=755,size=90%", "haoscar-lab", folder.as_str()])?;
    let lab = Lab { name: name.to_owned(), layout, root, owner, up: false };
    lab.record()?;
    Ok(lab)
}

fn make(lab: &mut Lab, program: &Utf8Path) -> Result<BTreeMap<String, String>, LabError> {
    lay_out(lab, program)?;
    switch::build(&lab.name, &lab.layout)?;
    let keeper = keeper::start(lab)?;
    let words = power_up(lab)?;
    lab.owner = keeper;
    lab.up = true;
    lab.record()?;
    Ok(words)
}

/// Everything that hosts find when they start.
fn lay_out(lab: &Lab, program: &Utf8Path) -> Result<(), LabError> {
    let folder = lab.folder();
    let copy = folder.join("haoscar");
    fs::copy(program, &copy).map_err(io(program.as_str()))?; // a rebuild would pull it away under running hosts
    for (name, host) in &lab.layout.hosts {
        disk::prepare(lab, name)?;
        for storage in host.storage.keys() {
            storage::prepare(lab, storage)?;
        }
        for storage in host.disks.keys() {
            storage::prepare_disk(lab, storage)?;
        }
        if host.kind != HostKind::Node {
            disk::put_program(&lab.disk(name).join("up"), "usr/sbin/fence_haoscar", FENCE_AGENT)?;
        }
    }
    Ok(())
}

/// All hosts at once.
fn power_up(lab: &Lab) -> Result<BTreeMap<String, String>, LabError> {
    std::thread::scope(|scope| {
        let start = |host: &String| {
            let host = host.clone();
            scope.spawn(move || {
                power::boot(lab, &host)?;
                let word = power::await_running(lab, &host, UP_WITHIN)?;
                Ok((host, word))
            })
        };
        let threads: Vec<_> = lab.layout.hosts.keys().map(start).collect();
        let died = || LabError::StartFailed { host: "?".to_owned(), said: "its thread died".to_owned() };
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(died()))).collect()
    })
}

/// Held while labs come and go, so that a sweep never takes what is just being made.
fn home_lock() -> Result<File, LabError> {
    fs::create_dir_all(HOME).map_err(io(HOME))?;
    let path = format!("{HOME}/lock");
    let file = File::create(&path).map_err(io(path.as_str()))?;
    file.lock().map_err(io(path.as_str()))?;
    Ok(file)
}
