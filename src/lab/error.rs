//! What can go wrong with a lab, said with its subject. It must not print.

use camino::Utf8PathBuf;

/// Why a lab could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Namespaces and mounts are root's.
    #[error("a lab needs root: it makes namespaces and mounts")]
    NotRoot,
    /// A program of this machine is missing.
    #[error("{program} is not installed on this machine")]
    ProgramMissing {
        /// The program.
        program: String,
    },
    /// A program of this machine failed.
    #[error("{command}: {said}")]
    ProgramFailed {
        /// What was run.
        command: String,
        /// Its last words.
        said: String,
    },
    /// Nobody here has that distribution's packages.
    #[error(
        "no lab can run {os}: its packages are not to be had freely; `haoscar render` and `plan` work without one"
    )]
    NoRoot {
        /// The word of the spec.
        os: String,
    },
    /// A file or folder of the lab.
    #[error("{subject}: {source}")]
    Io {
        /// Path or thing.
        subject: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The state of a lab is not what this version writes.
    #[error("{path} is not the state of a lab: {source}")]
    StateUnreadable {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The name cannot be a folder, a namespace and a cgroup.
    #[error("`{name}` cannot name a lab: letters, digits and inner hyphens are expected, 32 at most")]
    NameBad {
        /// The name.
        name: String,
    },
    /// No such lab.
    #[error("no lab `{name}` runs here")]
    LabMissing {
        /// The name.
        name: String,
    },
    /// No lab at all.
    #[error("no lab runs here")]
    NoLab,
    /// Which one?
    #[error("several labs run here ({names}): name one")]
    SeveralLabs {
        /// Their names.
        names: String,
    },
    /// It is there already.
    #[error("lab `{name}` runs already")]
    LabRuns {
        /// The name.
        name: String,
    },
    /// No such host.
    #[error("lab `{lab}` has no host `{host}`: it has {hosts}")]
    HostMissing {
        /// The lab.
        lab: String,
        /// The host.
        host: String,
        /// Those that it has.
        hosts: String,
    },
    /// Nothing can run on a host that is down.
    #[error("host `{host}` of lab `{lab}` is down")]
    HostDown {
        /// The lab.
        lab: String,
        /// The host.
        host: String,
    },
    /// Its first process still stands in this machine's root.
    #[error("host `{host}` of lab `{lab}` is not up yet")]
    HostStarting {
        /// The lab.
        lab: String,
        /// The host.
        host: String,
    },
    /// It runs already.
    #[error("host `{host}` of lab `{lab}` is up already")]
    HostRuns {
        /// The lab.
        lab: String,
        /// The host.
        host: String,
    },
    /// The host has no such NIC.
    #[error("host `{host}` has no {wanted}: it has {has}")]
    NicMissing {
        /// The host.
        host: String,
        /// What was asked for.
        wanted: String,
        /// Those that it has.
        has: String,
    },
    /// No such storage.
    #[error("lab `{lab}` has no storage `{storage}`: it has {storages}")]
    StorageMissing {
        /// The lab.
        lab: String,
        /// The storage.
        storage: String,
        /// Those that it has.
        storages: String,
    },
    /// The kernel has one DRBD for all namespaces.
    #[error(
        "storage `{storage}` is drbd, which namespaces cannot stand in for: leave out {heads} (`--hosts`), or see `make test-build CASES=drbd`"
    )]
    StorageOfKernel {
        /// The storage.
        storage: String,
        /// Heads of its groups.
        heads: String,
    },
    /// Nothing could be killed.
    #[error("unit `{unit}` on host `{host}` was not killed: {said}")]
    UnitNotKilled {
        /// The host.
        host: String,
        /// The unit.
        unit: String,
        /// systemctl's words.
        said: String,
    },
    /// A host does not come up.
    #[error("host `{host}` was not up within {seconds} s; it is {state}, and the last it says is:\n{said}")]
    HostLate {
        /// The host.
        host: String,
        /// How long it was given.
        seconds: u64,
        /// `off`, or systemd's word for it.
        state: String,
        /// Jobs that its systemd waits for, and the end of its journal.
        said: String,
    },
    /// Its units do not stop.
    #[error("host `{host}` was not off within {seconds} s of its shutdown")]
    HostStaysOn {
        /// The host.
        host: String,
        /// How long it was given.
        seconds: u64,
    },
    /// Labs stand on it.
    #[error("the cached root is in use by {labs}")]
    RootUsed {
        /// Labs that run.
        labs: String,
    },
    /// It took too long.
    #[error("{subject} was not {awaited} within {seconds} s")]
    Late {
        /// What was waited for.
        subject: String,
        /// The state that was awaited.
        awaited: &'static str,
        /// How long.
        seconds: u64,
    },
    /// A host's start script ended before its time.
    #[error("host `{host}` did not start: {said}")]
    StartFailed {
        /// The host.
        host: String,
        /// Its last words.
        said: String,
    },
    /// The kernel would give the hosts' systemds no inotify instances.
    #[error(
        "a lab of {hosts} hosts needs {needed} inotify instances ({used} are in use), and this machine allows {limit}"
    )]
    Instances {
        /// Of the lab.
        hosts: usize,
        /// In use now.
        used: usize,
        /// fs.inotify.max_user_instances.
        limit: usize,
        /// That would do.
        needed: usize,
    },
    /// The keeper refused.
    #[error("the lab's keeper: {said}")]
    Keeper {
        /// What it said.
        said: String,
    },
}

/// Gives an input/output error its subject.
pub(crate) fn io(subject: impl Into<String>) -> impl FnOnce(std::io::Error) -> LabError {
    let subject = subject.into();
    move |source| LabError::Io { subject, source }
}
