//! Whether a head is proven fit to take a group over. Pure.

use crate::desired::Desired;
use crate::engines::EngineState;
use crate::observed::Observed;
use crate::plan::{HostPlan, Plan};

/// What speaks against `head` as the next carrier of `group`, a line each; empty: it is proven healthy. `plan` is the
/// difference to the spec, where an object that is not in step on the head counts.
pub fn unproven(head: &str, group: &str, desired: &Desired, observed: &Observed, plan: &Plan) -> Vec<String> {
    let mut against = Vec::new();
    let Some(state) = &observed.engine else { return vec!["the engine does not run".to_owned()] };
    if state.maintenance {
        against.push("the engine is in maintenance: haoscar resume".to_owned());
    }
    against.extend(member(head, state));
    if !observed.hosts.contains_key(head) {
        against.push(format!("haoscar cannot reach {head}"));
    }
    match plan.hosts.get(head).map_or(0, HostPlan::objects) {
        0 => {}
        1 => against.push(format!("1 object on {head} is not in step with the spec")),
        n => against.push(format!("{n} objects on {head} are not in step with the spec")),
    }
    let fence = |name: &&String| name.starts_with("fence-");
    let broken =
        state.resources.iter().filter(|(name, found)| fence(name) && (found.failed || found.on.is_empty()));
    against.extend(broken.map(|(name, _)| format!("fence device {name} does not answer")));
    against.extend(clones_down(head, group, desired, observed));
    against
}

/// What speaks against a member in the engine's eyes.
pub(super) fn member(name: &str, state: &EngineState) -> Option<String> {
    match state.nodes.get(name) {
        None => Some(format!("{name} is not a member")),
        Some(node) if node.unclean => Some(format!("{name} is unclean")),
        Some(node) if node.pending => {
            Some(format!("{name} is joining, and the engine has not let it in yet"))
        }
        Some(node) if !node.online => Some(format!("{name} is offline")),
        Some(node) if node.standby => Some(format!("{name} is drained: haoscar undrain {name}")),
        Some(node) if !node.behind.is_empty() => {
            Some(format!("{name} has an older copy of storage {}", node.behind.join(", ")))
        }
        Some(_) => None,
    }
}

/// Services that should run on every head, and do not run on this one.
fn clones_down(head: &str, group: &str, desired: &Desired, observed: &Observed) -> Vec<String> {
    let Some(state) = &observed.engine else { return Vec::new() };
    let ids = desired.engine.as_ref().and_then(|engine| engine.resources.get(group));
    let of_head = ids.into_iter().flatten().filter_map(|id| id.strip_suffix("-clone"));
    let group_has = |id: &str| state.resources.get(id).is_some_and(|found| !found.on.is_empty());
    let down = |id: &&str| {
        let found = state.resources.get(*id);
        group_has(id) && !found.is_some_and(|found| found.on.iter().chain(&found.beside).any(|on| on == head))
    };
    of_head.filter(down).map(|id| format!("{id} does not run on {head}")).collect()
}
