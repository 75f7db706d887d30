//! A systemd unit of a host, and who may start it.

use serde::{Deserialize, Serialize};

/// What a unit must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitWant {
    /// Enabled at boot and running: systemd's own.
    Running,
    /// Disabled at boot; started and stopped only by the engine.
    Engine,
    /// Disabled and stopped.
    Stopped,
    /// Enabled at boot; starts and stops with the engine alone.
    WithEngine,
}

/// One unit of one host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unit {
    /// With its suffix: `chrony.service`.
    pub name: String,
    /// What it must be.
    pub want: UnitWant,
}
