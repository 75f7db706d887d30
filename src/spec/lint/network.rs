//! Networks by themselves: what they announce must lie in them, and they must not overlap.

use ipnet::IpNet;

use super::{Lint, Mend};
use crate::spec::{Network, Range};

pub(super) fn check(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    for (name, network) in &cluster.networks {
        families(lint, name, network);
        gateway(lint, name, network);
        pool(lint, name, "pool", network.pool, network.cidr.0);
        if let Some(cidr6) = network.cidr6 {
            pool(lint, name, "pool6", network.pool6, cidr6.0);
        }
    }
    let subnets: Vec<(String, &str, IpNet)> = cluster
        .networks
        .iter()
        .flat_map(|(name, network)| {
            let first = (format!("networks.{name}.cidr"), name.as_str(), network.cidr.0);
            let second = network.cidr6.map(|cidr| (format!("networks.{name}.cidr6"), name.as_str(), cidr.0));
            std::iter::once(first).chain(second)
        })
        .collect();
    for (index, (path, name, subnet)) in subnets.iter().enumerate() {
        for (other_path, other, other_subnet) in &subnets[..index] {
            if subnet.contains(other_subnet) || other_subnet.contains(subnet) {
                let places = [lint.at(path, "this subnet"), lint.at(other_path, "overlaps this one")];
                lint.error(
                    "network/overlap",
                    format!("networks {other} and {name} overlap: {other_subnet} and {subnet}"),
                    places,
                )
                .mend("give each network a subnet of its own, or make them one network");
            }
        }
    }
}

fn families(lint: &mut Lint<'_>, name: &str, network: &Network) {
    if let Some(cidr6) = network.cidr6
        && (matches!(cidr6.0, IpNet::V4(_)) || matches!(network.cidr.0, IpNet::V6(_)))
    {
        let places =
            [lint.at(&format!("networks.{name}.cidr6"), ""), lint.at(&format!("networks.{name}.cidr"), "")];
        lint.error(
            "network/family",
            format!("network {name}: `cidr6` is the IPv6 subnet beside an IPv4 `cidr`"),
            places,
        )
        .mend("give an only subnet as `cidr`, whatever its family");
    }
    if network.pool6.is_some() && network.cidr6.is_none() {
        let places = [lint.at(&format!("networks.{name}.pool6"), "")];
        lint.error("network/family", format!("network {name} has `pool6` but no `cidr6`"), places)
            .mend("add `cidr6`, or call it `pool` if `cidr` is IPv6");
    }
}

fn gateway(lint: &mut Lint<'_>, name: &str, network: &Network) {
    let Some(gateway) = network.gateway else { return };
    let within =
        network.cidr.0.contains(&gateway) || network.cidr6.is_some_and(|cidr| cidr.0.contains(&gateway));
    if !within {
        let places = [
            lint.at(&format!("networks.{name}.gateway"), "the router"),
            lint.at(&format!("networks.{name}.cidr"), "its subnet"),
        ];
        lint.error(
            "network/gateway-outside",
            format!("gateway {gateway} is not in network {name} ({})", network.cidr),
            places,
        )
        .mend("a router must have an address in the subnet that it serves");
    }
}

fn pool(lint: &mut Lint<'_>, name: &str, word: &str, pool: Option<Range>, subnet: IpNet) {
    let Some(pool) = pool else { return };
    if !subnet.contains(&pool.first) || !subnet.contains(&pool.last) {
        let cidr = if word == "pool" { "cidr" } else { "cidr6" };
        let places = [
            lint.at(&format!("networks.{name}.{word}"), "the pool"),
            lint.at(&format!("networks.{name}.{cidr}"), "its subnet"),
        ];
        lint.error(
            "network/pool-outside",
            format!("pool {pool} of network {name} runs out of {subnet}"),
            places,
        )
        .mend(format!("choose addresses between {} and {}", subnet.network(), subnet.broadcast()));
    }
}
