//! From desired and observed to a plan.

use std::collections::{BTreeMap, BTreeSet};

use super::packages::packages;
use super::system::system;
use super::{
    Anew, EnginePlan, FileChange, FileVerb, HostPlan, Plan, Refusal, Turn, UnitAction, UnitVerb, Waiting,
};
use crate::desired::{Desired, HostDesired, HostName, OnChange, Reads, Rendered, Role, Unit, UnitWant};
use crate::engines::{self, EngineDesired, pacemaker};
use crate::observed::{FileFact, HostObserved, Observed, Origin, Stale, UnitFact};
use crate::spec::EngineKind;

/// What leads from observed to desired. `adopt`: files that haoscar did not write may be taken over.
pub fn diff(desired: &Desired, observed: &Observed, adopt: bool) -> Plan {
    let mut plan = Plan { cluster: desired.cluster.clone(), notes: desired.notes.clone(), ..Plan::default() };
    let (mut restarts, mut anew) = (BTreeMap::new(), BTreeMap::new());
    let kind = desired.engine.as_ref().map_or_else(EngineKind::default, |engine| engine.kind);
    let carried = desired.engine.iter().flat_map(|engine| &engine.units);
    let moving = carried
        .filter(|(_, resource)| !resource.ends_with("-clone"))
        .map(|(unit, _)| unit.as_str())
        .collect();
    let active: BTreeSet<_> = carriers(desired, observed);
    let cib = observed.cib.as_deref();
    let first = desired.engine.as_ref().is_some_and(|engine| pacemaker::restart_first(&engine.cib, cib));
    for (name, (role, host)) in &desired.hosts {
        if let Some(why) = observed.unreachable.get(name) {
            let objects = host.files.len() + host.directories.len() + host.units.len();
            plan.waits.insert(name.clone(), Waiting { why: why.clone(), objects });
        }
        let Some(seen) = observed.hosts.get(name) else { continue };
        let mut found = host_plan(host, seen, kind, &moving);
        comments_too(desired, name, seen, &mut found);
        found.turn = match role {
            Role::Node => Turn::Nodes,
            Role::Head if active.contains(name) => Turn::Active,
            Role::Head | Role::Witness => Turn::Standby,
        };
        let stale = observed.stale.iter().filter(|stale| stale.host == *name && stale.answered);
        stale.for_each(|stale| read_again(stale, seen, &moving, &mut found));
        restarts.extend(found.restarts.clone());
        anew.extend(with_engine(host, seen, first, &mut found).map(|anew| (name.clone(), anew)));
        packages(desired, observed, name, &mut found, &mut plan);
        system(desired, observed, name, &mut plan);
        plan.refused.extend(unowned(name, &found, adopt));
        plan.refused.extend(unconfirmed(name, seen));
        if !found.is_empty() {
            plan.hosts.insert(name.clone(), found);
        }
    }
    if let Some(engine) = &desired.engine {
        plan.engine = engine_plan(engine, observed, restarts);
        plan.engine.anew = anew;
        let hosts = &plan.hosts;
        let reads_new = |name: &HostName| hosts.get(name).is_some_and(|host| !host.joint.is_empty());
        plan.engine.rereads.retain(|name, _| !reads_new(name));
        plan.refused.extend(joint_refusals(&plan, observed));
        plan.refused.extend(paused(&plan, observed));
    }
    plan.live = super::live::live(desired, observed);
    plan
}

/// Heads that carry a group now.
fn carriers(desired: &Desired, observed: &Observed) -> BTreeSet<HostName> {
    let groups = desired.engine.iter().flat_map(|engine| engine.resources.keys());
    groups.filter_map(|group| observed.carrier(desired, group)).collect()
}

