//! Fence devices: those of every member that has some in the spec, never of a head that is only declared.
//!
//! A member with more than one device gets a fencing topology: levels are tried in order, and all devices of a level
//! must succeed (Pacemaker switches every one off before it switches any on again).
//!
//! The CIB can be read by everybody in haclient, so a secret never stands there. `password` and its kin go through
//! the agent's own `_script` parameter; any other secret (an SNMP community) through a wrapper that adds it to what
//! Pacemaker writes to the agent's standard input.

use std::collections::BTreeMap;

use super::cib::{OURS, operations, pairs};
use super::watchdog;
use super::xml::Element;
use crate::desired::{HostName, Surroundings};
use crate::spec::{Cluster, Fence, FenceDevice, FenceValue, WitnessKind, fence_agent};

/// A fence device is asked this often whether it answers.
const MONITOR: &str = "60s";

/// A power outlet or BMC that answers later than this is taken for dead.
const MONITOR_TIMEOUT_MS: u64 = 20_000;

/// Two heads without a witness: fencing the preferred one waits, so that it wins a split. BMCs take 1 to 5 s.
const DELAY_SECONDS: u64 = 5;

/// A device with another level behind it gives up after this: a BMC that lives switches its machine off and on within
/// 5 to 15 s, and one that hangs keeps the next level from its turn.
const LEVEL_TIMEOUT: &str = "30s";

/// Parameters whose agents read them from a script (fence-agents 4.12 `-o metadata`).
const SCRIPTED: [&str; 3] = ["password", "passwd", "snmp_priv_passwd"];

/// The lab's own device of a namespace that the spec gives a watchdog alone.
const STAND_IN: Named<'static> =
    Named { mark: String::new(), level: 1, first: true, more: false, device: &FenceDevice::new() };

/// One device of a member.
pub struct Named<'a> {
    /// What tells it from the member's first device: empty for that one, else `.LEVEL` or `.LEVEL.NUMBER`.
    pub mark: String,
    /// Its level, from 1.
    pub level: usize,
    /// The first of its level, which waits where fencing is to wait.
    first: bool,
    /// Another level is tried after its own.
    more: bool,
    /// The device as the spec has it.
    pub device: &'a FenceDevice,
}

/// The spec's fence devices of a member, if it has some.
pub fn of<'a>(cluster: &'a Cluster, member: &str) -> Option<&'a Fence> {
    let head = cluster.heads.get(member).map(|head| &head.fence);
    head.or_else(|| cluster.witnesses.get(member).map(|witness| &witness.fence))
        .filter(|fence| !fence.is_empty())
}

/// The same one by one, in the order in which they are tried. `behind`: another level comes behind them all.
pub fn devices<'a>(cluster: &'a Cluster, member: &str, behind: bool) -> Vec<Named<'a>> {
    let levels = of(cluster, member).map(Fence::levels).unwrap_or_default();
    let count = levels.len() + usize::from(behind);
    let mut all = Vec::new();
    for (level, devices) in levels.into_iter().enumerate() {
        for (number, device) in devices.into_iter().enumerate() {
            let mark = match (level + 1, number + 1) {
                (1, 1) => String::new(),
                (level, 1) => format!(".{level}"),
                (level, number) => format!(".{level}.{number}"),
            };
            all.push(Named { mark, level: level + 1, first: number == 0, more: level + 1 < count, device });
        }
    }
    all
}

/// Secrets that no script parameter takes: parameter and secret.
pub fn wrapped(device: &FenceDevice) -> impl Iterator<Item = (&str, &str)> {
    secrets(device).filter(|(name, _)| !SCRIPTED.contains(name))
}

/// Every secret of a device: parameter and secret.
pub fn secrets(device: &FenceDevice) -> impl Iterator<Item = (&str, &str)> {
    device.iter().filter_map(|(name, value)| match value {
        FenceValue::Secret { secret } => Some((name.as_str(), secret.as_str())),
        _ => None,
    })
}

/// The script that prints a secret for a fence agent.
pub fn script_path(secret: &str) -> String {
    format!("/etc/haoscar/fence/{secret}")
}

/// The wrapper's name, where a device needs one. Pacemaker finds it in /usr/sbin by its prefix.
pub fn wrapper(member: &str, device: &Named<'_>) -> String {
    format!("fence_haoscar_{member}{}", device.mark)
}

