//! Services that live and move together, with their addresses and storage.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How strictly two groups stay on different heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Apart {
    /// While another head can take this group: with one head left both live there.
    Prefer,
    /// Always: with one head left this group stays down.
    Require,
}

/// One unit of failover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Heads that may carry it, in order of preference.
    #[schemars(length(min = 1))]
    pub heads: Vec<String>,
    /// The group's own address on each network, by network name. Never a head's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub addresses: BTreeMap<String, IpAddr>,
    /// The same for IPv6, beside an IPv4 address.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub addresses6: BTreeMap<String, IpAddr>,
    /// Where its services keep their state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// Groups that it does not share a head with, by name; it gives way to them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = serde_json::json!({ "control": "prefer" }))]
    pub apart: BTreeMap<String, Apart>,
    /// Its services, by name.
    pub services: Vec<String>,
}
