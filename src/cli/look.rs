//! What the running services are like: each group seen by a client, each daemon asked what it has loaded.
//!
//! Asks; [`crate::status`] and [`crate::plan`] decide what the answers mean.

use std::collections::BTreeMap;

use super::source;
use super::via::Survey;
use crate::apply::Crew;
use crate::desired::{Answer, Desired, HostName, Probe, Role};
use crate::host::{Host, Request, Response};
use crate::observed::{Observed, Seen, Stale, View};
use crate::probe::{Ask, ProbeTarget, probes_of};

/// A service that has not answered by then is silent: the slowest probe, a scheduler's own client, takes 20 ms here.
const LIMIT_MS: u64 = 2_000;

/// Asks every group's services from a client; puts the answers in `observed`.
pub fn look(spec: &source::Spec, found: &mut Survey) {
    let groups: Vec<_> = spec.loaded.cluster.groups.keys().cloned().collect();
    found.observed.views.clear();
    found.observed.stale = stale(&found.desired, &found.observed, &mut found.crew);
    for group in groups {
        let Some(carrier) = found.observed.carrier(&found.desired, &group) else { continue };
        let targets = probes_of(&spec.loaded.cluster, &group);
        let Some(from) = client(&found.desired, &found.crew, &carrier) else { continue };
        let (targets, unasked) = askable(&from, (&group, &carrier), &found.desired, targets);
        let view = see(&mut found.crew, &from, targets, unasked);
        found.observed.views.extend(view.map(|view| (group, view)));
    }
}

/// A look changes nothing: no file is written, and the address alone is no service.
pub fn asked(target: &ProbeTarget) -> bool {
    !matches!(target.ask, Ask::NfsWrite { .. } | Ask::Address { .. })
}

/// Who asks: a node, for that is what clients are; else a head that does not carry the group; else the head itself.
fn client(desired: &Desired, crew: &Crew, carrier: &str) -> Option<HostName> {
    let rank = |name: &HostName| match desired.hosts.get(name).map(|(role, _)| role) {
        Some(Role::Node) => 0,
        Some(Role::Head) if name != carrier => 1,
        Some(Role::Witness) => 2,
        _ => 3,
    };
    crew.names().into_iter().min_by_key(rank)
}

/// What can be asked from there, and what cannot, with why.
fn askable(
    from: &str,
    (group, carrier): (&str, &str),
    desired: &Desired,
    targets: Vec<ProbeTarget>,
) -> (Vec<ProbeTarget>, Vec<(String, Seen)>) {
    let node = desired.hosts.get(from).is_some_and(|(role, _)| *role == Role::Node);
    let has_clients =
        node || desired.groups.get(group).is_some_and(|heads| heads.iter().any(|head| head == from));
    let (mut can, mut cannot) = (Vec::new(), Vec::new());
    for target in targets.into_iter().filter(asked) {
        let why = match target.ask {
            Ask::Dhcp { .. } if from == carrier => {
                "a head is no DHCP client of itself, and no other host was reached"
            }
            Ask::Command { .. } if !has_clients => {
                "only nodes and heads of the group have its client, and no other one was reached"
            }
            _ => {
                can.push(target);
                continue;
            }
        };
        cannot.push((own(target.service), Seen::NotAsked(why.to_owned())));
    }
    (can, cannot)
}

/// A service may have several targets.
fn own(service: String) -> String {
    service.split('/').next().unwrap_or_default().to_owned()
}

fn see(crew: &mut Crew, from: &str, targets: Vec<ProbeTarget>, unasked: Vec<(String, Seen)>) -> Option<View> {
    match crew.get(from)?.ask(&Request::See { targets, limit_ms: LIMIT_MS }) {
        Ok(Response::Seen(seen)) => {
            let seen = seen.into_iter().map(|(service, seen)| (own(service), seen));
            Some(View { from: from.to_owned(), services: seen.chain(unasked).collect() })
        }
        _ => None,
    }
}

/// Daemons which have not loaded what they were given; every host is asked at the same time.
pub fn stale(desired: &Desired, observed: &Observed, crew: &mut Crew) -> Vec<Stale> {
    let here = |probe: &&Probe| match &probe.group {
        Some(group) => observed.carrier(desired, group).as_ref() == Some(&probe.host),
        None => observed.hosts.get(&probe.host).is_some_and(|host| host.runs(&probe.unit)),
    };
    let mut probes: BTreeMap<HostName, Vec<&Probe>> = BTreeMap::new();
    for probe in desired.probes.iter().filter(here) {
        probes.entry(probe.host.clone()).or_default().push(probe);
    }
    let names: Vec<_> = probes.keys().cloned().collect();
    let found = crew.each(&names, |name, host| {
        Ok(probes[name].iter().filter_map(|probe| wrong(probe, host)).collect::<Vec<_>>())
    });
    found.into_iter().flat_map(|(_, found)| found.unwrap_or_default()).collect()
}

/// Kea closes and opens its socket anew while it reads its configuration again: tried this often, this far apart.
const TRIES: usize = 6;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(300);

fn wrong(probe: &Probe, host: &mut dyn Host) -> Option<Stale> {
    let mut why = String::new();
    for attempt in 0..TRIES {
        if attempt > 0 {
            std::thread::sleep(PAUSE);
        }
        match host.ask(&Request::Ask(probe.question.clone())) {
            Ok(Response::Answer(answer)) => match unsaid(probe, &answer) {
                None => return None,
                Some(wanted) if answer.status == Some(0) => {
                    let why = format!("it runs with another configuration: it does not say `{wanted}`");
                    return Some(stale_as(probe, true, why));
                }
                Some(_) => why = answer.stderr,
            },
            Ok(_) => return None,
            Err(error) => why = error.to_string(),
        }
    }
    Some(stale_as(probe, false, why))
}

/// The first thing that an answer should hold and does not.
fn unsaid<'a>(probe: &'a Probe, answer: &Answer) -> Option<&'a str> {
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
    let answer: String = answer.stdout.lines().map(line).collect();
    probe.says.iter().find(|wanted| !answer.contains(*wanted)).map(|wanted| wanted.trim())
}

fn stale_as(probe: &Probe, answered: bool, why: String) -> Stale {
    let (service, host, unit) = (probe.service.clone(), probe.host.clone(), probe.unit.clone());
    Stale { service, host, unit, reads: probe.reads, answered, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::HostDesired;

    #[test]
    fn what_needs_a_client_of_its_own_is_asked_where_there_is_one() {
        let host = |name: &str, role| (name.to_owned(), (role, std::sync::Arc::new(HostDesired::default())));
        let roles =
            [("arbiter", Role::Witness), ("head-1", Role::Head), ("head-2", Role::Head), ("n1", Role::Node)];
        let desired = Desired {
            hosts: roles.map(|(name, role)| host(name, role)).into(),
            groups: [("control".to_owned(), ["head-1", "head-2"].map(str::to_owned).into())].into(),
            ..Desired::default()
        };
        let ask = Ask::Command { argv: vec!["scontrol".to_owned()], says: " is UP".to_owned() };
        let target = || ProbeTarget { service: "scheduler".to_owned(), ask: ask.clone(), tick_ms: 100 };
        let asked = |from: &str| askable(from, ("control", "head-1"), &desired, vec![target()]).0.len();
        assert_eq!(["n1", "head-2", "head-1"].map(asked), [1, 1, 1]);
        let (asked, unasked) = askable("arbiter", ("control", "head-1"), &desired, vec![target()]);
        assert!(asked.is_empty() && matches!(&unasked[0].1, Seen::NotAsked(why) if why.contains("client")));
    }
}