/// Adds the devices of each member, and keeps each off the member that it switches; answers with the topology of the
/// members that have several.
pub fn add(
    cluster: &Cluster,
    surroundings: &Surroundings,
    members: &BTreeMap<HostName, u32>,
    resources: &mut Element,
    constraints: &mut Element,
) -> Element {
    let mut topology = Element::new("fencing-topology");
    let mut resetting = Vec::new();
    for member in members.keys() {
        let delay = delay(cluster, members, member);
        let resets = watchdog::of(cluster, surroundings, member).is_some();
        let mut devices = devices(cluster, member, resets);
        if devices.is_empty() && !resets && watchdog::named(cluster, member).is_some() {
            devices.push(STAND_IN);
        }
        for named in &devices {
            let mut values = if surroundings.lab { lab_parameters(member, named) } else { parameters(named) };
            if let Some(seconds) = delay.filter(|_| named.first) {
                values.insert("pcmk_delay_base".to_owned(), format!("{seconds}s"));
            }
            values.insert("pcmk_host_list".to_owned(), member.clone());
            values.insert("pcmk_host_check".to_owned(), "static-list".to_owned());
            let program = if surroundings.lab { "fence_haoscar".to_owned() } else { program(member, named) };
            let id = id(member, named);
            resources.children.push(device(&id, &program, &values));
            constraints.children.push(off(&id, member));
        }
        topology.children.extend(levels(member, &devices, resets));
        if resets {
            resetting.push(member.as_str());
        }
    }
    if !resetting.is_empty() {
        let values = [("pcmk_host_list", resetting.join(" ")), ("pcmk_host_check", "static-list".to_owned())];
        let values = values.map(|(name, value)| (name.to_owned(), value)).into();
        resources.children.push(device(watchdog::DEVICE, watchdog::AGENT, &values));
    }
    topology
}

fn id(member: &str, named: &Named<'_>) -> String {
    format!("fence-{member}{}", named.mark)
}

/// One device alone needs no topology: Pacemaker finds it by its host list. A watchdog is the last level.
fn levels(member: &str, devices: &[Named<'_>], resets: bool) -> Vec<Element> {
    if devices.len() + usize::from(resets) < 2 {
        return Vec::new();
    }
    let mut levels: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for named in devices {
        levels.entry(named.level).or_default().push(id(member, named));
    }
    if resets {
        levels.insert(levels.len() + 1, vec![watchdog::DEVICE.to_owned()]);
    }
    let level = |(index, ids): (usize, Vec<String>)| {
        Element::new("fencing-level")
            .with("id", format!("haoscar-fence-{member}-level-{index}"))
            .with("target", member)
            .with("index", index)
            .with("devices", ids.join(","))
    };
    levels.into_iter().map(level).collect()
}

fn program(member: &str, named: &Named<'_>) -> String {
    if wrapped(named.device).next().is_some() {
        wrapper(member, named)
    } else {
        fence_agent(named.device).to_owned()
    }
}

/// Seconds that fencing of the preferred head waits: only where two members have no third vote.
fn delay(cluster: &Cluster, members: &BTreeMap<HostName, u32>, member: &str) -> Option<u64> {
    let qnetd = cluster.witnesses.values().any(|witness| witness.kind == WitnessKind::Qnetd);
    let preferred = cluster.groups.values().next().and_then(|group| group.heads.first())?;
    let asked = cluster.ha.fence_delay.map_or(DELAY_SECONDS, |delay| delay.as_millis().div_ceil(1000));
    (members.len() == 2 && !qnetd && preferred == member).then_some(asked)
}

fn lab_parameters(member: &str, named: &Named<'_>) -> BTreeMap<String, String> {
    let mut values = BTreeMap::from([("port".to_owned(), member.to_owned())]);
    if named.level > 1 {
        values.insert("level".to_owned(), named.level.to_string());
    }
    values.extend(patience(named));
    values
}

fn parameters(named: &Named<'_>) -> BTreeMap<String, String> {
    let parameter = |(name, value): (&String, &FenceValue)| match value {
        FenceValue::Secret { secret } => {
            let scripted = SCRIPTED.contains(&name.as_str());
            scripted.then(|| (format!("{name}_script"), script_path(secret)))
        }
        FenceValue::Flag(flag) => Some((name.clone(), if *flag { "1" } else { "0" }.to_owned())),
        FenceValue::Number(number) => Some((name.clone(), number.to_string())),
        FenceValue::Text(text) => Some((name.clone(), text.clone())),
    };
    let own = named.device.iter().filter(|(name, _)| *name != "agent").filter_map(parameter);
    patience(named).into_iter().chain(own).collect() // the spec has the last word
}

/// How long a device is tried that has another level behind it: once, and not for ever.
fn patience(named: &Named<'_>) -> Vec<(String, String)> {
    if !named.more {
        return Vec::new();
    }
    let of = |action: &str| {
        [
            (format!("pcmk_{action}_retries"), "1".to_owned()),
            (format!("pcmk_{action}_timeout"), LEVEL_TIMEOUT.to_owned()),
        ]
    };
    [of("reboot"), of("off")].into_iter().flatten().collect()
}

fn device(id: &str, program: &str, values: &BTreeMap<String, String>) -> Element {
    let values = values.iter().map(|(name, value)| (name.as_str(), value.clone()));
    Element::new("primitive")
        .with("id", id)
        .with("class", "stonith")
        .with("type", program)
        .with("description", OURS)
        .holding([
            pairs("instance_attributes", &format!("{id}-parameters"), values),
            operations(id, &[("monitor", MONITOR, MONITOR_TIMEOUT_MS, "")]),
        ])
}

/// A member never runs its own fence device.
fn off(id: &str, member: &str) -> Element {
    Element::new("rsc_location")
        .with("id", format!("haoscar-{id}-off-{member}"))
        .with("rsc", id)
        .with("node", member)
        .with("score", "-INFINITY")
}
