//! What decides who is alive and who carries what: one folder an engine.
//!
//! This room compiles the spec into the engine's own configuration and reads the engine's state back. It must not
//! talk to the engine: [`crate::apply`] does.

pub mod alive;
mod daemon;
pub mod heartbeat;
pub mod pacemaker;
mod recover;
mod slots;
mod state;
pub mod watchlist;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::desired::{Directory, HostDesired, HostName, Probe};
use crate::spec::{EngineKind, Replicated, Storage, StorageKind};

pub use daemon::UNIT as LOOP_UNIT;
pub use state::{EngineNode, EngineResource, EngineState, leads};

/// What the engine starts and stops for a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CarriedAs {
    /// A systemd unit, under `ocf:haoscar:unit`.
    Unit {
        /// The unit, with its suffix.
        unit: String,
        /// A shell command, run by the agent until it answers 0, that proves the unit serves. None: active is enough.
        probe: Option<String>,
    },
    /// An OCF agent of the site's own.
    Agent {
        /// `ocf:provider:type`.
        agent: String,
        /// Its parameters.
        parameters: BTreeMap<String, String>,
    },
}

/// How one service of a group is carried by the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// The service's name in the spec.
    pub service: String,
    /// What the engine starts and stops.
    pub what: CarriedAs,
    /// Stateless: runs as a clone on every head of the group, and only the address moves.
    pub clone: bool,
    /// Needs the group's address before it can start (it binds to it).
    pub needs_address: bool,
    /// A stop that fails fences the head (state on shared storage) instead of blocking.
    pub fence_on_stop_failure: bool,
    /// Milliseconds that a start may take.
    pub start_timeout_ms: u64,
    /// Milliseconds that a stop may take.
    pub stop_timeout_ms: u64,
    /// The spec's recovery policy.
    pub recovery: Option<crate::spec::Recovery>,
    /// It is the group's storage: what moves with the group starts when it is there.
    pub storage: bool,
    /// The service of the group that has stopped before this one stops.
    pub outlives: Option<String>,
    /// It runs on every head of the group, and one of them is promoted: where the group is.
    pub promoted: bool,
}

impl Carried {
    /// A moving service with state: needs the address, and a stop that fails fences.
    pub fn moving(service: &str, unit: &str, probe: Option<&str>) -> Self {
        Self {
            service: service.to_owned(),
            what: CarriedAs::Unit { unit: unit.to_owned(), probe: probe.map(str::to_owned) },
            clone: false,
            needs_address: true,
            fence_on_stop_failure: true,
            start_timeout_ms: START_TIMEOUT_MS,
            stop_timeout_ms: STOP_TIMEOUT_MS,
            recovery: None,
            storage: false,
            outlives: None,
            promoted: false,
        }
    }

    /// A storage that one head at a time has: the engine mounts it, or takes the copy of it for its own, before anything of the group
    /// that has state.
    pub fn owned(name: &str, storage: &Storage, folders: &[Directory]) -> Option<Self> {
        let mut parameters = BTreeMap::from([("path".to_owned(), storage.path.to_string())]);
        let agent = match storage.kind {
            StorageKind::Mounted => return None,
            StorageKind::Mirror => {
                parameters.insert("name".to_owned(), name.to_owned());
                "ocf:haoscar:mirror"
            }
            StorageKind::Exclusive | StorageKind::Drbd => {
                let made = storage.replicated().map(|about| about.device());
                let device = made.or_else(|| storage.device.as_ref().map(ToString::to_string))?;
                let options = storage.options.as_ref().map(|options| ("options".to_owned(), options.clone()));
                parameters.extend([("device".to_owned(), device)].into_iter().chain(options));
                "ocf:haoscar:storage"
            }
        };
        let row = |folder: &Directory| {
            let Directory { path, owner, mode, .. } = folder;
            format!("{} {} {} {path}", mode, owner.user, owner.group)
        };
        let folders: Vec<_> = folders.iter().map(row).collect();
        parameters.extend((!folders.is_empty()).then(|| ("folders".to_owned(), folders.join(";"))));
        let service = format!("storage-{name}");
        Some(Self {
            what: CarriedAs::Agent { agent: agent.to_owned(), parameters },
            needs_address: false,
            start_timeout_ms: MOUNT_TIMEOUT_MS,
            stop_timeout_ms: UNMOUNT_TIMEOUT_MS,
            storage: true,
            ..Self::moving(&service, "", None)
        })
    }

