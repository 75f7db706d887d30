//! What decides who is alive and who carries what: one folder an engine.
//!
//! This room compiles the spec into the engine's own configuration and reads the engine's state back. It must not
//! talk to the engine: [`crate::apply`] does.

pub mod pacemaker;

use std::collections::BTreeMap;

/// How one service of a group is carried by the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// The service's name in the spec.
    pub service: String,
    /// systemd unit that the engine starts and stops.
    pub unit: String,
    /// Stateless: runs as a clone on every head of the group, and only the address moves.
    pub clone: bool,
    /// Needs the group's address before it can start (it binds to it).
    pub needs_address: bool,
    /// A command, run by the OCF agent until it answers 0, that proves the unit serves. None: active is enough.
    pub probe: Option<String>,
    /// A stop that fails fences the head (state on shared storage) instead of blocking.
    pub fence_on_stop_failure: bool,
    /// Milliseconds that a start may take.
    pub start_timeout_ms: u64,
    /// Milliseconds that a stop may take.
    pub stop_timeout_ms: u64,
    /// The spec's recovery policy.
    pub recovery: Option<crate::spec::Recovery>,
}

/// The engine's configuration of the whole cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineDesired {
    /// Members' node ids, by name.
    pub members: BTreeMap<String, u32>,
    /// The CIB's `<configuration>` element that haoscar owns, canonical XML.
    pub cib: String,
    /// Resource ids by group name, as `crm_resource` knows them, in start order.
    pub resources: BTreeMap<String, Vec<String>>,
}
