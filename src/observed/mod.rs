//! What hosts really are: plain facts, as agents tell them. Pure.

mod cycle;
mod disks;
mod examined;
mod export;
mod steal;

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use litemap::LiteMap;
use serde::{Deserialize, Serialize};

use crate::desired::{Answer, Desired, HostName, Mode, Owner, Reads};

pub use cycle::{Cycle, Event, Following, Reason, Standing, Word};
pub use disks::{Disk, Disks};
pub use examined::{Checkup, Clock, Copied, Examined, FenceTry, Mirror, Stall};
pub use export::{EXPORT_VERSION, Export, Exported};
pub use steal::{CpuTime, steal_share};

/// What a host says of itself first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The agent's protocol.
    pub protocol: u32,
    /// haoscar's version there.
    pub version: String,
    /// The host's own name.
    pub hostname: String,
    /// `ID-VERSION_ID` of os-release: `debian-12`.
    pub os: String,
    /// A hybrid cgroup tree: slurmd then needs `CgroupPlugin=cgroup/v1`.
    pub cgroup_hybrid: bool,
    /// A lab's namespace, and no machine of its own.
    #[serde(default)]
    pub namespace: bool,
    /// corosync.conf as it is, when there is one.
    pub corosync_conf: Option<String>,
    /// The last rehearsal of each group that this host was told of.
    #[serde(default)]
    pub rehearsals: BTreeMap<String, Rehearsal>,
    /// The highest generation that this host has been part of.
    #[serde(default)]
    pub generation: u64,
    /// What its loop said last; none where none runs.
    #[serde(default)]
    pub cycle: Option<Cycle>,
    /// What `haoscar doctor` found last, as this host was told.
    #[serde(default)]
    pub checkup: Option<Checkup>,
    /// What it says of the branch that it follows; none where it does not lead.
    #[serde(default)]
    pub follows: Option<Following>,
}

/// An accepted plan: numbered, and kept in the history of every head that was reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Grows by one with every plan that is carried out.
    pub number: u64,
    /// When it was carried out, RFC 3339 in UTC.
    pub at: String,
    /// Who did, as `user@machine`.
    pub who: String,
    /// The spec's commit; ends with `+` where its files differed from it, none where the spec is in no repository.
    #[serde(default)]
    pub commit: Option<String>,
    /// One sentence.
    pub what: String,
}

/// Everything of one generation that history keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number, time and author.
    pub generation: Generation,
    /// The root document of the spec, below `spec/`.
    pub root: Utf8PathBuf,
    /// `plan.txt`, `spec/…`, and `hosts/HOST/…` with secrets as names.
    pub files: BTreeMap<Utf8PathBuf, String>,
}

/// A head's history, as it answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chronicle {
    /// What can be read, oldest first.
    pub generations: Vec<Generation>,
    /// What cannot, a line each.
    pub broken: Vec<String>,
    /// Hand edits that an apply has put right, oldest first.
    #[serde(default)]
    pub edits: Vec<Edit>,
}

/// A hand edit that an apply has put right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edit {
    /// The apply's name: when it began.
    pub apply: String,
    /// The file that was edited.
    pub path: Utf8PathBuf,
    /// Where the edited file is kept, on the same host.
    pub kept: Utf8PathBuf,
}

/// What clients saw when a group was moved there and back on purpose.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// When it was made, RFC 3339 in UTC.
    pub at: String,
    /// The heads, from where to where.
    pub between: (HostName, HostName),
    /// The longer of the two outages of each service, in seconds; none if it did not come back in time.
    pub outage_s: BTreeMap<String, Option<f64>>,
}

/// Why a file that differs does so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// haoscar wrote it, and it is as written: an older version.
    Old,
    /// haoscar wrote it, and somebody changed it since.
    Edited,
    /// A file of a distribution package, as packaged: may be taken without asking.
    Packaged,
    /// haoscar did not write it: touched only with `--adopt`.
    Unowned,
}

/// How one wanted file looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFact {
    /// Not there.
    Missing,
    /// There, with the wanted bytes, owner and mode.
    Same,
    /// There, and different. In a box: of 100,000 nodes most files are the same.
    Differs(Box<FoundFile>),
}

/// A file as it is on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundFile {
    /// Its text with secrets masked; lossy.
    pub text: String,
    /// Whose it is.
    pub owner: Owner,
    /// Its permission bits.
    pub mode: Mode,
    /// Whose it was.
    pub origin: Origin,
}

/// How one unit is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitFact {
    /// systemd knows it.
    pub loaded: bool,
    /// Started at boot.
    pub enabled: bool,
    /// Cannot be enabled: static, generated, or an alias.
    #[serde(default)]
    pub fixed: bool,
    /// systemd's ActiveState: `active`, `inactive`, `failed` …
    pub active: String,
}

/// How an apply ended that was cut short on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Put back: all is as before it.
    Old,
    /// It had been decided: all is as it asked.
    New,
    /// Not confirmed in time, and put back: all is as before it.
    Unconfirmed,
    /// Neither, and why. The engine is not started there.
    Stuck(String),
}

impl End {
    /// Somebody has to say what is right now, before this host is changed by itself.
    pub fn wants_a_person(&self) -> bool {
        matches!(self, Self::Unconfirmed | Self::Stuck(_))
    }
}

/// An apply that did not end well on a host: a kill, a power cut, nobody who confirmed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovered {
    /// Its name: when it began.
    pub id: String,
    /// What came of it.
    pub end: End,
}

/// A change that goes back by itself unless it is confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unconfirmed {
    /// The apply's name.
    pub id: String,
    /// Seconds that are left.
    pub seconds: u64,
}

