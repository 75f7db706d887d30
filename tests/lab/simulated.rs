//! Where Pacemaker's own scheduler puts the groups of the reference specs: the generated CIB given to Debian's
//! `crm_simulate`, in the lab's root. No lab is brought up.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use haoscar::desired::{Surroundings, resolve};
use haoscar::engines::EngineDesired;
use haoscar::engines::pacemaker::merged;
use haoscar::spec::{Cluster, Sources, load};
use haoscar::templates::Templates;

use super::harness::{Turn, built_root, is_root};

const SPECS: [&str; 7] =
    ["ha-oscar-2004", "ha-oscar-2004-pbs", "ipv6", "minimal", "qnetd", "three-heads", "two-node"];

/// Makes the cluster run what it says, and prints the CIB with that. Nothing is left in the lab's root.
const SETTLE: &str = r#"mount -t tmpfs none "$0/tmp" && exec chroot "$0" sh -c '
    crm_simulate --simulate --xml-pipe --save-output=/tmp/settled.xml >/dev/null && cat /tmp/settled.xml'"#;

/// What is to happen, in words, with the options and the heads that are left.
struct Case {
    what: String,
    options: Vec<String>,
    standby: Option<String>,
    left: BTreeSet<String>,
}

fn run(argv: &[&str], input: &str) -> String {
    let mut child =
        Command::new(argv[0]).args(&argv[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{argv:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn reference(spec: &str) -> (Cluster, EngineDesired) {
    let path = format!("{}/specs/{spec}.yaml", env!("CARGO_MANIFEST_DIR"));
    let cluster = load(&Sources::of_text("cluster.yaml", std::fs::read(path).unwrap())).unwrap().cluster;
    let desired = resolve(&cluster, &Surroundings::whole(&cluster), &Templates::packaged().unwrap()).unwrap();
    (cluster, desired.engine.unwrap())
}

/// The CIB as all members together would have it: everybody is there, and nothing runs yet.
fn whole(engine: &EngineDesired) -> String {
    let nodes = engine.members.iter().map(|(name, id)| format!(r#"<node id="{id}" uname="{name}"/>"#));
    let states = engine.members.iter().map(|(name, id)| {
        format!(
            r#"<node_state id="{id}" uname="{name}" in_ccm="true" crmd="online" join="member" expected="member"/>"#
        )
    });
    let live = format!(
        r#"<cib epoch="1" num_updates="0" admin_epoch="0" validate-with="pacemaker-3.9" have-quorum="1">
        <configuration><crm_config/><nodes>{}</nodes><resources/><constraints/></configuration><status>{}</status></cib>"#,
        nodes.collect::<String>(),
        states.collect::<String>()
    );
    merged(engine, &live).unwrap().cib
}

fn cases(cluster: &Cluster) -> Vec<Case> {
    let heads: BTreeSet<String> = cluster.heads.keys().cloned().collect();
    let without = |gone: &BTreeSet<String>| heads.difference(gone).cloned().collect();
    let dead = |gone: BTreeSet<String>| Case {
        what: format!("{gone:?} dead"),
        options: gone.iter().map(|head| format!("--node-fail={head}")).collect(),
        standby: None,
        left: without(&gone),
    };
    let one = |head: &String| BTreeSet::from([head.clone()]);
    let standby = |head: &String| Case {
        what: format!("{head} in standby"),
        options: Vec::new(),
        standby: Some(head.clone()),
        left: without(&one(head)),
    };
    let mut cases: Vec<_> = heads.iter().map(|head| dead(one(head))).collect();
    cases.extend(heads.iter().map(standby));
    if heads.len() > 2 {
        cases.extend(heads.iter().map(|head| dead(without(&one(head)))));
    }
    cases
}

/// Where each resource that is no clone runs.
fn places(said: &str) -> BTreeMap<String, BTreeSet<String>> {
    let document = roxmltree::Document::parse(said).unwrap();
    let revised = document.descendants().find(|node| node.has_tag_name("revised_cluster_status")).unwrap();
    let resources = revised.descendants().filter(|node| node.has_tag_name("resource"));
    let moving = resources.filter(|node| !node.ancestors().any(|above| above.has_tag_name("clone")));
    let nodes = |resource: roxmltree::Node<'_, '_>| {
        let nodes = resource.children().filter_map(|node| node.attribute("name").map(str::to_owned));
        (resource.attribute("id").unwrap().to_owned(), nodes.collect())
    };
    moving.map(nodes).collect()
}

/// Every group on one head, the first of its list that is left; the fence devices need no place.
fn check(spec: &str, case: &Case, (cluster, engine): (&Cluster, &EngineDesired), said: &str) {
    let places = places(said);
    for (name, group) in &cluster.groups {
        let expected: BTreeSet<String> =
            group.heads.iter().find(|head| case.left.contains(*head)).into_iter().cloned().collect();
        let moving: Vec<_> = engine.resources[name].iter().filter(|id| places.contains_key(*id)).collect();
        assert!(moving.iter().any(|id| id.contains("address")), "{spec}: {moving:?} of {places:?}");
        for id in moving {
            assert_eq!(places[id], expected, "{spec}, {}: {id} of group {name}", case.what);
        }
    }
}

#[test]
fn every_group_goes_to_one_head_that_is_left_whichever_dies_or_stands_by() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let root = built_root();
    let mut asked = 0;
    for spec in SPECS {
        let (cluster, engine) = reference(spec);
        let settled = run(&["unshare", "--mount", "sh", "-c", SETTLE, root.as_str()], &whole(&engine));
        for case in cases(&cluster) {
            let standing = case.standby.as_ref().map_or(settled.clone(), |head| standing_by(&settled, head));
            let ask = ["chroot", root.as_str(), "crm_simulate", "--simulate", "--xml-pipe", "--quorum=1"];
            let options = case.options.iter().map(String::as_str).chain(["--output-as=xml"]);
            let argv: Vec<_> = ask.into_iter().chain(options).collect();
            check(spec, &case, (&cluster, &engine), &run(&argv, &standing));
            asked += 1;
        }
    }
    assert!(asked >= 4 * SPECS.len(), "{asked}");
}

fn standing_by(cib: &str, head: &str) -> String {
    let attribute = r#"<instance_attributes id="test"><nvpair id="test-standby" name="standby" value="on"/></instance_attributes>"#;
    let end = format!(r#"uname="{head}"/>"#);
    let (before, after) = cib.split_once(&end).unwrap();
    assert!(before.ends_with(' '), "the node comes before its state");
    format!(r#"{before}uname="{head}">{attribute}</node>{after}"#)
}
