//! What the heartbeat engine can carry, and its ping node: asked by the lints, with places, and by the engine itself.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Cluster, EngineKind, NetworkRole, Service};

/// One limit of the heartbeat engine that a spec breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The section of the spec that breaks it.
    pub path: &'static str,
    /// What the engine needs instead.
    pub needs: String,
}

/// Every limit of Linux-HA 3 in its haresources mode that a spec breaks (knowledge/heartbeat.md).
pub fn heartbeat_limits(cluster: &Cluster) -> Vec<Limit> {
    let unfenced = cluster.heads.values().filter(|head| head.fence.is_empty()).count();
    let levels = cluster.heads.values().any(|head| head.fence.devices().len() > 1);
    let watchdogs = cluster.heads.values().any(|head| head.watchdog.is_some());
    let alone = cluster.storage.values().any(|storage| !storage.is_shared());
    let agents = cluster.services.values().any(|service| matches!(service, Service::Ocf(_)));
    let rows = [
        (cluster.heads.len() != 2, "heads", format!("exactly two heads, not {}", cluster.heads.len())),
        (cluster.groups.len() != 1, "groups", format!("exactly one group, not {}", cluster.groups.len())),
        (unfenced > 0, "heads", "a fence device for both heads".to_owned()),
        (levels, "heads", "one fence device a head: it knows no levels".to_owned()),
        (watchdogs, "heads", "no watchdog: sbd watches Pacemaker".to_owned()),
        (heartbeat_paths(cluster).len() < 2, "networks", "two heartbeat paths with IPv4".to_owned()),
        (!cluster.witnesses.is_empty(), "witnesses", "no witness: it has no third vote".to_owned()),
        (alone, "storage", "storages that all heads have: it mounts and copies none".to_owned()),
        (agents, "services", "units: it runs no OCF agent".to_owned()),
    ];
    let broken = rows.into_iter().filter(|(broken, _, _)| *broken);
    broken.map(|(_, path, needs)| Limit { path, needs }).collect()
}

/// Networks that both heads have an IPv4 card on: `ucast` speaks nothing else here.
pub fn heartbeat_paths(cluster: &Cluster) -> BTreeSet<&str> {
    let four = cluster.networks.iter().filter(|(_, network)| network.cidr.0.addr().is_ipv4());
    let mut paths: BTreeSet<&str> = four.map(|(name, _)| name.as_str()).collect();
    for head in cluster.heads.values() {
        paths.retain(|path| head.nics.values().any(|nic| nic.network == *path && nic.address.is_ipv4()));
    }
    paths
}

/// The address that a head must see to count as connected: `ha.ping`, else the gateway of the heads' public network.
/// None with another engine.
pub fn ping_node(cluster: &Cluster) -> Option<IpAddr> {
    let gateway = || {
        let networks = heartbeat_paths(cluster).into_iter().filter_map(|name| cluster.networks.get(name));
        let public = networks.filter(|network| network.role == NetworkRole::Public);
        public.filter_map(|network| network.gateway).find(IpAddr::is_ipv4)
    };
    let asked = (cluster.ha.engine == EngineKind::Heartbeat).then_some(cluster.ha.ping)?;
    asked.or_else(gateway)
}
