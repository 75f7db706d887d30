//! Groups: every service in one, state on storage, and heads that can carry the addresses.

use std::collections::BTreeMap;

use super::{Lint, Mend};
use crate::spec::{Apart, Group, NetworkRole, Service};

pub(super) fn check(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    for (name, group) in &cluster.groups {
        storage(lint, name);
        reachable(lint, name);
        private(lint, name);
        if group.apart.contains_key(name) {
            let place = lint.at_key(&format!("groups.{name}.apart.{name}"), "itself");
            lint.error("group/apart-self", format!("group {name} cannot be apart from itself"), [place])
                .mend("name another group, or remove it");
        }
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, head) in group.heads.iter().enumerate() {
            if let Some(first) = seen.insert(head, index) {
                let places = [
                    lint.at(&format!("groups.{name}.heads.{index}"), "again here"),
                    lint.at(&format!("groups.{name}.heads.{first}"), "first here"),
                ];
                lint.error("group/head-twice", format!("group {name} names head {head} twice"), places)
                    .mend("keep the first");
            }
        }
    }
    membership(lint);
    room(lint);
}

/// Groups that do not all find room when a head is gone: one of them waits for it.
fn room(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    let strict = |group: &Group| group.apart.values().any(|how| *how == Apart::Require);
    let first = cluster.groups.iter().find(|(_, group)| strict(group)).map(|(name, _)| name);
    let most = cluster.ha.groups_per_head;
    let path = match (most, first) {
        (Some(_), _) => "ha.groups_per_head".to_owned(),
        (None, Some(name)) => format!("groups.{name}.apart"),
        (None, None) => return,
    };
    let groups: Vec<_> = cluster.groups.iter().collect();
    let most = most.map_or(groups.len(), |most| most as usize);
    let stuck = cluster.heads.keys().find(|gone| !fits(&groups, gone, most, &mut Vec::new()));
    if let Some(gone) = stuck {
        let place = lint.at(&path, "this leaves no room");
        let message = format!("when {gone} is gone, not every group finds room, and one stays down");
        lint.note("group/no-room", message, [place]).mend("add a spare head to the groups, or allow more");
    }
}

/// A group, and the head that it is placed on.
type Placed<'a> = (&'a String, &'a Group, &'a String);

/// Whether the groups can all be placed without that head, beside those that are placed. A group that has no other head
/// stays down anyway.
fn fits<'a>(
    groups: &[(&'a String, &'a Group)],
    gone: &String,
    most: usize,
    placed: &mut Vec<Placed<'a>>,
) -> bool {
    let Some(((name, group), rest)) = groups.split_first() else { return true };
    let strict = |from: &Group, other: &String| from.apart.get(other) == Some(&Apart::Require);
    let heads: Vec<_> = group.heads.iter().filter(|head| *head != gone).collect();
    let clash = |head: &String, (other, theirs, at): &Placed<'_>| {
        *at == head && (strict(group, other) || strict(theirs, name))
    };
    for head in &heads {
        let full = placed.iter().filter(|(_, _, at)| at == head).count() >= most;
        if full || placed.iter().any(|other| clash(head, other)) {
            continue;
        }
        placed.push((name, group, head));
        if fits(rest, gone, most, placed) {
            return true;
        }
        placed.pop();
    }
    heads.is_empty() && fits(rest, gone, most, placed)
}

/// Whether a service keeps state that must be on both heads.
pub(super) fn has_state(service: &Service) -> bool {
    matches!(service, Service::Dhcp(_) | Service::Nfs(_) | Service::Scheduler(_))
}

fn storage(lint: &mut Lint<'_>, name: &str) {
    let cluster = lint.cluster;
    let Some(group) = cluster.groups.get(name).filter(|group| group.storage.is_none()) else {
        return;
    };
    let stateful =
        group.services.iter().enumerate().filter(|(_, s)| cluster.services.get(*s).is_some_and(has_state));
    let stateful: Vec<(usize, &String)> = stateful.collect();
    if !stateful.is_empty() {
        let mut places = vec![lint.at_key(&format!("groups.{name}"), "has no `storage`")];
        places.extend(
            stateful
                .iter()
                .map(|(index, _)| lint.at(&format!("groups.{name}.services.{index}"), "keeps state")),
        );
        let names: Vec<&str> = stateful.iter().map(|(_, service)| service.as_str()).collect();
        lint.error(
            "group/no-storage",
            format!("group {name} can move, but the state of {} cannot", names.join(", ")),
            places,
        )
        .mend("add `storage:` with a place that all its heads can reach");
    }
}