fn host_plan(host: &HostDesired, seen: &HostObserved, kind: EngineKind, moving: &BTreeSet<&str>) -> HostPlan {
    let changes: Vec<_> = host.files.iter().filter_map(|file| file_change(file, seen)).collect();
    let (joint, files) = changes
        .into_iter()
        .partition(|change| change.file.as_ref().is_some_and(|file| file.on_change == OnChange::Joint));
    let mut plan = HostPlan { joint, files, ..HostPlan::default() };
    plan.files.extend(seen.gone.iter().map(|path| FileChange {
        path: path.clone(),
        verb: FileVerb::Remove,
        origin: Some(Origin::Old),
        diff: String::new(),
        file: None,
        cosmetic: false,
    }));
    let missing = host.directories.iter().filter(|directory| seen.directories.contains(&directory.path));
    plan.directories = missing.cloned().collect();
    let (mut before, after) = wanted_units(&host.units, seen, engines::main_unit(kind));
    let mut restarts: BTreeMap<_, _> =
        seen.pending.clone().into_iter().filter(|(unit, _)| moving.contains(unit.as_str())).collect();
    before.extend(changed_units(&plan, seen, moving, &mut restarts));
    plan.restarts = restarts;
    let (engine, own): (Vec<_>, Vec<_>) = before
        .into_iter()
        .chain(after)
        .partition(|action| engines::units(kind).contains(&action.unit.as_str()));
    plan.units = own;
    plan.engine_units = engine;
    plan
}

/// What starts and stops with the engine alone is not acted on by itself: how the engine is to be started anew, where it
/// runs. What the member carries must move away where sbd runs, for sbd resets a machine whose engine ends while it carries
/// something; and the configuration must not name a member any more whose sbd goes. `first`: else sbd comes first.
fn with_engine(host: &HostDesired, seen: &HostObserved, first: bool, found: &mut HostPlan) -> Option<Anew> {
    let unit = pacemaker::WATCHDOG_UNIT;
    let engine = engines::units(EngineKind::Pacemaker)[0];
    if seen.gone.iter().any(|path| path == pacemaker::WATCHDOG_CONF) {
        found.units.push(action(UnitVerb::Disable, unit, "the spec gives it no watchdog any more"));
        let reason = format!("{unit} stops with it");
        return seen.runs(engine).then_some(Anew { reason, moves: true, first: false });
    }
    if !host.units.iter().any(|wanted| wanted.want == UnitWant::WithEngine) {
        return None;
    }
    let (acted, rest) = std::mem::take(&mut found.units).into_iter().partition(|action| {
        action.unit == unit && matches!(action.verb, UnitVerb::Start | UnitVerb::Restart)
    });
    found.units = rest;
    let acted: Vec<_> = acted;
    let why = &acted.first().filter(|_| seen.runs(engine))?.reason;
    Some(Anew { reason: format!("{unit} starts with it, and {why}"), moves: seen.runs(unit), first })
}

/// A daemon that runs and has not loaded its configuration reads it again, unless it does so anyway.
fn read_again(stale: &Stale, seen: &HostObserved, moving: &BTreeSet<&str>, plan: &mut HostPlan) {
    let Stale { unit, why, .. } = stale;
    if !seen.runs(unit) || plan.acts_on(unit) {
        return;
    }
    match stale.reads {
        Reads::OnReload => plan.units.push(action(UnitVerb::Reload, unit, why.clone())),
        Reads::OnStart if moving.contains(unit.as_str()) => {
            plan.restarts.insert(unit.clone(), why.clone());
        }
        Reads::OnStart => plan.units.push(action(UnitVerb::Restart, unit, why.clone())),
        Reads::Jointly => {} // the engine's part of the plan
    }
}

/// A daemon for which another comment is another configuration reads it again, which costs nobody anything.
fn comments_too(desired: &Desired, host: &str, seen: &HostObserved, plan: &mut HostPlan) {
    let asked = desired.probes.iter().filter(|probe| probe.comments && probe.host == host);
    for unit in asked.map(|probe| &probe.unit) {
        let reads = |change: &&FileChange| {
            let file = change.file.as_ref().filter(|_| change.cosmetic);
            file.is_some_and(|file| file.on_change == OnChange::Restart(unit.clone()))
        };
        let changed = plan.files.iter().find(reads).map(|change| format!("{} changed", change.path));
        let acts = plan.acts_on(unit);
        plan.units.extend(
            changed.filter(|_| seen.runs(unit) && !acts).map(|why| action(UnitVerb::Reload, unit, why)),
        );
    }
}

