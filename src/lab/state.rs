//! What is written down of a lab: its layout and owner in state.json, one small file a running host. A lab can be
//! swept from these alone, whatever died.

use std::collections::BTreeSet;
use std::fs;

use camino::Utf8PathBuf;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::{LabError, io};
use super::layout::{LabHost, Layout};
use super::process::Process;

/// Where labs live; each in a folder (a tmpfs) of its name.
pub(crate) const HOME: &str = "/run/haoscar/lab";
/// Longer names do not fit where they must.
const NAME_MAX: usize = 32;

/// One lab.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Lab {
    /// Its name.
    pub name: String,
    /// Wires and hosts.
    pub layout: Layout,
    /// The root that its hosts stand on.
    pub root: Utf8PathBuf,
    /// While it is being made: who makes it. Afterwards: its keeper. When this is dead, so is the lab.
    pub owner: Process,
    /// Whether it has been made.
    pub up: bool,
}

impl Lab {
    /// The lab's folder.
    pub(crate) fn folder(&self) -> Utf8PathBuf {
        folder(&self.name)
    }

    /// The name of the switch's network namespace.
    pub(crate) fn switch(&self) -> String {
        switch_name(&self.name)
    }

    /// The host of that name.
    ///
    /// # Errors
    /// The lab has none.
    pub fn host(&self, host: &str) -> Result<&LabHost, LabError> {
        self.layout.hosts.get(host).ok_or_else(|| LabError::HostMissing {
            lab: self.name.clone(),
            host: host.to_owned(),
            hosts: self.layout.hosts.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        })
    }

    /// The folder that holds a host's disk.
    pub(crate) fn disk(&self, host: &str) -> Utf8PathBuf {
        self.folder().join("hosts").join(host)
    }

    fn process_file(&self, host: &str) -> Utf8PathBuf {
        self.disk(host).join("process.json")
    }

    /// The first process of a host, if the host runs.
    pub fn process(&self, host: &str) -> Option<Process> {
        read::<Process>(&self.process_file(host)).ok().filter(Process::runs)
    }

    pub(crate) fn record_process(&self, host: &str, process: Process) -> Result<(), LabError> {
        write(&self.process_file(host), &process)
    }

    pub(crate) fn forget_process(&self, host: &str) {
        let _ = fs::remove_file(self.process_file(host));
    }

    fn cables_file(&self, host: &str) -> Utf8PathBuf {
        self.disk(host).join("pulled.json")
    }

    /// NICs of a host whose cable is out.
    pub fn pulled(&self, host: &str) -> BTreeSet<String> {
        read(&self.cables_file(host)).unwrap_or_default()
    }

    pub(crate) fn record_pulled(&self, host: &str, nics: &BTreeSet<String>) -> Result<(), LabError> {
        write(&self.cables_file(host), nics)
    }

    fn silent_file(&self, host: &str, level: u32) -> Utf8PathBuf {
        self.disk(host).join(format!("fence-silent-{level}"))
    }

    /// Whether the fence device of a host answers, that of its level.
    pub fn fence_answers(&self, host: &str, level: u32) -> bool {
        !self.silent_file(host, level).exists()
    }

    pub(crate) fn record_fence(&self, host: &str, level: u32, answers: bool) -> Result<(), LabError> {
        let file = self.silent_file(host, level);
        let done = if answers { fs::remove_file(&file) } else { fs::write(&file, "") };
        match done {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && answers => Ok(()),
            done => done.map_err(io(file.as_str())),
        }
    }

    pub(crate) fn record(&self) -> Result<(), LabError> {
        write(&self.folder().join("state.json"), self)
    }
}

/// The state of a lab.
///
/// # Errors
/// There is none of that name, or it cannot be read.
pub fn find(name: &str) -> Result<Lab, LabError> {
    check_name(name)?;
    let file = folder(name).join("state.json");
    if !file.exists() {
        return Err(LabError::LabMissing { name: name.to_owned() });
    }
    read(&file)
}

/// Who owns a lab, whatever version of haoscar made it; none where nothing says so.
pub fn owner(name: &str) -> Option<Process> {
    #[derive(Deserialize)]
    struct Owned {
        owner: Process,
    }
    read::<Owned>(&folder(name).join("state.json")).ok().map(|owned| owned.owner)
}

/// Every lab that left a folder, by name; a lab half made has one too.
pub fn names() -> Vec<String> {
    let entries =
        Utf8PathBuf::from(HOME).read_dir_utf8().map(|entries| entries.flatten().collect()).unwrap_or(vec![]);
    let folders = entries.iter().filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
    let mut names: Vec<_> =
        folders.map(|e| e.file_name().to_owned()).filter(|n| check_name(n).is_ok()).collect();
    names.sort();
    names
}

/// Labs that run.
pub fn running() -> Vec<Lab> {
    names().iter().filter_map(|name| find(name).ok()).filter(|lab| lab.owner.runs()).collect()
}

/// The lab of that name, or the only one that runs.
///
/// # Errors
/// There is none, or more than one and no name.
pub fn choose(name: Option<&str>) -> Result<Lab, LabError> {
    if let Some(name) = name {
        return find(name);
    }
    let mut labs = running();
    match labs.len() {
        0 => Err(LabError::NoLab),
        1 => Ok(labs.remove(0)),
        _ => {
            let names = labs.iter().map(|lab| lab.name.as_str()).collect::<Vec<_>>().join(", ");
            Err(LabError::SeveralLabs { names })
        }
    }
}

pub(crate) fn folder(name: &str) -> Utf8PathBuf {
    Utf8PathBuf::from(HOME).join(name)
}

pub(crate) fn switch_name(name: &str) -> String {
    format!("haoscar-{name}")
}

pub(crate) fn check_name(name: &str) -> Result<(), LabError> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let label = name.chars().all(inner) && !name.starts_with('-') && !name.ends_with('-');
    if label && (1..=NAME_MAX).contains(&name.len()) {
        Ok(())
    } else {
        Err(LabError::NameBad { name: name.to_owned() })
    }
}

fn read<T: DeserializeOwned>(file: &Utf8PathBuf) -> Result<T, LabError> {
    let bytes = fs::read(file).map_err(io(file.as_str()))?;
    serde_json::from_slice(&bytes).map_err(|source| LabError::StateUnreadable { path: file.clone(), source })
}

/// Whole or not at all: a reader never sees half a file.
fn write<T: Serialize>(file: &Utf8PathBuf, value: &T) -> Result<(), LabError> {
    let text = serde_json::to_vec_pretty(value)
        .map_err(|source| LabError::StateUnreadable { path: file.clone(), source })?;
    let half = file.with_extension("half");
    fs::write(&half, text).map_err(io(half.as_str()))?;
    fs::rename(&half, file).map_err(io(file.as_str()))
}
