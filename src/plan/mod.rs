//! The difference between desired and observed, ordered, with reasons, impact and what it waits for. Pure.
//!
//! This room decides what apply will do, and leaves it no choice. It must not ask anybody anything.

mod diff;
mod heal;
mod impact;
mod live;
mod markdown;
mod packages;
mod saved;
mod show;
mod system;

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::desired::{Directory, HostName, Rendered, Statement};
use crate::engines::main_unit;
use crate::engines::pacemaker::Forecast;
use crate::observed::{Disks, Mirror, Origin, Rehearsal};
use crate::spec::EngineKind;

pub use diff::diff;
pub use heal::{Heal, heal};
pub use impact::{impact, line as line_of, outage};
pub use live::{LivePlan, waiting as objects_waiting};
pub use markdown::markdown;
pub use saved::{Moved, objects, unmoved};
pub use show::{sentence, show, summary};

/// What is done to a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitVerb {
    /// systemd reads its units again.
    DaemonReload,
    /// Not started at boot.
    Disable,
    /// Started at boot.
    Enable,
    /// Stopped by systemd.
    Stop,
    /// Started by systemd.
    Start,
    /// Asked to read its configuration again.
    Reload,
    /// Restarted by systemd.
    Restart,
    /// Restarted by the engine, once for the cluster.
    EngineRestart,
}

/// One action on one unit, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitAction {
    /// What.
    pub verb: UnitVerb,
    /// The unit; empty for a daemon-reload.
    pub unit: String,
    /// Why.
    pub reason: String,
}

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileVerb {
    /// It is not there yet.
    Create,
    /// It is there and differs.
    Change,
    /// haoscar wrote it and the spec no longer has it.
    Remove,
}

/// One file of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Where.
    pub path: Utf8PathBuf,
    /// What.
    pub verb: FileVerb,
    /// Whose the old file was.
    pub origin: Option<Origin>,
    /// Unified diff, secrets as names.
    pub diff: String,
    /// The new file; none when it is removed.
    pub file: Option<Rendered>,
    /// Only comments and empty lines differ: whoever runs with the old one runs with the new one.
    #[serde(default)]
    pub cosmetic: bool,
}

/// When a host has its turn. Within a turn hosts go at once; a turn that fails ends the apply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// Heads that carry no group now, and witnesses: what fails there hurts nobody.
    #[default]
    Standby,
    /// Heads that carry a group.
    Active,
    /// Nodes, once the heads' services answer: they are their clients.
    Nodes,
}

/// What changes on one host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPlan {
    /// When it is changed.
    pub turn: Turn,
    /// Packages to install, before anything else; the rest is planned anew when they are there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub packages: BTreeSet<String>,
    /// Folders to make.
    pub directories: Vec<Directory>,
    /// Files, in order of path.
    pub files: Vec<FileChange>,
    /// Files that change on all members at once.
    pub joint: Vec<FileChange>,
    /// Units, in order.
    pub units: Vec<UnitAction>,
    /// The engine's own units, started when every member has its files.
    pub engine_units: Vec<UnitAction>,
    /// Units here that the engine is to restart, with the reason; part of the engine's plan.
    #[serde(default)]
    pub restarts: BTreeMap<String, String>,
}

impl HostPlan {
    /// Nothing to do here.
    pub fn is_empty(&self) -> bool {
        self.objects() == 0
    }

    /// The engine does not run here yet.
    pub fn starts_engine(&self) -> bool {
        let main = [EngineKind::Pacemaker, EngineKind::Heartbeat].map(main_unit);
        let starts =
            |action: &UnitAction| action.verb == UnitVerb::Start && main.contains(&action.unit.as_str());
        self.engine_units.iter().any(starts)
    }

    /// Something is done to this unit, here or by the engine.
    pub fn acts_on(&self, unit: &str) -> bool {
        self.restarts.contains_key(unit) || self.units.iter().any(|action| action.unit == unit)
    }

    /// How many objects change.
    pub fn objects(&self) -> usize {
        self.packages.len() + self.directories.len() + self.all_files().count() + self.all_units().count()
    }

    /// Files, those that change on all members at once last.
    pub fn all_files(&self) -> impl Iterator<Item = &FileChange> {
        self.files.iter().chain(&self.joint)
    }