fn file_change(file: &Rendered, seen: &HostObserved) -> Option<FileChange> {
    let (verb, origin, old) = match seen.files.get(&file.path)? {
        FileFact::Same => return None,
        FileFact::Missing => (FileVerb::Create, None, ""),
        FileFact::Differs(found) => (FileVerb::Change, Some(found.origin), found.text.as_str()),
    };
    let rights = match seen.files.get(&file.path)? {
        FileFact::Differs(found) if found.owner != file.owner || found.mode != file.mode => format!(
            "owner and mode {}:{} {} become {}:{} {}\n",
            found.owner.user, found.owner.group, found.mode, file.owner.user, file.owner.group, file.mode
        ),
        _ => String::new(),
    };
    let secret = file.secrets().next().is_some();
    let (old, new) = if secret { ("", String::new()) } else { (old, file.shown()) };
    let written = matches!(origin, Some(Origin::Old | Origin::Edited)) && rights.is_empty();
    let cosmetic = written && !new.is_empty() && essence(old).eq(essence(&new));
    let diff =
        similar::TextDiff::from_lines(old, &new).unified_diff().context_radius(2).to_string() + &rights;
    Some(FileChange { path: file.path.clone(), verb, origin, diff, file: Some(file.clone()), cosmetic })
}

/// What a daemon reads: without empty lines, and without those that `#` begins (but `#!`), which are comments in every format that
/// is rendered here.
fn essence(text: &str) -> impl Iterator<Item = &str> {
    let says = |line: &&str| {
        let line = line.trim_start();
        !line.is_empty() && (!line.starts_with('#') || line.starts_with("#!"))
    };
    text.lines().filter(says)
}

fn action(verb: UnitVerb, unit: &str, reason: impl Into<String>) -> UnitAction {
    UnitAction { verb, unit: unit.to_owned(), reason: reason.into() }
}

/// What the wanted states ask for: first what must stop, then what must start.
fn wanted_units(units: &[Unit], seen: &HostObserved, engine: &str) -> (Vec<UnitAction>, Vec<UnitAction>) {
    let engine_runs = seen.runs(engine);
    let (mut stops, mut starts) = (Vec::new(), Vec::new());
    for unit in units {
        let fact = seen.units.get(&unit.name).cloned().unwrap_or_default();
        match unit.want {
            UnitWant::Running => starts.extend(running(unit, &fact)),
            UnitWant::WithEngine => stops.extend(running(unit, &fact)), // enabled before the engine starts
            UnitWant::Engine if engine_runs => stops.extend(disabled(unit, &fact)),
            UnitWant::Engine | UnitWant::Stopped => {
                stops.extend(disabled(unit, &fact));
                let runs = ["active", "activating", "failed"].contains(&fact.active.as_str());
                stops.extend(runs.then(|| action(UnitVerb::Stop, &unit.name, "the engine starts it")));
            }
        }
    }
    (stops, starts)
}

fn running(unit: &Unit, fact: &UnitFact) -> Vec<UnitAction> {
    let mut actions = Vec::new();
    if !fact.enabled && !fact.fixed {
        actions.push(action(UnitVerb::Enable, &unit.name, "it must start at boot"));
    }
    // systemd is at it already, and another start would change nothing: status tells
    if !["active", "reloading", "activating"].contains(&fact.active.as_str()) {
        let state = if fact.active.is_empty() { "not known" } else { &fact.active };
        actions.push(action(UnitVerb::Start, &unit.name, format!("it is {state}")));
    }
    actions
}

fn disabled(unit: &Unit, fact: &UnitFact) -> Option<UnitAction> {
    fact.enabled.then(|| action(UnitVerb::Disable, &unit.name, "only the engine may start it"))
}

