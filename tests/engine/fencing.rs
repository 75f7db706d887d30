//! Fence levels in the CIB, and the words that a newer Pacemaker would not take.

use std::fs;
use std::path::Path;

use haoscar::desired::{Surroundings, resolve};
use haoscar::engines::EngineDesired;
use haoscar::engines::pacemaker::{changes, fence_devices, merged};
use haoscar::spec::{Cluster, Fence, Sources, load};
use haoscar::templates::Templates;

const EMPTY: &str = r#"<cib epoch="1" num_updates="0" admin_epoch="0"><configuration><crm_config/><nodes/><resources/><constraints/></configuration></cib>"#;

fn cluster(spec: &str) -> Cluster {
    let path = format!("{}/specs/{spec}.yaml", env!("CARGO_MANIFEST_DIR"));
    load(&Sources::of_text("cluster.yaml", fs::read(path).unwrap())).unwrap().cluster
}

fn engine(spec: &str, lab: bool) -> EngineDesired {
    let cluster = cluster(spec);
    let surroundings = Surroundings { lab, ..Surroundings::whole(&cluster) };
    resolve(&cluster, &surroundings, &Templates::packaged().unwrap()).unwrap().engine.unwrap()
}

/// Every `fencing-level` as `target index devices`.
fn levels(cib: &str) -> Vec<String> {
    let tree = roxmltree::Document::parse(cib).unwrap();
    let levels = tree.descendants().filter(|node| node.has_tag_name("fencing-level"));
    let words = |node: roxmltree::Node<'_, '_>| {
        ["target", "index", "devices"]
            .map(|name| node.attribute(name).unwrap_or_default().to_owned())
            .join(" ")
    };
    levels.map(words).collect()
}

#[test]
fn levels_are_tried_in_order_and_a_level_holds_all_its_outlets_in_a_lab_too() {
    let wanted = [
        "head-1 1 fence-head-1",
        "head-1 2 fence-head-1.2",
        "head-2 1 fence-head-2",
        "head-2 2 fence-head-2.2,fence-head-2.2.2",
        "head-2 3 watchdog",
    ];
    assert_eq!(levels(&engine("fence-levels", false).cib), wanted);
    assert_eq!(levels(&engine("fence-levels", true).cib), wanted[..4], "a namespace has no watchdog");
    assert_eq!(levels(&engine("ha-oscar-2004", false).cib), [""; 0]);
}

#[test]
fn only_a_device_with_another_level_behind_it_gives_up_early() {
    let cib = engine("fence-levels", false).cib;
    let tree = roxmltree::Document::parse(&cib).unwrap();
    let gives_up = |id: &str| {
        let device = tree.descendants().find(|node| node.attribute("id") == Some(id)).unwrap();
        device.descendants().any(|pair| pair.attribute("name") == Some("pcmk_reboot_timeout"))
    };
    for id in ["fence-head-1", "fence-head-2", "fence-head-2.2", "fence-head-2.2.2"] {
        assert!(gives_up(id), "{id} has another way behind it");
    }
    for id in ["fence-head-1.2", "fence-arbiter", "watchdog"] {
        assert!(!gives_up(id), "{id} is the last way");
    }
}

