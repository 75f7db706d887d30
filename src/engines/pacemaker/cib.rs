//! The CIB's `<configuration>` as haoscar owns it: properties, fence devices, and per group the addresses, the
//! services that move with them and the clones that stay.
//!
//! Constraints are pairs, not sets: a service with the group's first address, the first address with every clone,
//! every address before every service that needs it. What is ours in a live CIB is told by the `description` of a
//! resource and the `haoscar-` prefix of every other id.

use std::collections::BTreeMap;

use super::xml::Element;
use crate::desired::{HostName, Surroundings};
use crate::engines::{Carried, CarriedAs};
use crate::spec::{Cluster, Failback, FenceValue, Group, RecoveryThen, WitnessKind};

/// Marks a resource as ours.
pub const OURS: &str = "made by haoscar";

/// A group stays where it is: above every preference of a head.
const STICKINESS: u32 = 1000;

/// Preference of the first head; each later one has ten less. Finite, so that any listed head can carry the group.
const PREFERENCE: usize = 200;

/// A fence device is asked this often whether it answers.
const FENCE_MONITOR: &str = "60s";

/// Without a policy of its own a service is restarted so often on a head before the group moves.
const RESTARTS: u32 = 3;

/// Failures older than this are forgotten, unless the spec says otherwise.
const FAILURE_TIMEOUT: &str = "600s";

/// `<configuration>` and the resource ids of each group.
pub fn compile(
    cluster: &Cluster,
    surroundings: &Surroundings,
    members: &BTreeMap<HostName, u32>,
    carried: &BTreeMap<String, Vec<Carried>>,
) -> (Element, BTreeMap<String, Vec<String>>) {
    let mut resources = Element::new("resources");
    let mut constraints = Element::new("constraints");
    for (name, fence) in devices(cluster, surroundings, members) {
        constraints.children.push(banned(&format!("fence-{name}"), name));
        resources.children.push(fence);
    }
    let fenced = !resources.children.is_empty();
    let mut ids = BTreeMap::new();
    for (name, group) in &cluster.groups {
        let services = carried.get(name).map(Vec::as_slice).unwrap_or_default();
        let laid = Layout { cluster, name, group, members, services, fenced };
        ids.insert(name.clone(), laid.add(&mut resources, &mut constraints));
    }
    let configuration = Element::new("configuration").holding([
        Element::new("crm_config").holding([properties(cluster, fenced)]),
        resources,
        constraints,
        Element::new("rsc_defaults").holding([defaults(cluster)]),
    ]);
    (configuration, ids)
}

fn properties(cluster: &Cluster, fenced: bool) -> Element {
    let values = [
        ("batch-limit", "30".to_owned()),
        ("cluster-name", cluster.name.clone()),
        ("dc-deadtime", "3s".to_owned()),
        // a machine that is busy is no reason to fail over slowly (knowledge/pacemaker.md 8)
        ("load-threshold", "1000%".to_owned()),
        ("no-quorum-policy", "stop".to_owned()),
        ("node-action-limit", "16".to_owned()),
        ("stonith-action", "reboot".to_owned()),
        ("stonith-enabled", fenced.to_string()),
        // avoids pacemaker-controld's one-second pause at a node loss (knowledge/failover-speed.md 1)
        ("transition-delay", "50ms".to_owned()),
    ];
    pairs("cluster_property_set", "haoscar-options", values)
}

fn defaults(cluster: &Cluster) -> Element {
    let sticky = if cluster.ha.failback == Failback::Manual { STICKINESS } else { 0 };
    let values = [
        ("failure-timeout", FAILURE_TIMEOUT.to_owned()),
        ("migration-threshold", RESTARTS.to_string()),
        ("resource-stickiness", sticky.to_string()),
    ];
    pairs("meta_attributes", "haoscar-defaults", values)
}

fn pairs<'a>(tag: &str, id: &str, values: impl IntoIterator<Item = (&'a str, String)>) -> Element {
    let pair = |(name, value): (&str, String)| {
        Element::new("nvpair").with("id", format!("{id}-{name}")).with("name", name).with("value", value)
    };
    Element::new(tag).with("id", id).holding(values.into_iter().map(pair))
}

fn operations(id: &str, rows: &[(&str, String, u64, &str)]) -> Element {
    let operation = |(name, interval, timeout, on_fail): &(&str, String, u64, &str)| {
        let element = Element::new("op")
            .with("id", format!("{id}-{name}"))
            .with("name", name)
            .with("interval", interval)
            .with("timeout", format!("{timeout}ms"));
        if on_fail.is_empty() { element } else { element.with("on-fail", on_fail) }
    };
    Element::new("operations").holding(rows.iter().map(operation))
}