    /// A disk of each head, kept the same: what is mounted lies on it.
    pub fn replicated(name: &str, storage: &Storage) -> Option<Self> {
        let about = storage.replicated()?;
        let parameters = [
            ("drbd_resource", Replicated::resource(name)),
            ("disk", about.disk.to_string()),
            ("device", about.device()),
        ];
        let parameters = parameters.map(|(key, value)| (key.to_owned(), value)).into();
        Some(Self {
            what: CarriedAs::Agent { agent: "ocf:haoscar:drbd".to_owned(), parameters },
            promoted: true,
            ..Self::everywhere(&format!("disks-{name}"), "")
        })
    }

    /// A stateless service: on every head of the group, only the address moves.
    pub fn everywhere(service: &str, unit: &str) -> Self {
        Self {
            clone: true,
            needs_address: false,
            fence_on_stop_failure: false,
            ..Self::moving(service, unit, None)
        }
    }

    /// Whether both are one and the same unit.
    pub fn shares_unit(&self, other: &Self) -> bool {
        let unit = |carried: &Self| match &carried.what {
            CarriedAs::Unit { unit, .. } => Some(unit.clone()),
            CarriedAs::Agent { .. } => None,
        };
        unit(self).is_some_and(|own| unit(other) == Some(own))
    }

    /// The same, and the unit is asked whether it serves: a unit that hangs is active too.
    #[must_use]
    pub fn asked(mut self, question: &str) -> Self {
        if let CarriedAs::Unit { probe, .. } = &mut self.what {
            *probe = Some(question.to_owned());
        }
        self
    }
}

/// A unit that has not started by then has failed: the slowest measured start (slurmctld of 10,000 nodes) takes 2 s,
/// a loaded machine ten times that.
const START_TIMEOUT_MS: u64 = 40_000;

/// A unit that has not stopped by then has failed: systemd itself kills after 90 s, which is too late for a failover.
const STOP_TIMEOUT_MS: u64 = 30_000;

/// A journal that is long may take a minute to be replayed; a file system that needs more is looked at by a person.
const MOUNT_TIMEOUT_MS: u64 = 120_000;

/// Whoever still uses it is asked to end, then killed; what is in memory is written out.
const UNMOUNT_TIMEOUT_MS: u64 = 60_000;

/// Units of an engine itself, the first what all others need, the last of them the one that starts and stops resources.
pub fn units(kind: EngineKind) -> &'static [&'static str] {
    match kind {
        EngineKind::Pacemaker => &["corosync.service", "corosync-qdevice.service", "pacemaker.service"],
        EngineKind::Heartbeat => &["heartbeat.service"],
    }
}

/// The unit that starts and stops resources: where it runs, the engine decides what else runs.
pub fn main_unit(kind: EngineKind) -> &'static str {
    match kind {
        EngineKind::Pacemaker => "pacemaker.service",
        EngineKind::Heartbeat => "heartbeat.service",
    }
}

/// What keeps the membership, whose files change on all members at once.
pub fn membership_daemon(kind: EngineKind) -> &'static str {
    match kind {
        EngineKind::Pacemaker => "corosync",
        EngineKind::Heartbeat => "heartbeat",
    }
}

/// The engine's configuration of the whole cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineDesired {
    /// Which engine: what reads and changes its state.
    pub kind: EngineKind,
    /// Members' node ids, by name.
    pub members: BTreeMap<String, u32>,
    /// The CIB's `<configuration>` element that haoscar owns, canonical XML; empty where the engine has no CIB.
    pub cib: String,
    /// Resource ids by group name, as the engine knows them, in start order.
    pub resources: BTreeMap<String, Vec<String>>,
    /// Resource to restart for a unit; a clone's id restarts every instance.
    pub units: BTreeMap<String, String>,
}

/// The engine's part of every member, and of the cluster as a whole.
#[derive(Debug, Clone, Default)]
pub struct Compiled {
    /// Files, units, packages, checks and secrets, by member.
    pub hosts: BTreeMap<HostName, HostDesired>,
    /// The cluster's own objects.
    pub engine: EngineDesired,
    /// What the membership's daemon is asked about its loaded configuration.
    pub probes: Vec<Probe>,
}
