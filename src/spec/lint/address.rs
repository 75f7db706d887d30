//! Who claims which address: in its subnet, in no pool, and by one only.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Lint, Mend};
use crate::spec::address::advance;
use crate::spec::{Fence, FenceValue, Network, Nic};

/// Addresses that one line of the spec claims, from `first` to `last`.
struct Claim {
    first: IpAddr,
    last: IpAddr,
    network: String,
    path: String,
    owner: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Machine,
    Group,
    Nodes,
    Gateway,
    Device,
}

pub(super) fn check(lint: &mut Lint<'_>) {
    let mut claims = claims(lint);
    for claim in &claims {
        if let Some(network) = lint.cluster.networks.get(&claim.network) {
            if claim.kind != Kind::Gateway {
                subnet(lint, claim, network);
            }
            pool(lint, claim, network);
        }
    }
    claims.sort_by_key(|claim| (claim.first, claim.last));
    let mut widest: Option<&Claim> = None;
    for claim in &claims {
        if let Some(before) = widest.filter(|before| before.last >= claim.first && same_family(before, claim))
        {
            twice(lint, before, claim);
        }
        if widest.is_none_or(|before| claim.last > before.last || !same_family(before, claim)) {
            widest = Some(claim);
        }
    }
}

fn same_family(a: &Claim, b: &Claim) -> bool {
    a.first.is_ipv4() == b.first.is_ipv4()
}

fn claims(lint: &Lint<'_>) -> Vec<Claim> {
    let cluster = lint.cluster;
    let mut claims = Vec::new();
    for (name, head) in &cluster.heads {
        claims.extend(
            head.nics.iter().flat_map(|(nic, card)| of_nic(&format!("heads.{name}"), name, nic, card)),
        );
    }
    for (name, witness) in &cluster.witnesses {
        claims.extend(
            witness.nics.iter().flat_map(|(nic, card)| of_nic(&format!("witnesses.{name}"), name, nic, card)),
        );
    }
    for (name, group) in &cluster.groups {
        let addresses = group.addresses.iter().map(|(network, address)| ("addresses", network, address));
        let addresses6 = group.addresses6.iter().map(|(network, address)| ("addresses6", network, address));
        claims.extend(addresses.chain(addresses6).map(|(word, network, address)| Claim {
            first: *address,
            last: *address,
            network: network.clone(),
            path: format!("groups.{name}.{word}.{network}"),
            owner: format!("group {name}"),
            kind: Kind::Group,
        }));
    }
    for (name, network) in &cluster.networks {
        claims.extend(network.gateway.map(|gateway| Claim {
            first: gateway,
            last: gateway,
            network: name.clone(),
            path: format!("networks.{name}.gateway"),
            owner: format!("the router of network {name}"),
            kind: Kind::Gateway,
        }));
    }
    claims.extend(of_nodes(lint));
    claims.extend(of_devices(lint));
    claims
}

/// Addresses of fence devices, each once: a switched outlet serves many machines.
fn of_devices<'a>(lint: &Lint<'a>) -> Vec<Claim> {
    let cluster = lint.cluster;
    let heads = cluster.heads.iter().map(|(name, head)| (format!("heads.{name}"), name, &head.fence));
    let witnesses =
        cluster.witnesses.iter().map(|(name, witness)| (format!("witnesses.{name}"), name, &witness.fence));
    let mut devices: BTreeMap<IpAddr, Claim> = BTreeMap::new();
    let devices_of = |(path, name, fence): (String, _, &'a Fence)| {
        let paths = move |(mark, device): (String, _)| (format!("{path}.fence{mark}.ip"), name, device);
        fence.devices().into_iter().map(paths)
    };
    for (path, name, device) in heads.chain(witnesses).flat_map(devices_of) {
        let Some(FenceValue::Text(text)) = device.get("ip") else { continue };
        let Ok(address) = text.parse::<IpAddr>() else { continue };
        let holds = |network: &&Network| {
            network.cidr.0.contains(&address) || network.cidr6.is_some_and(|cidr| cidr.0.contains(&address))
        };
        let network =
            cluster.networks.iter().find(|(_, network)| holds(network)).map(|(name, _)| name.clone());
        devices.entry(address).or_insert_with(|| Claim {
            first: address,
            last: address,
            network: network.unwrap_or_default(),
            path: path.clone(),
            owner: format!("the fence device of {name}"),
            kind: Kind::Device,
        });
    }
    devices.into_values().collect()
}

fn of_nic(path: &str, name: &str, nic: &str, card: &Nic) -> Vec<Claim> {
    let first = Some(("address", card.address));
    let words = first.into_iter().chain(card.address6.map(|address| ("address6", address)));
    words
        .map(|(word, address)| Claim {
            first: address,
            last: address,
            network: card.network.clone(),
            path: format!("{path}.nics.{nic}.{word}"),
            owner: name.to_owned(),
            kind: Kind::Machine,
        })
        .collect()
}

