//! Compute nodes: folded, never described one by one.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use litemap::LiteMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Mac;

/// What all nodes of one range share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nodes {
    /// The image that they boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Network cards, by interface name.
    #[schemars(with = "BTreeMap<String, NodeNic>", extend("propertyNames" = serde_json::json!({ "format": "interface" }), "minProperties" = 1))]
    pub nics: LiteMap<String, NodeNic>, // a BTreeMap of one card has room for eleven, 1.6 KB for each node that is said by itself
    /// CPUs a node, as the scheduler counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Memory a node, in MiB, as the scheduler counts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
}

/// A network card that every node of the range has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeNic {
    /// The network that it is plugged into.
    pub network: String,
    /// The first node's address with `+` behind it: addresses count up in the order of the range. A range of one
    /// node may leave the `+` out.
    #[schemars(extend("format" = "first-address"), example = &"10.20.2.1+")]
    pub address: String,
    /// The same for IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "first-address"), example = &"2001:db8:20::1+")]
    pub address6: Option<String>,
    /// MACs of the nodes, in the order of the range.
    #[serde(default, skip_serializing_if = "MacList::is_empty")]
    pub macs: MacList,
}

/// MAC addresses: a list, or the name of a CSV file beside the spec with the columns `name,mac`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MacList {
    /// In the order of the range.
    Given(Vec<Mac>),
    /// A CSV file beside the spec.
    File(#[schemars(with = "String")] Utf8PathBuf),
}

impl Default for MacList {
    fn default() -> Self {
        Self::Given(Vec::new())
    }
}

impl MacList {
    /// Whether no MAC is known yet.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Given(list) if list.is_empty())
    }
}
