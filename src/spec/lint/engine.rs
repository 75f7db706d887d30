//! What the heartbeat engine cannot do (knowledge/heartbeat.md): anything but two heads and one group.

use super::{Lint, Mend, ha};
use crate::spec::EngineKind;

pub(super) fn check(lint: &mut Lint<'_>) {
    let cluster = lint.cluster;
    if cluster.ha.engine != EngineKind::Heartbeat {
        return;
    }
    let unfenced = cluster.heads.values().filter(|head| head.fence.is_empty()).count();
    let limits = [
        (cluster.heads.len() != 2, "heads", format!("exactly two heads, not {}", cluster.heads.len())),
        (cluster.groups.len() != 1, "groups", format!("exactly one group, not {}", cluster.groups.len())),
        (unfenced > 0, "heads", "a fence device for both heads".to_owned()),
        (ha::common_networks(cluster).len() < 2, "networks", "two heartbeat paths".to_owned()),
        (!cluster.witnesses.is_empty(), "witnesses", "no witness: it has no third vote".to_owned()),
    ];
    for (broken, path, limit) in limits {
        if broken {
            let places = [lint.at("ha.engine", ""), lint.at_key(path, "")];
            lint.error("engine/heartbeat-limits", format!("engine heartbeat needs {limit}"), places)
                .mend("use `engine: pacemaker`, which has no such limit");
        }
    }
}
