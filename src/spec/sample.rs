//! A spec of any size, to measure and to try things with.

use std::fmt::Write;

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
  scheduler: { backend: slurm, partitions: { batch: { nodes: \"RANGE\", default: true } } }
nodes:
  RANGE:
    nics: { eno1: { network: inside, address: 10.64.0.1+, macs: macs.csv } }
";

/// A spec with so many nodes, and their MACs beside it.
pub fn sample(nodes: u32) -> Sources {
    let width = nodes.to_string().len();
    let range = if nodes == 1 { "node1".to_owned() } else { format!("node[{:0width$}-{nodes}]", 1) };
    let text = CLUSTER.replace("RANGE", &range).replace("NODES", &nodes.to_string());
    let mut macs = "name,mac\n".to_owned();
    for number in 1..=nodes {
        let [_, a, b, c] = number.to_be_bytes();
        let _ = writeln!(macs, "node{number:0width$},02:00:00:{a:02x}:{b:02x}:{c:02x}");
    }
    let mut sources = Sources::of_text(Sources::ROOT, text);
    sources.files.insert("macs.csv".into(), macs.into_bytes());
    sources
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::judge;

    #[test]
    fn a_sample_of_any_size_is_a_valid_spec_with_a_mac_for_every_node() {
        for nodes in [1, 4, 1_000] {
            let (loaded, notes) = judge(&sample(nodes)).unwrap();
            assert!(notes.is_empty(), "{notes:?}");
            let found = crate::desired::names::nodes(&loaded.cluster).unwrap();
            assert_eq!(found.len(), usize::try_from(nodes).unwrap());
            assert!(found.iter().all(|node| node.mac.is_some()));
        }
    }
}
