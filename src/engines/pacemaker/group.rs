//! One group in the CIB: clones that stay, addresses and services that move together.
//!
//! - The base is the group's first address (else its first moving service); everything that moves is colocated with
//!   it, so services start in parallel once the addresses are there.
//! - A clone draws the base by a finite score: a head whose instance runs wins, equal loss moves nothing.
//! - One rule a group bans every machine that the group does not name, also one that joins later; nothing is looked
//!   for there (resource-discovery), since the unit is not even installed.
//! - A storage that one head at a time has is mounted beside the addresses; what moves starts after both. Where it lies on disks
//!   that two heads keep the same, the base goes where one of them is promoted ([`super::promoted`]).
//! - Preferences stand on the base alone, in order of the group's heads.

use std::collections::BTreeMap;

use super::cib::{OURS, operations, pairs};
use super::xml::Element;
use super::{promoted, watch};
use crate::engines::{Carried, CarriedAs};
use crate::spec::{Apart, Cluster, Group, Recovery, RecoveryThen};

/// Preference of the last head of a list; each earlier one has ten more. All below one resource's stickiness.
const RANK: usize = 10;

/// How much a group dislikes the head of one that it prefers to be apart from: above every preference of a head (ten a
/// rank, eight heads at most), and below one resource's stickiness, so that a group that runs is not moved for it
/// unless failback is automatic.
pub const APART: usize = 90;

/// How much a running clone draws the base: above the stickiness of any group (100 a resource), below INFINITY.
const DRAW: &str = "10000";

/// How often what moves is asked. A clone's unit is watched by systemd itself (`Restart=always`).
const MONITOR: &str = "1s";
const MONITOR_CLONE: &str = "10s";

/// One group on its way into the CIB.
pub struct Layout<'a> {
    /// The whole spec.
    pub cluster: &'a Cluster,
    /// The group's name.
    pub name: &'a str,
    /// The group.
    pub group: &'a Group,
    /// Its heads that are members, in order of preference; not empty. A head that joins is banned until the CIB
    /// that names it is pushed.
    pub heads: &'a [&'a String],
    /// What it carries.
    pub services: &'a [Carried],
    /// Some member can be fenced; else a stop that fails can only block.
    pub fenced: bool,
}