impl std::fmt::Display for Unconfirmed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, seconds } = self;
        write!(f, "apply {id} goes back in {seconds} s unless it is confirmed: haoscar confirm")
    }
}

impl std::fmt::Display for Recovered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = &self.id;
        match &self.end {
            End::Old => write!(f, "apply {id} was cut short and has been put back: all is as before it"),
            End::Unconfirmed => {
                write!(f, "apply {id} was not confirmed and has been put back: all is as before it")
            }
            End::New => write!(f, "apply {id} was cut short and has been finished: all is as it asked"),
            End::Stuck(why) => write!(
                f,
                "apply {id} was cut short and can be neither finished nor put back, so the engine is not started: {why}"
            ),
        }
    }
}

/// How one host is, as far as the spec asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostObserved {
    /// Wanted files.
    pub files: LiteMap<Utf8PathBuf, FileFact>, // a BTreeMap has room for eleven: with the units, a third of what 100,000 hosts take
    /// Wanted folders that are not there, or not as wanted.
    pub directories: Vec<Utf8PathBuf>,
    /// Named units.
    pub units: LiteMap<String, UnitFact>,
    /// Files that haoscar wrote here and the spec no longer has.
    pub gone: Vec<Utf8PathBuf>,
    /// The last apply that was cut short here, until another is committed.
    #[serde(default)]
    pub recovered: Option<Box<Recovered>>,
    /// The change that waits here for its confirmation.
    #[serde(default)]
    pub unconfirmed: Option<Box<Unconfirmed>>,
    /// The highest generation that it has been part of; 0: none.
    #[serde(default)]
    pub seen: u64,
    /// The generation that is accepted here, and that healing leads to; 0: none.
    #[serde(default)]
    pub accepted: u64,
    /// What is accepted here, as a digest ([`crate::desired::Accepted::digest`]); empty: nothing.
    #[serde(default)]
    pub asks: String,
    /// Nodes that were away when that was accepted, as this head was told.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub away: BTreeSet<HostName>,
    /// Units that run and have not read what was changed, with the reason: the engine has still to restart them.
    #[serde(default)]
    pub pending: BTreeMap<String, String>,
}

impl HostObserved {
    /// A unit is active: neither starting, nor reloading, nor failed.
    pub fn runs(&self, unit: &str) -> bool {
        self.units.get(unit).is_some_and(|fact| fact.active == "active")
    }
}

/// What a client saw of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// The right answer came.
    Answers,
    /// An answer came, and it is wrong or says "not yet".
    Wrong(String),
    /// It serves, and says that it waits for somebody outside (a clock without its sources).
    NotYet(String),
    /// Nothing came in time.
    Silent,
    /// It could not be asked from there.
    NotAsked(String),
}

/// What one host saw, as a client, of every service that it can ask.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Who asked.
    pub from: HostName,
    /// What it saw, by service.
    pub services: BTreeMap<String, Seen>,
}

/// A daemon that runs and has not loaded what it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stale {
    /// The service's name in the spec.
    pub service: String,
    /// Where it runs.
    pub host: HostName,
    /// Its unit.
    pub unit: String,
    /// When it reads its configuration.
    pub reads: Reads,
    /// It said what it has loaded, and that is something else; false where it did not say.
    pub answered: bool,
    /// What it answered, or why it did not.
    pub why: String,
}

/// How the cluster is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Hosts that answered.
    pub hosts: BTreeMap<HostName, HostObserved>,
    /// Hosts that did not, and why.
    pub unreachable: BTreeMap<HostName, String>,
    /// Members that the spec no longer has, with why one cannot be reached; none where it can.
    pub leaving: BTreeMap<HostName, Option<String>>,
    /// The distribution that a host says to be where it is not called as the spec's, in os-release's words: `debian-12`.
    #[serde(default)]
    pub systems: BTreeMap<HostName, String>,
    /// Packages that the spec needs and a host lacks, where that was asked.
    #[serde(default)]
    pub missing: BTreeMap<HostName, BTreeSet<String>>,
    /// The live CIB, when some member runs the engine.
    pub cib: Option<String>,
    /// The engine's state (crm_mon XML), when some member runs it.
    pub engine: Option<crate::engines::EngineState>,
    /// What clients see of each group, where that was asked.
    pub views: BTreeMap<String, View>,
    /// Daemons that do not run with what they were given.
    pub stale: Vec<Stale>,
    /// What services answered about the objects that they hold, by service; a service that does not run is not there.
    pub live: BTreeMap<String, Vec<Answer>>,
    /// The last rehearsal of each group.
    pub rehearsals: BTreeMap<String, Rehearsal>,
    /// The highest generation that any host or the engine has seen; 0: none yet.
    pub generation: u64,
    /// The last run of `haoscar doctor`.
    #[serde(default)]
    pub checkup: Option<Checkup>,
    /// What the loop of each host said last, where one runs.
    #[serde(default)]
    pub cycles: BTreeMap<HostName, Cycle>,
    /// What the head that leads says of the branch that it follows.
    #[serde(default)]
    pub follows: Option<Following>,
}

impl Observed {
    /// The head that carries a group's addresses and moving services, if one does.
    pub fn carrier(&self, desired: &Desired, group: &str) -> Option<HostName> {
        let resources = desired.engine.as_ref()?.resources.get(group)?;
        let state = self.engine.as_ref()?;
        let moving = resources.iter().filter_map(|id| state.resources.get(id)); // a clone's id has a suffix
        moving.filter(|found| !found.failed).find_map(|found| found.on.first().cloned())
    }
}
