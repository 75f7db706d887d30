//! What the engine is configured with, and what is read back from it.

mod alive;
mod fencing;
mod forecast;
mod heartbeat;
mod recovery;
mod watch;

use std::collections::BTreeSet;

use haoscar::desired::{Desired, Membership, Surroundings, resolve};
use haoscar::engines::EngineDesired;
use haoscar::engines::pacemaker::{members, merged};
use haoscar::spec::{Cluster, Sources, load};
use haoscar::templates::Templates;

fn reference() -> Cluster {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/specs/ha-oscar-2004.yaml");
    load(&Sources::of_text("cluster.yaml", std::fs::read(path).unwrap())).unwrap().cluster
}

fn with_members(names: &[&str]) -> Desired {
    let members: BTreeSet<_> = names.iter().map(ToString::to_string).collect();
    let surroundings = Surroundings { membership: Membership { members }, ..Surroundings::default() };
    resolve(&reference(), &surroundings, &Templates::packaged().unwrap()).unwrap()
}

fn text(desired: &Desired, host: &str, path: &str) -> Option<String> {
    desired.hosts[host].1.files.iter().find(|file| file.path == path).map(haoscar::desired::Rendered::shown)
}

const CONF: &str = "/etc/corosync/corosync.conf";

#[test]
fn a_head_that_is_only_declared_is_in_no_node_list_and_no_fence_target() {
    let desired = with_members(&["head-1"]);
    let conf = text(&desired, "head-1", CONF).unwrap();
    assert_eq!(members(&conf).into_keys().collect::<Vec<_>>(), ["head-1"]);
    let cib = &desired.engine.as_ref().unwrap().cib;
    assert!(!cib.contains("head-2") && !cib.contains("arbiter"), "{cib}");
    assert_eq!(text(&desired, "head-2", CONF), None);
    assert!(text(&desired, "head-2", "/etc/chrony/chrony.conf").is_some(), "its ordinary files come first");
}

#[test]
fn node_ids_stay_when_members_come() {
    let one = members(&text(&with_members(&["head-2"]), "head-2", CONF).unwrap());
    let all = members(&text(&with_members(&["arbiter", "head-1", "head-2"]), "head-2", CONF).unwrap());
    assert_eq!(one["head-2"], all["head-2"]);
    assert_eq!(all.len(), 3);
}

#[test]
fn every_member_gets_the_same_corosync_conf() {
    let desired = with_members(&["arbiter", "head-1", "head-2"]);
    let confs: BTreeSet<_> =
        ["arbiter", "head-1", "head-2"].iter().map(|h| text(&desired, h, CONF)).collect();
    assert_eq!(confs.len(), 1);
}

#[test]
fn no_secret_of_a_fence_device_stands_in_the_cib() {
    let desired = with_members(&["arbiter", "head-1", "head-2"]);
    let cib = &desired.engine.as_ref().unwrap().cib;
    assert!(cib.contains("password_script") && !cib.contains("name=\"password\""));
}

fn told(engine: &EngineDesired, cib: &str) -> Vec<String> {
    haoscar::engines::pacemaker::changes(engine, cib).unwrap().iter().map(ToString::to_string).collect()
}

const EMPTY: &str = r#"<cib epoch="7" num_updates="3" admin_epoch="0" validate-with="pacemaker-3.9"><configuration>
<crm_config><cluster_property_set id="cib-bootstrap-options"><nvpair id="b" name="dc-version" value="2.1.5"/><nvpair id="h" name="stonith-enabled" value="false"/></cluster_property_set></crm_config>
<nodes><node id="1" uname="head-1"/></nodes>
<resources><primitive id="mine" class="ocf" provider="heartbeat" type="Dummy"/></resources><constraints/></configuration><status/></cib>"#;

#[test]
fn a_merged_cib_has_no_change_left_and_keeps_what_others_made() {
    let engine = with_members(&["arbiter", "head-1", "head-2"]).engine.unwrap();
    assert!(told(&engine, EMPTY).len() > 20);
    let whole = merged(&engine, EMPTY).unwrap();
    let new = &whole.cib;
    assert_eq!(told(&engine, new), Vec::<String>::new());
    assert_eq!(whole.foreign, ["primitive mine"]);
    for kept in ["id=\"mine\"", "value=\"2.1.5\"", "uname=\"head-1\"", "epoch=\"8\"", "num_updates=\"0\""] {
        assert!(new.contains(kept), "{kept} is gone:\n{new}");
    }
}

