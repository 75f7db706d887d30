//! The spec resolved for every host, with nothing left to choose.
//!
//! This room makes every choice that needs more than one field of the spec: who is a member, which host gets
//! which file, which unit the engine owns. It must not look at the world: what hosts really are comes in as
//! [`Membership`], and rendered bytes of secrets never come in at all.

mod accepted;
mod file;
mod fingerprint;
mod image;
mod live;
pub mod names;
mod os;
mod resolve;
mod site;
mod storage;
mod unit;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::spec::{Cluster, WitnessKind};

pub use accepted::Accepted;
pub use file::{Mode, OnChange, Owner, Piece, Rendered};
pub use fingerprint::{fingerprint, hex, unhex};
pub use image::{IMAGE_KEY, Overlay, make_image_key};
pub use live::{Live, Sign, Statement};
pub use os::package;
pub use resolve::resolve;
pub use site::{SiteFile, judge_site};
pub use unit::{Unit, UnitWant};

/// A host name: a head, a witness or a node of the spec.
pub type HostName = String;

/// What kind of machine a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Can carry protected services.
    Head,
    /// Votes and carries nothing.
    Witness,
    /// A compute node.
    Node,
}

/// Which declared heads and witnesses are in the engine, or join it with this plan. A head that is only declared
/// is in no node list and no fence target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Names of heads and member witnesses.
    pub members: BTreeSet<HostName>,
}

/// What the resolver must know of the world; facts, no choices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Who is in the engine, or joins it with this plan.
    pub membership: Membership,
    /// corosync's links in use, by number, with their networks: they keep their numbers.
    pub links: BTreeMap<usize, String>,
    /// Hosts are a lab's namespaces: the lab's own fence agent stands in for every fence device of the spec, with
    /// the host's name as its `port`.
    pub lab: bool,
    /// Hosts of a lab that are whole machines, as a guest beside its namespaces: their watchdog is their own.
    pub machines: BTreeSet<HostName>,
    /// Hosts see a hybrid cgroup tree, where slurmd starts with `CgroupPlugin=cgroup/v1` only.
    pub cgroup_hybrid: bool,
}

impl Surroundings {
    /// Every declared head and member witness is a member: what offline rendering assumes.
    pub fn whole(cluster: &Cluster) -> Self {
        let witnesses = cluster.witnesses.iter().filter(|(_, w)| w.kind == WitnessKind::Member);
        let members = cluster.heads.keys().chain(witnesses.map(|(name, _)| name)).cloned().collect();
        Self { membership: Membership { members }, ..Self::default() }
    }
}

/// A folder that must exist before files or units can use it; its content is never touched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Directory {
    /// Absolute path.
    pub path: Utf8PathBuf,
    /// Whose it is.
    pub owner: Owner,
    /// Permission bits.
    pub mode: Mode,
    /// Whether it lies on a group's storage, so that one head makes it for all.
    pub shared: bool,
}

impl Directory {
    /// A host's own, of root.
    pub fn of_root(path: impl Into<Utf8PathBuf>, mode: u32) -> Self {
        Self { path: path.into(), owner: Owner::root(), mode: Mode(mode), shared: false }
    }
}

/// Something that a host is asked without changing it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Run a program to its end. In `argv`, `{staged:/path}` stands for the staged copy of that path (or the path
    /// itself where nothing is staged).
    Command {
        /// Program and arguments; no shell.
        argv: Vec<String>,
        /// Milliseconds after which it is killed.
        timeout_ms: u64,
    },
    /// Say one line to a daemon's unix socket and read its answer to the end: status 0 with the text, or none with
    /// the reason.
    Socket {
        /// Where it listens.
        path: Utf8PathBuf,
        /// What is said.
        send: String,
        /// Milliseconds after which it is given up.
        timeout_ms: u64,
    },
}

/// What a host answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Exit status; none when it was killed (time-out or signal) or is not installed.
    pub status: Option<i32>,
    /// Standard output, lossy UTF-8.
    pub stdout: String,
    /// Standard error, lossy UTF-8.
    pub stderr: String,
}

