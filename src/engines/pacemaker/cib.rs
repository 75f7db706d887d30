//! The CIB's `<configuration>` as haoscar owns it: properties, defaults, and what [`super::fence`] and
//! [`super::group`] add.
//!
//! What is ours in a live CIB is told by the `description` of a resource, the `haoscar-` prefix of every other id,
//! and the name of a property. Of nodes only their room for groups is ours: Pacemaker makes them from corosync's membership.

use std::collections::BTreeMap;

use super::xml::Element;
use super::{alert, fence, group, watchdog};
use crate::desired::{HostName, Surroundings};
use crate::engines::Carried;
use crate::spec::{Cluster, Failback};

/// Marks a resource as ours.
pub const OURS: &str = "made by haoscar";

/// The one set of properties that beats every other (pacemaker's CIB_OPTIONS_FIRST): a `stonith-enabled=false` set
/// by hand lands here, so ours must stand here too.
pub const PROPERTIES: &str = "cib-bootstrap-options";

/// A resource stays where it is: above every preference of a head (ten a rank, eight heads at most).
const STICKINESS: u32 = 100;

/// Without a policy of its own a service is restarted so often on a head before the group moves: one less.
const THRESHOLD: u32 = 4;

/// Failures older than this are forgotten, unless the spec says otherwise.
const FAILURE_TIMEOUT: &str = "300s";

/// `<configuration>` and the resource ids of each group.
pub fn compile(
    cluster: &Cluster,
    surroundings: &Surroundings,
    members: &BTreeMap<HostName, u32>,
    carried: &BTreeMap<String, Vec<Carried>>,
) -> (Element, BTreeMap<String, Vec<String>>) {
    let mut resources = Element::new("resources");
    let mut constraints = Element::new("constraints");
    let topology = fence::add(cluster, surroundings, members, &mut resources, &mut constraints);
    let fenced = !resources.children.is_empty();
    let mut ids = BTreeMap::new();
    for (name, group) in &cluster.groups {
        let services = carried.get(name).map(Vec::as_slice).unwrap_or_default();
        let heads: Vec<_> = group.heads.iter().filter(|head| members.contains_key(*head)).collect();
        if heads.is_empty() {
            continue; // nobody can carry it yet
        }
        let laid = group::Layout { cluster, name, group, heads: &heads, services, fenced };
        ids.insert(name.clone(), laid.add(&mut resources, &mut constraints));
    }
    constraints.children.extend(apart(cluster, &ids));
    let nodes = cluster.ha.groups_per_head.map(|most| rooms(cluster, members, most));
    if nodes.is_some() {
        take_room(&ids, &mut resources);
    }
    let counts = members.keys().any(|member| watchdog::of(cluster, surroundings, member).is_some());
    let options = Element::new("crm_config").holding([properties(cluster, fenced, counts)]);
    let defaults = Element::new("rsc_defaults").holding([defaults(cluster)]);
    let nodes = nodes.map(|nodes| Element::new("nodes").holding(nodes));
    let topology = Some(topology).filter(|topology| !topology.children.is_empty());
    let alerts = Some(alert::section());
    let sections =
        [Some(options), nodes, Some(resources), Some(constraints), topology, Some(defaults), alerts];
    let configuration = Element::new("configuration").holding(sections.into_iter().flatten());
    (configuration, ids)
}

/// What a group takes of a head, in Pacemaker's words of capacity.
const ROOM: &str = "haoscar-groups";

/// Heads with room for so many groups.
fn rooms(cluster: &Cluster, members: &BTreeMap<HostName, u32>, most: u32) -> Vec<Element> {
    let heads = members.iter().filter(|(name, _)| cluster.heads.contains_key(*name));
    let node = |(name, id): (&HostName, &u32)| {
        let room = pairs("utilization", &format!("haoscar-{name}-room"), [(ROOM, most.to_string())]);
        Element::new("node").with("id", id).with("uname", name).holding([room])
    };
    heads.map(node).collect()
}

/// What each group is placed by takes room for all of it.
fn take_room(ids: &BTreeMap<String, Vec<String>>, resources: &mut Element) {
    let bases: Vec<_> = ids.values().filter_map(|ids| base(ids)).collect();
    for resource in resources.children.iter_mut().filter(|found| bases.iter().any(|id| *id == found.id())) {
        let id = format!("{}-room", resource.id());
        resource.children.push(pairs("utilization", &id, [(ROOM, "1".to_owned())]));
    }
}

/// What a group is placed by: its first resource that moves.
fn base(ids: &[String]) -> Option<&String> {
    ids.iter().find(|id| !id.ends_with("-clone"))
}

