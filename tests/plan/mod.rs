//! Plans from desired and observed, and transactions on a host below a folder.

mod heal;
mod interrupted;
mod joint;
mod live;
mod mom;
pub mod power;
mod transaction;
mod watchdog;

use std::collections::BTreeMap;

use haoscar::desired::{
    Desired, HostDesired, Mode, OnChange, Owner, Piece, Probe, Question, Reads, Rendered, Role, Unit,
    UnitWant,
};
use haoscar::engines::{EngineDesired, EngineResource, EngineState};
use haoscar::observed::{FileFact, FoundFile, HostObserved, Observed, Origin, Stale, UnitFact};
use haoscar::plan::{Plan, Turn, UnitVerb, diff, sentence, show};
use litemap::LiteMap;

pub fn file(path: &str, text: &str, on_change: OnChange) -> Rendered {
    Rendered {
        path: path.into(),
        owner: Owner::root(),
        mode: Mode(0o644),
        text: vec![Piece::Text(text.into())],
        on_change,
        source: "templates/test".to_owned(),
    }
}

fn unit(name: &str, want: UnitWant) -> Unit {
    Unit { name: name.to_owned(), want }
}

fn desired(host: HostDesired) -> Desired {
    Desired {
        cluster: "test".to_owned(),
        hosts: BTreeMap::from([("head-1".to_owned(), (Role::Head, host.into()))]),
        ..Desired::default()
    }
}

fn observed(host: HostObserved) -> Observed {
    Observed { hosts: BTreeMap::from([("head-1".to_owned(), host)]), ..Observed::default() }
}

fn fact(enabled: bool, active: &str) -> UnitFact {
    UnitFact { loaded: true, enabled, fixed: false, active: active.to_owned() }
}

fn differs(text: &str, origin: Origin) -> FileFact {
    let (text, owner, mode) = (text.to_owned(), Owner::root(), Mode(0o644));
    FileFact::Differs(Box::new(FoundFile { text, owner, mode, origin }))
}

fn chrony(origin: Origin) -> Plan {
    let restart = OnChange::Restart("chrony.service".to_owned());
    let host = HostDesired {
        files: vec![file("/etc/chrony/chrony.conf", "one\ntwo\n", restart)],
        units: vec![unit("chrony.service", UnitWant::Running)],
        ..HostDesired::default()
    };
    let seen = HostObserved {
        files: LiteMap::from_iter([("/etc/chrony/chrony.conf".into(), differs("one\nthree\n", origin))]),
        units: LiteMap::from_iter([("chrony.service".to_owned(), fact(true, "active"))]),
        ..HostObserved::default()
    };
    diff(&desired(host), &observed(seen), false)
}

#[test]
fn a_hand_edit_is_shown_with_its_lines_and_the_restart_that_heals_it() {
    let plan = chrony(Origin::Edited);
    let expected = "\
head-1
  ~ /etc/chrony/chrony.conf (edited by hand; the edit is kept)
      @@ -1,2 +1,2 @@
       one
      -three
      +two
  ~ restart chrony.service: /etc/chrony/chrony.conf changed
";
    assert_eq!(show(&plan, true), expected);
    assert_eq!(sentence(&plan), "cluster test: 2 objects on 1 host would change");
    assert!(plan.refused.is_empty());
}

#[test]
fn a_daemon_that_runs_with_another_configuration_is_reloaded_unless_it_is_down() {
    let plan = |active: &str, answered: bool, reads: Reads| {
        let units = LiteMap::from_iter([("kea.service".to_owned(), fact(false, active))]);
        let mut world = observed(HostObserved { units, ..HostObserved::default() });
        world.stale.push(Stale {
            service: "dhcp".to_owned(),
            host: "head-1".to_owned(),
            unit: "kea.service".to_owned(),
            reads,
            answered,
            why: "it runs with another configuration".to_owned(),
        });
        show(&diff(&desired(HostDesired::default()), &world, false), true)
    };
    let why = "it runs with another configuration";
    let expected = |verb: &str| format!("head-1\n  ~ {verb} kea.service: {why}\n");
    assert_eq!(plan("active", true, Reads::OnReload), expected("reload"));
    assert_eq!(plan("active", true, Reads::OnStart), expected("restart"));
    assert_eq!(plan("active", true, Reads::Jointly), "", "not one host's to mend");
    assert_eq!(plan("inactive", true, Reads::OnReload), "");
    assert_eq!(
        plan("active", false, Reads::OnReload),
        "",
        "it did not say what it has: no reason to touch it"
    );
}