/// What changed files ask for, where the unit runs. What moves is restarted by the engine; a clone's instance by
/// systemd, in its place, for the engine would restart it on every head at once.
fn changed_units(
    plan: &HostPlan,
    seen: &HostObserved,
    moving: &BTreeSet<&str>,
    restarts: &mut BTreeMap<String, String>,
) -> Vec<UnitAction> {
    let mut daemon_reload = Vec::new();
    let mut rest: BTreeMap<String, UnitAction> = BTreeMap::new();
    for change in plan.files.iter().filter(|change| change.file.is_some()) {
        let Some(file) = &change.file else { continue };
        let reason = format!("{} changed", change.path);
        let (restart, reload) = match &file.on_change {
            OnChange::Restart(unit) => (Some(unit), None),
            OnChange::Reload(unit) => (None, Some(unit)),
            OnChange::DaemonReload(unit) => {
                daemon_reload = vec![action(UnitVerb::DaemonReload, "", reason.clone())];
                (unit.as_ref(), None)
            }
            OnChange::Nothing | OnChange::Joint => (None, None),
        };
        if change.cosmetic {
            continue;
        }
        if let Some(unit) = restart.filter(|unit| seen.runs(unit)) {
            if moving.contains(unit.as_str()) {
                restarts.insert(unit.clone(), reason);
            } else {
                rest.insert(unit.clone(), action(UnitVerb::Restart, unit, reason));
            }
        } else if let Some(unit) = reload.filter(|unit| seen.runs(unit)) {
            rest.entry(unit.clone()).or_insert_with(|| action(UnitVerb::Reload, unit, reason));
        }
    }
    // what is restarted reads its files then, and as it was before it might read them wrongly
    rest.retain(|unit, _| !restarts.contains_key(unit));
    let gone =
        plan.files.iter().find(|change| change.file.is_none() && change.path.starts_with("/etc/systemd"));
    if let Some(change) = gone.filter(|_| daemon_reload.is_empty()) {
        daemon_reload = vec![action(UnitVerb::DaemonReload, "", format!("{} is taken away", change.path))];
    }
    daemon_reload.into_iter().chain(rest.into_values()).collect()
}

fn unowned(host: &str, plan: &HostPlan, adopt: bool) -> Vec<Refusal> {
    let strange = plan.all_files().filter(|change| change.origin == Some(Origin::Unowned));
    let say = |change: &FileChange| Refusal {
        why: format!("{host}: {} was not written by haoscar", change.path),
        mend: "`--adopt` takes such files over and keeps the originals in /var/lib/haoscar/adopted"
            .to_owned(),
        unreachable: false,
    };
    if adopt { Vec::new() } else { strange.map(say).collect() }
}

/// What waits for its confirmation goes back to what was before it: nothing else may have come in between.
fn unconfirmed(host: &str, seen: &HostObserved) -> Option<Refusal> {
    seen.unconfirmed.as_ref().map(|unconfirmed| Refusal {
        why: format!("{host}: {unconfirmed}"),
        mend: "confirm it first, or wait until it has gone back".to_owned(),
        unreachable: false,
    })
}

/// An engine in maintenance takes a change and does nothing about it: nobody would see whether it works.
fn paused(plan: &Plan, observed: &Observed) -> Option<Refusal> {
    let joint = plan.hosts.values().any(|host| !host.joint.is_empty());
    let concerned = joint
        || !plan.engine.anew.is_empty()
        || !plan.engine.changes.is_empty()
        || !plan.engine.restarts.is_empty();
    let maintenance = observed.engine.as_ref().is_some_and(|state| state.maintenance);
    (concerned && maintenance).then(|| Refusal {
        why: "the engine is in maintenance, and this changes what it carries".to_owned(),
        mend: "haoscar resume, or wait for the pause's end (haoscar status)".to_owned(),
        unreachable: false,
    })
}

/// A joint change needs every member, old and new: one that was not asked would be left with the old membership, and
/// one that is left out of the new list while it lives could serve beside the others.
fn joint_refusals(plan: &Plan, observed: &Observed) -> Vec<Refusal> {
    if plan.hosts.values().all(|host| host.joint.is_empty()) && observed.leaving.is_empty() {
        return Vec::new();
    }
    let live = observed.engine.iter().flat_map(|state| state.nodes.keys());
    let members: BTreeSet<_> = plan.engine.members.iter().chain(live).collect();
    let here = |member: &str| observed.hosts.contains_key(member) || observed.leaving.contains_key(member);
    let away = members.into_iter().filter(|member| !here(member));
    let away = away.map(|member| Refusal {
        why: format!(
            "{member} is a member and cannot be reached, and {}'s files change on all at once",
            engines::membership_daemon(plan.engine.kind)
        ),
        mend: "bring it back, or take it out of the spec".to_owned(),
        unreachable: true,
    });
    away.chain(live_leavers(observed)).collect()
}

/// A member that leaves and cannot be reached must be off in the engine's eyes: it has no quorum when it is back. One
/// that lives would serve beside the others.
fn live_leavers(observed: &Observed) -> impl Iterator<Item = Refusal> {
    let off = |name: &str| {
        let node = observed.engine.as_ref().and_then(|state| state.nodes.get(name));
        node.is_some_and(|node| !node.online && !node.unclean)
    };
    let away = observed.leaving.iter().filter_map(|(name, away)| Some((name, away.as_ref()?)));
    away.filter(move |(name, _)| !off(name)).map(|(name, why)| Refusal {
        why: format!("{name} leaves, cannot be reached ({why}), and is not known to be off"),
        mend: format!("bring it back, or see that it is off: haoscar fenced {name} --i-saw-it-off"),
        unreachable: true,
    })
}

