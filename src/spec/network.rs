//! A network: a subnet with a role.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cidr, Range};

/// What a network is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NetworkRole {
    /// Where users come from.
    Public,
    /// Boot, storage and scheduler traffic.
    Private,
    /// Heartbeats only.
    Link,
}

/// A subnet with a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// What it is for.
    pub role: NetworkRole,
    /// Its IPv4 (or only) subnet.
    pub cidr: Cidr,
    /// Its IPv6 subnet beside an IPv4 one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr6: Option<Cidr>,
    /// The router, announced to clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"192.0.2.1")]
    pub gateway: Option<IpAddr>,
    /// Addresses that DHCP may give to machines without a reservation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Range>,
    /// The same for IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool6: Option<Range>,
}
