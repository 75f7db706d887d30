//! Machines that are named one by one: heads and witnesses, with their NICs and fence devices.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Mac;

/// A network card of a head or witness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nic {
    /// The network that it is plugged into.
    pub network: String,
    /// Its hardware address.
    pub mac: Mac,
    /// The machine's own address there, which never moves.
    #[schemars(example = &"192.0.2.11")]
    pub address: IpAddr,
    /// Its IPv6 address beside an IPv4 one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"2001:db8:20::11")]
    pub address6: Option<IpAddr>,
}

impl Nic {
    /// The machine's own addresses there.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<> {
        [Some(self.address), self.address6].into_iter().flatten()
    }
}

/// A parameter of a fence agent: a plain value, or a reference to a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum FenceValue {
    /// A name in the secret store; the value never stands in a spec.
    Secret {
        /// The file under /etc/haoscar/secrets.
        secret: String,
    },
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(i64),
    /// Any text.
    Text(String),
}

/// A fence device: `agent`, and the agent's own parameters.
pub type FenceDevice = BTreeMap<String, FenceValue>;

/// Devices that are one level: the machine is off when each of them has said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FenceLevel {
    /// One device: `agent`, and the agent's own parameters.
    Device(FenceDevice),
    /// Several, as two outlets of one machine: all are off before any is on again.
    Together(#[schemars(length(min = 1))] Vec<FenceDevice>),
}

/// What can switch a machine off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Fence {
    /// One device: `agent`, and the agent's own parameters.
    Device(FenceDevice),
    /// Levels: the next one is tried where one fails.
    Levels(#[schemars(length(min = 1))] Vec<FenceLevel>),
}

impl Default for Fence {
    fn default() -> Self {
        Self::Device(FenceDevice::new())
    }
}

impl Fence {
    /// Nothing can switch the machine off.
    pub fn is_empty(&self) -> bool {
        self.levels().iter().all(Vec::is_empty)
    }

    /// Each level's devices, in the order in which they are tried.
    pub fn levels(&self) -> Vec<Vec<&FenceDevice>> {
        match self {
            Self::Device(device) if device.is_empty() => Vec::new(),
            Self::Device(device) => vec![vec![device]],
            Self::Levels(levels) => levels.iter().map(FenceLevel::devices).collect(),
        }
    }

    /// Every device, with the path that leads to it from `fence`: ``, `.0` or `.1.0`.
    pub fn devices(&self) -> Vec<(String, &FenceDevice)> {
        let Self::Levels(levels) = self else {
            return self.levels().into_iter().flatten().map(|device| (String::new(), device)).collect();
        };
        levels.iter().enumerate().flat_map(|(at, level)| level.marked(at)).collect()
    }
}

impl FenceLevel {
    fn devices(&self) -> Vec<&FenceDevice> {
        match self {
            Self::Device(device) => vec![device],
            Self::Together(devices) => devices.iter().collect(),
        }
    }

    fn marked(&self, at: usize) -> Vec<(String, &FenceDevice)> {
        match self {
            Self::Device(device) => vec![(format!(".{at}"), device)],
            Self::Together(devices) => {
                devices.iter().enumerate().map(|(n, device)| (format!(".{at}.{n}"), device)).collect()
            }
        }
    }
}

/// The program that switches a device, by its name in /usr/sbin; empty where the spec names none.
pub fn fence_agent(device: &FenceDevice) -> &str {
    match device.get("agent") {
        Some(FenceValue::Text(agent)) => agent,
        _ => "",
    }
}

/// The disk of a machine that haoscar builds: exactly one must fit. All on it is lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Its serial number, as `lsblk -o NAME,SERIAL` shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = &"S4EVNX0R123456")]
    pub serial: Option<String>,
    /// Its size, in GiB, or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub at_least_gib: Option<u32>,
    /// It may be wiped without asking again.
    #[serde(default)]
    pub wipe: bool,
    /// How it is divided, beside what booting needs; none: all of it is the root file system.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layout: Vec<Division>,
}

/// A part of the disk of a machine that haoscar builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Division {
    /// `/`, `swap`, a folder that gets a file system of its own (ext4), with what the image has in it, or `/dev/disk/by-partlabel/NAME`: a
    /// part of that name with nothing on it.
    #[schemars(extend("format" = "partition"), example = &"/scratch")]
    pub at: String,
    /// Its size, in GiB; none: what the others leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub gib: Option<u32>,
}

impl Division {
    /// The word for what is no file system.
    pub const SWAP: &str = "swap";

    /// The name of a part with nothing on it: a disk of a storage, say.
    pub fn blank(at: &str) -> Option<&str> {
        at.strip_prefix("/dev/disk/by-partlabel/")
    }
}

impl std::fmt::Display for Division {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.gib {
            Some(gib) => write!(f, "{} {gib} GiB", self.at),
            None => write!(f, "{} the rest", self.at),
        }
    }
}

impl std::fmt::Display for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.serial, self.at_least_gib) {
            (Some(serial), None) => write!(f, "serial {serial}"),
            (Some(serial), Some(gib)) => write!(f, "serial {serial}, of {gib} GiB or more"),
            (None, Some(gib)) => write!(f, "the only one of {gib} GiB or more"),
            (None, None) => write!(f, "the only one"),
        }
    }
}

/// A machine that can carry protected services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The image that this head is built from, if haoscar builds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The disk that its image is written to; none: the only one that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<Disk>,
    /// The kernel's console beside the screen, where haoscar builds it: a serial line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "console"), example = &"ttyS0,115200")]
    pub console: Option<String>,
    /// Network cards, by interface name.
    #[schemars(extend("propertyNames" = serde_json::json!({ "format": "interface" }), "minProperties" = 1))]
    pub nics: BTreeMap<String, Nic>,
    /// The device that can switch this machine off, or several in the order in which they are tried.
    #[serde(default, skip_serializing_if = "Fence::is_empty")]
    #[schemars(example = serde_json::json!({ "agent": "fence_ipmilan", "ip": "10.20.1.1" }))]
    pub fence: Fence,
    /// Its watchdog: sbd resets this machine when it has no quorum or its engine fails, and the others wait for that
    /// (`ha.watchdog_timeout`) where no fence device has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "absolute-path"), example = &"/dev/watchdog")]
    pub watchdog: Option<String>,
}

/// How a witness votes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WitnessKind {
    /// A third member of the cluster, the fast one.
    #[default]
    Member,
    /// A qnetd server, always with TLS.
    Qnetd,
}

/// A machine that votes and carries nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// How it votes.
    #[serde(default)]
    pub kind: WitnessKind,
    /// Network cards, by interface name.
    #[schemars(extend("propertyNames" = serde_json::json!({ "format": "interface" }), "minProperties" = 1))]
    pub nics: BTreeMap<String, Nic>,
    /// The device that can switch this machine off, or several in the order in which they are tried.
    #[serde(default, skip_serializing_if = "Fence::is_empty")]
    pub fence: Fence,
    /// Its watchdog, as a head's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "absolute-path"), example = &"/dev/watchdog")]
    pub watchdog: Option<String>,
}
