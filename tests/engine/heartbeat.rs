//! What heartbeat is configured with.

use std::collections::BTreeSet;

use haoscar::desired::{Desired, Membership, SecretKind, Surroundings, UnitWant, resolve};
use haoscar::engines::heartbeat::{PAIR, Pair};
use haoscar::recovery::usual;
use haoscar::spec::{Cluster, Sources, Span, load};
use haoscar::templates::Templates;

use super::text;

fn reference() -> Cluster {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/specs/heartbeat.yaml");
    load(&Sources::of_text("cluster.yaml", std::fs::read(path).unwrap())).unwrap().cluster
}

fn resolved(cluster: &Cluster) -> Desired {
    resolve(cluster, &Surroundings::whole(cluster), &Templates::packaged().unwrap()).unwrap()
}

#[test]
fn heartbeats_times_follow_detect() {
    let mut cluster = reference();
    cluster.ha.detect = Span::from_millis(30_000);
    let conf = text(&resolved(&cluster), "head-1", "/etc/ha.d/ha.cf").unwrap();
    for line in ["keepalive 2000ms", "warntime 10000ms", "deadtime 30000ms", "initdead 60000ms"] {
        assert!(conf.lines().any(|said| said == line), "no {line} in\n{conf}");
    }
}

#[test]
fn each_head_names_the_other_ones_addresses_and_the_same_resources() {
    let desired = resolved(&reference());
    let conf = |head: &str| text(&desired, head, "/etc/ha.d/ha.cf").unwrap();
    assert!(
        conf("head-1").contains("ucast eno2 10.70.0.2\n")
            && conf("head-2").contains("ucast eno2 10.70.0.1\n")
    );
    let resources = |head: &str| text(&desired, head, "/etc/ha.d/haresources").unwrap();
    assert_eq!(resources("head-1"), resources("head-2"));
}

#[test]
fn both_heads_are_in_the_files_when_only_one_was_reached() {
    let cluster = reference();
    let membership = Membership { members: BTreeSet::from(["head-1".to_owned()]) };
    let surroundings = Surroundings { membership, ..Surroundings::default() };
    let desired = resolve(&cluster, &surroundings, &Templates::packaged().unwrap()).unwrap();
    assert_eq!(
        text(&desired, "head-1", "/etc/ha.d/ha.cf"),
        text(&resolved(&cluster), "head-1", "/etc/ha.d/ha.cf")
    );
    assert!(text(&desired, "head-2", "/etc/ha.d/authkeys").is_some());
}

#[test]
fn the_plugin_that_everybody_may_read_holds_no_secret() {
    let desired = resolved(&reference());
    let (_, host) = &desired.hosts["head-1"];
    for file in host.files.iter().filter(|file| file.secrets().next().is_some()) {
        assert_eq!(file.mode.0 & 0o077, 0, "{} may be read by others", file.path);
    }
    assert_eq!(host.secrets["heartbeat-authkey"], SecretKind::RandomHex(32));
    assert_eq!(host.secrets["pdu"], SecretKind::Given);
}

#[test]
fn what_has_no_state_runs_on_both_heads_and_the_rest_is_the_engines() {
    let desired = resolved(&reference());
    let (_, host) = &desired.hosts["head-2"];
    let want = |name: &str| host.units.iter().find(|unit| unit.name == name).map(|unit| unit.want);
    assert_eq!(want("dnsmasq.service"), Some(UnitWant::Running));
    assert_eq!(want("nfs-ganesha.service"), Some(UnitWant::Engine));
    assert_eq!(want("pacemaker.service"), Some(UnitWant::Stopped));
}

#[test]
fn what_heartbeat_cannot_carry_is_refused_without_the_lints_too() {
    let mut cluster = reference();
    cluster.networks.get_mut("public").unwrap().gateway = None;
    let refused =
        resolve(&cluster, &Surroundings::whole(&cluster), &Templates::packaged().unwrap()).unwrap_err();
    assert_eq!(refused[0].code, "ha/no-ping");
    assert!(refused[0].hint.as_ref().unwrap().contains("pacemaker"));
}

#[test]
fn what_moves_is_started_again_by_haoscar_and_what_stays_by_systemd() {
    let desired = resolved(&reference());
    let pair: Pair = serde_json::from_str(&text(&desired, "head-1", PAIR).unwrap()).unwrap();
    let units: Vec<_> = pair.units.iter().map(|kept| kept.unit.as_str()).collect();
    assert_eq!(units, ["kea-dhcp4-server.service", "nfs-ganesha.service"]);
    assert!(pair.units.iter().all(|kept| kept.recovery == usual()));
    let drop_in = |unit: &str| {
        let path = format!("/etc/systemd/system/{unit}.service.d/haoscar-engine.conf");
        text(&desired, "head-1", &path).unwrap()
    };
    assert!(units.iter().all(|unit| drop_in(unit.trim_end_matches(".service")).contains("\nRestart=no\n")));
    assert!(drop_in("dnsmasq").contains("\nRestart=on-failure\n"));
}
