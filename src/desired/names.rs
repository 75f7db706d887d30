//! Who has which name and address: heads, groups and witnesses one by one, nodes by counting up.

use std::net::IpAddr;

use serde::Serialize;

use crate::spec::address::advance;
use crate::spec::{Cluster, Mac, MacList, Nic, NodeNic, NodeRange, Nodes, Problem};

/// One line of a hosts file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The address.
    pub address: IpAddr,
    /// Its names, the full one first.
    pub names: Vec<String>,
}

/// One address of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAddress {
    /// The node.
    pub name: String,
    /// The network that it is on.
    pub network: String,
    /// The address there.
    pub address: IpAddr,
    /// The card's MAC, once known.
    pub mac: Option<Mac>,
}

/// Heads, witnesses and groups. A machine's first private address carries its plain name; every other address
/// carries `NAME-NETWORK`.
pub fn fixed(cluster: &Cluster) -> Vec<Line> {
    let machines = cluster.heads.iter().map(|(name, head)| (name, &head.nics));
    let machines = machines.chain(cluster.witnesses.iter().map(|(name, witness)| (name, &witness.nics)));
    let mut lines = Vec::new();
    for (name, nics) in machines {
        let addresses = nics.values().flat_map(of_nic);
        lines.extend(named(cluster, name, addresses.collect()));
    }
    for (name, group) in &cluster.groups {
        let addresses = group.addresses.iter().chain(&group.addresses6);
        lines.extend(named(cluster, name, addresses.map(|(network, a)| (network.clone(), *a)).collect()));
    }
    lines
}

fn of_nic(nic: &Nic) -> impl Iterator<Item = (String, IpAddr)> {
    nic.addresses().map(|address| (nic.network.clone(), address))
}

fn named(cluster: &Cluster, name: &str, mut addresses: Vec<(String, IpAddr)>) -> Vec<Line> {
    let role = |network: &str| cluster.networks.get(network).map(|n| n.role);
    let rank = |network: &str| role(network) != Some(crate::spec::NetworkRole::Private);
    addresses.sort_by_key(|(network, address)| (rank(network), network.clone(), *address));
    let first = addresses.first().map(|(network, _)| network.clone());
    let line = |(network, address): (String, IpAddr)| {
        let plain =
            if Some(&network) == first.as_ref() { name.to_owned() } else { format!("{name}-{network}") };
        Line { address, names: vec![format!("{plain}.{}", cluster.domain), plain] }
    };
    addresses.into_iter().map(line).collect()
}

/// [`fixed`] and every node: what the names service knows.
///
/// # Errors
/// What [`nodes`] says.
pub fn everybody(cluster: &Cluster) -> Result<Vec<Line>, Problem> {
    let mut lines = fixed(cluster);
    lines.extend(nodes(cluster)?.into_iter().map(|node| Line {
        address: node.address,
        names: vec![format!("{}.{}", node.name, cluster.domain), node.name],
    }));
    Ok(lines)
}

/// Every address of every node, in the order of the ranges.
///
/// # Errors
/// An address that cannot be read or runs out of its family.
pub fn nodes(cluster: &Cluster) -> Result<Vec<NodeAddress>, Problem> {
    let mut all = Vec::new();
    for (range, nodes) in &cluster.nodes {
        all.extend(of_range(range, nodes)?);
    }
    Ok(all)
}

/// Every address of every node of one range.
///
/// # Errors
/// What [`nodes`] says.
pub fn of_range(range: &NodeRange, nodes: &Nodes) -> Result<Vec<NodeAddress>, Problem> {
    let mut all = Vec::new();
    for nic in nodes.nics.values() {
        for first in [Some(&nic.address), nic.address6.as_ref()].into_iter().flatten() {
            count_up(range, nic, first, &mut all)?;
        }
    }
    Ok(all)
}

fn count_up(
    range: &NodeRange,
    nic: &NodeNic,
    first: &str,
    all: &mut Vec<NodeAddress>,
) -> Result<(), Problem> {
    let wrong = || Problem::error("node/address", format!("nodes {range}: {first} cannot be counted up"));
    let first: IpAddr = first.trim_end_matches('+').parse().map_err(|_| wrong())?;
    let macs: &[Mac] = match &nic.macs {
        MacList::Given(list) => list,
        MacList::File(_) => &[],
    };
    for (index, name) in (0u64..).zip(range.names()) {
        let address = advance(first, index).ok_or_else(wrong)?;
        let mac = usize::try_from(index).ok().and_then(|i| macs.get(i)).copied();
        all.push(NodeAddress { name, network: nic.network.clone(), address, mac });
    }
    Ok(())
}