/// Groups that do not share a head: by what each is placed by.
fn apart(cluster: &Cluster, ids: &BTreeMap<String, Vec<String>>) -> Vec<Element> {
    let base = |group: &String| base(ids.get(group)?);
    let pairs = cluster.groups.iter().flat_map(|(name, group)| {
        group.apart.iter().filter_map(move |(other, how)| Some((base(name)?, base(other)?, *how)))
    });
    pairs.map(|(base, other, how)| group::apart(base, other, how)).collect()
}

/// Resource to restart for each unit that the engine carries; a clone's id restarts every instance.
pub fn units(configuration: &Element) -> BTreeMap<String, String> {
    let resources = configuration.child("resources").into_iter().flat_map(|resources| &resources.children);
    let unit = |top: &Element| {
        let values = top.walk().into_iter().filter(|e| e.name == "nvpair" && e.get("name") == Some("unit"));
        values.filter_map(|e| e.get("value")).map(|unit| (unit.to_owned(), top.id().to_owned())).next()
    };
    resources.filter_map(unit).collect()
}

/// A DC that answers does so within a membership's change; this is the measured one at 1100 ms (knowledge/pacemaker.md 9).
const DC_LEAST_MS: u64 = 3_000;

/// Pacemaker's own: a BMC takes 1 to 5 s, and is asked twice.
const FENCING_SECONDS: u64 = 60;

fn properties(cluster: &Cluster, fenced: bool, watchdogs: bool) -> Element {
    let dc_deadtime_ms = (2 * cluster.ha.detect.as_millis()).max(DC_LEAST_MS);
    // capacity counts for nothing with the default
    let strategy = if cluster.ha.groups_per_head.is_some() { "utilization" } else { "default" };
    let delay = cluster.ha.fence_delay.map_or(0, |delay| delay.as_millis().div_ceil(1000));
    let values = [
        ("batch-limit", "30".to_owned()),
        ("concurrent-fencing", "true".to_owned()),
        // a machine that starts alone looks for a DC until a slower one could have joined it
        ("dc-deadtime", format!("{dc_deadtime_ms}ms")),
        // a machine that is busy is no reason to fail over slowly (knowledge/pacemaker.md 8)
        ("load-threshold", "1000%".to_owned()),
        ("no-quorum-policy", "stop".to_owned()),
        ("node-action-limit", "16".to_owned()),
        ("placement-strategy", strategy.to_owned()),
        ("stonith-action", "reboot".to_owned()),
        ("stonith-enabled", fenced.to_string()),
        // the delay of the preferred head counts as part of the fencing
        ("stonith-timeout", format!("{}s", FENCING_SECONDS + delay)),
        // opt-out: a foreign resource runs as its owner expects, and every group names its heads by a rule
        ("symmetric-cluster", "true".to_owned()),
        // avoids pacemaker-controld's one-second pause at a node loss (knowledge/failover-speed.md 1)
        ("transition-delay", "50ms".to_owned()),
    ];
    let values = values.into_iter().chain(watchdog::property(cluster, watchdogs));
    pairs("cluster_property_set", PROPERTIES, values)
}

fn defaults(cluster: &Cluster) -> Element {
    let sticky = if cluster.ha.failback == Failback::Manual { STICKINESS } else { 0 };
    let values = [
        ("failure-timeout", FAILURE_TIMEOUT.to_owned()),
        ("migration-threshold", THRESHOLD.to_string()),
        ("resource-stickiness", sticky.to_string()),
    ];
    pairs("meta_attributes", "haoscar-defaults", values)
}

/// A set of name and value, each with an id of its own.
pub fn pairs<'a>(tag: &str, id: &str, values: impl IntoIterator<Item = (&'a str, String)>) -> Element {
    let pair = |(name, value): (&str, String)| {
        Element::new("nvpair").with("id", format!("{id}-{name}")).with("name", name).with("value", value)
    };
    Element::new(tag).with("id", id).holding(values.into_iter().map(pair))
}

/// Operations: name, interval, timeout in milliseconds, what a failure leads to (empty: the engine's default).
pub fn operations(id: &str, rows: &[(&str, &str, u64, &str)]) -> Element {
    let operation = |(name, interval, timeout, on_fail): &(&str, &str, u64, &str)| {
        let element = Element::new("op")
            .with("id", format!("{id}-{name}"))
            .with("name", name)
            .with("interval", interval)
            .with("timeout", format!("{timeout}ms"));
        if on_fail.is_empty() { element } else { element.with("on-fail", on_fail) }
    };
    Element::new("operations").holding(rows.iter().map(operation))
}