#[test]
fn a_watchdog_alone_is_one_device_that_names_its_members_and_a_labs_namespace_has_the_labs_device() {
    let mut cluster = cluster("fence-levels");
    for head in cluster.heads.values_mut() {
        (head.fence, head.watchdog) = (Fence::default(), Some("/dev/watchdog".to_owned()));
    }
    let cib = |lab: bool, machines: &[&str]| {
        let machines = machines.iter().map(ToString::to_string).collect();
        let surroundings = Surroundings { lab, machines, ..Surroundings::whole(&cluster) };
        resolve(&cluster, &surroundings, &Templates::packaged().unwrap()).unwrap().engine.unwrap().cib
    };
    let (real, lab, guest) = (cib(false, &[]), cib(true, &[]), cib(true, &["head-2"]));
    let devices = |cib: &str| {
        fence_devices(cib).into_iter().filter(|(id, _)| id != "fence-arbiter").collect::<Vec<_>>()
    };
    let device =
        |id: &str, hosts: &[&str]| (id.to_owned(), hosts.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(devices(&real), [device("watchdog", &["head-1", "head-2"])]);
    assert_eq!(levels(&real), [""; 0], "Pacemaker falls back to it by itself");
    assert_eq!(devices(&lab), [device("fence-head-1", &["head-1"]), device("fence-head-2", &["head-2"])]);
    assert_eq!(devices(&guest), [device("fence-head-1", &["head-1"]), device("watchdog", &["head-2"])]);
    let waits = |cib: &str| cib.contains("stonith-watchdog-timeout");
    assert_eq!([waits(&real), waits(&lab), waits(&guest)], [true, false, true]);
}

#[test]
fn a_topology_is_pushed_read_back_as_ours_and_goes_with_the_second_level() {
    let two = engine("fence-levels", false);
    let pushed = merged(&two, EMPTY).unwrap().cib;
    assert_eq!(levels(&pushed).len(), 5);
    assert_eq!(changes(&two, &pushed).unwrap(), []);

    let own = r#"<fencing-level id="mine" target="guest" index="1" devices="somebodys"/>"#;
    let with_own = pushed.replace("</fencing-topology>", &format!("{own}</fencing-topology>"));
    let one = engine("ha-oscar-2004", false);
    let gone = changes(&one, &with_own).unwrap();
    let gone: Vec<_> =
        gone.iter().filter(|change| change.kind == "fencing-level").map(ToString::to_string).collect();
    assert_eq!(gone.len(), 5, "{gone:?}");
    assert!(gone.iter().all(|line| line.starts_with("- fencing-level haoscar-fence-")), "{gone:?}");
    let after = merged(&one, &with_own).unwrap();
    assert_eq!(levels(&after.cib), ["guest 1 somebodys"]);
    assert!(after.foreign.contains(&"fencing-level mine".to_owned()), "{:?}", after.foreign);
}

#[test]
fn a_cib_without_levels_gets_no_topology() {
    let pushed = merged(&engine("ha-oscar-2004", false), EMPTY).unwrap().cib;
    assert!(!pushed.contains("fencing-topology"), "{pushed}");
}

/// Elements, attributes and values that Pacemaker 3.0 refuses or drops (its ChangeLog, and xml/upgrade-3.10-*.xsl, which
/// carry an older CIB over to its schema `pacemaker-4.0`).
const GONE_ELEMENTS: [&str; 3] = ["master", "lifetime", "rkt"];
const GONE_ATTRIBUTES: [&str; 7] =
    ["id-ref", "moon", "rsc-instance", "with-rsc-instance", "first-instance", "then-instance", "masters"];
const GONE_NAMES: [&str; 9] = [
    "can-fail",
    "can_fail",
    "role_after_failure",
    "restart-type",
    "remove-after-stop",
    "crmd-finalization-timeout",
    "crmd-integration-timeout",
    "crmd-transition-delay",
    "#default",
];
const GONE_VALUES: [(&str, &str); 5] =
    [("class", "nagios"), ("class", "upstart"), ("value", "poweroff"), ("type", "ping"), ("type", "o2cb")];

fn gone(node: roxmltree::Node<'_, '_>) -> bool {
    let rules = node.children().filter(|child| child.has_tag_name("rule")).count();
    GONE_ELEMENTS.contains(&node.tag_name().name())
        || node.attributes().any(|a| GONE_ATTRIBUTES.contains(&a.name()))
        || node.attribute("name").is_some_and(|name| GONE_NAMES.contains(&name))
        || GONE_VALUES.iter().any(|(name, value)| node.attribute(*name) == Some(value))
        || (node.has_tag_name("rsc_location") && rules > 1)
        || (node.has_tag_name("fencing-level") && node.attribute("index").is_none_or(|index| index.len() > 1))
}

#[test]
fn no_golden_cib_has_a_word_that_pacemaker_3_dropped() {
    let trees = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/trees");
    let mut read = 0;
    for tree in fs::read_dir(trees).unwrap() {
        let Ok(text) = fs::read_to_string(tree.unwrap().path().join("cluster/cib.xml")) else { continue };
        let tree = roxmltree::Document::parse(&text).unwrap();
        let found: Vec<_> = tree.descendants().filter(|node| node.is_element() && gone(*node)).collect();
        assert!(found.is_empty(), "{found:?}");
        read += 1;
    }
    assert!(read >= 8, "only {read} golden CIBs");
    let old = r#"<a><rsc_location><rule/><rule/></rsc_location><nvpair name="stonith-action" value="poweroff"/><master/></a>"#;
    let old = roxmltree::Document::parse(old).unwrap();
    assert_eq!(old.descendants().filter(|node| node.is_element() && gone(*node)).count(), 3);
}

/// Pacemaker runs an agent as hacluster for its metadata: the secret's script refuses it, and the agent must answer all the same.
#[test]
fn a_wrapper_adds_its_secret_for_root_and_lets_everybody_else_ask() {
    let cluster = cluster("two-node");
    let surroundings = Surroundings::whole(&cluster);
    let desired = resolve(&cluster, &surroundings, &Templates::packaged().unwrap()).unwrap();
    let file =
        desired.hosts["head-1"].1.files.iter().find(|file| file.path == "/usr/sbin/fence_haoscar_head-2");
    let file = file.unwrap();
    assert_eq!((file.mode.0, file.secrets().count()), (0o755, 0));
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("pdu");
    let text = file.shown().replace("/usr/sbin/fence_apc_snmp", "cat");
    let text = text.replace("/etc/haoscar/fence/pdu", script.to_str().unwrap());
    let asked = || {
        let command = format!("printf 'action=metadata\\n' | sh -c '{}'", text.replace('\'', r"'\''"));
        let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap(), output.stderr.len())
    };
    assert_eq!(asked(), (true, "action=metadata\n".to_owned(), 0), "its script is not for hacluster");
    fs::write(&script, "#!/bin/sh\necho public\n").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(asked(), (true, "action=metadata\ncommunity=public\n".to_owned(), 0));
}