fn engine_plan(engine: &EngineDesired, observed: &Observed, units: BTreeMap<String, String>) -> EnginePlan {
    let changes = match &observed.cib {
        Some(cib) => match pacemaker::changes(engine, cib) {
            Ok(changes) => changes.iter().map(ToString::to_string).collect(),
            Err(error) => vec![format!("~ {error}: it is written anew")],
        },
        None if engine.members.is_empty() || engine.cib.is_empty() => Vec::new(), // heartbeat's is in its files
        None => vec![format!("+ the whole configuration, for {}", names(engine.members.keys()))],
    };
    let jointly = |stale: &&Stale| stale.answered && stale.reads == Reads::Jointly;
    let resource = |(unit, reason)| Some((engine.units.get(&unit)?.clone(), reason));
    EnginePlan {
        kind: engine.kind,
        changes,
        members: engine.members.keys().cloned().collect::<BTreeSet<_>>(),
        leaves: observed.leaving.clone(),
        restarts: units.into_iter().filter_map(resource).collect(),
        rereads: observed
            .stale
            .iter()
            .filter(jointly)
            .map(|stale| (stale.host.clone(), stale.why.clone()))
            .collect(),
        anew: BTreeMap::new(),
    }
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{Mode, Owner, Piece};
    use crate::observed::{FoundFile, UnitFact};

    fn file(text: &str) -> Rendered {
        Rendered {
            path: "/etc/chrony/chrony.conf".into(),
            owner: Owner::root(),
            mode: Mode(0o644),
            text: vec![Piece::Text(text.into())],
            on_change: OnChange::Restart("chrony.service".to_owned()),
            source: "test".to_owned(),
        }
    }

    /// What the change from one text to another asks of the unit, which runs.
    fn asked(old: &str, new: &str, mode: Mode, origin: Origin) -> Vec<UnitVerb> {
        let found = FoundFile { text: old.to_owned(), owner: Owner::root(), mode, origin };
        let fact = FileFact::Differs(Box::new(found));
        let seen = HostObserved {
            files: [("/etc/chrony/chrony.conf".into(), fact)].into_iter().collect(),
            units: [(
                "chrony.service".to_owned(),
                UnitFact { active: "active".to_owned(), ..UnitFact::default() },
            )]
            .into_iter()
            .collect(),
            ..HostObserved::default()
        };
        let host = HostDesired { files: vec![file(new)], ..HostDesired::default() };
        let plan = host_plan(&host, &seen, EngineKind::Pacemaker, &BTreeSet::new());
        assert_eq!(plan.files.len(), 1, "it is written in any case");
        plan.units.iter().map(|action| action.verb).collect()
    }

    #[test]
    fn a_change_of_comments_alone_restarts_nothing() {
        let (old, new) = ("# made by haoscar 1\nserver a\n", "# made by haoscar 2\n\n  # why\nserver a\n");
        assert_eq!(asked(old, new, Mode(0o644), Origin::Old), []);
        assert_eq!(asked(old, new, Mode(0o644), Origin::Edited), []);
    }

    #[test]
    fn whatever_else_changes_restarts() {
        let restart = [UnitVerb::Restart];
        assert_eq!(asked("server a\n", "server b\n", Mode(0o644), Origin::Old), restart);
        assert_eq!(
            asked("#server a\n", "server a\n", Mode(0o644), Origin::Edited),
            restart,
            "a line that was commented out"
        );
        assert_eq!(asked("a\nb\n", "b\na\n", Mode(0o644), Origin::Old), restart, "order");
        assert_eq!(asked("#!a\n", "#!b\n", Mode(0o644), Origin::Old), restart, "an interpreter");
        assert_eq!(asked("# x\na\n", "a\n", Mode(0o600), Origin::Old), restart, "its mode");
        assert_eq!(
            asked("# x\na\n", "a\n", Mode(0o644), Origin::Packaged),
            restart,
            "nobody knows what it runs with"
        );
    }
}