/// One fence device for every member that has one, with the member's name.
fn devices<'a>(
    cluster: &'a Cluster,
    surroundings: &Surroundings,
    members: &'a BTreeMap<HostName, u32>,
) -> Vec<(&'a str, Element)> {
    let fence = |name: &str| {
        let head = cluster.heads.get(name).map(|head| &head.fence);
        head.or_else(|| cluster.witnesses.get(name).map(|witness| &witness.fence))
            .filter(|fence| !fence.is_empty())
    };
    let preferred = cluster.groups.values().next().and_then(|group| group.heads.first());
    let voters = cluster.witnesses.values().any(|w| w.kind == WitnessKind::Qnetd || members.len() > 2);
    let mut devices = Vec::new();
    for name in members.keys() {
        let Some(fence) = fence(name) else { continue };
        let mut values = if surroundings.lab { lab_parameters(name) } else { parameters(fence) };
        if let Some(delay) = cluster.ha.fence_delay.filter(|_| !voters && preferred == Some(name)) {
            values.insert("pcmk_delay_base".to_owned(), format!("{}s", delay.as_millis().div_ceil(1000)));
        }
        values.insert("pcmk_host_list".to_owned(), name.clone());
        values.insert("pcmk_host_check".to_owned(), "static-list".to_owned());
        let agent = if surroundings.lab { "fence_haoscar".to_owned() } else { agent(fence) };
        devices.push((name.as_str(), device(name, &agent, &values)));
    }
    devices
}

fn agent(fence: &BTreeMap<String, FenceValue>) -> String {
    match fence.get("agent") {
        Some(FenceValue::Text(agent)) => agent.clone(),
        _ => String::new(), // refused by the loader and the lints
    }
}

fn lab_parameters(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("port".to_owned(), name.to_owned())])
}

/// The agent's parameters. A secret never stands in the CIB: the agent runs a script that prints it.
fn parameters(fence: &BTreeMap<String, FenceValue>) -> BTreeMap<String, String> {
    let parameter = |(name, value): (&String, &FenceValue)| match value {
        FenceValue::Secret { secret } => (format!("{name}_script"), secret_script(secret)),
        FenceValue::Flag(flag) => (name.clone(), if *flag { "1".to_owned() } else { "0".to_owned() }),
        FenceValue::Number(number) => (name.clone(), number.to_string()),
        FenceValue::Text(text) => (name.clone(), text.clone()),
    };
    fence.iter().filter(|(name, _)| *name != "agent").map(parameter).collect()
}

/// The script that prints a secret for a fence agent.
pub fn secret_script(secret: &str) -> String {
    format!("/etc/haoscar/fence/{secret}")
}

fn device(name: &str, agent: &str, values: &BTreeMap<String, String>) -> Element {
    let id = format!("fence-{name}");
    let values = values.iter().map(|(k, v)| (k.as_str(), v.clone()));
    Element::new("primitive")
        .with("id", &id)
        .with("class", "stonith")
        .with("type", agent)
        .with("description", OURS)
        .holding([
            pairs("instance_attributes", &format!("{id}-parameters"), values),
            operations(&id, &[("monitor", FENCE_MONITOR.to_owned(), 20_000, "")]),
        ])
}

/// `resource` never runs on `node`, and is not even looked for there.
fn banned(resource: &str, node: &str) -> Element {
    location(resource, node, "-INFINITY")
}

fn location(resource: &str, node: &str, score: &str) -> Element {
    let element = Element::new("rsc_location")
        .with("id", format!("haoscar-{resource}-on-{node}"))
        .with("rsc", resource)
        .with("node", node)
        .with("score", score);
    if score == "-INFINITY" && !resource.starts_with("fence-") {
        element.with("resource-discovery", "never")
    } else {
        element
    }
}

/// One group on its way into the CIB.
struct Layout<'a> {
    cluster: &'a Cluster,
    name: &'a str,
    group: &'a Group,
    members: &'a BTreeMap<HostName, u32>,
    services: &'a [Carried],
    /// Some member can be fenced; else a stop that fails can only block.
    fenced: bool,
}

