//! What `crm_mon --output-as=xml -1` says, as facts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::EngineError;
use super::xml::Element;

/// A member as the engine sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineNode {
    /// In the membership, and its resources can be managed.
    pub online: bool,
    /// Carries nothing on request.
    pub standby: bool,
    /// Must be fenced before anything else.
    pub unclean: bool,
}

/// A resource as the engine sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineResource {
    /// Members where it is started.
    pub on: Vec<String>,
    /// A failure that has not been cleaned up.
    pub failed: bool,
    /// An operation is under way, in the engine's own word.
    pub pending: Option<String>,
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
}

/// Reads the XML of crm_mon 2.1.
///
/// # Errors
/// Not XML, or without a summary.
pub fn state(text: &str) -> Result<EngineState, EngineError> {
    let root = Element::read(text)?;
    let summary = root.child("summary").ok_or(EngineError::Missing("summary"))?;
    let dc = summary.child("current_dc");
    let options = summary.child("cluster_options");
    let yes = |element: &Element, name: &str| element.get(name) == Some("true");
    let mut state = EngineState {
        quorum: dc.is_some_and(|dc| yes(dc, "with_quorum")),
        dc: dc.and_then(|dc| dc.get("name")).map(str::to_owned),
        maintenance: options.is_some_and(|options| yes(options, "maintenance-mode")),
        ..EngineState::default()
    };
    for node in root.child("nodes").into_iter().flat_map(|nodes| &nodes.children) {
        let facts = EngineNode {
            online: yes(node, "online"),
            standby: yes(node, "standby"),
            unclean: yes(node, "unclean"),
        };
        state.nodes.insert(node.get("name").unwrap_or_default().to_owned(), facts);
    }
    for resource in
        root.child("resources").into_iter().flat_map(Element::walk).filter(|e| e.name == "resource")
    {
        let entry = state.resources.entry(resource.id().to_owned()).or_default();
        entry.failed |= yes(resource, "failed");
        entry.pending = entry.pending.take().or_else(|| resource.get("pending").map(str::to_owned));
        if resource.get("role") == Some("Started") {
            let names = resource.children.iter().filter(|child| child.name == "node");
            entry.on.extend(names.filter_map(|node| node.get("name")).map(str::to_owned));
        }
    }
    Ok(state)
}
