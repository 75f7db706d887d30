//! What starts and stops with the engine alone: sbd.

use super::*;
use haoscar::plan::{Anew, UnitAction};

const CONF: &str = "/etc/default/sbd";

/// A head that is to have a watchdog or not, whose engine and sbd are as `engine` and `sbd` say, and whose file is there as
/// `file` says.
fn watchdog(wanted: bool, units: (&str, &str), seen_file: FileFact) -> Plan {
    let (wants, world) = world(wanted, units, seen_file);
    diff(&wants, &world, false)
}

fn world(wanted: bool, (engine, sbd): (&str, &str), seen_file: FileFact) -> (Desired, Observed) {
    let mut units = vec![unit("corosync.service", UnitWant::Running)];
    let mut host = HostDesired::default();
    if wanted {
        units.insert(0, unit("sbd.service", UnitWant::WithEngine));
        host.files =
            vec![file(CONF, "SBD_WATCHDOG_TIMEOUT=5\n", OnChange::Restart("sbd.service".to_owned()))];
    }
    host.units = units;
    let mut wants = desired(host);
    let members = BTreeMap::from([("head-1".to_owned(), 1)]);
    wants.engine =
        Some(EngineDesired { members, cib: "<configuration/>".to_owned(), ..EngineDesired::default() });
    let gone = if wanted { Vec::new() } else { vec![CONF.into()] };
    let seen = HostObserved {
        files: LiteMap::from_iter([(CONF.into(), seen_file)]),
        units: LiteMap::from_iter([
            ("corosync.service".to_owned(), fact(true, engine)),
            ("sbd.service".to_owned(), fact(sbd == "active", sbd)),
        ]),
        gone,
        ..HostObserved::default()
    };
    (wants, observed(seen))
}

fn acts(plan: &Plan) -> Vec<String> {
    let all = plan.hosts.values().flat_map(|host| host.units.iter().chain(&host.engine_units));
    all.map(|UnitAction { verb, unit, .. }| format!("{verb:?} {unit}").to_lowercase()).collect()
}

fn anew(plan: &Plan) -> Option<(bool, bool)> {
    plan.engine.anew.get("head-1").map(|Anew { moves, first, .. }| (*moves, *first))
}

#[test]
fn a_watchdog_that_is_new_to_a_running_member_starts_its_engine_anew_in_maintenance() {
    let plan = watchdog(true, ("active", "inactive"), FileFact::Missing);
    assert_eq!(acts(&plan), ["enable sbd.service"], "systemd starts it with corosync alone");
    assert_eq!(anew(&plan).map(|(moves, _)| moves), Some(false));
    let said = show(&plan, true);
    assert!(said.contains("the engine of head-1 is started anew: sbd.service starts with it"), "{said}");
}

#[test]
fn where_sbd_runs_what_the_member_carries_moves_away_first() {
    let plan = watchdog(true, ("active", "active"), differs("SBD_WATCHDOG_TIMEOUT=9\n", Origin::Old));
    assert_eq!(acts(&plan), [""; 0]);
    assert_eq!(anew(&plan).map(|(moves, _)| moves), Some(true));
    let plan = watchdog(false, ("active", "active"), FileFact::Missing);
    assert_eq!((acts(&plan), anew(&plan)), (vec!["disable sbd.service".to_owned()], Some((true, false))));
}

/// Others may keep theirs, so that the engine goes on to count on watchdogs for as long as before.
#[test]
fn the_configuration_names_a_member_no_more_before_its_sbd_goes_and_only_after_its_sbd_came() {
    let set = r#"<crm_config><cluster_property_set id="cib-bootstrap-options"><nvpair id="a" name="stonith-watchdog-timeout" value="15000ms"/></cluster_property_set></crm_config>"#;
    let plan = |wanted: bool| {
        let (wants, mut world) =
            world(wanted, ("active", if wanted { "inactive" } else { "active" }), FileFact::Missing);
        let mut wants = wants;
        wants.engine.as_mut().unwrap().cib = format!("<configuration>{set}</configuration>");
        world.cib = Some(format!("<cib><configuration>{set}</configuration></cib>"));
        anew(&diff(&wants, &world, false)).map(|(_, first)| first)
    };
    assert_eq!((plan(true), plan(false)), (Some(true), Some(false)));
}

#[test]
fn a_member_whose_engine_starts_gets_sbd_with_it_and_one_that_has_it_is_left_alone() {
    let plan = watchdog(true, ("inactive", "inactive"), FileFact::Missing);
    assert_eq!(acts(&plan), ["enable sbd.service", "start corosync.service"]);
    assert_eq!(anew(&plan), None);
    let plan = watchdog(true, ("active", "active"), FileFact::Same);
    assert_eq!((acts(&plan), anew(&plan)), (Vec::new(), None));
}
