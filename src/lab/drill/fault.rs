//! What is done on purpose in a drill, and what undoes it. Decides what is broken; [`Ground`] does it.

use std::net::IpAddr;

use super::Ground;
use crate::spec::{Cluster, NetworkRole};

/// What is done on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The target's power is cut.
    Power,
    /// Every cable of the target is out.
    Links,
    /// The target's cables of the public networks are out.
    Public,
    /// The target's cables of the private networks are out.
    Private,
    /// Every head's cables of the public networks are out: the switch itself is dead.
    PublicEverywhere,
    /// A unit's main process is killed.
    Killed(String),
    /// A unit hangs: its processes are stopped and answer nothing.
    Hung(String),
    /// corosync is killed.
    Corosync,
    /// pacemakerd is killed.
    Pacemaker,
    /// haoscar's event watcher is killed.
    Watcher,
    /// The group goes to another head because somebody asked the engine for it. Its address finds the resource, so that
    /// a cluster which haoscar did not build is moved in the same way.
    Switchover(IpAddr),
    /// Nothing: shows what the prober sees of a healthy cluster.
    None,
}

impl Fault {
    /// Its word in reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Links => "links",
            Self::Public => "public",
            Self::Private => "private",
            Self::PublicEverywhere => "public-everywhere",
            Self::Killed(_) => "killed",
            Self::Hung(_) => "hung",
            Self::Corosync => "corosync",
            Self::Pacemaker => "pacemaker",
            Self::Watcher => "watcher",
            Self::Switchover(_) => "switchover",
            Self::None => "none",
        }
    }

    /// Makes it.
    ///
    /// # Errors
    /// What kept it from being made.
    pub fn make(&self, cluster: &Cluster, ground: &dyn Ground, target: &str) -> Result<(), String> {
        let kill = |signal: &str, who: &str, unit: &str| {
            let words = ["systemctl", "kill", signal, who, unit];
            ground.run(target, &words)
        };
        match self {
            Self::None => Ok(()),
            Self::Power => ground.cut_power(target),
            Self::Links | Self::Public | Self::Private | Self::PublicEverywhere => self
                .cables(cluster, target)
                .iter()
                .try_for_each(|(host, network)| ground.set_cable(host, network, false)),
            Self::Killed(unit) => kill("--signal=KILL", "--kill-who=main", unit),
            Self::Hung(unit) => kill("--signal=STOP", "--kill-who=all", unit),
            Self::Corosync => kill("--signal=KILL", "--kill-who=main", "corosync.service"),
            Self::Pacemaker => kill("--signal=KILL", "--kill-who=main", "pacemaker.service"),
            Self::Watcher => kill("--signal=KILL", "--kill-who=main", "haoscar-watch.service"),
            Self::Switchover(address) => placed(ground, target, *address, "--move"),
        }
    }

    /// Puts back what does not mend itself: cables, a unit that still hangs, and a move's constraint.
    ///
    /// # Errors
    /// What kept it from being mended.
    pub fn mend(&self, cluster: &Cluster, ground: &dyn Ground, target: &str) -> Result<(), String> {
        if let Self::Hung(unit) = self {
            return ground.run(target, &["systemctl", "kill", "--signal=CONT", "--kill-who=all", unit]);
        }
        if let Self::Switchover(address) = self {
            return placed(ground, target, *address, "--clear");
        }
        let cables = self.cables(cluster, target);
        cables.iter().try_for_each(|(host, network)| ground.set_cable(host, network, true))
    }

    /// Cables that this fault pulls: host and network.
    fn cables(&self, cluster: &Cluster, target: &str) -> Vec<(String, String)> {
        let wanted = |network: &str| {
            let role = cluster.networks.get(network).map(|network| network.role);
            match self {
                Self::Links => true,
                Self::Public | Self::PublicEverywhere => role == Some(NetworkRole::Public),
                Self::Private => role == Some(NetworkRole::Private),
                _ => false,
            }
        };
        let hit = |host: &str| host == target || *self == Self::PublicEverywhere;
        let heads = cluster.heads.iter().map(|(name, head)| (name, &head.nics));
        let machines = heads.chain(cluster.witnesses.iter().map(|(name, witness)| (name, &witness.nics)));
        let nics = machines.filter(|(name, _)| hit(name)).flat_map(|(name, nics)| {
            nics.values().filter(|nic| wanted(&nic.network)).map(|nic| (name.clone(), nic.network.clone()))
        });
        nics.collect()
    }
}

/// Has the engine move the resource that holds `address` away from where it is, or take that order back. The resource is
/// looked up before, so that its time is not the move's.
fn placed(ground: &dyn Ground, target: &str, address: IpAddr, order: &str) -> Result<(), String> {
    let wanted = format!("//primitive[instance_attributes/nvpair[@name='ip'][@value='{address}']]");
    let xml = ground.ask(target, &["cibadmin", "--query", "--xpath", &wanted]);
    let id = xml.as_deref().and_then(id_of).ok_or_else(|| format!("no resource holds {address}"))?;
    ground.run(target, &["crm_resource", order, "--resource", &id])
}

fn id_of(xml: &str) -> Option<String> {
    let tree = roxmltree::Document::parse(xml).ok()?;
    tree.root_element().attribute("id").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Sources, load};

    fn cables(fault: &Fault) -> Vec<String> {
        let text = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/specs/ha-oscar-2004.yaml")).unwrap();
        let cluster = load(&Sources::of_text("cluster.yaml", text)).unwrap().cluster;
        fault
            .cables(&cluster, "head-1")
            .into_iter()
            .map(|(host, network)| format!("{host} {network}"))
            .collect()
    }

    #[test]
    fn each_fault_pulls_its_own_cables_and_no_others() {
        assert_eq!(cables(&Fault::Links), ["head-1 public", "head-1 inside"]);
        assert_eq!(cables(&Fault::Public), ["head-1 public"]);
        assert_eq!(cables(&Fault::Private), ["head-1 inside"]);
        assert_eq!(cables(&Fault::PublicEverywhere), ["head-1 public", "head-2 public", "arbiter public"]);
        assert_eq!(cables(&Fault::Power), [""; 0]);
    }
}
