//! What a lab consists of, worked out of the spec: wires, hosts, ports. It must not touch the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use camino::Utf8PathBuf;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::desired::names;
use crate::spec::{Cluster, MacList, Network, Nic, Range, ping_node};

/// What a host of the lab stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostKind {
    /// It can carry protected services.
    Head,
    /// It votes.
    Witness,
    /// It asks for an address and waits for work.
    Node,
}

/// A network of the spec as a bridge of the switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    /// The bridge's name in the switch's namespace.
    pub bridge: String,
    /// The switch's own addresses there, for the prober: the last ones that are nobody else's.
    pub addresses: Vec<IpNet>,
}

/// One NIC of a host and the port of the switch that it is plugged into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The NIC's name on the host.
    pub nic: String,
    /// The port's name in the switch's namespace.
    pub port: String,
    /// The network.
    pub network: String,
    /// The NIC's hardware address, if the spec knows it.
    pub mac: Option<String>,
    /// The host's own addresses; none where DHCP gives them.
    pub addresses: Vec<IpNet>,
    /// Whether DHCPv6 is asked too.
    pub dhcp6: bool,
}

/// One host of the lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabHost {
    /// What it stands for.
    pub kind: HostKind,
    /// Its NICs.
    pub ports: Vec<Port>,
    /// Routers that it sends the rest to.
    pub gateways: Vec<IpAddr>,
    /// Folders of the lab that it shares with others, by storage name and mount point.
    pub storage: BTreeMap<String, Utf8PathBuf>,
    /// Disks that it reaches and others too, by storage name and device.
    #[serde(default)]
    pub disks: BTreeMap<String, Utf8PathBuf>,
}

/// Wires and hosts of one lab.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// By network name.
    pub wires: BTreeMap<String, Wire>,
    /// By host name.
    pub hosts: BTreeMap<String, LabHost>,
}

/// The lab of a spec.
pub fn of(cluster: &Cluster) -> Layout {
    let (taken, ping) = (taken(cluster), ping_node(cluster));
    let wires = cluster
        .networks
        .iter()
        .enumerate()
        .map(|(n, (name, network))| (name.clone(), wire(n, network, &taken, ping)));
    let mut hosts = BTreeMap::new();
    for (host, head) in &cluster.heads {
        let (mut storage, mut disks) = (BTreeMap::new(), BTreeMap::new());
        for (name, about) in &cluster.storage {
            match about.exclusive() {
                Some(device) => disks.insert(name.clone(), device.clone()),
                None if about.is_shared() => storage.insert(name.clone(), about.path.clone()),
                // one of its own: the root of a lab's host is an overlay, of which NFS can give nothing away
                None => storage.insert(format!("{host}.{name}"), about.path.clone()),
            };
        }
        let machine = machine(cluster, HostKind::Head, &head.nics, storage);
        hosts.insert(host.clone(), LabHost { disks, ..machine });
    }
    for (name, witness) in &cluster.witnesses {
        hosts.insert(name.clone(), machine(cluster, HostKind::Witness, &witness.nics, BTreeMap::new()));
    }
    hosts.extend(nodes(cluster));
    for (number, host) in hosts.values_mut().enumerate() {
        for (nic, port) in host.ports.iter_mut().enumerate() {
            port.port = format!("p{number}n{nic}");
        }
    }
    Layout { wires: wires.collect(), hosts }
}

fn wire(number: usize, network: &Network, taken: &BTreeSet<IpAddr>, ping: Option<IpAddr>) -> Wire {
    let free = |net: IpNet, pool: Option<Range>| last_free(net, pool, taken);
    let four = free(network.cidr.0, network.pool);
    let six = network.cidr6.and_then(|cidr| free(cidr.0, network.pool6));
    // the switch is heartbeat's ping node too: a head without its cable does not see it
    let ping = ping.filter(|address| network.cidr.0.contains(address));
    let ping = ping.and_then(|address| IpNet::new(address, network.cidr.0.prefix_len()).ok());
    Wire { bridge: format!("wire{number}"), addresses: four.into_iter().chain(six).chain(ping).collect() }
}

/// Every address that the spec gives to somebody.
fn taken(cluster: &Cluster) -> BTreeSet<IpAddr> {
    let machines = cluster.heads.values().map(|head| &head.nics);
    let nics =
        machines.chain(cluster.witnesses.values().map(|witness| &witness.nics)).flat_map(BTreeMap::values);
    let own = nics.flat_map(Nic::addresses);
    let groups = cluster.groups.values();
    let groups = groups.flat_map(|group| group.addresses.values().chain(group.addresses6.values())).copied();
    let gateways = cluster.networks.values().filter_map(|network| network.gateway);
    let nodes = names::nodes(cluster).unwrap_or_default().into_iter().map(|node| node.address);
    own.chain(groups).chain(gateways).chain(nodes).chain(ping_node(cluster)).collect()
}

