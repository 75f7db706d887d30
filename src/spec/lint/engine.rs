//! What the heartbeat engine cannot do (knowledge/heartbeat.md), and its ping node.

use super::{Lint, Mend};
use crate::spec::{EngineKind, heartbeat_limits, ping_node};

pub(super) fn check(lint: &mut Lint<'_>) {
    if lint.cluster.ha.engine != EngineKind::Heartbeat {
        unused(lint);
        return;
    }
    for limit in heartbeat_limits(lint.cluster) {
        let places = [lint.at("ha.engine", ""), lint.at_key(limit.path, "")];
        lint.error("engine/heartbeat-limits", format!("engine heartbeat needs {}", limit.needs), places)
            .mend("use `engine: pacemaker`, which has no such limit");
    }
    ping(lint);
}

fn unused(lint: &mut Lint<'_>) {
    if lint.cluster.ha.ping.is_some() {
        let place = lint.at("ha.ping", "");
        lint.note(
            "ha/ping-unused",
            "`ping` is not used: only the heartbeat engine asks a ping node",
            [place],
        )
        .mend("remove it");
    }
}

fn ping(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    let Some(node) = ping_node(cluster).filter(std::net::IpAddr::is_ipv4) else {
        let place = lint.at("ha.ping", "");
        lint.error("ha/no-ping", "engine heartbeat has no ping node (IPv4) to tell a cut head by", [place])
            .mend("add `ping` with an address outside of the cluster that always answers, a `gateway` to the public network, or use `engine: pacemaker`");
        return;
    };
    let heads = cluster.heads.iter().flat_map(|(name, head)| {
        head.nics
            .iter()
            .filter(|(_, nic)| nic.address == node)
            .map(move |(nic, _)| (name, format!("heads.{name}.nics.{nic}.address")))
    });
    let groups = cluster.groups.iter().flat_map(|(name, group)| {
        let own = group.addresses.iter().filter(|(_, address)| **address == node);
        own.map(move |(network, _)| (name, format!("groups.{name}.addresses.{network}")))
    });
    let found: Vec<_> = heads.chain(groups).collect();
    for (name, path) in found {
        let places = [lint.at("ha.ping", "the ping node"), lint.at(&path, "its own address")];
        lint.error("ha/ping-own", format!("the ping node {node} is {name} itself"), places)
            .mend("name a machine that is no part of the cluster: a router or a switch");
    }
}