impl Layout<'_> {
    /// Adds the group's resources and constraints; answers with the ids in start order.
    pub fn add(&self, resources: &mut Element, constraints: &mut Element) -> Vec<String> {
        let named = self.named();
        let of_kind = |clone: bool| named.iter().filter(move |(_, service)| service.clone == clone);
        let clones: Vec<_> =
            of_kind(true).map(|(id, s)| (format!("{id}-clone"), self.clone(id, s))).collect();
        let addresses = self.addresses();
        let moving: Vec<_> = of_kind(false).map(|(id, s)| (id.clone(), self.primitive(id, s))).collect();
        let ids = |list: &[(String, Element)]| list.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
        let all = [ids(&clones), ids(&addresses), ids(&moving)].concat();
        constraints.children.extend(all.iter().map(|id| self.banned(id)));
        let together = [ids(&addresses), ids(&moving)].concat();
        if let Some((base, followers)) = together.split_first() {
            constraints.children.extend(self.preferences(base));
            constraints.children.extend(watch::worths(base, self.group, self.cluster));
            constraints.children.extend(watch::behind(base, self.group, self.cluster));
            constraints.children.extend(followers.iter().map(|id| colocation(id, base, "INFINITY")));
            for ((id, _), (_, service)) in clones.iter().zip(of_kind(true)) {
                let draw =
                    if service.promoted { promoted::with(base, id) } else { colocation(base, id, DRAW) };
                constraints.children.push(draw);
            }
        }
        let stores: Vec<_> =
            of_kind(false).filter(|(_, service)| service.storage).map(|(id, _)| id).collect();
        for (id, _) in of_kind(true).filter(|(_, service)| service.promoted) {
            let copies = format!("{id}-clone");
            constraints.children.extend(stores.iter().map(|store| promoted::after(store, &copies)));
        }
        for (id, _) in of_kind(false).filter(|(_, service)| !service.storage) {
            constraints.children.extend(stores.iter().map(|store| after(id, store)));
        }
        for (id, service) in of_kind(false) {
            let other = service.outlives.as_ref().map(|other| format!("{}-{other}", self.name));
            constraints.children.extend(other.map(|other| outlives(id, &other)));
        }
        for (id, _) in of_kind(false).filter(|(_, service)| service.needs_address) {
            constraints.children.extend(addresses.iter().map(|(address, _)| after(id, address)));
        }
        resources
            .children
            .extend([clones, addresses, moving].concat().into_iter().map(|(_, element)| element));
        all
    }

    /// Every service with its id: `GROUP-SERVICE`, and a unit's name behind it for a service's second unit.
    fn named(&self) -> Vec<(String, &Carried)> {
        let mut seen = BTreeMap::new();
        let mut name = |carried: &Carried| {
            let id = format!("{}-{}", self.name, carried.service);
            let count: &mut usize = seen.entry(id.clone()).or_default();
            *count += 1;
            match &carried.what {
                _ if *count == 1 => id,
                CarriedAs::Unit { unit, .. } => format!("{id}-{}", stem(unit)),
                CarriedAs::Agent { .. } => format!("{id}-{count}"),
            }
        };
        self.services.iter().map(|carried| (name(carried), carried)).collect()
    }

    fn banned(&self, id: &str) -> Element {
        let rule = format!("haoscar-{id}-heads");
        let expression = |head: &&String| {
            Element::new("expression")
                .with("id", format!("{rule}-{head}"))
                .with("attribute", "#uname")
                .with("operation", "ne")
                .with("value", head)
        };
        Element::new("rsc_location")
            .with("id", format!("haoscar-{id}-nowhere-else"))
            .with("rsc", id)
            .with("resource-discovery", "never")
            .holding([Element::new("rule")
                .with("id", &rule)
                .with("boolean-op", "and")
                .with("score", "-INFINITY")
                .holding(self.heads.iter().map(expression))])
    }

    /// Each head gets as much as the group can dislike it, for where the sum is negative Pacemaker runs nothing.
    fn preferences(&self, base: &str) -> impl Iterator<Item = Element> {
        let heads = self.heads;
        let disliked = self.group.apart.values().filter(|how| **how == Apart::Prefer).count() * APART;
        heads.iter().enumerate().map(move |(rank, head)| {
            Element::new("rsc_location")
                .with("id", format!("haoscar-{base}-on-{head}"))
                .with("rsc", base)
                .with("node", head)
                .with("score", disliked + RANK * (heads.len() - rank))
        })
    }

    fn addresses(&self) -> Vec<(String, Element)> {
        let four = self.group.addresses.iter().map(|(network, address)| (network, address, ""));
        let six = self.group.addresses6.iter().map(|(network, address)| (network, address, "-6"));
        four.chain(six).filter_map(|(network, address, mark)| self.address(network, address, mark)).collect()
    }

    /// The card is found by its own address in the network, for its name may differ from head to head.
    fn address(&self, network: &str, address: &std::net::IpAddr, mark: &str) -> Option<(String, Element)> {
        let declared = self.cluster.networks.get(network)?;
        let cidr = if mark.is_empty() { declared.cidr } else { declared.cidr6? };
        let id = format!("{}-address-{network}{mark}", self.name);
        let values = [
            ("ip", address.to_string()),
            ("network", declared.cidr.to_string()),
            ("prefix", cidr.0.prefix_len().to_string()),
        ];
        let stop = if self.fenced { "fence" } else { "block" };
        let rows =
            [("monitor", MONITOR, 10_000, ""), ("start", "0s", 20_000, ""), ("stop", "0s", 20_000, stop)];
        let element = primitive(&id, "haoscar", "address").holding([
            pairs("instance_attributes", &format!("{id}-parameters"), values),
            operations(&id, &rows),
        ]);
        Some((id, element))
    }

    fn clone(&self, id: &str, service: &Carried) -> Element {
        if service.promoted {
            return promoted::clone(id, service, self.heads.len(), self.fenced);
        }
        let clone = format!("{id}-clone");
        let meta = pairs("meta_attributes", &format!("{clone}-meta"), [("interleave", "true".to_owned())]);
        let inside = self.primitive(id, service);
        Element::new("clone").with("id", &clone).with("description", OURS).holding([meta, inside])
    }

    fn primitive(&self, id: &str, service: &Carried) -> Element {
        let (provider, agent, values) = match &service.what {
            CarriedAs::Unit { unit, probe } => {
                let probe = probe.iter().map(|probe| ("probe".to_owned(), probe.clone()));
                let values = [("unit".to_owned(), unit.clone())].into_iter().chain(probe);
                ("haoscar", "unit", values.collect::<BTreeMap<_, _>>())
            }
            CarriedAs::Agent { agent, parameters } => {
                let mut words = agent.split(':').skip(1);
                (words.next().unwrap_or_default(), words.next().unwrap_or_default(), parameters.clone())
            }
        };
        let values = values.iter().map(|(k, v)| (k.as_str(), v.clone()));
        let mut element = primitive(id, provider, agent);
        element.children.push(pairs("instance_attributes", &format!("{id}-parameters"), values));
        element.children.extend(service.recovery.as_ref().map(|policy| recovery(policy, id)));
        element.children.push(self.operations(id, service));
        element
    }

    fn operations(&self, id: &str, service: &Carried) -> Element {
        let stop = if self.fenced && service.fence_on_stop_failure { "fence" } else { "block" };
        let every = if service.clone { MONITOR_CLONE } else { MONITOR };
        let start = ("start", "0s", service.start_timeout_ms, "");
        operations(
            id,
            &[("monitor", every, 20_000, ""), start, ("stop", "0s", service.stop_timeout_ms, stop)],
        )
    }
}

