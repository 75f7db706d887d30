//! What the heads' own programs say of heartbeat, as facts.
//!
//! heartbeat knows who is alive and which head should carry the group; whether it really does, only the resource
//! scripts know. Each head is asked for both, and the answers are put together.

use std::collections::{BTreeMap, BTreeSet};

use super::MENDED;
use crate::desired::HostName;
use crate::engines::{EngineNode, EngineResource, EngineState};

/// What a head is asked, as a shell's script; it answers a fact a line. `cl_status` complains where heartbeat does not
/// run: then there is no `hold`.
pub fn ask() -> [String; 3] {
    let mended = format!("[ ! -s {MENDED} ] || echo \"mended $(wc -l <{MENDED}) $(tail -n 1 {MENDED})\"");
    ["sh".to_owned(), "-c".to_owned(), format!("{ASK}\n{mended}\n")]
}

const ASK: &str = "\
if cl_status hbstatus >/dev/null 2>&1; then
    echo \"hold $(cl_status rscstatus 2>/dev/null)\"
    for node in $(cl_status listnodes -n 2>/dev/null); do
        echo \"node $node $(cl_status nodestatus \"$node\" 2>/dev/null)\"
    done
fi
for script in /etc/ha.d/resource.d/haoscar-*; do
    [ ! -x \"$script\" ] || echo \"resource ${script##*/haoscar-} $(\"$script\" status 2>/dev/null)\"
done";

/// What one head said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Head<'a> {
    /// heartbeat runs, and this is its word for what the head holds.
    hold: Option<&'a str>,
    /// How it sees each head.
    nodes: BTreeMap<&'a str, &'a str>,
    /// Resources that really run there; false: known and stopped.
    resources: BTreeMap<&'a str, bool>,
    /// How often its hang was mended there, and when last.
    mended: Option<(&'a str, &'a str)>,
}

fn head(said: &str) -> Head<'_> {
    let mut head = Head::default();
    for line in said.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.as_slice() {
            ["hold", word] => head.hold = Some(word),
            ["node", name, word] => drop(head.nodes.insert(name, word)),
            ["resource", id, word] => drop(head.resources.insert(id, *word == "running")),
            ["mended", count, at] => head.mended = Some((count, at)),
            _ => {} // a program that said nothing, or more than a word
        }
    }
    head
}

/// The state of the cluster from what its heads said. A head that was not asked counts by the others' word.
pub fn state(said: &BTreeMap<HostName, String>) -> EngineState {
    let heads: BTreeMap<&str, Head<'_>> =
        said.iter().map(|(name, text)| (name.as_str(), head(text))).collect();
    let names: BTreeSet<&str> =
        heads.keys().copied().chain(heads.values().flat_map(|head| head.nodes.keys().copied())).collect();
    let node = |name: &&str| {
        let itself = heads.get(name).is_none_or(|head| head.hold.is_some());
        let mut others = heads.values().filter_map(|head| head.nodes.get(name)).peekable();
        let told = others.peek().is_some();
        let online = itself && told && others.all(|word| matches!(*word, "active" | "up"));
        EngineNode { online, ..EngineNode::default() }
    };
    let nodes = names.iter().map(|name| ((*name).to_owned(), node(name))).collect();
    let mut resources: BTreeMap<String, EngineResource> = BTreeMap::new();
    for (name, head) in &heads {
        for (id, runs) in &head.resources {
            let entry = resources.entry((*id).to_owned()).or_default();
            entry.on.extend(runs.then(|| (*name).to_owned()));
        }
    }
    // it has no quorum: two heads and a fence device decide
    let runs = heads.values().any(|head| head.hold.is_some());
    let told = heads.iter().filter_map(|(name, head)| {
        let (count, at) = head.mended?;
        let times = if count == "1" { "once".to_owned() } else { format!("{count} times") };
        Some(format!("{name}: heartbeat hung in a takeover {times} and was mended, last at {at}"))
    });
    EngineState { quorum: runs, nodes, resources, told: told.collect(), ..EngineState::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(heads: &[(&str, &str)]) -> BTreeMap<HostName, String> {
        heads.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_resource_is_where_its_script_says_that_it_runs() {
        let found = state(&said(&[
            ("head-1", "hold none\nnode head-1 active\nnode head-2 active\nresource control-home stopped\n"),
            ("head-2", "hold all\nnode head-1 active\nnode head-2 active\nresource control-home running\n"),
        ]));
        assert_eq!(found.resources["control-home"].on, ["head-2"]);
        assert!(found.quorum && found.nodes.values().all(|node| node.online));
    }

    #[test]
    fn a_head_whose_heartbeat_does_not_run_is_not_online_whatever_runs_there() {
        let found = state(&said(&[
            ("head-1", "resource control-home running\n"),
            ("head-2", "hold all\nnode head-1 active\nnode head-2 active\nresource control-home stopped\n"),
        ]));
        assert!(!found.nodes["head-1"].online);
        assert_eq!(found.resources["control-home"].on, ["head-1"]);
    }

    #[test]
    fn a_head_that_was_not_asked_counts_by_the_others_word() {
        let alive = state(&said(&[("head-2", "hold all\nnode head-1 active\nnode head-2 active\n")]));
        assert!(alive.nodes["head-1"].online);
        let dead = state(&said(&[("head-2", "hold all\nnode head-1 dead\nnode head-2 active\n")]));
        assert!(!dead.nodes["head-1"].online && dead.nodes["head-2"].online);
    }

    #[test]
    fn a_mended_hang_is_told_with_its_count() {
        let found = state(&said(&[
            ("head-1", "hold all\nmended 1 2026-11-24T05:00:00Z\n"),
            ("head-2", "hold none\nmended 12 2026-11-24T06:00:00Z\n"),
        ]));
        let expected = [
            "head-1: heartbeat hung in a takeover once and was mended, last at 2026-11-24T05:00:00Z",
            "head-2: heartbeat hung in a takeover 12 times and was mended, last at 2026-11-24T06:00:00Z",
        ];
        assert_eq!(found.told, expected);
    }

    #[test]
    fn without_any_heartbeat_nothing_may_act() {
        assert!(!state(&said(&[("head-1", "resource control-home stopped\n")])).quorum);
    }
}
