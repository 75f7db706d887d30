//! What runs on every head of a group and is promoted where the group is: a disk of each head, kept the same.
//!
//! The base of the group goes where a copy is promoted, and what lies on it starts after that. Which copy may be promoted is the
//! agent's word, by a score, and DRBD's own, by a constraint of its handler (`drbd-fence-by-handler-…`), which is none of ours.

use super::cib::{OURS, operations, pairs};
use super::group::primitive;
use super::xml::Element;
use crate::engines::{Carried, CarriedAs};

/// The second must be another, or Pacemaker takes both for one. A move waits for neither.
const MONITORS: [(&str, &str, &str); 2] =
    [("promoted", "Promoted", "10s"), ("unpromoted", "Unpromoted", "11s")];

/// LINBIT's own for a disk that is slow to be opened, and for a promotion that asks the engine about the other head.
const START_MS: u64 = 240_000;
const STOP_MS: u64 = 100_000;
const CHANGE_MS: u64 = 120_000;
const MONITOR_MS: u64 = 20_000;

/// The clone of such a service, on so many heads.
pub fn clone(id: &str, service: &Carried, heads: usize, fenced: bool) -> Element {
    let clone = format!("{id}-clone");
    let values = [
        ("clone-max", heads.to_string()),
        ("interleave", "true".to_owned()),
        ("promotable", "true".to_owned()),
        ("promoted-max", "1".to_owned()),
    ];
    let meta = pairs("meta_attributes", &format!("{clone}-meta"), values);
    let inside = inside(id, service, fenced);
    Element::new("clone").with("id", &clone).with("description", OURS).holding([meta, inside])
}

fn inside(id: &str, service: &Carried, fenced: bool) -> Element {
    let CarriedAs::Agent { agent, parameters } = &service.what else { return Element::new("primitive") };
    let values = parameters.iter().map(|(key, value)| (key.as_str(), value.clone()));
    let stop = if fenced { "fence" } else { "block" };
    let rows = [
        ("start", "0s", START_MS, ""),
        ("promote", "0s", CHANGE_MS, ""),
        ("demote", "0s", CHANGE_MS, stop),
        ("stop", "0s", STOP_MS, stop),
    ];
    let mut all = operations(id, &rows);
    let monitor = |(name, role, every): (&str, &str, &str)| {
        Element::new("op")
            .with("id", format!("{id}-monitor-{name}"))
            .with("name", "monitor")
            .with("interval", every)
            .with("role", role)
            .with("timeout", format!("{MONITOR_MS}ms"))
    };
    all.children.extend(MONITORS.map(monitor));
    let own = pairs("instance_attributes", &format!("{id}-parameters"), values);
    primitive(id, "haoscar", agent.rsplit(':').next().unwrap_or_default()).holding([own, all])
}

/// Whatever is placed stands where it is promoted.
pub fn with(base: &str, clone: &str) -> Element {
    Element::new("rsc_colocation")
        .with("id", format!("haoscar-{base}-with-{clone}"))
        .with("rsc", base)
        .with("with-rsc", clone)
        .with("with-rsc-role", "Promoted")
        .with("score", "INFINITY")
}

/// What lies on it starts after it is promoted, and stops before it is not.
pub fn after(then: &str, clone: &str) -> Element {
    Element::new("rsc_order")
        .with("id", format!("haoscar-{then}-after-{clone}"))
        .with("first", clone)
        .with("first-action", "promote")
        .with("then", then)
        .with("then-action", "start")
        .with("kind", "Mandatory")
}
