//! Members that the spec no longer has.

use super::*;
use haoscar::engines::EngineNode;

/// A pair of which only head-1 is still in the spec; head-2 is `online` in the engine's eyes, and away as `away` says.
fn leaving(online: bool, away: Option<&str>) -> Plan {
    let conf = "/etc/corosync/corosync.conf";
    let host = HostDesired { files: vec![file(conf, "one\n", OnChange::Joint)], ..HostDesired::default() };
    let mut wanted = desired(host);
    let members = BTreeMap::from([("head-1".to_owned(), 1)]);
    wanted.engine = Some(EngineDesired { members, ..EngineDesired::default() });
    let files = LiteMap::from_iter([(conf.into(), differs("two\n", Origin::Old))]);
    let mut seen = observed(HostObserved { files, ..HostObserved::default() });
    let node = |online| EngineNode { online, ..EngineNode::default() };
    let nodes = BTreeMap::from([("head-1".to_owned(), node(true)), ("head-2".to_owned(), node(online))]);
    seen.engine = Some(EngineState { quorum: true, nodes, ..EngineState::default() });
    seen.leaving = BTreeMap::from([("head-2".to_owned(), away.map(str::to_owned))]);
    diff(&wanted, &seen, false)
}

#[test]
fn a_head_that_left_the_spec_leaves_where_it_is_reached_or_off() {
    for (plan, says) in [
        (leaving(true, None), "- head-2 leaves: what it carries moves"),
        (leaving(false, Some("no route")), "- head-2 leaves, is off and cannot be reached (no route)"),
    ] {
        assert!(plan.refused.is_empty() && !plan.is_empty(), "{}", show(&plan, true));
        assert!(show(&plan, true).contains(says), "{}", show(&plan, true));
    }
}

#[test]
fn a_head_that_left_the_spec_and_lives_out_of_reach_refuses_the_plan() {
    let plan = leaving(true, Some("no route"));
    assert!(
        plan.refused.iter().any(|refusal| refusal.unreachable && refusal.why.contains("not known to be off"))
    );
}

#[test]
fn a_head_that_only_the_engine_remembers_is_still_to_leave() {
    let mut plan = leaving(false, Some("no route"));
    plan.hosts.clear();
    assert!(!plan.is_empty());
}
