//! The HA engine and how fast it must notice.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;

/// What decides who is alive and who carries what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// Corosync and Pacemaker.
    #[default]
    Pacemaker,
    /// Linux-HA 3, for sites that still run it.
    Heartbeat,
}

/// What happens when a preferred head comes back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Failback {
    /// Groups stay where they are.
    #[default]
    Manual,
    /// Groups return to the first head of their list.
    Auto,
}

/// High availability of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ha {
    /// Which engine.
    #[serde(default)]
    pub engine: EngineKind,
    /// A dead head is declared dead after this long: corosync's token plus consensus (1.2 × token), or heartbeat's
    /// deadtime.
    #[serde(default = "detect_default")]
    pub detect: Span,
    /// What happens when a preferred head comes back.
    #[serde(default)]
    pub failback: Failback,
    /// How many groups a head carries at most; a group that finds no room stays down. Default: as many as there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub groups_per_head: Option<u32>,
    /// Seconds by which fencing of the preferred head is delayed where two heads have no witness, so that one
    /// wins. Unused with a witness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence_delay: Option<Span>,
    /// A machine with a watchdog is reset when its engine was not well for so long, or a little over twice as long: whole seconds.
    /// The others take it for off after three times that time.
    #[serde(default = "watchdog_default")]
    #[schemars(example = &"5s")]
    pub watchdog_timeout: Span,
    /// An address outside of the cluster by which a head tells that it is cut off; engine heartbeat only. Default: the
    /// gateway of the heads' public network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"192.0.2.1")]
    pub ping: Option<IpAddr>,
    /// An outside watch, which must hear from the cluster while it is whole: its silence is the alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched_by: Option<WatchedBy>,
}

/// The address of an outside watch: as it is, or a reference to a secret, for whoever knows it can keep the alarm quiet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum WatchUrl {
    /// A name in the secret store.
    Secret {
        /// The file under /etc/haoscar/secrets.
        secret: String,
    },
    /// `https://…` or `http://…`.
    Text(String),
}

/// Who raises the alarm when nothing is heard: healthchecks.io, Uptime Kuma (push), a dead man's switch of your own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchedBy {
    /// What is asked for with GET while the cluster is whole.
    #[schemars(example = serde_json::json!({ "secret": "watch-url" }))]
    pub url: WatchUrl,
    /// How often; the watch should wait for two or three times as long before it raises the alarm.
    #[serde(default = "every_default")]
    pub every: Span,
}

/// What such watches expect; a minute more or less is nothing to who is called out of bed.
fn every_default() -> Span {
    Span::from_millis(60_000)
}

/// Token 500 ms and consensus 600 ms: the fastest that had no false failover under load (knowledge/pacemaker.md 7).
fn detect_default() -> Span {
    Span::from_millis(1100)
}

/// sbd's own default: longer than a busy machine may stand still, and than a disk of a storage may take.
fn watchdog_default() -> Span {
    Span::from_millis(5_000)
}

impl Default for Ha {
    fn default() -> Self {
        Self {
            engine: EngineKind::default(),
            detect: detect_default(),
            failback: Failback::default(),
            groups_per_head: None,
            fence_delay: None,
            watchdog_timeout: watchdog_default(),
            ping: None,
            watched_by: None,
        }
    }
}
