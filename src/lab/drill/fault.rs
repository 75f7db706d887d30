//! What is done on purpose in a drill, and what undoes it. Decides what is broken; [`Ground`] does it.

use std::net::IpAddr;
use std::time::Duration;

use super::{Ground, interrupted};
use crate::spec::{Cluster, EngineKind, NetworkRole};

/// The other heads are asked this often whether one has the address of a head that was cut, and so often in all.
const IN_FAILOVER: Duration = Duration::from_millis(50);
const IN_FAILOVER_TRIES: usize = 1_200;
/// Long enough for clients to see the new owner, and shorter than a scheduler or a file server takes to start.
const OWNED: Duration = Duration::from_millis(100);
const FLAPS: usize = 6;
/// A card that flaps is up and down about once a second.
const FLAP: Duration = Duration::from_millis(500);
/// Gives away everything that heartbeat holds on a head; where Debian's package has it.
const STANDBY: &str = "/usr/share/heartbeat/hb_standby";
/// So long the cluster is left alone before somebody lends a hand: a head that is fenced and boots needs some 10 s here.
const ALONE: Duration = Duration::from_secs(20);
/// Nothing boots where a disk is full, and nothing makes space by itself.
const ALONE_FULL: Duration = Duration::from_secs(5);
/// A unit's drop-in that is gone with the machine's next start.
const DROP_IN: &str = "haoscar-drill.conf";

