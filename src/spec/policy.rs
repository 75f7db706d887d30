//! When and how the loop may act by itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to drift.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Heal {
    /// It is put back at once.
    #[default]
    Auto,
    /// It is reported and waits for a person.
    Ask,
    /// It is left alone.
    Off,
}

/// What happens to a new commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rollout {
    /// It waits for `haoscar apply`.
    #[default]
    Manual,
    /// It is applied; signed commits are then required.
    Auto,
}

/// Whose commits are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// Public key files beside the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Whether unsigned commits are refused.
    #[serde(default)]
    pub required: bool,
}

/// When and how the loop may act.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What happens to drift.
    #[serde(default)]
    pub heal: Heal,
    /// What happens to a new commit.
    #[serde(default)]
    pub rollout: Rollout,
    /// Whose commits are believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
    /// When roll-out may happen, for example `Sat 02:00-06:00`; always when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<String>,
    /// How many generations every head keeps in its history; 200 when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2))]
    pub history: Option<u32>,
}
