//! A spec of any size, to measure and to try things with.

use std::fmt::Write;
use std::net::Ipv4Addr;

use super::Sources;

/// Nodes are addressed in 10.0.0.0/8, behind what heads, devices and the pool take.
const CLUSTER: &str = "\
# made by `haoscar generate spec`: two heads, a witness, and NODES nodes
apiVersion: haoscar/v1
kind: Cluster
name: sample
domain: sample.example
networks:
  public: { role: public, cidr: 192.0.2.0/24, gateway: 192.0.2.1 }
  inside: { role: private, cidr: 10.0.0.0/8, pool: 10.0.250.0-10.0.250.99 }
heads:
  head-1:
    nics:
      eno1: { network: public, mac: \"52:54:00:20:00:01\", address: 192.0.2.11 }
      eno2: { network: inside, mac: \"52:54:00:20:00:11\", address: 10.0.0.1 }
    fence: { agent: fence_apc_snmp, ip: 10.0.1.1, port: 1, community: { secret: pdu } }
  head-2:
    nics:
      eno1: { network: public, mac: \"52:54:00:20:00:02\", address: 192.0.2.12 }
      eno2: { network: inside, mac: \"52:54:00:20:00:12\", address: 10.0.0.2 }
    fence: { agent: fence_apc_snmp, ip: 10.0.1.1, port: 2, community: { secret: pdu } }
witnesses:
  arbiter:
    kind: member
    nics:
      eno1: { network: public, mac: \"52:54:00:20:00:03\", address: 192.0.2.13 }
      eno2: { network: inside, mac: \"52:54:00:20:00:13\", address: 10.0.0.3 }
    fence: { agent: fence_apc_snmp, ip: 10.0.1.1, port: 3, community: { secret: pdu } }
storage:
  state: { kind: mounted, path: /srv/state }
groups:
  control:
    heads: [head-1, head-2]
    addresses: { public: 192.0.2.10, inside: 10.0.0.10 }
    storage: state
    services: [dhcp, boot, names, time, home, scheduler]
services:
  dhcp: { backend: kea }
  boot: { bios: undionly.kpxe, uefi: snponly.efi }
  names: {}
  time: {}
  home: { kind: nfs, exports: [{ path: /srv/state/home, to: inside, access: rw }] }
  scheduler: { backend: slurm, partitions: { batch: { nodes: \"WHICH\", default: true } } }
";

/// How a sample says its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// One range, its MACs in a CSV beside it.
    Range,
    /// One by one in the YAML, as other tools' inventories do.
    OneByOne,
}

/// A spec with so many nodes.
pub fn sample(nodes: u32, listing: Listing) -> Sources {
    match listing {
        Listing::Range => folded(nodes),
        Listing::OneByOne => listed(nodes),
    }
}

fn text(nodes: u32, which: &str) -> String {
    CLUSTER.replace("WHICH", which).replace("NODES", &nodes.to_string())
}

fn mac(number: u32) -> String {
    let [_, a, b, c] = number.to_be_bytes();
    format!("02:00:00:{a:02x}:{b:02x}:{c:02x}")
}

fn folded(nodes: u32) -> Sources {
    let width = nodes.to_string().len();
    let range = if nodes == 1 { "node1".to_owned() } else { format!("node[{:0width$}-{nodes}]", 1) };
    let mut text = text(nodes, &range);
    let nic = "{ network: inside, address: 10.64.0.1+, macs: macs.csv }";
    let _ = writeln!(text, "nodes:\n  {range}:\n    nics: {{ eno1: {nic} }}");
    let mut macs = "name,mac\n".to_owned();
    for number in 1..=nodes {
        let _ = writeln!(macs, "node{number:0width$},{}", mac(number));
    }
    let mut sources = Sources::of_text(Sources::ROOT, text);
    sources.files.insert("macs.csv".into(), macs.into_bytes());
    sources
}

/// What knowledge/scale.md measured other tools with: ten values a node, some 280 bytes.
fn listed(nodes: u32) -> Sources {
    let width = nodes.to_string().len();
    let mut text = text(nodes, "compute");
    text += "images:\n  compute: { path: images/compute }\nnodes:\n";
    for number in 1..=nodes {
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 64, 0, 0)) + number);
        let _ = writeln!(
            text,
            "  node{number:0width$}:\n    image: compute\n    cpus: 64\n    memory_mib: 256000\n    nics:\n      eno1:\n        \
             network: inside\n        address: {address}\n        macs: [\"{}\"]",
            mac(number)
        );
    }
    Sources::of_text(Sources::ROOT, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::judge;

    #[test]
    fn a_sample_of_any_size_is_a_valid_spec_with_a_mac_for_every_node() {
        for nodes in [1, 4, 1_000] {
            let all = [Listing::Range, Listing::OneByOne].map(|listing| {
                let (loaded, notes) = judge(&sample(nodes, listing)).unwrap();
                assert!(notes.is_empty(), "{notes:?}");
                crate::desired::names::nodes(&loaded.cluster).unwrap()
            });
            assert_eq!(all[0].len(), usize::try_from(nodes).unwrap());
            assert!(all[0].iter().all(|node| node.mac.is_some()));
            assert_eq!(all[0], all[1], "said either way they are the same");
        }
    }
}