/// What is done on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The target's power is cut.
    Power,
    /// The target's power is cut, and its fence device has none either.
    PowerBmc,
    /// The power of every head is cut.
    BothHeads,
    /// The target's power is cut, and that of every other head once one of them has the group's address and starts its
    /// services.
    PowerInFailover(IpAddr),
    /// The target's fence device answers nobody.
    FenceDead,
    /// The target's cables of the public networks go out and in.
    Flapping,
    /// A unit ends and does not start again.
    CannotStart(String),
    /// A unit does not stop while its group is told to move.
    StopHangs {
        /// The unit.
        unit: String,
        /// The group's address.
        address: IpAddr,
    },
    /// The group's storage has no space left.
    DiskFull {
        /// The storage.
        storage: String,
    },
    /// The target's power is cut while an apply is between its new files and its commit.
    ApplyPower,
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
            Self::PowerBmc => "power-bmc",
            Self::BothHeads => "both-heads",
            Self::PowerInFailover(_) => "power-in-failover",
            Self::FenceDead => "fence-dead",
            Self::Flapping => "flapping",
            Self::CannotStart(_) => "cannot-start",
            Self::StopHangs { .. } => "stop-hangs",
            Self::DiskFull { .. } => "disk-full",
            Self::ApplyPower => "apply-power",
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

    /// What has to be under way before it can be made.
    ///
    /// # Errors
    /// What kept it from that.
    pub fn prepare(&self, ground: &dyn Ground, target: &str) -> Result<(), String> {
        match self {
            Self::ApplyPower => interrupted::begin(ground, target),
            _ => Ok(()),
        }
    }

    /// Whether it says anything to that engine. heartbeat has no corosync, no pacemaker, no watcher and no constraints, and
    /// nobody can tell it that a head is off.
    pub fn is_for(&self, engine: EngineKind) -> bool {
        let pacemaker = matches!(
            self,
            Self::PowerBmc
                | Self::CannotStart(_)
                | Self::StopHangs { .. }
                | Self::DiskFull { .. }
                | Self::ApplyPower
                | Self::Corosync
                | Self::Pacemaker
                | Self::Watcher
        );
        engine == EngineKind::Pacemaker || !pacemaker
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
            Self::Power | Self::ApplyPower => ground.cut_power(target),
            Self::DiskFull { storage } => ground.set_full(storage, true),
            Self::PowerBmc => ground.set_fence(target, false).and_then(|()| ground.cut_power(target)),
            Self::BothHeads => cluster.heads.keys().try_for_each(|head| ground.cut_power(head)),
            Self::PowerInFailover(address) => {
                ground.cut_power(target)?;
                let others: Vec<_> = cluster.heads.keys().filter(|head| *head != target).collect();
                taken_over(ground, &others, *address)?;
                others.into_iter().try_for_each(|head| ground.cut_power(head))
            }
            Self::FenceDead => ground.set_fence(target, false),
            Self::Flapping => (0..FLAPS).try_for_each(|flap| {
                self.plug(cluster, ground, target, flap % 2 == 1)?;
                std::thread::sleep(FLAP);
                Ok(())
            }),
            Self::CannotStart(unit) => {
                set_drop_in(ground, target, unit, "[Service]\nExecStart=\nExecStart=/bin/false\n")?;
                kill("--signal=KILL", "--kill-who=main", unit)
            }
            Self::StopHangs { unit, address } => {
                let hangs = "[Service]\nExecStop=/bin/sleep infinity\nTimeoutStopSec=infinity\n";
                set_drop_in(ground, target, unit, hangs)?;
                placed(ground, target, *address, "--move")
            }
            Self::Links | Self::Public | Self::Private | Self::PublicEverywhere => {
                self.plug(cluster, ground, target, false)
            }
            Self::Killed(unit) => kill("--signal=KILL", "--kill-who=main", unit),
            Self::Hung(unit) => kill("--signal=STOP", "--kill-who=all", unit),
            Self::Corosync => kill("--signal=KILL", "--kill-who=main", "corosync.service"),
            Self::Pacemaker => kill("--signal=KILL", "--kill-who=main", "pacemaker.service"),
            Self::Watcher => kill("--signal=KILL", "--kill-who=main", "haoscar-watch.service"),
            Self::Switchover(_) if is_heartbeat(cluster) => ground.run(target, &[STANDBY, "all"]),
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
        match self {
            Self::Switchover(_) if is_heartbeat(cluster) => Ok(()), // it leaves no constraint
            Self::Switchover(address) => {
                placed(ground, Self::seen_by(cluster, ground, target), *address, "--clear")
            }
            Self::PowerBmc => ground.set_fence(target, true).and_then(|()| ground.power_on(target)),
            Self::BothHeads | Self::PowerInFailover(_) => switch_on(cluster, ground).map(|_| ()),
            Self::FenceDead => ground.set_fence(target, true),
            Self::DiskFull { storage } => ground.set_full(storage, false),
            Self::CannotStart(unit) => {
                clear_drop_in(ground, target, unit)?;
                ground.run(target, &["crm_resource", "--cleanup"])
            }
            Self::StopHangs { unit, address } => {
                let _ = clear_drop_in(ground, target, unit); // gone already where the target was fenced
                placed(ground, Self::seen_by(cluster, ground, target), *address, "--clear")
            }
            _ => self.plug(cluster, ground, target, true),
        }
    }

    /// How long the cluster is left alone before somebody lends a hand.
    pub fn alone(&self) -> Duration {
        if matches!(self, Self::DiskFull { .. }) { ALONE_FULL } else { ALONE }
    }

    /// What somebody has to do by hand because nothing in the cluster may or can: does it, and says it in words. None where
    /// nothing is left to do but to wait.
    pub fn hand(&self, cluster: &Cluster, ground: &dyn Ground, target: &str) -> Option<String> {
        match self {
            Self::PowerBmc => {
                let witness = Self::seen_by(cluster, ground, target);
                ground.run(witness, &["stonith_admin", "--confirm", target]).ok()?;
                Some(format!("haoscar fenced {target} --i-saw-it-off"))
            }
            Self::BothHeads | Self::PowerInFailover(_) => {
                let heads = switch_on(cluster, ground).ok().filter(|heads| !heads.is_empty())?;
                Some(format!("{} switched on", heads.join(" and ")))
            }
            Self::DiskFull { storage } => {
                ground.set_full(storage, false).ok()?;
                Some(format!("space made on storage {storage}"))
            }
            _ => None,
        }
    }

    /// A head that is on, another one than the target if there is one.
    fn seen_by<'a>(cluster: &'a Cluster, ground: &dyn Ground, target: &'a str) -> &'a str {
        let others = cluster.heads.keys().map(String::as_str).filter(|head| *head != target);
        others.chain([target]).find(|head| ground.entering(head).is_some()).unwrap_or(target)
    }

    fn plug(
        &self,
        cluster: &Cluster,
        ground: &dyn Ground,
        target: &str,
        plugged: bool,
    ) -> Result<(), String> {
        let cables = self.cables(cluster, target);
        cables.iter().try_for_each(|(host, network)| ground.set_cable(host, network, plugged))
    }

    /// Cables that this fault pulls: host and network.
    fn cables(&self, cluster: &Cluster, target: &str) -> Vec<(String, String)> {
        let wanted = |network: &str| {
            let role = cluster.networks.get(network).map(|network| network.role);
            match self {
                Self::Links => true,
                Self::Public | Self::PublicEverywhere | Self::Flapping => role == Some(NetworkRole::Public),
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

fn is_heartbeat(cluster: &Cluster) -> bool {
    cluster.ha.engine == EngineKind::Heartbeat
}

/// Switches every head on that is off, and names them.
fn switch_on(cluster: &Cluster, ground: &dyn Ground) -> Result<Vec<String>, String> {
    let off: Vec<String> =
        cluster.heads.keys().filter(|head| ground.entering(head).is_none()).cloned().collect();
    off.iter().try_for_each(|head| ground.power_on(head))?;
    Ok(off)
}

/// Gives `unit` a drop-in that lasts until it is cleared, or until the next start of `host`.
pub(super) fn set_drop_in(ground: &dyn Ground, host: &str, unit: &str, text: &str) -> Result<(), String> {
    let put = "mkdir -p \"/run/systemd/system/$0.d\" && printf %b \"$2\" >\"/run/systemd/system/$0.d/$1\" && \
               systemctl cat \"$0\" >/dev/null && systemctl daemon-reload";
    ground.run(host, &["sh", "-c", put, unit, DROP_IN, text])
}

fn clear_drop_in(ground: &dyn Ground, host: &str, unit: &str) -> Result<(), String> {
    let clear = "rm -f \"/run/systemd/system/$0.d/$1\" && systemctl daemon-reload && \
                 { systemctl reset-failed \"$0\" || true; }";
    ground.run(host, &["sh", "-c", clear, unit, DROP_IN])
}

/// Waits until one of the heads has the address.
fn taken_over(ground: &dyn Ground, heads: &[&String], address: IpAddr) -> Result<(), String> {
    let to = address.to_string();
    let has = |head: &&String| {
        let shown = ground.ask(head, &["ip", "-oneline", "address", "show", "to", &to]);
        shown.is_some_and(|shown| !shown.trim().is_empty())
    };
    for _ in 0..IN_FAILOVER_TRIES {
        if heads.iter().any(has) {
            std::thread::sleep(OWNED);
            return Ok(());
        }
        std::thread::sleep(IN_FAILOVER);
    }
    Err(format!("no other head has taken {address} over"))
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
    fn heartbeat_is_not_told_of_faults_that_only_pacemaker_has() {
        let engines = [EngineKind::Pacemaker, EngineKind::Heartbeat];
        let told = |fault: &Fault| engines.map(|engine| fault.is_for(engine));
        assert_eq!(told(&Fault::Power), [true, true]);
        assert_eq!(told(&Fault::Switchover([192, 0, 2, 10].into())), [true, true]);
        assert_eq!(told(&Fault::Corosync), [true, false]);
    }

    #[test]
    fn each_fault_pulls_its_own_cables_and_no_others() {
        assert_eq!(cables(&Fault::Links), ["head-1 public", "head-1 inside"]);
        assert_eq!(cables(&Fault::Public), ["head-1 public"]);
        assert_eq!(cables(&Fault::Private), ["head-1 inside"]);
        assert_eq!(cables(&Fault::PublicEverywhere), ["head-1 public", "head-2 public", "arbiter public"]);
        assert_eq!(cables(&Fault::Flapping), ["head-1 public"]);
        assert_eq!(cables(&Fault::Power), [""; 0]);
    }
}