/// The highest address of a subnet that is neither its network address nor IPv4's broadcast, in no pool, and nobody's.
fn last_free(net: IpNet, pool: Option<Range>, taken: &BTreeSet<IpAddr>) -> Option<IpNet> {
    let pooled = |address: &IpAddr| pool.is_some_and(|pool| pool.contains(*address));
    let usable = |address: &IpAddr| net.contains(address) && *address != net.network();
    let free = |address: &IpAddr| usable(address) && !taken.contains(address) && !pooled(address);
    let start = |address: &IpAddr| pool.filter(|_| pooled(address)).map_or(*address, |pool| pool.first);
    let below = |address: &IpAddr| match &start(address) {
        // a pool of IPv6 is too large to walk through
        IpAddr::V4(a) => u32::from(*a).checked_sub(1).map(|a| IpAddr::V4(a.into())),
        IpAddr::V6(a) => u128::from(*a).checked_sub(1).map(|a| IpAddr::V6(a.into())),
    };
    let first = match net.broadcast() {
        last @ IpAddr::V4(_) => below(&last),
        last @ IpAddr::V6(_) => Some(last),
    };
    let mut down = std::iter::successors(first, below).take(TRIED_MAX);
    down.find(free).and_then(|address| IpNet::new(address, net.prefix_len()).ok())
}

/// A subnet whose last so many addresses are all somebody's has no place for the switch.
const TRIED_MAX: usize = 65_536;

fn machine(
    cluster: &Cluster,
    kind: HostKind,
    nics: &BTreeMap<String, Nic>,
    storage: BTreeMap<String, Utf8PathBuf>,
) -> LabHost {
    let ports = nics.iter().map(|(name, nic)| Port {
        nic: name.clone(),
        port: String::new(),
        network: nic.network.clone(),
        mac: Some(nic.mac.to_string()),
        addresses: cluster.own_addresses(nic),
        dhcp6: false,
    });
    let gateways = nics.values().filter_map(|nic| cluster.networks.get(&nic.network)?.gateway);
    LabHost { kind, ports: ports.collect(), gateways: gateways.collect(), storage, disks: BTreeMap::new() }
}

fn nodes(cluster: &Cluster) -> BTreeMap<String, LabHost> {
    let mut hosts = BTreeMap::new();
    for (range, nodes) in &cluster.nodes {
        for (number, name) in range.names().into_iter().enumerate() {
            let ports = nodes.nics.iter().map(|(nic, about)| Port {
                nic: nic.clone(),
                port: String::new(),
                network: about.network.clone(),
                mac: match &about.macs {
                    MacList::Given(macs) => macs.get(number).map(ToString::to_string),
                    MacList::File(_) => None,
                },
                addresses: Vec::new(),
                dhcp6: about.address6.is_some(),
            });
            let host = LabHost {
                kind: HostKind::Node,
                ports: ports.collect(),
                gateways: Vec::new(),
                storage: BTreeMap::new(),
                disks: BTreeMap::new(),
            };
            hosts.insert(name, host);
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Sources, load};

    fn reference() -> Layout {
        let text = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/specs/ha-oscar-2004.yaml")).unwrap();
        of(&load(&Sources::of_text("cluster.yaml", text)).unwrap().cluster)
    }

    #[test]
    fn the_switch_takes_the_last_usable_address_of_each_network() {
        let layout = reference();
        assert_eq!(layout.wires["public"].addresses, ["192.0.2.254/24".parse().unwrap()]);
        assert_eq!(layout.wires["inside"].addresses, ["10.20.255.254/16".parse().unwrap()]);
    }

    #[test]
    fn the_switch_gives_way_to_whoever_has_the_last_address() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/specs/ha-oscar-2004.yaml"))
            .unwrap();
        assert!(text.contains("address: 192.0.2.11"));
        let text = text.replace("address: 192.0.2.11", "address: 192.0.2.254");
        let sources = Sources::of_text("cluster.yaml", text.into_bytes());
        let layout = of(&load(&sources).unwrap().cluster);
        assert_eq!(layout.wires["public"].addresses, ["192.0.2.253/24".parse().unwrap()]);
    }

    #[test]
    fn the_switch_finds_its_address_below_a_pool_that_ends_the_subnet() {
        let last = |net: &str, pool: &str| {
            let taken = BTreeSet::new();
            last_free(net.parse().unwrap(), Some(pool.parse().unwrap()), &taken).map(|net| net.to_string())
        };
        let six = last("2001:db8::/64", "2001:db8::1000-2001:db8::ffff:ffff:ffff:ffff");
        assert_eq!(six.as_deref(), Some("2001:db8::fff/64"));
        assert_eq!(last("192.0.2.0/24", "192.0.2.100-192.0.2.254").as_deref(), Some("192.0.2.99/24"));
        assert_eq!(last("192.0.2.0/30", "192.0.2.1-192.0.2.2"), None);
    }

    #[test]
    fn a_head_has_its_own_addresses_and_a_node_asks_for_one() {
        let layout = reference();
        let head = &layout.hosts["head-1"];
        assert_eq!(head.ports[1].addresses, ["10.20.0.1/16".parse().unwrap()]);
        assert_eq!(head.storage["state"], "/srv/state");
        let node = &layout.hosts["compute3"];
        assert!(node.ports[0].addresses.is_empty());
        assert_eq!(node.ports[0].mac.as_deref(), Some("52:54:00:20:01:03"));
    }

    #[test]
    fn no_two_nics_share_a_port_of_the_switch() {
        let layout = reference();
        let ports: Vec<_> = layout.hosts.values().flat_map(|h| h.ports.iter().map(|p| &p.port)).collect();
        let distinct: std::collections::BTreeSet<_> = ports.iter().collect();
        assert_eq!(ports.len(), distinct.len());
    }
}
