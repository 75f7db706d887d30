//! Which agents a spec uses, with what, and who runs them.

use std::collections::BTreeSet;

use crate::spec::{Cluster, FenceDevice, Service, WitnessKind, fence_agent};

/// One use of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The agent: `fence_ipmilan`, `ocf:heartbeat:Dummy`.
    pub agent: String,
    /// Who has it, for messages.
    pub owner: String,
    /// Path of the word that names it.
    pub agent_path: String,
    /// Path of the mapping with its parameters.
    pub path: String,
    /// Parameters that the spec gives.
    pub names: BTreeSet<String>,
    /// Machines that run it.
    pub by: BTreeSet<String>,
    /// The machine that a fence device switches.
    pub target: Option<String>,
}

/// Every use, in the order of the spec's sections. What names no agent is another rule's to refuse.
pub fn uses(cluster: &Cluster) -> Vec<Use> {
    let heads = cluster.heads.iter().map(|(name, head)| ("heads", name, &head.fence));
    let members = cluster.witnesses.iter().filter(|(_, witness)| witness.kind == WitnessKind::Member);
    let witnesses = members.map(|(name, witness)| ("witnesses", name, &witness.fence));
    let machines: Vec<_> = heads.chain(witnesses).collect();
    let fencing: BTreeSet<String> = machines.iter().map(|(_, name, _)| (*name).clone()).collect();
    let mut all = Vec::new();
    for (section, name, fence) in machines {
        let of_device = |(mark, device): (String, &FenceDevice)| {
            fence_use(name, &format!("{section}.{name}.fence{mark}"), device, &fencing)
        };
        all.extend(fence.devices().into_iter().map(of_device));
    }
    all.extend(cluster.services.iter().filter_map(|(name, service)| ocf_use(cluster, name, service)));
    all.retain(|used| {
        ["fence_", "ocf:"].iter().any(|of| used.agent.starts_with(of)) && !used.agent.contains('/')
    });
    all
}

fn fence_use(name: &str, path: &str, device: &FenceDevice, fencing: &BTreeSet<String>) -> Use {
    Use {
        agent: fence_agent(device).to_owned(),
        owner: format!("the fence device of {name}"),
        agent_path: format!("{path}.agent"),
        path: path.to_owned(),
        names: device.keys().filter(|key| *key != "agent").cloned().collect(),
        by: fencing.iter().filter(|other| *other != name).cloned().collect(),
        target: Some(name.to_owned()),
    }
}

fn ocf_use(cluster: &Cluster, name: &str, service: &Service) -> Option<Use> {
    let Service::Ocf(ocf) = service else { return None };
    let groups = cluster.groups.values().filter(|group| group.services.iter().any(|other| other == name));
    Some(Use {
        agent: ocf.agent.clone(),
        owner: format!("service {name}"),
        agent_path: format!("services.{name}.agent"),
        path: format!("services.{name}.parameters"),
        names: ocf.parameters.keys().cloned().collect(),
        by: groups.flat_map(|group| group.heads.iter().cloned()).collect(),
        target: None,
    })
}