#[test]
fn a_changed_value_is_told_with_its_old_and_new_line() {
    let engine = with_members(&["arbiter", "head-1", "head-2"]).engine.unwrap();
    let live = merged(&engine, EMPTY).unwrap().cib.replace("value=\"50ms\"", "value=\"0s\"");
    assert_eq!(told(&engine, &live), ["~ property transition-delay\n    - 0s\n    + 50ms"]);
    let live =
        merged(&engine, EMPTY).unwrap().cib.replace("value=\"dnsmasq.service\"", "value=\"other.service\"");
    let told = told(&engine, &live).join("\n");
    assert!(told.starts_with("~ clone control-boot-clone\n    - <nvpair id="), "{told}");
    assert!(
        told.contains(
            "- <nvpair id=\"control-boot-parameters-unit\" name=\"unit\" value=\"other.service\"/>"
        ),
        "{told}"
    );
}

#[test]
fn a_property_that_was_set_by_hand_where_it_wins_is_put_back() {
    let engine = with_members(&["arbiter", "head-1", "head-2"]).engine.unwrap();
    let told = told(&engine, EMPTY);
    assert!(told.contains(&"~ property stonith-enabled\n    - false\n    + true".to_owned()), "{told:?}");
    assert!(!merged(&engine, EMPTY).unwrap().cib.contains("value=\"false\""));
}

#[test]
fn a_foreign_constraint_that_names_what_goes_is_dropped_and_told() {
    let three = with_members(&["arbiter", "head-1", "head-2"]).engine.unwrap();
    let by_hand = "<constraints><rsc_location id=\"cli-ban\" rsc=\"fence-head-2\" node=\"head-1\" score=\"-INFINITY\"/>";
    let live = merged(&three, EMPTY).unwrap().cib.replace("<constraints>", by_hand);
    assert!(merged(&three, &live).unwrap().foreign.contains(&"rsc_location cli-ban".to_owned()));
    let one = with_members(&["head-1"]).engine.unwrap();
    assert_eq!(merged(&one, &live).unwrap().dropped, ["cli-ban"]);
}

#[test]
fn a_resource_of_ours_that_the_spec_no_longer_has_is_removed() {
    let three = with_members(&["arbiter", "head-1", "head-2"]).engine.unwrap();
    let live = merged(&three, EMPTY).unwrap().cib;
    let one = with_members(&["head-1"]).engine.unwrap();
    let told_now = told(&one, &live);
    assert!(told_now.contains(&"- primitive fence-head-2".to_owned()), "{told_now:?}");
    assert_eq!(told(&one, &merged(&one, &live).unwrap().cib), Vec::<String>::new());
}

#[test]
fn room_for_groups_is_written_into_nodes_that_stay_as_they_are_otherwise() {
    let mut cluster = reference();
    cluster.ha.groups_per_head = Some(1);
    let templates = Templates::packaged().unwrap();
    let limited = resolve(&cluster, &Surroundings::whole(&cluster), &templates).unwrap().engine.unwrap();
    let by_hand = "uname=\"head-1\"><instance_attributes id=\"nodes-1\"/></node>";
    let live = EMPTY.replace("uname=\"head-1\"/>", by_hand);
    let whole = merged(&limited, &live).unwrap().cib;
    assert_eq!(told(&limited, &whole), Vec::<String>::new());
    assert!(whole.contains("id=\"nodes-1\"") && whole.contains("id=\"haoscar-head-1-room\""), "{whole}");
    assert!(!whole.contains("haoscar-arbiter-room"), "a witness carries nothing");
    let free = with_members(&["arbiter", "head-1", "head-2"]).engine.unwrap();
    assert!(told(&free, &whole).contains(&"- utilization haoscar-head-1-room".to_owned()));
    let whole = merged(&free, &whole).unwrap().cib;
    assert!(whole.contains("id=\"nodes-1\"") && !whole.contains("-room"), "{whole}");
}

#[test]
fn timings_follow_detect() {
    let mut cluster = reference();
    cluster.ha.detect = haoscar::spec::Span::from_millis(2200);
    let desired = resolve(&cluster, &Surroundings::whole(&cluster), &Templates::packaged().unwrap()).unwrap();
    let conf = text(&desired, "head-1", CONF).unwrap();
    assert!(conf.contains("token: 1000\n") && conf.contains("consensus: 1200\n"), "{conf}");
    let cib = &desired.engine.unwrap().cib;
    assert!(cib.contains("name=\"dc-deadtime\" value=\"4400ms\""), "{cib}");
}
