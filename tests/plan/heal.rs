//! What a host puts back by itself, and what it leaves to a person.

use super::*;
use camino::Utf8PathBuf;
use haoscar::desired::{Accepted, Piece};
use haoscar::engines::EngineDesired;
use haoscar::observed::UnitFact;
use haoscar::plan::{UnitVerb, heal};
use haoscar::spec::Policy;
use std::collections::BTreeSet;

fn accepted(files: Vec<Rendered>, units: &[(&str, UnitWant)]) -> Accepted {
    let moving = ("kea.service".to_owned(), "control-dhcp".to_owned());
    let clone = ("chrony.service".to_owned(), "control-time-clone".to_owned());
    Accepted {
        cluster: "oscar".to_owned(),
        host: "head-1".to_owned(),
        role: Role::Head,
        generation: 5,
        commit: None,
        policy: Policy::default(),
        group: None,
        files,
        directories: Vec::new(),
        units: units.iter().map(|(name, want)| Unit { name: (*name).to_owned(), want: *want }).collect(),
        engine: Some(EngineDesired { units: [moving, clone].into(), ..EngineDesired::default() }),
        whole: String::new(),
        away: BTreeSet::new(),
    }
}

fn runs(active: &str, enabled: bool) -> UnitFact {
    UnitFact { loaded: true, enabled, fixed: false, active: active.to_owned() }
}

fn edited(file: &Rendered) -> (Utf8PathBuf, FileFact) {
    let (text, owner, origin) = ("by hand\n".to_owned(), file.owner.clone(), Origin::Edited);
    (file.path.clone(), FileFact::Differs(Box::new(FoundFile { text, owner, mode: file.mode, origin })))
}

fn seen(file: &Rendered, units: &[(&str, UnitFact)]) -> HostObserved {
    HostObserved {
        files: [edited(file)].into_iter().collect(),
        units: units.iter().map(|(name, fact)| ((*name).to_owned(), fact.clone())).collect(),
        ..HostObserved::default()
    }
}

#[test]
fn an_edited_file_is_put_back_and_its_unit_of_this_host_told() {
    let conf = file("/etc/chrony.conf", "pool x\n", OnChange::Restart("chrony.service".to_owned()));
    let found = heal(
        &accepted(vec![conf.clone()], &[]),
        &seen(&conf, &[("chrony.service", runs("active", false))]),
        None,
    );
    assert_eq!(found.objects(), ["/etc/chrony.conf"]);
    assert_eq!(found.host.units.len(), 1);
    assert_eq!(found.readers(), [("chrony.service".to_owned(), vec!["/etc/chrony.conf".into()])].into());
    let spared = found.sparing(&["chrony.service".to_owned()].into());
    assert!(spared.host.units.is_empty(), "it was started before the edit: it runs with what comes back");
    assert_eq!(spared.objects(), ["/etc/chrony.conf"]);
}

#[test]
fn what_the_engine_carries_is_restarted_by_the_engine_or_spared() {
    let conf = file("/etc/kea.conf", "{}\n", OnChange::Restart("kea.service".to_owned()));
    let found = heal(
        &accepted(vec![conf.clone()], &[]),
        &seen(&conf, &[("kea.service", runs("active", false))]),
        None,
    );
    assert!(found.host.units.is_empty());
    assert_eq!(found.host.restarts.keys().collect::<Vec<_>>(), ["kea.service"]);
    assert!(found.sparing(&["kea.service".to_owned()].into()).host.restarts.is_empty());
}

#[test]
fn a_joint_file_goes_back_to_what_every_member_has_and_nothing_is_reloaded() {
    let conf = file("/etc/corosync/corosync.conf", "totem {}\n", OnChange::Joint);
    let found = heal(&accepted(vec![conf.clone()], &[]), &seen(&conf, &[]), None);
    assert_eq!(found.objects(), ["/etc/corosync/corosync.conf"]);
    assert!(found.host.units.is_empty() && found.host.joint.is_empty());
}

#[test]
fn units_of_its_own_are_started_and_enabled_and_the_engine_never() {
    let wanted = [("haoscar-watch.service", UnitWant::Running), ("pacemaker.service", UnitWant::Running)];
    let there = HostObserved {
        units: [
            ("haoscar-watch.service", runs("inactive", false)),
            ("pacemaker.service", runs("inactive", false)),
        ]
        .map(|(name, fact)| (name.to_owned(), fact))
        .into_iter()
        .collect(),
        ..HostObserved::default()
    };
    let found = heal(&accepted(Vec::new(), &wanted), &there, None);
    let acted: Vec<_> = found.host.units.iter().map(|action| (action.verb, action.unit.as_str())).collect();
    assert!(acted.contains(&(UnitVerb::Start, "haoscar-watch.service")), "{acted:?}");
    assert!(acted.iter().all(|(_, unit)| *unit != "pacemaker.service"), "{acted:?}");
    let left = "pacemaker.service: it is inactive, and only an apply starts it".to_owned();
    assert!(found.left.contains(&left), "{:?}", found.left);
}

#[test]
fn nothing_is_stopped() {
    let wanted = [("kea.service", UnitWant::Engine)];
    let units = [("kea.service".to_owned(), runs("active", true))].into_iter().collect();
    let found =
        heal(&accepted(Vec::new(), &wanted), &HostObserved { units, ..HostObserved::default() }, None);
    let verbs: Vec<_> = found.host.units.iter().map(|action| action.verb).collect();
    assert_eq!(verbs, [UnitVerb::Disable]);
    assert_eq!(found.left.len(), 1);
}

#[test]
fn somebody_elses_file_stays_and_is_told() {
    let conf = file("/etc/x", "ours\n", OnChange::Nothing);
    let mut there = seen(&conf, &[]);
    if let Some(FileFact::Differs(found)) = there.files.get_mut(&conf.path) {
        found.origin = Origin::Unowned;
    }
    let found = heal(&accepted(vec![conf], &[]), &there, None);
    assert!(found.is_empty());
    assert_eq!(found.left, ["/etc/x is there and was not written by haoscar"]);
}

#[test]
fn a_secret_stays_a_name_in_what_a_host_must_be() {
    let mut key = file("/etc/key", "", OnChange::Nothing);
    key.text = vec![Piece::Secret("munge".to_owned())];
    let text = serde_json::to_string(&accepted(vec![key.clone()], &[])).unwrap();
    let read: Accepted = serde_json::from_str(&text).unwrap();
    assert_eq!(read.files, [key]);
}

#[test]
fn the_loop_does_not_restart_itself() {
    let unit = file(
        "/etc/systemd/system/haoscar.service",
        "x\n",
        OnChange::DaemonReload(Some("haoscar.service".to_owned())),
    );
    let found = heal(
        &accepted(vec![unit.clone()], &[]),
        &seen(&unit, &[("haoscar.service", runs("active", true))]),
        None,
    );
    let verbs: Vec<_> = found.host.units.iter().map(|action| action.verb).collect();
    assert_eq!(verbs, [UnitVerb::DaemonReload]);
}

#[test]
fn a_rotated_secret_is_not_put_into_a_file_by_one_host_alone() {
    let mut key = file("/etc/munge/munge.key", "", OnChange::Restart("munge.service".to_owned()));
    key.text = vec![Piece::Secret("munge-key".to_owned())];
    let found = heal(
        &accepted(vec![key.clone()], &[]),
        &seen(&key, &[("munge.service", runs("active", true))]),
        None,
    );
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(found.left, ["/etc/munge/munge.key holds a secret and differs: only an apply changes it"]);
}
