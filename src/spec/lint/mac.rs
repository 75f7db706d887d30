//! Hardware addresses: one machine each, and none that no card can have.

use std::collections::BTreeMap;

use super::{Lint, Mend};
use crate::spec::{Cluster, Mac, MacList, Nic};

pub(super) fn check(lint: &mut Lint<'_>) {
    let mut seen: BTreeMap<Mac, String> = BTreeMap::new();
    for (mac, path) in macs(lint.cluster) {
        if mac.0[0] & 1 == 1 {
            let place = lint.at(&path, "the first byte is odd");
            lint.error(
                "mac/multicast",
                format!("{mac} is a multicast address, which no network card has"),
                [place],
            )
            .mend("copy the card's address again: `ip link` on the machine");
        }
        if let Some(first) = seen.get(&mac) {
            let places = [lint.at(&path, "again here"), lint.at(first, "first here")];
            lint.error("mac/twice", format!("{mac} stands twice"), places)
                .mend("each card has its own; DHCP and boot know machines by it");
        } else {
            seen.insert(mac, path);
        }
    }
}

/// Every MAC of a spec, with the path where it stands.
pub fn macs(cluster: &Cluster) -> Vec<(Mac, String)> {
    let of_nic = |path: String, (nic, card): (&String, &Nic)| (card.mac, format!("{path}.nics.{nic}.mac"));
    let heads = cluster
        .heads
        .iter()
        .flat_map(|(name, head)| head.nics.iter().map(move |nic| of_nic(format!("heads.{name}"), nic)));
    let witnesses = cluster.witnesses.iter().flat_map(|(name, witness)| {
        witness.nics.iter().map(move |nic| of_nic(format!("witnesses.{name}"), nic))
    });
    let mut macs: Vec<_> = heads.chain(witnesses).collect();
    for (range, nodes) in &cluster.nodes {
        for (nic, card) in &nodes.nics {
            if let MacList::Given(list) = &card.macs {
                macs.extend(
                    list.iter()
                        .enumerate()
                        .map(|(index, mac)| (*mac, format!("nodes.{range}.nics.{nic}.macs.{index}"))),
                );
            }
        }
    }
    macs
}
