//! What puts one host back to what was accepted for it. Pure.
//!
//! The same difference as a plan's, cut to what is safe without anybody looking on: files, folders and systemd's own units
//! of this host. Nothing here starts, stops or moves what the engine carries, and nothing starts the engine itself: a head
//! whose engine somebody has stopped stays out until a person says otherwise.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

use super::{FileChange, HostPlan, UnitAction, UnitVerb, diff};
use crate::desired::{Accepted, Desired, HostDesired, OnChange, Rendered};
use crate::engines::{LOOP_UNIT, pacemaker};
use crate::observed::{FileFact, HostObserved, Observed, Origin};

/// What is to be done, and what is left to a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heal {
    /// What is done on this host; its joint files are among its files, for they go back to what every member has.
    pub host: HostPlan,
    /// Objects of the engine's configuration that differ, for the one that leads to put back.
    pub engine: Vec<String>,
    /// What differs and is not healed, a line each.
    pub left: Vec<String>,
}

impl Heal {
    /// Nothing to put back here.
    pub fn is_empty(&self) -> bool {
        self.host.is_empty() && self.host.restarts.is_empty() && self.engine.is_empty()
    }

    /// What is put back, a short word each.
    pub fn objects(&self) -> Vec<String> {
        let folders = self.host.directories.iter().map(|folder| format!("{}/", folder.path));
        let files = self.host.files.iter().map(|change| change.path.to_string());
        let acted = self.host.units.iter().filter(|action| named(action)).map(|action| action.unit.clone());
        let units: BTreeSet<_> = acted.collect();
        folders.chain(files).chain(units).chain(self.engine.iter().cloned()).collect()
    }

    /// Units that would be restarted for files of theirs, with those files.
    pub fn readers(&self) -> BTreeMap<String, Vec<Utf8PathBuf>> {
        let mut readers: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for file in self.host.files.iter().filter_map(|change| change.file.as_ref()) {
            if let OnChange::Restart(unit) | OnChange::DaemonReload(Some(unit)) = &file.on_change {
                readers.entry(unit.clone()).or_default().push(file.path.clone());
            }
        }
        readers
    }

    /// The same without a restart of units that have not read what was edited: they run with what comes back.
    #[must_use]
    pub fn sparing(mut self, spared: &BTreeSet<String>) -> Self {
        let spare = |unit: &String| spared.contains(unit);
        self.host.units.retain(|action| action.verb != UnitVerb::Restart || !spare(&action.unit));
        self.host.restarts.retain(|unit, _| !spare(unit));
        self
    }
}

/// An action on a unit of its own: of a restart or reload the file is the reason, and is named already.
fn named(action: &UnitAction) -> bool {
    matches!(action.verb, UnitVerb::Enable | UnitVerb::Disable | UnitVerb::Start)
}

/// `cib`: the engine's configuration, where it is to be put back too.
pub fn heal(accepted: &Accepted, seen: &HostObserved, cib: Option<&str>) -> Heal {
    let kept: BTreeSet<_> =
        accepted.files.iter().filter(|file| is_kept(file, seen)).map(|file| &file.path).collect();
    let plan = diff(&desired(accepted, &kept), &observed(accepted, seen), false);
    let mut host = plan.hosts.get(&accepted.host).cloned().unwrap_or_default();
    host.files.append(&mut host.joint);
    let strange = host.files.iter().filter(|change| change.origin == Some(Origin::Unowned));
    let mut left: Vec<_> =
        strange.map(|change| format!("{} is there and was not written by haoscar", change.path)).collect();
    host.files.retain(ours);
    let (engine, starts) = std::mem::take(&mut host.engine_units).into_iter().partition(safe);
    let engine: Vec<_> = engine;
    left.extend(starts.iter().map(left_alone));
    let (units, others): (Vec<_>, Vec<_>) = host.units.into_iter().partition(safe);
    left.extend(others.iter().filter(|action| action.verb == UnitVerb::Stop).map(left_alone));
    host.units = [engine, units].concat();
    left.extend(
        kept.iter().map(|path| format!("{path} holds a secret and differs: only an apply changes it")),
    );
    let wanted = accepted.engine.as_ref().filter(|engine| !engine.cib.is_empty());
    let changes = wanted.zip(cib).and_then(|(engine, cib)| pacemaker::changes(engine, cib).ok());
    let short = |change: &pacemaker::Change| format!("{} {}", change.kind, change.id);
    Heal { host, engine: changes.unwrap_or_default().iter().map(short).collect(), left }
}

/// A file with a secret that differs may have been edited, or the secret was rotated and waits for an apply that changes it on
/// all hosts at once: one host alone with a new corosync or munge key would be cut off.
fn is_kept(file: &Rendered, seen: &HostObserved) -> bool {
    file.secrets().next().is_some() && seen.files.get(&file.path) != Some(&FileFact::Same)
}

/// Written by us, and still wanted.
fn ours(change: &FileChange) -> bool {
    change.file.is_some() && change.origin != Some(Origin::Unowned)
}

/// Nothing stops, and the engine's own units do not start.
fn safe(action: &UnitAction) -> bool {
    let engine = [crate::spec::EngineKind::Pacemaker, crate::spec::EngineKind::Heartbeat]
        .into_iter()
        .any(|kind| crate::engines::units(kind).contains(&action.unit.as_str()));
    match action.verb {
        UnitVerb::Stop => false,
        // who heals would wait for his own end, or start himself while a person stops him
        UnitVerb::Start | UnitVerb::Restart | UnitVerb::Reload if action.unit == LOOP_UNIT => false,
        UnitVerb::Start | UnitVerb::Restart | UnitVerb::Reload | UnitVerb::Enable | UnitVerb::Disable => {
            !engine
        }
        _ => true,
    }
}

fn left_alone(action: &UnitAction) -> String {
    let verb = match action.verb {
        UnitVerb::Stop => "stops",
        UnitVerb::Enable => "enables",
        UnitVerb::Disable => "disables",
        _ => "starts",
    };
    format!("{}: {}, and only an apply {verb} it", action.unit, action.reason)
}

fn desired(accepted: &Accepted, kept: &BTreeSet<&Utf8PathBuf>) -> Desired {
    let host = HostDesired {
        files: accepted.files.iter().filter(|file| !kept.contains(&file.path)).cloned().collect(),
        directories: accepted.directories.clone(),
        units: accepted.units.clone(),
        ..HostDesired::default()
    };
    Desired {
        cluster: accepted.cluster.clone(),
        hosts: BTreeMap::from([(accepted.host.clone(), (accepted.role, host.into()))]),
        engine: accepted.engine.clone(),
        ..Desired::default()
    }
}

fn observed(accepted: &Accepted, seen: &HostObserved) -> Observed {
    // what is gone from the spec was taken away when it was accepted
    let seen = HostObserved { gone: Vec::new(), ..seen.clone() };
    Observed { hosts: BTreeMap::from([(accepted.host.clone(), seen)]), ..Observed::default() }
}
