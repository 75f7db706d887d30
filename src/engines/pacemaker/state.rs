//! What `crm_mon --output-as=xml -1` says, as facts.

use super::xml::Element;
use super::{EngineError, watch};
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
            standby: yes(node, "standby") && !yes(node, "pending"), // Pacemaker gives it nothing either
            pending: yes(node, "pending"),
            unclean: yes(node, "unclean"),
            behind: Vec::new(),
        };
        state.nodes.insert(node.get("name").unwrap_or_default().to_owned(), facts);
    }
    for node in root.child("node_attributes").into_iter().flat_map(|nodes| &nodes.children) {
        let behind = node.children.iter().filter(|attribute| attribute.get("value") == Some(watch::BEHIND));
        let behind = behind.filter_map(|attribute| attribute.get("name")?.strip_prefix(watch::MIRROR));
        if let Some(facts) = node.get("name").and_then(|name| state.nodes.get_mut(name)) {
            facts.behind.extend(behind.map(str::to_owned));
        }
    }
    for resource in
        root.child("resources").into_iter().flat_map(Element::walk).filter(|e| e.name == "resource")
    {
        let entry = state.resources.entry(resource.id().to_owned()).or_default();
        entry.failed |= yes(resource, "failed");
        entry.pending = entry.pending.take().or_else(|| resource.get("pending").map(str::to_owned));
        let names = resource.children.iter().filter(|child| child.name == "node");
        let names = names.filter_map(|node| node.get("name")).map(str::to_owned);
        match resource.get("role") {
            // the words of Pacemaker before 2.1, too
            Some("Started" | "Promoted" | "Master") => entry.on.extend(names),
            Some("Unpromoted" | "Slave") => entry.beside.extend(names),
            _ => {}
        }
    }
    let failures = root.child("failures").into_iter().flat_map(|failures| &failures.children);
    for failure in failures {
        // `control-home_start_0`
        let key = failure.get("op_key").unwrap_or_default();
        let id = key.rsplitn(3, '_').last().unwrap_or_default();
        let resource = state.resources.get_mut(id.split(':').next().unwrap_or(id));
        resource.into_iter().for_each(|found| found.failed_on.extend(failure.get("node").map(str::to_owned)));
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_joins_is_not_drained() {
        let text = r#"<pacemaker-result><summary/><nodes><node name="head-2" online="true" standby="true" pending="true"/></nodes></pacemaker-result>"#;
        let node = &state(text).unwrap().nodes["head-2"];
        assert!(node.pending && !node.standby);
    }

    #[test]
    fn a_head_says_of_which_storages_it_has_an_older_copy() {
        let text = r#"<pacemaker-result><summary/><nodes><node name="head-1" online="true"/><node name="head-2" online="true"/></nodes>
            <node_attributes>
              <node name="head-1"><attribute name="haoscar-mirror-state" value="fit"/><attribute name="haoscar-mirror-state-owned" value="3"/></node>
              <node name="head-2"><attribute name="haoscar-link-inside" value="1"/><attribute name="haoscar-mirror-state" value="behind"/></node>
            </node_attributes></pacemaker-result>"#;
        let state = state(text).unwrap();
        assert_eq!(state.nodes["head-2"].behind, ["state"]);
        assert!(state.nodes["head-1"].behind.is_empty());
    }

    #[test]
    fn a_service_that_failed_and_runs_nowhere_is_dead_and_one_that_another_head_started_is_not() {
        let text = r#"<pacemaker-result><summary/><nodes/>
            <resources>
              <resource id="control-home" role="Stopped" failed="false"/>
              <clone id="control-names-clone"><resource id="control-names" role="Started" failed="false"><node name="head-2"/></resource></clone>
              <resource id="control-dhcp" role="Stopped" failed="false"/>
              <resource id="control-scheduler" role="Stopped" failed="false"/>
            </resources>
            <failures>
              <failure op_key="control-home_start_0" node="head-1" task="start"/>
              <failure op_key="control-names_start_0" node="head-1" task="start"/>
              <failure op_key="control-dhcp_monitor_1000" node="head-1" task="monitor"/>
            </failures></pacemaker-result>"#;
        let state = state(text).unwrap();
        let dead: Vec<_> =
            state.resources.iter().filter(|(_, found)| found.is_dead()).map(|(id, _)| id).collect();
        assert_eq!(dead, ["control-dhcp", "control-home"]);
        assert_eq!(state.resources["control-names"].failed_on, ["head-1"]);
    }
}