#[test]
fn a_membership_that_runs_with_another_configuration_is_told_to_read_its_files_again() {
    let mut world = observed(HostObserved::default());
    world.stale.push(Stale {
        service: "corosync".to_owned(),
        host: "head-1".to_owned(),
        unit: "corosync.service".to_owned(),
        reads: Reads::Jointly,
        answered: true,
        why: "token 700".to_owned(),
    });
    let mut wanted = desired(HostDesired::default());
    wanted.engine = Some(EngineDesired::default());
    let plan = diff(&wanted, &world, false);
    assert!(!plan.is_empty());
    assert!(
        show(&plan, true)
            .starts_with("~ corosync reads its files again, for that of head-1 has not: token 700\n")
    );
}

#[test]
fn a_comment_reloads_only_a_daemon_that_counts_comments() {
    let plan = |comments: bool| {
        let file = Rendered {
            path: "/etc/slurm/slurm.conf".into(),
            owner: Owner::root(),
            mode: Mode(0o644),
            text: vec![Piece::Text("# new\nA=1\n".into())],
            on_change: OnChange::Restart("slurmctld.service".to_owned()),
            source: "test".to_owned(),
        };
        let old = differs("# old\nA=1\n", Origin::Old);
        let mut wanted = desired(HostDesired { files: vec![file.clone()], ..HostDesired::default() });
        wanted.probes.push(Probe {
            service: "scheduler".to_owned(),
            group: None,
            host: "head-1".to_owned(),
            unit: "slurmctld.service".to_owned(),
            question: Question::Command { argv: Vec::new(), timeout_ms: 0 },
            says: Vec::new(),
            reads: Reads::OnReload,
            comments,
        });
        let units = LiteMap::from_iter([("slurmctld.service".to_owned(), fact(false, "active"))]);
        let files = LiteMap::from_iter([(file.path, old)]);
        let plan = diff(&wanted, &observed(HostObserved { units, files, ..HostObserved::default() }), false);
        plan.hosts["head-1"].units.iter().map(|action| action.verb).collect::<Vec<_>>()
    };
    assert_eq!(plan(false), []);
    assert_eq!(plan(true), [UnitVerb::Reload]);
}

#[test]
fn a_restart_that_the_engine_did_not_make_is_planned_again() {
    let mut wanted = desired(HostDesired::default());
    let units = BTreeMap::from([("slurmctld.service".to_owned(), "control-scheduler".to_owned())]);
    wanted.engine = Some(EngineDesired { units, ..EngineDesired::default() });
    let reason = "/etc/slurm/slurm.conf changed".to_owned();
    let pending = BTreeMap::from([("slurmctld.service".to_owned(), reason.clone())]);
    let plan = diff(&wanted, &observed(HostObserved { pending, ..HostObserved::default() }), false);
    assert_eq!(plan.engine.restarts, BTreeMap::from([("control-scheduler".to_owned(), reason)]));
    assert!(!plan.is_empty());
}

#[test]
fn standby_heads_have_their_turn_before_the_active_one_and_nodes_come_last() {
    let changed = || HostObserved {
        files: LiteMap::from_iter([("/etc/x".into(), differs("old", Origin::Old))]),
        ..HostObserved::default()
    };
    let host =
        || HostDesired { files: vec![file("/etc/x", "new", OnChange::Nothing)], ..HostDesired::default() };
    let mut wanted = desired(host());
    wanted.hosts.insert("head-2".to_owned(), (Role::Head, host().into()));
    wanted.hosts.insert("node-1".to_owned(), (Role::Node, host().into()));
    let resources = BTreeMap::from([("control".to_owned(), vec!["control-address".to_owned()])]);
    wanted.engine = Some(EngineDesired { resources, ..EngineDesired::default() });
    let mut world = observed(changed());
    world.hosts.insert("head-2".to_owned(), changed());
    world.hosts.insert("node-1".to_owned(), changed());
    let there = EngineResource { on: vec!["head-1".to_owned()], ..EngineResource::default() };
    let resources = BTreeMap::from([("control-address".to_owned(), there)]);
    world.engine = Some(EngineState { resources, ..EngineState::default() });
    let turns: Vec<_> = diff(&wanted, &world, false).hosts.into_values().map(|host| host.turn).collect();
    assert_eq!(turns, [Turn::Active, Turn::Standby, Turn::Nodes]);
}

