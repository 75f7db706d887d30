//! How the cluster is, in one sentence, from facts. Pure.

mod detect;
mod doctor;
mod finding;
mod metrics;
mod proof;

pub use detect::Cost;
pub use doctor::{Doctor, against, doctor};
pub use finding::{About, Finding, Weight};
pub use metrics::{of_doctor, of_loop, of_status};
pub use proof::unproven;

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use crate::desired::{Desired, HostName, Role, UnitWant};
use crate::observed::{
    Checkup, Cycle, Disks, End, Following, Mirror, Observed, Recovered, Seen, Unconfirmed,
};
use crate::plan::Plan;

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostStatus {
    /// What it is.
    pub role: Role,
    /// Its agent answered.
    pub reached: bool,
    /// `member`, `online`, `offline`, `standby` or `unclean` in the engine's eyes; empty for nodes.
    pub engine: String,
    /// Objects that differ from the spec.
    pub drift: usize,
    /// The last apply that was cut short here, until another is committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Box<Recovered>>,
    /// The change that waits here for its confirmation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<Box<Unconfirmed>>,
    /// What its loop said last; none where none runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle: Option<Cycle>,
}

/// One group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// The head that carries its addresses.
    pub on: Option<HostName>,
    /// Resources that should be started and are not, or have failed.
    pub missing: Vec<String>,
    /// Who asked the services, as their client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_from: Option<HostName>,
    /// What it saw, by service.
    #[serde(default)]
    pub services: BTreeMap<String, Seen>,
    /// Heads that could take it over, and what speaks against each; nothing: it is proven, as far as is known without
    /// `haoscar doctor`.
    #[serde(default)]
    pub standby: BTreeMap<HostName, Vec<String>>,
    /// When it was last rehearsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsed: Option<String>,
}

/// The cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// One sentence.
    pub sentence: String,
    /// Something is not as it should be.
    pub degraded: bool,
    /// The engine may act.
    pub quorum: bool,
    /// Hosts, by name.
    pub hosts: BTreeMap<HostName, HostStatus>,
    /// Groups, by name.
    pub groups: BTreeMap<String, GroupStatus>,
    /// What the engine has to say of itself, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
    /// Machines that are being built and nodes that are starting, and how far each is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub building: BTreeMap<HostName, String>,
    /// Mirrored storages, and how old each copy is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mirrors: BTreeMap<String, Mirror>,
    /// Storages on disks of two heads, and what each has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub disks: BTreeMap<String, Disks>,
    /// The last run of `haoscar doctor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doctor: Option<Checkup>,
    /// What the head that leads says of the branch that it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Following>,
}

/// What the facts say; of hosts that were asked, for nothing is known of those that `--on` leaves out.
pub fn status(desired: &Desired, observed: &Observed, plan: &Plan) -> Status {
    let asked =
        |name: &HostName| observed.hosts.contains_key(name) || observed.unreachable.contains_key(name);
    let hosts: BTreeMap<_, _> = desired
        .hosts
        .iter()
        .filter(|(name, _)| asked(name))
        .map(|(name, (role, _))| (name.clone(), host(name, *role, desired, observed, plan)))
        .collect();
    let groups: BTreeMap<_, _> = desired
        .engine
        .iter()
        .flat_map(|engine| &engine.resources)
        .map(|(name, resources)| (name.clone(), group(name, resources, desired, observed)))
        .map(|(name, group)| (name.clone(), with_standby(&name, group, desired, observed, plan)))
        .collect();
    let quorum = observed.engine.as_ref().is_some_and(|state| state.quorum);
    let told = observed.engine.as_ref().map(|state| state.told.clone()).unwrap_or_default();
    let doctor = observed.checkup.clone();
    let follows = observed.follows.clone();
    let mut status = Status { quorum, hosts, groups, told, doctor, follows, ..Status::default() };
    let mut wrong = wrong(&status, plan, &desired.given);
    wrong.extend(starting(desired, observed));
    wrong.extend(silent_fences(observed));
    if observed.engine.as_ref().is_some_and(|state| state.maintenance) {
        wrong.insert(0, maintenance(observed));
    }
    wrong.extend(complaints(observed));
    wrong.extend(waiting(observed));
    status.degraded = !wrong.is_empty();
    status.sentence = self::sentence(&desired.cluster, &status, &wrong);
    status
}