impl Layout<'_> {
    /// Adds the group's resources and constraints; answers with the ids in start order.
    fn add(&self, resources: &mut Element, constraints: &mut Element) -> Vec<String> {
        let clones = self.services.iter().filter(|s| s.clone).map(|s| (self.clone_id(s), self.clone(s)));
        let addresses = self.addresses();
        let moving =
            self.services.iter().filter(|s| !s.clone).map(|s| (self.id(&s.service), self.primitive(s)));
        let (clones, moving): (Vec<_>, Vec<_>) = (clones.collect(), moving.collect());
        let base = addresses.first().map(|(id, _)| id.clone());
        let ids = |list: &[(String, Element)]| list.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
        let (clone_ids, address_ids, moving_ids) = (ids(&clones), ids(&addresses), ids(&moving));
        for id in clone_ids.iter().chain(&address_ids).chain(&moving_ids) {
            constraints.children.extend(self.locations(id, Some(id) == base.as_ref() || base.is_none()));
        }
        if let Some(base) = &base {
            let followers = address_ids.iter().skip(1).chain(&moving_ids);
            constraints.children.extend(followers.map(|id| together(id, base)));
            constraints.children.extend(clone_ids.iter().map(|id| together(base, id)));
        }
        for service in self.services.iter().filter(|s| !s.clone && s.needs_address) {
            let id = self.id(&service.service);
            constraints.children.extend(address_ids.iter().map(|address| after(&id, address)));
        }
        let all = clones.into_iter().chain(addresses).chain(moving);
        resources.children.extend(all.map(|(_, element)| element));
        [clone_ids, address_ids, moving_ids].concat()
    }

    fn id(&self, part: &str) -> String {
        format!("{}-{part}", self.name)
    }

    fn clone_id(&self, service: &Carried) -> String {
        format!("{}-everywhere", self.id(&service.service))
    }

    fn locations(&self, id: &str, preferred: bool) -> Vec<Element> {
        let score = |member: &str| match self.group.heads.iter().position(|head| head == member) {
            Some(rank) if preferred => Some(PREFERENCE.saturating_sub(rank * 10).to_string()),
            Some(_) => None,
            None => Some("-INFINITY".to_owned()),
        };
        self.members.keys().filter_map(|m| score(m).map(|score| location(id, m, &score))).collect()
    }

    fn addresses(&self) -> Vec<(String, Element)> {
        let all = self.group.addresses.iter().chain(&self.group.addresses6);
        let make = |(network, address): (&String, &std::net::IpAddr)| {
            let declared = &self.cluster.networks.get(network)?;
            let six = address.is_ipv6() && declared.cidr.0.network().is_ipv4();
            let cidr = if six { declared.cidr6? } else { declared.cidr };
            let id = self.id(&format!("address-{network}{}", if six { "-6" } else { "" }));
            let values = [("ip", address.to_string()), ("network", cidr.to_string())];
            let rows = [
                ("monitor", "1s".to_owned(), 10_000, ""),
                ("start", "0s".to_owned(), 20_000, ""),
                ("stop", "0s".to_owned(), 20_000, if self.fenced { "fence" } else { "block" }),
            ];
            let element = primitive(&id, "haoscar", "address").holding([
                pairs("instance_attributes", &format!("{id}-parameters"), values),
                operations(&id, &rows),
            ]);
            Some((id, element))
        };
        all.filter_map(make).collect()
    }

    fn clone(&self, service: &Carried) -> Element {
        let id = self.clone_id(service);
        let meta = pairs("meta_attributes", &format!("{id}-meta"), [("interleave", "true".to_owned())]);
        Element::new("clone")
            .with("id", &id)
            .with("description", OURS)
            .holding([meta, self.primitive(service)])
    }

    fn primitive(&self, service: &Carried) -> Element {
        let id = self.id(&service.service);
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
        let mut element = primitive(&id, provider, agent).holding([
            pairs("instance_attributes", &format!("{id}-parameters"), values),
            policy(service, &id, self.fenced),
        ]);
        element.children.extend(recovery(service, &id));
        element
    }
}

fn primitive(id: &str, provider: &str, agent: &str) -> Element {
    Element::new("primitive")
        .with("id", id)
        .with("class", "ocf")
        .with("provider", provider)
        .with("type", agent)
        .with("description", OURS)
}

fn policy(service: &Carried, id: &str, fenced: bool) -> Element {
    let stop = if fenced && service.fence_on_stop_failure { "fence" } else { "block" };
    let then = service.recovery.as_ref().map(|recovery| recovery.then);
    let monitor = if then == Some(RecoveryThen::Stop) { "stop" } else { "" };
    operations(
        id,
        &[
            ("monitor", "1s".to_owned(), 20_000, monitor),
            ("start", "0s".to_owned(), service.start_timeout_ms, ""),
            ("stop", "0s".to_owned(), service.stop_timeout_ms, stop),
        ],
    )
}

fn recovery(service: &Carried, id: &str) -> Option<Element> {
    let recovery = service.recovery.as_ref()?;
    let threshold = match recovery.then {
        RecoveryThen::Failover => recovery.restarts.max(1).to_string(),
        RecoveryThen::Alert | RecoveryThen::Stop => "INFINITY".to_owned(),
    };
    let timeout = format!("{}s", recovery.within.as_millis().div_ceil(1000));
    let values = [("failure-timeout", timeout), ("migration-threshold", threshold)];
    Some(pairs("meta_attributes", &format!("{id}-meta"), values))
}

fn together(dependent: &str, with: &str) -> Element {
    Element::new("rsc_colocation")
        .with("id", format!("haoscar-{dependent}-with-{with}"))
        .with("rsc", dependent)
        .with("with-rsc", with)
        .with("score", "INFINITY")
}

fn after(then: &str, first: &str) -> Element {
    Element::new("rsc_order")
        .with("id", format!("haoscar-{then}-after-{first}"))
        .with("first", first)
        .with("then", then)
        .with("kind", "Mandatory")
}
