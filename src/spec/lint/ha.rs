//! Votes, heartbeat paths and detection: what decides whether a failover is quick, and safe.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Lint, Mend};
use crate::spec::{Cluster, NetworkRole, Nic, WitnessKind};

/// Under this a busy head is taken for dead: token 300 ms and consensus 360 ms (knowledge/pacemaker.md 7).
const DETECT_LEAST_MS: u64 = 660;
/// The fastest that had no false failover under load: token 500 ms and consensus 600 ms (the same).
const DETECT_QUIET_MS: u64 = 1100;

pub(super) fn check(lint: &mut Lint<'_>) {
    if lint.cluster.heads.len() > 1 {
        detect(lint);
        votes(lint);
        if !lint.is_broken("network") {
            paths(lint);
        }
    }
    if !lint.is_broken("network") {
        node_ids(lint);
    }
}

/// A member's name, its path and its cards.
pub(super) type Member<'a> = (&'a String, String, &'a BTreeMap<String, Nic>);

/// Heads and member witnesses: who is in the engine.
pub(super) fn members(cluster: &Cluster) -> Vec<Member<'_>> {
    let heads = cluster.heads.iter().map(|(name, head)| (name, format!("heads.{name}"), &head.nics));
    let witnesses = cluster.witnesses.iter().filter(|(_, witness)| witness.kind == WitnessKind::Member);
    heads.chain(witnesses.map(|(name, witness)| (name, format!("witnesses.{name}"), &witness.nics))).collect()
}

/// Networks that every member has a card on.
pub(super) fn common_networks(cluster: &Cluster) -> BTreeSet<&str> {
    let mut all: BTreeSet<&str> = cluster.networks.keys().map(String::as_str).collect();
    for (_, _, nics) in members(cluster) {
        let own: BTreeSet<&str> = nics.values().map(|nic| nic.network.as_str()).collect();
        all.retain(|network| own.contains(network));
    }
    all
}

fn detect(lint: &mut Lint<'_>) {
    let detect = lint.cluster.ha.detect;
    let place = lint.at("ha.detect", "");
    if detect.as_millis() < DETECT_LEAST_MS {
        lint.error(
            "ha/detect-short",
            format!("`detect` of {detect} takes a busy head for a dead one"),
            [place],
        )
        .mend(format!(
            "{DETECT_QUIET_MS}ms had no false failover under load; {DETECT_LEAST_MS}ms is the least"
        ));
    } else if detect.as_millis() < DETECT_QUIET_MS {
        lint.note(
            "ha/detect-hasty",
            format!("`detect` of {detect} is quick to take a loaded head for a dead one"),
            [place],
        )
        .mend(format!("{DETECT_QUIET_MS}ms had no false failover under load"));
    }
}

fn votes(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    let servers: Vec<&String> = cluster
        .witnesses
        .iter()
        .filter(|(_, witness)| witness.kind == WitnessKind::Qnetd)
        .map(|(name, _)| name)
        .collect();
    if servers.len() > 1 {
        let places: Vec<_> =
            servers.iter().map(|name| lint.at_key(&format!("witnesses.{name}"), "a qnetd server")).collect();
        lint.error("ha/two-qnetd", "corosync asks one qnetd server only", places)
            .mend("keep one witness of kind qnetd");
    }
    let votes = members(cluster).len();
    let tie = votes.is_multiple_of(2) && servers.is_empty();
    match cluster.ha.fence_delay.filter(|delay| delay.as_millis() > 0) {
        None if tie => {
            let mut places = vec![lint.at_key("heads", "")];
            places.extend(cluster.heads.keys().map(|name| lint.at_key(&format!("heads.{name}"), "one vote")));
            let message = format!("{votes} votes can split into equal halves, and nothing breaks the tie");
            lint.error("ha/no-tie-break", message, places)
                .mend("add a witness (`witnesses: { arbiter: { kind: member, ... } }`), or `ha: { fence_delay: 5s }` for two heads");
        }
        Some(_) if !tie => {
            let place = lint.at("ha.fence_delay", "");
            lint.note(
                "ha/delay-unused",
                "`fence_delay` is not used: a third vote breaks ties already",
                [place],
            )
            .mend("remove it");
        }
        _ => {}
    }
}

fn paths(lint: &mut Lint<'_>) {
    let common = common_networks(lint.cluster);
    if common.len() < 2 {
        let known: Vec<String> = common.iter().map(|name| format!("networks.{name}")).collect();
        let mut places = vec![lint.at_key("networks", "")];
        places.extend(known.iter().map(|path| lint.at_key(path, "the only one that all members share")));
        let message = match known.is_empty() {
            true => "the members share no network: they cannot hear each other",
            false => "the members share one network only: a loose cable looks like a dead head",
        };
        lint.error("ha/one-path", message, places)
            .mend("give every head and member witness a card on a second network; `role: link` is for heartbeats only");
    }
}

/// corosync's node id is the host part of the first private address, so that it never depends on order.
fn node_ids(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    let mut seen: BTreeMap<u32, (String, &String, IpAddr)> = BTreeMap::new();
    for (name, path, nics) in members(cluster) {
        let private = nics.iter().find_map(|(nic, card)| {
            let network =
                cluster.networks.get(&card.network).filter(|network| network.role == NetworkRole::Private)?;
            Some((
                format!("{path}.nics.{nic}.address"),
                host_part(network.cidr.0, card.address),
                card.address,
            ))
        });
        let Some((at, id, address)) = private else {
            let place = lint.at_key(&format!("{path}.nics"), "");
            lint.error("ha/no-private", format!("{name} has no card on a private network"), [place])
                .mend("boot, storage, the scheduler and the first heartbeat path need one: add a card on a network with `role: private`");
            continue;
        };
        // equal addresses have been said already
        if let Some((first, other, before)) = seen.get(&id) {
            if *before == address {
                continue;
            }
            let places = [lint.at(&at, format!("id {id}")), lint.at(first, format!("id {id}"))];
            lint.error("ha/node-id-twice", format!("{other} and {name} have the same node id {id}, the host part of their first private address"), places)
                .mend("give one of them an address with another host part");
        } else {
            seen.insert(id, (at, name, address));
        }
    }
}

/// The low 32 bits, which is what a node id has (corosync.conf(5)).
fn host_part(subnet: IpNet, address: IpAddr) -> u32 {
    match (subnet, address) {
        (IpNet::V4(net), IpAddr::V4(address)) => u32::from(address) & u32::from(net.hostmask()),
        (_, IpAddr::V4(address)) => u32::from(address),
        (_, IpAddr::V6(address)) => {
            let [.., a, b, c, d] = address.octets();
            u32::from_be_bytes([a, b, c, d])
        }
    }
}