fn maintenance(observed: &Observed) -> String {
    match observed.cib.as_deref().and_then(crate::engines::pacemaker::paused_until) {
        Some(end) => format!("the engine is paused until {end} and heals nothing"),
        None => "the engine is in maintenance and heals nothing".to_owned(),
    }
}

fn host(name: &str, role: Role, desired: &Desired, observed: &Observed, plan: &Plan) -> HostStatus {
    let outside = |name: &str| !desired.engine.iter().any(|engine| engine.members.contains_key(name));
    let node = observed.engine.as_ref().and_then(|state| state.nodes.get(name));
    let engine = match node {
        _ if role == Role::Node => "",
        None if role == Role::Witness && outside(name) => "", // a qnetd server
        None => "not a member",
        Some(node) if node.unclean => "unclean",
        Some(node) if node.pending => "pending",
        Some(node) if node.standby => "standby",
        Some(node) if node.online => "online",
        Some(_) => "offline",
    };
    let drift = plan.hosts.get(name).map_or(0, crate::plan::HostPlan::objects);
    let seen = observed.hosts.get(name);
    let recovered = seen.and_then(|seen| seen.recovered.clone());
    let unconfirmed = seen.and_then(|seen| seen.unconfirmed.clone());
    let cycle = observed.cycles.get(name).cloned();
    let engine = engine.to_owned();
    HostStatus { role, reached: seen.is_some(), engine, drift, recovered, unconfirmed, cycle }
}

fn group(name: &str, resources: &[String], desired: &Desired, observed: &Observed) -> GroupStatus {
    let Some(state) = &observed.engine else {
        return GroupStatus { missing: resources.to_vec(), ..GroupStatus::default() };
    };
    let view = observed.views.get(name);
    let mut status = GroupStatus {
        on: observed.carrier(desired, name),
        asked_from: view.map(|view| view.from.clone()),
        services: view.map(|view| view.services.clone()).unwrap_or_default(),
        rehearsed: observed.rehearsals.get(name).map(|rehearsal| rehearsal.at.clone()),
        ..GroupStatus::default()
    };
    for id in resources {
        let primitive = id.strip_suffix("-clone").unwrap_or(id);
        match state.resources.get(primitive) {
            Some(found) if !found.failed && !found.on.is_empty() => {}
            _ => status.missing.push(primitive.to_owned()),
        }
    }
    status
}

fn with_standby(
    name: &str,
    group: GroupStatus,
    desired: &Desired,
    observed: &Observed,
    plan: &Plan,
) -> GroupStatus {
    let heads = doctor::standbys(desired, observed).remove(name).unwrap_or_default();
    let against = |head: HostName| {
        let against = unproven(&head, name, desired, observed, plan);
        (head, against)
    };
    GroupStatus { standby: heads.into_iter().map(against).collect(), ..group }
}

/// Fence devices whose last answer was a failure: without them nothing is taken over from a head that is lost.
fn silent_fences(observed: &Observed) -> Vec<String> {
    let resources = observed.engine.iter().flat_map(|state| &state.resources);
    let silent = resources.filter(|(name, found)| name.starts_with("fence-") && found.failed);
    silent.map(|(name, _)| format!("fence device {name} does not answer")).collect()
}

