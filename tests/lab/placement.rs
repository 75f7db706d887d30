//! Where Pacemaker's own scheduler puts groups over n heads and a spare; nothing is started.

use std::collections::BTreeMap;

use haoscar::desired::{Surroundings, resolve};
use haoscar::engines::pacemaker::merged;
use haoscar::spec::{Apart, Cluster, Sources, load};
use haoscar::templates::Templates;

use super::harness::{TestLab, Turn, is_root};

fn spare() -> Cluster {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/specs/three-heads.yaml");
    load(&Sources::of_text("cluster.yaml", std::fs::read(path).unwrap())).unwrap().cluster
}

/// The whole CIB of three heads that have just met.
fn cib(cluster: &Cluster) -> String {
    let desired = resolve(cluster, &Surroundings::whole(cluster), &Templates::packaged().unwrap()).unwrap();
    let engine = desired.engine.unwrap();
    let node = |(name, id): (&String, &u32)| format!("<node id=\"{id}\" uname=\"{name}\"/>");
    let nodes: String = engine.members.iter().map(node).collect();
    let empty = format!(
        "<cib epoch=\"1\" num_updates=\"0\" admin_epoch=\"0\" validate-with=\"pacemaker-3.9\" have-quorum=\"1\">\
         <configuration><crm_config/><nodes>{nodes}</nodes><resources/><constraints/></configuration><status/></cib>"
    );
    merged(&engine, &empty).unwrap().cib
}

/// Heads that carry control and files after these events, in the scheduler's own simulation.
fn after(lab: &TestLab, cib: &str, events: &[&str]) -> (String, String) {
    let up = "--node-up head-1 --node-up head-2 --node-up head-3";
    let steps: String = std::iter::once(up)
        .chain(events.iter().copied())
        .map(|event| format!("crm_simulate -S -x a.xml -O b.xml {event} >/dev/null && mv b.xml a.xml\n"))
        .collect();
    let script = format!("cd /tmp\ncat >a.xml <<'X'\n{cib}\nX\nset -e\n{steps}crm_simulate -x a.xml");
    let said = lab.sh("head-1", &script);
    let places: BTreeMap<_, _> = said
        .lines()
        .filter(|line| line.contains("-address-inside"))
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let started = words.iter().position(|word| *word == "Started");
            (words[1].to_owned(), started.map_or("nowhere", |at| words[at + 1]).to_owned())
        })
        .collect();
    (places["control-address-inside"].clone(), places["files-address-inside"].clone())
}

fn on(control: &str, files: &str) -> (String, String) {
    (control.to_owned(), files.to_owned())
}

#[test]
fn a_dead_heads_group_goes_to_the_spare_and_the_next_one_joins_it_there_or_stays_down() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let lab = TestLab::up("test-placement", "head-1");
    let (one, both) = (["--node-fail head-1"], ["--node-fail head-1", "--node-fail head-2"]);

    let mut cluster = spare();
    let prefer = cib(&cluster);
    assert_eq!(after(&lab, &prefer, &[]), on("head-1", "head-2"));
    assert_eq!(after(&lab, &prefer, &one), on("head-3", "head-2"));
    assert_eq!(after(&lab, &prefer, &both), on("head-3", "head-3"), "a preference kept a group down");
    let back = [&both[..], &["--node-up head-2"]].concat();
    assert_eq!(
        after(&lab, &prefer, &back),
        on("head-3", "head-3"),
        "a group that runs was moved for a preference"
    );

    let files = cluster.groups.get_mut("files").unwrap();
    files.apart.insert("control".to_owned(), Apart::Require);
    let require = cib(&cluster);
    assert_eq!(after(&lab, &require, &[]), on("head-1", "head-2"));
    assert_eq!(after(&lab, &require, &both), on("head-3", "nowhere"));

    let files = cluster.groups.get_mut("files").unwrap();
    files.apart.clear();
    cluster.ha.groups_per_head = Some(1);
    let full = cib(&cluster);
    assert_eq!(after(&lab, &full, &one), on("head-3", "head-2"));
    assert_eq!(after(&lab, &full, &both), on("head-3", "nowhere"), "a full head took another group");
    cluster.ha.groups_per_head = Some(2);
    assert_eq!(after(&lab, &cib(&cluster), &both), on("head-3", "head-3"));
    cluster.ha.groups_per_head = None;

    // a preference for another head is weaker than one for being apart
    cluster.groups.get_mut("files").unwrap().apart = BTreeMap::from([("control".to_owned(), Apart::Prefer)]);
    cluster.groups.get_mut("files").unwrap().heads = ["head-1", "head-3"].map(str::to_owned).into();
    assert_eq!(after(&lab, &cib(&cluster), &[]), on("head-1", "head-3"));
    cluster.groups.get_mut("files").unwrap().apart.clear();
    assert_eq!(
        after(&lab, &cib(&cluster), &[]),
        on("head-1", "head-1"),
        "the assertion before shows nothing"
    );
}