/// What we make of an answer. A validator lies both ways, so the verdict is ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Wrong, with what the program said.
    Bad(String),
    /// The program is not there to ask.
    Unknown(String),
}

/// A question about staged files, asked before anything is swapped.
#[derive(Debug, Clone)]
pub struct Check {
    /// What is asked, for messages: `kea-dhcp4 -t`.
    pub name: String,
    /// The question.
    pub question: Question,
    /// Our verdict on the answer.
    pub verdict: fn(&Answer) -> Verdict,
}

/// A question to a running daemon about what it has loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The service's name in the spec; of the engine's own daemon, its name.
    pub service: String,
    /// The group that carries it: it is asked where that is. None: wherever its unit runs.
    pub group: Option<String>,
    /// The host that is asked: configurations differ by host.
    pub host: HostName,
    /// The daemon's unit.
    pub unit: String,
    /// The question.
    pub question: Question,
    /// What an answer holds, all of it, when the daemon runs with the configuration that it was given. Runs of blanks in a line
    /// of it count as one, and each line ends.
    pub says: Vec<String>,
    /// When it reads its configuration.
    pub reads: Reads,
    /// Another comment is another configuration in its eyes.
    pub comments: bool,
}

/// When a daemon reads its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// When it is told to reload.
    OnReload,
    /// When it starts.
    OnStart,
    /// When all members are told at once, which only a change of the membership does.
    Jointly,
}

/// How a secret is made where none exists yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretKind {
    /// This many random bytes, made once by haoscar.
    Random(usize),
    /// This many random bytes as lower-case hex digits, for files of text; made once by haoscar.
    RandomHex(usize),
    /// A program on a host prints it as lower-case hex digits, once: what another program signs with a key of its own.
    Made {
        /// Where it runs.
        host: HostName,
        /// Program and arguments; no shell.
        argv: Vec<String>,
    },
    /// Only a person can know it; a missing one is an error that says how to add it.
    Given,
}

/// What one host must be.
#[derive(Debug, Clone, Default)]
pub struct HostDesired {
    /// Whole files, in order of path.
    pub files: Vec<Rendered>,
    /// Folders that must exist.
    pub directories: Vec<Directory>,
    /// Units and who starts them.
    pub units: Vec<Unit>,
    /// Distribution packages.
    pub packages: BTreeSet<String>,
    /// Questions about the staged files.
    pub checks: Vec<Check>,
    /// Secrets that this host's files use.
    pub secrets: BTreeMap<String, SecretKind>,
}

/// The whole cluster, resolved.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// The cluster's name.
    pub cluster: String,
    /// The distribution of its hosts.
    pub os: crate::spec::Os,
    /// Every host with its role and what it must be; nodes share one.
    pub hosts: BTreeMap<HostName, (Role, Arc<HostDesired>)>,
    /// Nodes that are given all that they are when they start: nobody needs to reach them.
    pub given: BTreeSet<HostName>,
    /// Heads of each group, in order of preference.
    pub groups: BTreeMap<String, Vec<HostName>>,
    /// The engine's configuration objects, changed on the cluster as a whole.
    pub engine: Option<crate::engines::EngineDesired>,
    /// What the daemons are asked about their loaded configuration.
    pub probes: Vec<Probe>,
    /// Objects that running services hold themselves.
    pub live: Vec<Live>,
    /// Packages that a host lacks are installed; else they are only named.
    pub ensure_packages: bool,
    /// What people should know before they let the spec in: templates of the site's own in place of haoscar's, what runs as root.
    pub notes: Vec<String>,
}

impl Desired {
    /// Hosts that are asked something of their own: heads, witnesses, and of nodes that are asked the same the first one.
    pub fn distinct(&self) -> impl Iterator<Item = (&HostName, &HostDesired)> {
        let mut seen = BTreeSet::new();
        let nodes = self.hosts.iter().filter(|(_, (role, _))| *role == Role::Node);
        let nodes = nodes.filter(move |(_, (_, host))| seen.insert(Arc::as_ptr(host)));
        let others = self.hosts.iter().filter(|(_, (role, _))| *role != Role::Node);
        others.chain(nodes).map(|(name, (_, host))| (name, host.as_ref()))
    }
}