/// Units that systemd is still trying to start.
fn starting(desired: &Desired, observed: &Observed) -> Vec<String> {
    let mut hosts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, (_, host)) in &desired.hosts {
        let Some(seen) = observed.hosts.get(name) else { continue };
        let is = |unit: &&crate::desired::Unit| {
            let fact = seen.units.get(&unit.name);
            unit.want == UnitWant::Running && fact.is_some_and(|fact| fact.active == "activating")
        };
        host.units.iter().filter(is).for_each(|unit| hosts.entry(&unit.name).or_default().push(name));
    }
    hosts.iter().map(|(unit, hosts)| format!("{unit} still starting on {}", hosts.join(", "))).collect()
}

/// Services that serve and wait for somebody outside: no fault of what was applied, and not well either.
fn waiting(observed: &Observed) -> Vec<String> {
    let services = observed.views.values().flat_map(|view| &view.services);
    let waits = |(service, seen): (&String, &Seen)| match seen {
        Seen::NotYet(what) => Some(format!("{service} is {what}")),
        _ => None,
    };
    services.filter_map(waits).collect()
}

/// What clients and the daemons themselves say is wrong, a line each; empty: every service answers with what it was
/// given, as far as was asked.
pub fn complaints(observed: &Observed) -> Vec<String> {
    let wrong = |service: &String, seen: &Seen, from: &str| match seen {
        Seen::Answers | Seen::NotYet(_) | Seen::NotAsked(_) => None,
        Seen::Wrong(what) => Some(format!("{service} answers wrong ({what}), asked from {from}")),
        Seen::Silent => Some(format!("{service} does not answer, asked from {from}")),
    };
    let seen = observed.views.values().flat_map(|view| {
        view.services.iter().filter_map(move |(service, seen)| wrong(service, seen, &view.from))
    });
    let stale = observed.stale.iter().map(|s| format!("{} on {}: {}", s.service, s.host, s.why));
    seen.chain(stale).collect()
}

/// Of nodes that are given all when they start, whether root's ssh reaches them is their own affair.
fn wrong(status: &Status, plan: &Plan, given: &BTreeSet<HostName>) -> Vec<String> {
    let mut wrong = Vec::new();
    if !status.quorum {
        wrong.push("no quorum".to_owned());
    }
    for (name, group) in status.groups.iter().filter(|(_, group)| !group.missing.is_empty()) {
        wrong.push(format!("{} of group {name} not started", group.missing.join(", ")));
    }
    for (name, host) in &status.hosts {
        if !host.reached {
            if !given.contains(name) {
                wrong.push(format!("{name} unreachable"));
            }
        } else if !host.engine.is_empty() && host.engine != "online" {
            wrong.push(format!("{name} {}", host.engine));
        }
        if let Some(stuck) = host.recovered.as_ref().filter(|found| matches!(found.end, End::Stuck(_))) {
            wrong.push(format!("{name}: {stuck}"));
        }
    }
    if !plan.is_empty() {
        let engine = !plan.engine.changes.is_empty() || !plan.engine.restarts.is_empty();
        let mut places: Vec<_> =
            plan.hosts.keys().map(String::as_str).chain(engine.then_some("the engine")).collect();
        places.extend(
            plan.live.iter().filter(|(_, l)| !l.statements.is_empty()).map(|(name, _)| name.as_str()),
        );
        wrong.push(format!("drift on {}", places.join(", ")));
    }
    wrong.extend(
        plan.engine.leaves.keys().map(|name| format!("{name} is still a member and not in the spec")),
    );
    wrong.extend(crate::plan::objects_waiting(&plan.live));
    wrong
}

fn sentence(cluster: &str, status: &Status, wrong: &[String]) -> String {
    let place = |(name, group): (&String, &GroupStatus)| match &group.on {
        Some(head) => format!("group {name} is on {head}"),
        None => format!("group {name} runs nowhere"),
    };
    let places: Vec<_> = status.groups.iter().map(place).collect();
    let state = if wrong.is_empty() { "well".to_owned() } else { format!("degraded ({})", wrong.join("; ")) };
    format!("cluster {cluster} is {state}: {}", places.join(", "))
}