    /// Units, the engine's own last.
    pub fn all_units(&self) -> impl Iterator<Item = &UnitAction> {
        self.units.iter().chain(&self.engine_units)
    }
}

/// What changes in the engine's own configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnginePlan {
    /// Which engine.
    #[serde(default)]
    pub kind: EngineKind,
    /// `+ ~ -` lines by object.
    pub changes: Vec<String>,
    /// Members after the change.
    pub members: BTreeSet<HostName>,
    /// Members that leave, for the spec no longer has them, with why one cannot be reached; none where it can.
    #[serde(default)]
    pub leaves: BTreeMap<HostName, Option<String>>,
    /// Resources to restart, with the reason.
    pub restarts: BTreeMap<String, String>,
    /// Members whose membership daemon runs with something else than its files, with what: all read them again.
    #[serde(default)]
    pub rereads: BTreeMap<HostName, String>,
    /// Members whose engine is started anew, for something that starts with it alone.
    #[serde(default)]
    pub anew: BTreeMap<HostName, Anew>,
}

impl EnginePlan {
    /// How many things change.
    pub fn objects(&self) -> usize {
        let members = self.leaves.len() + self.rereads.len() + self.anew.len();
        self.changes.len() + self.restarts.len() + members
    }
}

/// A member's engine that is started anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anew {
    /// Why.
    pub reason: String,
    /// What it carries moves away meanwhile; else it goes on, with the engine in maintenance.
    pub moves: bool,
    /// Before the engine's configuration changes; else after it.
    pub first: bool,
}

/// A host that cannot be reached, and what waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What the transport said.
    pub why: String,
    /// How many objects the spec has for it.
    pub objects: usize,
}

/// Why a plan must not be applied as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What stands against it.
    pub why: String,
    /// What to do about it.
    pub mend: String,
    /// A host that is needed cannot be reached; else it would be unsafe.
    pub unreachable: bool,
}

/// What the change means for those who use the cluster. Not part of what is carried out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Impact {
    /// What the engine says that it would do with its new configuration (crm_simulate).
    #[serde(default)]
    pub forecast: Vec<Forecast>,
    /// The last rehearsal of each group that is touched; a group without one was never rehearsed.
    #[serde(default)]
    pub rehearsals: BTreeMap<String, Option<Rehearsal>>,
    /// Mirrored storages, and how old each copy is: what a power cut would cost while it is carried out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mirrors: BTreeMap<String, Mirror>,
    /// Storages on disks of two heads, and what each has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub disks: BTreeMap<String, Disks>,
}

/// Everything that would change, in the order: hosts, joint files, engine units, the engine's configuration, restarts,
/// objects of services.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The cluster's name.
    pub cluster: String,
    /// Hosts on which something changes.
    pub hosts: BTreeMap<HostName, HostPlan>,
    /// The engine's configuration.
    pub engine: EnginePlan,
    /// Objects that running services hold themselves, by service.
    #[serde(default)]
    pub live: BTreeMap<String, LivePlan>,
    /// What it means for users.
    #[serde(default)]
    pub impact: Impact,
    /// Unreachable hosts.
    pub waits: BTreeMap<HostName, Waiting>,
    /// Why this plan must not be applied; empty when it may.
    pub refused: Vec<Refusal>,
    /// What people should know of the spec's own templates and commands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Plan {
    /// Nothing would change (unreachable hosts and objects of services that do not run may still wait).
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
            && self.engine.changes.is_empty()
            && self.engine.leaves.is_empty()
            && self.engine.restarts.is_empty()
            && self.engine.rereads.is_empty()
            && self.engine.anew.is_empty()
            && self.statements().next().is_none()
    }

    /// Takes out what would change on hosts that had to wait when `before` was made: they have come up since. Their names.
    pub fn leave_late(&mut self, before: &Self) -> Vec<HostName> {
        let late = self.hosts.extract_if(.., |name, _| before.waits.contains_key(name));
        late.map(|(name, _)| name).collect()
    }

    /// What running services would be told, with the service.
    pub fn statements(&self) -> impl Iterator<Item = (&str, &Statement)> {
        let all = self.live.iter();
        all.flat_map(|(service, live)| live.statements.iter().map(move |text| (service.as_str(), text)))
    }
}
