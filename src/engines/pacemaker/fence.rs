//! Fence devices: one for every member that has one in the spec, never for a head that is only declared.
//!
//! The CIB can be read by everybody in haclient, so a secret never stands there. `password` and its kin go through
//! the agent's own `_script` parameter; any other secret (an SNMP community) through a wrapper that adds it to what
//! Pacemaker writes to the agent's standard input.

use std::collections::BTreeMap;

use super::cib::{OURS, operations, pairs};
use super::xml::Element;
use crate::desired::{HostName, Surroundings};
use crate::spec::{Cluster, FenceValue, WitnessKind};

/// A fence device is asked this often whether it answers.
const MONITOR: &str = "60s";

/// A power outlet or BMC that answers later than this is taken for dead.
const MONITOR_TIMEOUT_MS: u64 = 20_000;

/// Two heads without a witness: fencing the preferred one waits, so that it wins a split. BMCs take 1 to 5 s.
const DELAY_SECONDS: u64 = 5;

/// Parameters whose agents read them from a script (fence-agents 4.12 `-o metadata`).
const SCRIPTED: [&str; 3] = ["password", "passwd", "snmp_priv_passwd"];

type Parameters = BTreeMap<String, FenceValue>;

/// The spec's fence device of a member, if it has one.
pub fn of<'a>(cluster: &'a Cluster, member: &str) -> Option<&'a Parameters> {
    let head = cluster.heads.get(member).map(|head| &head.fence);
    head.or_else(|| cluster.witnesses.get(member).map(|witness| &witness.fence))
        .filter(|fence| !fence.is_empty())
}

/// The program that switches a device, by its name in /usr/sbin.
pub fn agent(fence: &Parameters) -> &str {
    match fence.get("agent") {
        Some(FenceValue::Text(agent)) => agent,
        _ => "", // refused by the loader and the lints
    }
}

/// Secrets that go through a script: parameter and secret.
pub fn scripted(fence: &Parameters) -> impl Iterator<Item = (&str, &str)> {
    secrets(fence).filter(|(name, _)| SCRIPTED.contains(name))
}

/// Secrets that no script parameter takes: parameter and secret.
pub fn wrapped(fence: &Parameters) -> impl Iterator<Item = (&str, &str)> {
    secrets(fence).filter(|(name, _)| !SCRIPTED.contains(name))
}

fn secrets(fence: &Parameters) -> impl Iterator<Item = (&str, &str)> {
    fence.iter().filter_map(|(name, value)| match value {
        FenceValue::Secret { secret } => Some((name.as_str(), secret.as_str())),
        _ => None,
    })
}

/// The script that prints a secret for a fence agent.
pub fn script_path(secret: &str) -> String {
    format!("/etc/haoscar/fence/{secret}")
}

/// The wrapper's name, where a device needs one. Pacemaker finds it in /usr/sbin by its prefix.
pub fn wrapper(member: &str) -> String {
    format!("fence_haoscar_{member}")
}

/// Adds a device for each member, and keeps each off the member that it switches.
pub fn add(
    cluster: &Cluster,
    surroundings: &Surroundings,
    members: &BTreeMap<HostName, u32>,
    resources: &mut Element,
    constraints: &mut Element,
) {
    for member in members.keys() {
        let Some(fence) = of(cluster, member) else { continue };
        let mut values = if surroundings.lab { lab_parameters(member) } else { parameters(fence) };
        if let Some(seconds) = delay(cluster, members, member) {
            values.insert("pcmk_delay_base".to_owned(), format!("{seconds}s"));
        }
        values.insert("pcmk_host_list".to_owned(), member.clone());
        values.insert("pcmk_host_check".to_owned(), "static-list".to_owned());
        let program = if surroundings.lab { "fence_haoscar".to_owned() } else { program(fence, member) };
        resources.children.push(device(member, &program, &values));
        constraints.children.push(off(member));
    }
}

fn program(fence: &Parameters, member: &str) -> String {
    if wrapped(fence).next().is_some() { wrapper(member) } else { agent(fence).to_owned() }
}

/// Seconds that fencing of the preferred head waits: only where two members have no third vote.
fn delay(cluster: &Cluster, members: &BTreeMap<HostName, u32>, member: &str) -> Option<u64> {
    let qnetd = cluster.witnesses.values().any(|witness| witness.kind == WitnessKind::Qnetd);
    let preferred = cluster.groups.values().next().and_then(|group| group.heads.first())?;
    let asked = cluster.ha.fence_delay.map_or(DELAY_SECONDS, |delay| delay.as_millis().div_ceil(1000));
    (members.len() == 2 && !qnetd && preferred == member).then_some(asked)
}

fn lab_parameters(member: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("port".to_owned(), member.to_owned())])
}

fn parameters(fence: &Parameters) -> BTreeMap<String, String> {
    let parameter = |(name, value): (&String, &FenceValue)| match value {
        FenceValue::Secret { secret } => {
            let scripted = SCRIPTED.contains(&name.as_str());
            scripted.then(|| (format!("{name}_script"), script_path(secret)))
        }
        FenceValue::Flag(flag) => Some((name.clone(), if *flag { "1" } else { "0" }.to_owned())),
        FenceValue::Number(number) => Some((name.clone(), number.to_string())),
        FenceValue::Text(text) => Some((name.clone(), text.clone())),
    };
    fence.iter().filter(|(name, _)| *name != "agent").filter_map(parameter).collect()
}

fn device(member: &str, program: &str, values: &BTreeMap<String, String>) -> Element {
    let id = format!("fence-{member}");
    let values = values.iter().map(|(name, value)| (name.as_str(), value.clone()));
    Element::new("primitive")
        .with("id", &id)
        .with("class", "stonith")
        .with("type", program)
        .with("description", OURS)
        .holding([
            pairs("instance_attributes", &format!("{id}-parameters"), values),
            operations(&id, &[("monitor", MONITOR, MONITOR_TIMEOUT_MS, "")]),
        ])
}

/// A member never runs its own fence device.
fn off(member: &str) -> Element {
    Element::new("rsc_location")
        .with("id", format!("haoscar-fence-{member}-off-{member}"))
        .with("rsc", format!("fence-{member}"))
        .with("node", member)
        .with("score", "-INFINITY")
}
