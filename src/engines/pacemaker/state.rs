//! What `crm_mon --output-as=xml -1` says, as facts.

use super::EngineError;
use super::xml::Element;
use crate::engines::{EngineNode, EngineState};

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
