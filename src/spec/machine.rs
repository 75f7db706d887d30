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

/// A machine that can carry protected services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The image that this head is built from, if haoscar builds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Network cards, by interface name.
    #[schemars(extend("propertyNames" = serde_json::json!({ "format": "interface" }), "minProperties" = 1))]
    pub nics: BTreeMap<String, Nic>,
    /// The device that can switch this machine off: `agent` and the agent's own parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = serde_json::json!({ "agent": "fence_ipmilan", "ip": "10.20.1.1" }))]
    pub fence: BTreeMap<String, FenceValue>,
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
    /// The device that can switch this machine off.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fence: BTreeMap<String, FenceValue>,
}
