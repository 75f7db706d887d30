//! When a head says "alive" to the outside watch, and the small file that tells it so. Pure.
//!
//! Silence is the alarm, so this must be said only where a failover would go well now. What is planned (a pause, a
//! drained head) is no alarm for a while.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{EngineDesired, EngineState, leads};

/// Where it lies on a head.
pub const ALIVE: &str = "/etc/haoscar/alive.json";

/// Where the address lies, which may be a secret: root's alone.
pub const ALIVE_URL: &str = "/etc/haoscar/watched-by";

/// What is planned is forgotten, too: after that time a pause or a drained head is silent. Applies take seconds.
pub const PLANNED_MS: u64 = 900_000;

/// What a head must know to say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alive {
    /// Who wrote the file, for a person who opens it.
    pub made_by: String,
    /// This head, as the engine knows it.
    pub host: String,
    /// Milliseconds between two signs of life.
    pub every_ms: u64,
    /// Everybody who must be online.
    pub members: Vec<String>,
    /// The group whose carrier speaks.
    pub speaker: String,
    /// Resources of every group.
    pub groups: BTreeMap<String, Vec<String>>,
}

impl Alive {
    /// What this head must know of its engine. `speaker`: the spec's first group.
    pub fn of(host: &str, speaker: &str, engine: &EngineDesired) -> Self {
        Self {
            made_by: "haoscar: change the spec, not this file".to_owned(),
            host: host.to_owned(),
            every_ms: 0,
            members: engine.members.keys().cloned().collect(),
            speaker: speaker.to_owned(),
            groups: engine.resources.clone(),
        }
    }
}

/// Whether this head is the one to speak: the engine has quorum, and the first group is here.
pub fn speaks(alive: &Alive, state: &EngineState) -> bool {
    alive.groups.get(&alive.speaker).is_some_and(|ids| leads(&alive.host, ids, state))
}

/// What is planned and keeps a failover from going as it should.
pub fn planned(alive: &Alive, state: &EngineState) -> Vec<String> {
    let drained = alive.members.iter().filter(|name| state.nodes.get(*name).is_some_and(|node| node.standby));
    let paused = state.maintenance.then(|| "the engine is paused".to_owned());
    paused.into_iter().chain(drained.map(|name| format!("{name} is drained"))).collect()
}

/// What speaks against a whole cluster, a line each; empty: it is whole. `planned_ms`: how long something has been
/// planned.
pub fn against(alive: &Alive, state: &EngineState, planned_ms: u64) -> Vec<String> {
    let mut against = Vec::new();
    if !state.quorum {
        against.push("no quorum".to_owned());
    }
    for name in &alive.members {
        match state.nodes.get(name) {
            Some(node) if node.online && !node.unclean => {}
            _ => against.push(format!("{name} is not online")),
        }
    }
    // before what follows from it
    if planned_ms >= PLANNED_MS {
        against.extend(planned(alive, state));
    }
    let down = |id: &&str| state.resources.get(*id).is_none_or(|found| found.failed || found.on.is_empty());
    let ids = alive.groups.values().flatten().map(|id| id.strip_suffix("-clone").unwrap_or(id));
    against.extend(ids.filter(down).map(|id| format!("{id} is not started")));
    let fences = state.resources.keys().map(String::as_str).filter(|id| id.starts_with("fence-"));
    against.extend(fences.filter(down).map(|id| format!("{id} does not answer")));
    against
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::{EngineNode, EngineResource};

    fn alive() -> Alive {
        Alive {
            made_by: String::new(),
            host: "head-1".to_owned(),
            every_ms: 60_000,
            members: ["arbiter", "head-1", "head-2"].map(str::to_owned).into(),
            speaker: "control".to_owned(),
            groups: BTreeMap::from([(
                "control".to_owned(),
                ["control-names-clone", "control-address"].map(str::to_owned).into(),
            )]),
        }
    }

    fn resource(on: &[&str]) -> EngineResource {
        EngineResource { on: on.iter().map(ToString::to_string).collect(), ..EngineResource::default() }
    }

    fn whole() -> EngineState {
        let node = |name: &str| (name.to_owned(), EngineNode { online: true, ..EngineNode::default() });
        EngineState {
            quorum: true,
            nodes: ["arbiter", "head-1", "head-2"].map(node).into(),
            resources: BTreeMap::from([
                ("control-names".to_owned(), resource(&["head-1", "head-2"])),
                ("control-address".to_owned(), resource(&["head-1"])),
                ("fence-head-1".to_owned(), resource(&["head-2"])),
            ]),
            ..EngineState::default()
        }
    }

    #[test]
    fn a_cluster_is_whole_when_all_are_online_and_everything_is_started() {
        assert_eq!(against(&alive(), &whole(), 0), Vec::<String>::new());
    }

    #[test]
    fn a_head_away_a_failed_service_and_a_silent_fence_device_each_end_it() {
        let mut state = whole();
        state.nodes.remove("head-2");
        assert_eq!(against(&alive(), &state, 0), ["head-2 is not online"]);
        let mut state = whole();
        state
            .resources
            .insert("control-names".to_owned(), EngineResource { failed: true, ..resource(&["head-1"]) });
        assert_eq!(against(&alive(), &state, 0), ["control-names is not started"]);
        let mut state = whole();
        state.resources.insert("fence-head-1".to_owned(), resource(&[]));
        assert_eq!(against(&alive(), &state, 0), ["fence-head-1 does not answer"]);
        let state = EngineState { quorum: false, ..whole() };
        assert_eq!(against(&alive(), &state, 0), ["no quorum"]);
    }

    #[test]
    fn what_is_planned_ends_it_after_a_quarter_of_an_hour() {
        let mut state = EngineState { maintenance: true, ..whole() };
        if let Some(node) = state.nodes.get_mut("head-2") {
            node.standby = true;
        }
        assert_eq!(against(&alive(), &state, PLANNED_MS - 1), Vec::<String>::new());
        assert_eq!(against(&alive(), &state, PLANNED_MS), ["the engine is paused", "head-2 is drained"]);
    }

    #[test]
    fn the_head_that_carries_the_first_group_speaks_and_no_other() {
        let (here, mut state) = (alive(), whole());
        assert!(speaks(&here, &state));
        assert!(
            !speaks(&Alive { host: "head-2".to_owned(), ..here.clone() }, &state),
            "a clone does not count"
        );
        state.quorum = false;
        assert!(!speaks(&here, &state), "nobody speaks without quorum");
    }
}