fn of_nodes(lint: &Lint<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for (range, nodes) in &lint.cluster.nodes {
        let count = range.names().len() as u64;
        for (nic, card) in &nodes.nics {
            let first = Some(("address", &card.address));
            for (word, text) in first.into_iter().chain(card.address6.as_ref().map(|text| ("address6", text)))
            {
                let counted = text.ends_with('+');
                let Ok(first) = text.trim_end_matches('+').parse::<IpAddr>() else { continue };
                let steps = if counted { count.saturating_sub(1) } else { 0 };
                let most = match first {
                    IpAddr::V4(_) => IpAddr::from([255; 4]),
                    IpAddr::V6(_) => IpAddr::from([255; 16]),
                };
                claims.push(Claim {
                    first,
                    last: advance(first, steps).unwrap_or(most),
                    network: card.network.clone(),
                    path: format!("nodes.{range}.nics.{nic}.{word}"),
                    owner: format!("nodes {range}"),
                    kind: Kind::Nodes,
                });
            }
        }
    }
    claims
}

fn subnet(lint: &mut Lint<'_>, claim: &Claim, network: &Network) {
    let subnets =
        std::iter::once(("cidr", network.cidr.0)).chain(network.cidr6.map(|cidr| ("cidr6", cidr.0)));
    let subnets: Vec<(&str, IpNet)> = subnets.collect();
    let name = &claim.network;
    let Some((word, subnet)) = subnets.iter().find(|(_, subnet)| subnet.contains(&claim.first)) else {
        let places =
            [lint.at(&claim.path, "this address"), lint.at(&format!("networks.{name}.cidr"), "its network")];
        let shown: Vec<String> = subnets.iter().map(|(_, subnet)| subnet.to_string()).collect();
        let message =
            format!("{} of {} is not in network {name} ({})", claim.first, claim.owner, shown.join(", "));
        lint.error("address/outside-subnet", message, places)
            .mend("correct the address, or name the network that the card is plugged into");
        return;
    };
    let place = lint.at(&format!("networks.{name}.{word}"), "its network");
    if !subnet.contains(&claim.last) {
        let message = format!(
            "addresses of {} run over the end of network {name}: {} to {} is not within {subnet}",
            claim.owner, claim.first, claim.last
        );
        let places = [lint.at(&claim.path, "counts up from here"), place];
        lint.error("nodes/overrun", message, places).mend("begin lower, or widen the network");
    } else if let IpNet::V4(v4) = subnet
        && v4.prefix_len() < 31
        && let Some(special) = [v4.network(), v4.broadcast()]
            .into_iter()
            .find(|a| claim.first <= IpAddr::V4(*a) && IpAddr::V4(*a) <= claim.last)
    {
        let word = if special == v4.network() { "network's own" } else { "broadcast" };
        let places = [lint.at(&claim.path, ""), place];
        lint.error(
            "address/not-a-host",
            format!("{special} of {} is the {word} address of {subnet}", claim.owner),
            places,
        )
        .mend("choose an address between the first and the last of the subnet");
    }
}

fn pool(lint: &mut Lint<'_>, claim: &Claim, network: &Network) {
    for (word, pool) in [("pool", network.pool), ("pool6", network.pool6)] {
        let Some(pool) = pool.filter(|pool| pool.first.is_ipv4() == claim.first.is_ipv4()) else { continue };
        if claim.first <= pool.last && pool.first <= claim.last {
            let name = &claim.network;
            let places = [
                lint.at(&claim.path, "this address"),
                lint.at(&format!("networks.{name}.{word}"), "DHCP gives these to anybody"),
            ];
            let both = if claim.first == claim.last {
                claim.first.to_string()
            } else {
                format!("{} to {}", claim.first, claim.last)
            };
            lint.error(
                "address/in-pool",
                format!("{both} of {} lies in the pool {pool} of network {name}", claim.owner),
                places,
            )
            .mend("move the address or the pool: DHCP would give it to a machine without a reservation");
        }
    }
}

fn twice(lint: &mut Lint<'_>, a: &Claim, b: &Claim) {
    let places = [lint.at(&b.path, b.owner.as_str()), lint.at(&a.path, a.owner.as_str())];
    let kinds = [a.kind, b.kind];
    let own = kinds.contains(&Kind::Group) && kinds.contains(&Kind::Machine);
    if own {
        let message = format!(
            "{} is claimed by {} and is also {}'s own",
            b.first,
            if a.kind == Kind::Group { &a.owner } else { &b.owner },
            if a.kind == Kind::Group { &b.owner } else { &a.owner }
        );
        lint.error("address/of-head", message, places)
            .mend("give the group an address that no machine has: it must be able to move while the machine stays up");
    } else {
        lint.error(
            "address/twice",
            format!("{} is claimed by {} and by {}", b.first, a.owner, b.owner),
            places,
        )
        .mend("give each its own address");
    }
}