fn reachable(lint: &mut Lint<'_>, name: &str) {
    let cluster = lint.cluster;
    let Some(group) = cluster.groups.get(name) else { return };
    if group.addresses.is_empty() && group.addresses6.is_empty() && !group.services.is_empty() {
        let place = lint.at_key(&format!("groups.{name}"), "has no address of its own");
        lint.error(
            "group/no-address",
            format!("clients cannot follow group {name}: it has no address that moves with it"),
            [place],
        )
        .mend("add `addresses: { NETWORK: ADDRESS }`");
    }
    if lint.is_broken("network") {
        return;
    }
    let addresses = group.addresses.keys().map(|network| ("addresses", network));
    let addresses6 = group.addresses6.keys().map(|network| ("addresses6", network));
    for (word, network) in
        addresses.chain(addresses6).filter(|(_, network)| cluster.networks.contains_key(*network))
    {
        for (index, head) in group.heads.iter().enumerate() {
            let Some(machine) = cluster.heads.get(head) else { continue };
            if !machine.nics.values().any(|nic| nic.network == *network) {
                let places = [
                    lint.at(&format!("groups.{name}.{word}.{network}"), "this address"),
                    lint.at(&format!("groups.{name}.heads.{index}"), format!("has no card on {network}")),
                ];
                lint.error(
                    "group/head-off-network",
                    format!("head {head} cannot carry group {name}: it has no card on network {network}"),
                    places,
                )
                .mend(format!("add a card on {network} to {head}, or take {head} from the group"));
            }
        }
    }
}

/// dhcp, boot and the scheduler serve nodes, which are on private networks.
fn private(lint: &mut Lint<'_>, name: &str) {
    let cluster = lint.cluster;
    let Some(group) = cluster.groups.get(name) else { return };
    let addresses: Vec<&String> = group.addresses.keys().chain(group.addresses6.keys()).collect();
    let known =
        |network: &&&String| cluster.networks.get(**network).is_none_or(|n| n.role == NetworkRole::Private);
    if addresses.is_empty() || addresses.iter().any(|network| known(&network)) {
        return;
    }
    let serves =
        |service: &Service| matches!(service, Service::Dhcp(_) | Service::Boot(_) | Service::Scheduler(_));
    let first = group.services.iter().position(|s| cluster.services.get(s).is_some_and(serves));
    if let Some((index, service)) = first.and_then(|index| Some((index, group.services.get(index)?))) {
        let places = [
            lint.at(&format!("groups.{name}.addresses"), "none of these is on a private network"),
            lint.at(&format!("groups.{name}.services.{index}"), "serves nodes"),
        ];
        let message =
            format!("nodes cannot reach {service}: group {name} has no address on a private network");
        lint.error("group/no-private-address", message, places)
            .mend("add `addresses: { NETWORK: ADDRESS }` for a private network");
    }
}

fn membership(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    for (name, group) in &cluster.groups {
        for (index, service) in group.services.iter().enumerate() {
            let path = format!("groups.{name}.services.{index}");
            if let Some(first) = seen.get(service.as_str()) {
                let places = [lint.at(&path, "again here"), lint.at(first, "first here")];
                lint.error("service/two-groups", format!("service {service} is carried twice"), places)
                    .mend("leave it in one group, or write a second service with its own name");
            } else {
                seen.insert(service, path);
            }
        }
    }
    if lint.is_broken("service") {
        return;
    }
    for name in cluster.services.keys().filter(|name| !seen.contains_key(name.as_str())) {
        let place = lint.at_key(&format!("services.{name}"), "is carried by no group");
        lint.error("service/no-group", format!("service {name} is in no group, so it runs nowhere"), [place])
            .mend("add it to the `services` of a group, or remove it");
    }
}
