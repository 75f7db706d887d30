//! How an engine is, whichever it is: members and resources as plain facts.
//!
//! Each engine's folder reads its own programs' words into these. It must not say what should be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A member as the engine sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineNode {
    /// In the membership, and its resources can be managed.
    pub online: bool,
    /// Carries nothing on request.
    pub standby: bool,
    /// In the membership, and the engine has not let it in yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pending: bool,
    /// Must be fenced before anything else.
    pub unclean: bool,
    /// Mirrored storages of which it has an older generation than the newest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<String>,
}

/// A resource as the engine sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineResource {
    /// Members where it is started; of one that is promoted somewhere, where it is promoted.
    pub on: Vec<String>,
    /// Members where it runs and is not promoted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// A failure that has not been cleaned up.
    pub failed: bool,
    /// An operation is under way, in the engine's own word.
    pub pending: Option<String>,
    /// Members where it has failed, and that has not been cleaned up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_on: Vec<String>,
}

impl EngineResource {
    /// It is started nowhere, and not for want of trying.
    pub fn is_dead(&self) -> bool {
        self.on.is_empty() && !self.failed_on.is_empty()
    }
}

/// The engine's state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineState {
    /// This partition may act.
    pub quorum: bool,
    /// The member that decides, once elected.
    pub dc: Option<String>,
    /// The engine watches but does nothing.
    pub maintenance: bool,
    /// Members, by name.
    pub nodes: BTreeMap<String, EngineNode>,
    /// Resources, by id; an instance of a clone counts for its primitive.
    pub resources: BTreeMap<String, EngineResource>,
    /// What an administrator should know of it and cannot see in the rest, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
}

/// Whether `host` is the head that carries the group of these resources, in a part of the cluster that may act.
pub fn leads(host: &str, ids: &[String], state: &EngineState) -> bool {
    let moving = ids.iter().filter_map(|id| state.resources.get(id)); // a clone's id has a suffix
    let carried = moving.filter(|found| !found.failed).map(|found| &found.on).find(|on| !on.is_empty());
    state.quorum && carried.is_some_and(|on| on.iter().any(|name| name == host))
}
