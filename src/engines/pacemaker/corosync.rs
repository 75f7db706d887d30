//! corosync.conf: who votes, over which links, and how fast a dead member is declared so.
//!
//! Timings come from `ha.detect` alone: loss is declared after token + consensus, and consensus is 1.2 × token
//! (corosync.conf(5)), so token is detect / 2.2. token_coefficient is 0: it would add 650 ms for every member above
//! two. Links are all active with lax pings: with tight pings knet itself flapped under load (knowledge/pacemaker.md 8).

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::json;

use super::qnetd;
use crate::desired::{HostName, Mode, OnChange, Probe, Question, Reads, Rendered, Surroundings};
use crate::spec::{Cluster, NetworkRole, Nic, Problem};
use crate::templates::Templates;

/// Where it lies.
pub const CONF: &str = "/etc/corosync/corosync.conf";

/// knet carries eight links at most (corosync.conf(5)).
const LINKS_MAX: usize = 8;

/// Who votes, with the node id.
pub type Members = BTreeMap<HostName, u32>;

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

/// Networks on which every member has a card, by link number. A link that is in use keeps its number, and a new one takes
/// a number that nobody has: a running corosync refuses other addresses under a number that it knows. Else in the order
/// link, private, public.
fn links<'a>(
    cluster: &'a Cluster,
    members: &BTreeMap<HostName, u32>,
    used: &BTreeMap<usize, String>,
) -> BTreeMap<usize, &'a str> {
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
    let mut wanted: Vec<_> = cluster.networks.keys().map(String::as_str).filter(|n| everywhere(n)).collect();
    wanted.sort_by_key(|name| (rank(name), *name));
    let number = |name: &str| used.iter().find(|(_, known)| *known == name).map(|(number, _)| *number);
    let (kept, new): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|name| number(name).is_some());
    let kept: BTreeMap<_, _> = kept.into_iter().filter_map(|name| Some((number(name)?, name))).collect();
    let free = (0..LINKS_MAX).filter(|number| !used.contains_key(number));
    free.zip(new).chain(kept).collect()
}

/// The networks of a corosync.conf, by link number; empty for one that the spec no longer has.
pub fn numbers(conf: &str, cluster: &Cluster) -> BTreeMap<usize, String> {
    let members = cluster.heads.values().map(|head| &head.nics);
    let cards: Vec<_> =
        members.chain(cluster.witnesses.values().map(|w| &w.nics)).flat_map(BTreeMap::values).collect();
    let network =
        |address: &str| cards.iter().find(|nic| nic.address.to_string() == address).map(|nic| &nic.network);
    let mut found: BTreeMap<usize, String> = BTreeMap::new();
    for (key, address) in conf.lines().filter_map(|line| line.trim().split_once(": ")) {
        let number = key.strip_prefix("ring").and_then(|key| key.strip_suffix("_addr")).map(str::parse);
        let Some(Ok(number)) = number else { continue };
        let known = found.entry(number).or_default();
        if let Some(network) = network(address).filter(|_| known.is_empty()) {
            known.clone_from(network);
        }
    }
    found
}

/// Renders corosync.conf, the same bytes for every member.
///
/// # Errors
/// What the template says.
pub fn conf(
    cluster: &Cluster,
    members: &Members,
    used: &BTreeMap<usize, String>,
    templates: &Templates,
) -> Result<Rendered, Problem> {
    let detect = cluster.ha.detect.as_millis();
    let token = detect * 10 / 22;
    let links = links(cluster, members, used);
    let address = |member: &str, network: &str| {
        let nics = nics(cluster, member).into_iter().flat_map(BTreeMap::values);
        nics.filter(|nic| nic.network == network).map(|nic| nic.address).next()
    };
    let nodes: Vec<_> = members
        .iter()
        .map(|(name, id)| {
            let rings = links.iter().filter_map(|(i, network)| Some((i, address(name, network)?)));
            let rings: Vec<_> =
                rings.map(|(i, address)| json!({ "number": i, "address": address })).collect();
            json!({ "name": name, "id": id, "rings": rings })
        })
        .collect();
    let device = qnetd::device(cluster, members);
    let values = json!({
        "cluster": cluster.name, "token": token, "consensus": detect - token, "nodes": nodes,
        "links": links.keys().collect::<Vec<_>>(), "device": device, "ping": token, "lost": 4 * token,
        "two": members.len() == 2 && device.is_none(),
    });
    let mut file = templates.file(CONF, "engine/pacemaker/corosync.conf.hbs", values, OnChange::Joint)?;
    file.mode = Mode(0o644);
    Ok(file)
}

/// Asks a member's corosync with what it runs: its timings, and the members that it was given (cmap_keys(7)).
pub fn loaded(host: &str, conf: &str) -> Probe {
    let keys = ["corosync-cmapctl", "runtime.config.totem.", "totem.cluster_name", "nodelist.node."];
    Probe {
        service: "corosync".to_owned(),
        group: None,
        host: host.to_owned(),
        unit: "corosync.service".to_owned(),
        question: Question::Command { argv: keys.map(str::to_owned).into(), timeout_ms: 5_000 },
        says: said(conf),
        reads: Reads::Jointly,
        comments: false,
    }
}

/// What corosync-cmapctl prints of a corosync.conf that was read.
fn said(conf: &str) -> Vec<String> {
    let mut node = 0;
    let mut found = Vec::new();
    for line in conf.lines().map(str::trim) {
        match line.split_once(": ") {
            Some((key @ ("token" | "consensus"), value)) => {
                found.push(format!("runtime.config.totem.{key} (u32) = {value}\n"));
            }
            Some(("cluster_name", name)) => found.push(format!("totem.cluster_name (str) = {name}\n")),
            Some(("name", name)) => {
                found.push(format!("nodelist.node.{node}.name (str) = {name}\n"));
                node += 1;
            }
            Some(("nodeid", id)) => {
                found.push(format!("nodelist.node.{}.nodeid (u32) = {id}\n", node.max(1) - 1));
            }
            Some((key, address)) if key.starts_with("ring") => {
                found.push(format!("nodelist.node.{}.{key} (str) = {address}\n", node.max(1) - 1));
            }
            _ => {}
        }
    }
    found
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Sources, load};

    #[test]
    fn a_link_in_use_keeps_its_number_and_a_new_one_takes_one_that_nobody_had() {
        let text = include_bytes!("../../../specs/three-heads.yaml").to_vec();
        let cluster = load(&Sources::of_text("cluster.yaml", text)).unwrap().cluster;
        let conf =
            "node {\n ring0_addr: 10.60.0.1\n ring1_addr: 203.0.113.1\n}\nnode {\n ring0_addr: 10.60.0.2\n}";
        let used = numbers(conf, &cluster);
        assert_eq!(used, BTreeMap::from([(0, "inside".to_owned()), (1, String::new())]));
        let members = BTreeMap::from([("head-1".to_owned(), 1), ("head-2".to_owned(), 2)]);
        let found = links(&cluster, &members, &used);
        assert_eq!(found, BTreeMap::from([(0, "inside"), (2, "beat"), (3, "public")]));
        let fresh = links(&cluster, &members, &BTreeMap::new());
        assert_eq!(fresh, BTreeMap::from([(0, "beat"), (1, "inside"), (2, "public")]));
    }
}