#[test]
fn a_file_that_haoscar_did_not_write_is_refused_without_adopt() {
    let refused = chrony(Origin::Unowned).refused;
    let why: Vec<_> = refused.iter().map(|refusal| refusal.why.as_str()).collect();
    assert_eq!(why, ["head-1: /etc/chrony/chrony.conf was not written by haoscar"]);
    assert!(refused[0].mend.contains("--adopt"));
    assert!(chrony(Origin::Packaged).refused.is_empty());
}

#[test]
fn nothing_that_differs_is_an_empty_plan() {
    let host = HostDesired {
        files: vec![file("/etc/x", "x", OnChange::Nothing)],
        units: vec![unit("x.service", UnitWant::Running), unit("y.service", UnitWant::Engine)],
        ..HostDesired::default()
    };
    let seen = HostObserved {
        files: LiteMap::from_iter([("/etc/x".into(), FileFact::Same)]),
        units: LiteMap::from_iter([
            ("x.service".to_owned(), fact(true, "active")),
            ("y.service".to_owned(), fact(false, "inactive")),
        ]),
        ..HostObserved::default()
    };
    let plan = diff(&desired(host), &observed(seen), false);
    assert!(plan.is_empty(), "{plan:?}");
    assert_eq!(sentence(&plan), "cluster test is as the spec says: nothing to do");
}

#[test]
fn a_unit_of_the_engine_is_disabled_and_stopped_before_the_engine_runs_and_left_alone_after() {
    let host = HostDesired { units: vec![unit("kea.service", UnitWant::Engine)], ..HostDesired::default() };
    let verbs = |pacemaker: &str| {
        let units = [("kea.service", fact(true, "active")), ("pacemaker.service", fact(true, pacemaker))];
        let units = units.into_iter().map(|(name, fact)| (name.to_owned(), fact)).collect();
        let seen = HostObserved { units, ..HostObserved::default() };
        let plan = diff(&desired(host.clone()), &observed(seen), false);
        plan.hosts["head-1"].units.iter().map(|action| action.verb).collect::<Vec<_>>()
    };
    assert_eq!(verbs("inactive"), [UnitVerb::Disable, UnitVerb::Stop]);
    assert_eq!(verbs("active"), [UnitVerb::Disable]);
}

#[test]
fn an_unreachable_host_waits_and_blocks_nobody() {
    let host = HostDesired { files: vec![file("/etc/x", "x", OnChange::Nothing)], ..HostDesired::default() };
    let seen = Observed {
        unreachable: BTreeMap::from([("head-1".to_owned(), "no route".to_owned())]),
        ..Observed::default()
    };
    let plan = diff(&desired(host), &seen, false);
    assert!(plan.is_empty() && plan.refused.is_empty());
    assert_eq!(show(&plan, true), "? head-1 unreachable (no route); its 1 object waits\n");
}

#[test]
fn a_host_that_comes_up_while_an_apply_runs_is_not_judged_by_it() {
    let wanted =
        HostDesired { files: vec![file("/etc/one", "new\n", OnChange::Nothing)], ..HostDesired::default() };
    let away = Observed {
        unreachable: BTreeMap::from([("head-1".to_owned(), "no route".to_owned())]),
        ..Observed::default()
    };
    let found = HostObserved {
        files: LiteMap::from_iter([("/etc/one".into(), differs("old\n", Origin::Old))]),
        ..HostObserved::default()
    };
    let before = diff(&desired(wanted.clone()), &away, true);
    let mut left = diff(&desired(wanted.clone()), &observed(found.clone()), true);
    assert_eq!((left.leave_late(&before), left.is_empty()), (vec!["head-1".to_owned()], true));
    let mut left = diff(&desired(wanted), &observed(found), true);
    let was_there = left.clone();
    assert_eq!((left.leave_late(&was_there), left.is_empty()), (vec![], false));
}

#[test]
fn a_plan_survives_its_json() {
    let plan = chrony(Origin::Edited);
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
}