fn stem(unit: &str) -> &str {
    unit.strip_suffix(".service").unwrap_or(unit)
}

/// A resource of ours.
pub fn primitive(id: &str, provider: &str, agent: &str) -> Element {
    Element::new("primitive")
        .with("id", id)
        .with("class", "ocf")
        .with("provider", provider)
        .with("type", agent)
        .with("description", OURS)
}

/// `restarts` on the same head, then: the group moves (failover); the service alone stays down (stop), for its
/// failure then weighs nothing for the group (`critical=false`); or it is restarted for ever (alert).
fn recovery(policy: &Recovery, id: &str) -> Element {
    let after = u64::from(policy.restarts) + 1;
    let (threshold, critical) = match policy.then {
        RecoveryThen::Failover => (after.to_string(), "true"),
        RecoveryThen::Stop => (after.to_string(), "false"),
        RecoveryThen::Alert => ("INFINITY".to_owned(), "false"),
    };
    let timeout = format!("{}s", policy.within.as_millis().div_ceil(1000));
    let values =
        [("critical", critical.to_owned()), ("failure-timeout", timeout), ("migration-threshold", threshold)];
    pairs("meta_attributes", &format!("{id}-meta"), values)
}

fn colocation(dependent: &str, with: &str, score: &str) -> Element {
    Element::new("rsc_colocation")
        .with("id", format!("haoscar-{dependent}-with-{with}"))
        .with("rsc", dependent)
        .with("with-rsc", with)
        .with("score", score)
}

/// The base of one group away from that of another.
pub fn apart(base: &str, other: &str, how: Apart) -> Element {
    let score = match how {
        Apart::Prefer => format!("-{APART}"),
        Apart::Require => "-INFINITY".to_owned(),
    };
    Element::new("rsc_colocation")
        .with("id", format!("haoscar-{base}-apart-from-{other}"))
        .with("rsc", base)
        .with("with-rsc", other)
        .with("score", score)
}

/// One stops when another has stopped; they start as they can.
fn outlives(id: &str, other: &str) -> Element {
    Element::new("rsc_order")
        .with("id", format!("haoscar-{id}-outlives-{other}"))
        .with("first", other)
        .with("first-action", "stop")
        .with("then", id)
        .with("then-action", "stop")
        .with("kind", "Mandatory")
        .with("symmetrical", "false")
}

fn after(then: &str, first: &str) -> Element {
    Element::new("rsc_order")
        .with("id", format!("haoscar-{then}-after-{first}"))
        .with("first", first)
        .with("then", then)
        .with("kind", "Mandatory")
}
