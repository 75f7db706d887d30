//! corosync.conf: who votes, over which links, and how fast a dead member is declared so.
//!
//! Timings come from `ha.detect` alone: loss is declared after token + consensus, and consensus is 1.2 × token
//! (corosync.conf(5)), so token is detect / 2.2. token_coefficient is 0: it would add 650 ms for every member above
//! two. Links are all active with lax pings: with tight pings knet itself flapped under load (knowledge/pacemaker.md 8).

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::json;

use crate::desired::{HostName, Mode, OnChange, Rendered, Surroundings};
use crate::spec::{Cluster, NetworkRole, Nic, Problem, WitnessKind};
use crate::templates::Templates;

/// Where it lies.
pub const CONF: &str = "/etc/corosync/corosync.conf";

/// knet carries eight links at most (corosync.conf(5)).
const LINKS_MAX: usize = 8;

/// NICs of every member, by name.
fn nics<'a>(cluster: &'a Cluster, name: &str) -> Option<&'a BTreeMap<String, Nic>> {
    let head = cluster.heads.get(name).map(|head| &head.nics);
    head.or_else(|| cluster.witnesses.get(name).map(|witness| &witness.nics))
}

/// Members that vote, with their node ids.
///
/// # Errors
/// A member without an address on a private network, or two with the same id.
pub fn voters(cluster: &Cluster, surroundings: &Surroundings) -> Result<BTreeMap<HostName, u32>, Problem> {
    let mut ids = BTreeMap::new();
    let mut taken: BTreeMap<u32, &str> = BTreeMap::new();
    for name in &surroundings.membership.members {
        let Some(nics) = nics(cluster, name) else { continue };
        let id = node_id(cluster, nics).ok_or_else(|| {
            Problem::error(
                "ha/no-private-address",
                format!("member {name} has no address on a private network"),
            )
        })?;
        if let Some(other) = taken.insert(id, name) {
            let message = format!("members {other} and {name} have the same node id {id}");
            return Err(Problem::error("ha/node-id", message));
        }
        ids.insert(name.clone(), id);
    }
    Ok(ids)
}

/// The host part of the first private address: unique on its network, and stable when others come and go
/// (docs/decisions/0002).
fn node_id(cluster: &Cluster, nics: &BTreeMap<String, Nic>) -> Option<u32> {
    let mut private: Vec<_> = nics
        .values()
        .filter_map(|nic| cluster.networks.get(&nic.network).map(|network| (nic, network)))
        .filter(|(_, network)| network.role == NetworkRole::Private)
        .collect();
    private.sort_by_key(|(nic, _)| &nic.network);
    let (nic, network) = private.first()?;
    match (nic.address, network.cidr.0.network()) {
        (IpAddr::V4(a), IpAddr::V4(n)) => Some(u32::from(a) - u32::from(n)),
        (IpAddr::V6(a), _) => u32::try_from(u128::from(a) & 0x7fff_ffff).ok(),
        _ => None,
    }
}

/// Networks on which every member has a card, in order: link, private, public.
fn links<'a>(cluster: &'a Cluster, members: &BTreeMap<HostName, u32>) -> Vec<&'a str> {
    let rank = |name: &str| match cluster.networks[name].role {
        NetworkRole::Link => 0,
        NetworkRole::Private => 1,
        NetworkRole::Public => 2,
    };
    let everywhere = |network: &str| {
        members
            .keys()
            .all(|m| nics(cluster, m).is_some_and(|nics| nics.values().any(|nic| nic.network == network)))
    };
    let mut links: Vec<_> = cluster.networks.keys().map(String::as_str).filter(|n| everywhere(n)).collect();
    links.sort_by_key(|name| (rank(name), *name));
    links.truncate(LINKS_MAX);
    links
}

/// The qnetd server and its algorithm. One member alone needs no tie broken; with an odd number of members only
/// `lms` keeps the last one quorate (corosync-qdevice(8)).
pub fn device(cluster: &Cluster, members: &BTreeMap<HostName, u32>) -> Option<serde_json::Value> {
    let witness = cluster.witnesses.values().find(|w| w.kind == WitnessKind::Qnetd)?;
    let host = witness.nics.values().next()?.address;
    let even = members.len().is_multiple_of(2);
    (members.len() > 1)
        .then(|| json!({ "host": host, "algorithm": if even { "ffsplit" } else { "lms" }, "even": even }))
}

/// Renders corosync.conf, the same bytes for every member.
///
/// # Errors
/// What the template says.
pub fn conf(
    cluster: &Cluster,
    members: &BTreeMap<HostName, u32>,
    templates: &Templates,
) -> Result<Rendered, Problem> {
    let detect = cluster.ha.detect.as_millis();
    let token = detect * 10 / 22;
    let links = links(cluster, members);
    let address = |member: &str, network: &str| {
        let nics = nics(cluster, member).into_iter().flat_map(BTreeMap::values);
        nics.filter(|nic| nic.network == network).map(|nic| nic.address).next()
    };
    let nodes: Vec<_> = members
        .iter()
        .map(|(name, id)| {
            let rings =
                links.iter().enumerate().filter_map(|(i, network)| Some((i, address(name, network)?)));
            let rings: Vec<_> =
                rings.map(|(i, address)| json!({ "number": i, "address": address })).collect();
            json!({ "name": name, "id": id, "rings": rings })
        })
        .collect();
    let device = device(cluster, members);
    let values = json!({
        "cluster": cluster.name, "token": token, "consensus": detect - token, "nodes": nodes,
        "links": (0..links.len()).collect::<Vec<_>>(), "device": device, "ping": token, "lost": 4 * token,
        "two": members.len() == 2 && device.is_none(),
    });
    let mut file = templates.file(CONF, "engine/pacemaker/corosync.conf.hbs", values, OnChange::Joint)?;
    file.mode = Mode(0o644);
    Ok(file)
}

/// Names and ids of the members that a corosync.conf lists; empty when it lists none.
pub fn members(conf: &str) -> BTreeMap<HostName, u32> {
    let mut found = BTreeMap::new();
    let (mut name, mut id) = (None, None);
    for line in conf.lines().map(str::trim) {
        match line.split_once(':').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("name", value)) => name = Some(value.to_owned()),
            Some(("nodeid", value)) => id = value.parse().ok(),
            _ if line == "}" => {
                if let (Some(name), Some(id)) = (name.take(), id.take()) {
                    found.insert(name, id);
                }
            }
            _ => {}
        }
    }
    found
}
