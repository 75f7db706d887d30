//! What doctor makes of what hosts answered.

use std::collections::BTreeMap;

use haoscar::desired::{Desired, Membership, Surroundings, Verdict, resolve};
use haoscar::engines::{EngineNode, EngineState};
use haoscar::observed::{
    Checkup, Clock, Copied, Disk, Disks, Examined, FenceTry, HostObserved, Mirror, Observed, Rehearsal, Stall,
};
use haoscar::plan::Plan;
use haoscar::spec::{Cluster, Sources, load};
use haoscar::status::{Doctor, Weight, against, doctor, of_doctor, status};
use haoscar::templates::Templates;

const MEMBERS: [&str; 3] = ["arbiter", "head-1", "head-2"];
const NOW_S: i64 = 1_764_000_000; // 2025-11-24

fn reference() -> Cluster {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/specs/ha-oscar-2004.yaml");
    load(&Sources::of_text("cluster.yaml", std::fs::read(path).unwrap())).unwrap().cluster
}

fn desired() -> Desired {
    let members = MEMBERS.map(str::to_owned).into();
    let surroundings = Surroundings { membership: Membership { members }, ..Surroundings::default() };
    resolve(&reference(), &surroundings, &Templates::packaged().unwrap()).unwrap()
}

/// All members online and in step, the group rehearsed yesterday.
fn observed() -> Observed {
    let online = EngineNode { online: true, ..EngineNode::default() };
    let engine = EngineState {
        quorum: true,
        nodes: MEMBERS.map(|name| (name.to_owned(), online.clone())).into(),
        ..EngineState::default()
    };
    let rehearsal = Rehearsal {
        at: "2025-11-23T12:00:00Z".to_owned(),
        between: ("head-1".to_owned(), "head-2".to_owned()),
        outage_s: BTreeMap::from([("names".to_owned(), Some(0.2)), ("home".to_owned(), Some(0.9))]),
    };
    Observed {
        hosts: MEMBERS.map(|name| (name.to_owned(), HostObserved::default())).into(),
        engine: Some(engine),
        rehearsals: BTreeMap::from([("control".to_owned(), rehearsal)]),
        ..Observed::default()
    }
}

/// Everything answers as it should.
fn examined() -> Examined {
    let each = |value: &str| MEMBERS.map(|name| (name.to_owned(), value.to_owned())).into();
    let packages = BTreeMap::from([("kea".to_owned(), Some("2.2".to_owned()))]);
    let fence = FenceTry {
        device: "fence-head-1".to_owned(),
        target: "head-1".to_owned(),
        from: "head-2".to_owned(),
        answer: Ok(0.25),
    };
    Examined {
        mirrors: BTreeMap::from([("state".to_owned(), mirror("copy 5 5 12"))]),
        disks: BTreeMap::from([("work".to_owned(), disks("Secondary Connected UpToDate"))]),
        now_s: NOW_S,
        version: "1".to_owned(),
        versions: each("1"),
        packages: ["head-1", "head-2"].map(|head| (head.to_owned(), packages.clone())).into(),
        storages: BTreeMap::from([(
            "/srv/state".to_owned(),
            ["head-1", "head-2"].map(|head| (head.to_owned(), Ok(()))).into(),
        )]),
        fences: vec![fence],
        checks: BTreeMap::from([(
            "head-1".to_owned(),
            BTreeMap::from([("kea -t".to_owned(), Verdict::Good)]),
        )]),
        clocks: ["head-1", "head-2"]
            .map(|head| (head.to_owned(), Clock { ahead_ms: 40, within_ms: 2 }))
            .into(),
        stalls: MEMBERS
            .map(|name| (name.to_owned(), Stall { longest_ms: 20, steal: 0.01, realtime: true }))
            .into(),
    }
}

/// What head-2 has of a folder that head-1 owns.
fn mirror(has: &str) -> Mirror {
    let heads = [("head-1", "owner 5 5 900"), ("head-2", has)];
    let heads = heads.map(|(head, line)| (head.to_owned(), Copied::read(line).ok_or("silent".to_owned())));
    Mirror { path: "/srv/state".to_owned(), every_s: 5, heads: heads.into() }
}

/// What head-2 has on its disk of what head-1 serves.
fn disks(has: &str) -> Disks {
    let heads = [("head-1", "Primary Connected UpToDate"), ("head-2", has)];
    let heads = heads.map(|(head, line)| (head.to_owned(), Disk::read(line).ok_or("silent".to_owned())));
    Disks { path: "/srv/work".to_owned(), heads: heads.into() }
}

fn judged(observed: &Observed, examined: &Examined) -> Doctor {
    doctor(&reference(), &desired(), observed, &Plan::default(), examined)
}

/// Changes one thing; the only finding that comes of it.
fn found(change: impl Fn(&mut Observed, &mut Examined)) -> (Weight, String) {
    let (mut observed, mut examined) = (observed(), examined());
    change(&mut observed, &mut examined);
    let said = judged(&observed, &examined);
    assert_eq!(said.findings.len(), 1, "{:#?}", said.findings);
    assert!(!said.well);
    (said.findings[0].weight, said.findings[0].message.clone())
}

#[test]
fn a_standby_against_which_nothing_speaks_is_proven() {
    let said = judged(&observed(), &examined());
    assert_eq!(said.findings, []);
    assert!(said.well);
    assert_eq!(said.sentence, "cluster oscar: the standby is proven");
}

#[test]
fn a_node_that_is_given_all_when_it_starts_need_not_be_reached() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/specs/self-build.yaml")).unwrap();
    let given = |text: &str| {
        let cluster = load(&Sources::of_text("cluster.yaml", text)).unwrap().cluster;
        let desired =
            resolve(&cluster, &Surroundings::whole(&cluster), &Templates::packaged().unwrap()).unwrap();
        let unreachable = desired.hosts.keys().map(|name| (name.clone(), "no route".to_owned())).collect();
        let observed = Observed { unreachable, ..Observed::default() };
        let sentence = status(&desired, &observed, &Plan::default()).sentence;
        assert!(
            sentence.contains("compute01 unreachable") && sentence.contains("head-1 unreachable"),
            "{sentence}"
        );
        assert_eq!(sentence.contains("gpu1 unreachable"), desired.given.is_empty(), "{sentence}");
        desired.given.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(given(&text), ["gpu1", "gpu2"]);
    let no_image = text.replace("    image: gpu\n", "");
    assert_eq!(given(&no_image), [""; 0]);
}

#[test]
fn a_copy_that_is_behind_late_or_not_known_speaks_against_its_head() {
    let said = |has: &'static str| {
        found(move |_, examined| {
            examined.mirrors.insert("state".to_owned(), mirror(has));
        })
    };
    let behind = "/srv/state on head-2 is generation 4, and 5 is the newest: head-2 cannot take over until it is copied";
    assert_eq!(said("behind 4 5 12"), (Weight::Error, behind.to_owned()));
    let late = "the copy of /srv/state on head-2 is 61 s old: so much is lost when its owner dies";
    assert_eq!(said("copy 5 5 61"), (Weight::Warning, late.to_owned()));
    assert_eq!(said("copy").1, "the copy of /srv/state on head-2 is not known: silent");
}

#[test]
fn a_head_whose_disk_is_not_the_same_cannot_take_over() {
    let said = |has: &str| {
        found(|_, examined| {
            examined.disks.insert("work".to_owned(), disks(has));
        })
    };
    let filled =
        "the disk of storage work on head-2 is Inconsistent: head-2 cannot take over until it is filled";
    assert_eq!(said("Secondary SyncTarget Inconsistent 12.5"), (Weight::Error, filled.to_owned()));
    let alone = "storage work on head-2 stands alone: both heads have written without each other, or it was disconnected by hand";
    assert_eq!(said("Secondary StandAlone UpToDate"), (Weight::Error, alone.to_owned()));
    assert_eq!(said("").1, "the disk of storage work on head-2 is not known: silent");
}

#[test]
fn a_power_cut_costs_detection_the_fence_device_and_the_rehearsed_move() {
    let said = judged(&observed(), &examined());
    let cut = &said.power_cut["head-1"];
    assert!(cut.total_s.is_some_and(|total| (total - (1.1 + 0.25 + 0.9)).abs() < 1e-9), "{cut:?}");
    assert_eq!(said.power_cut["head-2"].total_s, None, "its device was asked by nobody");
}

#[test]
fn each_thing_that_speaks_against_the_standby_is_one_finding() {
    let error = |text: &str| (Weight::Error, text.to_owned());
    let warning = |text: &str| (Weight::Warning, text.to_owned());
    let away = found(|observed, _| {
        observed.hosts.remove("head-2");
        observed.unreachable.insert("head-2".to_owned(), "no route".to_owned());
    });
    assert_eq!(away, error("haoscar cannot reach head-2: no route"));
    let drained = found(|observed, _| {
        observed.engine.as_mut().unwrap().nodes.get_mut("head-2").unwrap().standby = true;
    });
    assert_eq!(drained, error("head-2 is drained: haoscar undrain head-2"));
    let witness = found(|observed, _| {
        observed.engine.as_mut().unwrap().nodes.remove("arbiter");
    });
    assert_eq!(witness, error("arbiter is not a member"));
    let storage = found(|_, examined| {
        let heads = examined.storages.get_mut("/srv/state").unwrap();
        heads.insert("head-2".to_owned(), Err("it is not mounted".to_owned()));
    });
    assert_eq!(storage, error("storage /srv/state on head-2: it is not mounted"));
    let fence = found(|_, examined| examined.fences[0].answer = Err("timed out".to_owned()));
    assert_eq!(fence, error("fence device fence-head-1 does not answer head-2: timed out"));
    let refused = found(|_, examined| {
        examined
            .checks
            .get_mut("head-1")
            .unwrap()
            .insert("kea -t".to_owned(), Verdict::Bad("line 3".to_owned()));
    });
    assert_eq!(refused, error("kea -t on head-1 refuses the files as they are: line 3"));
    let missing = found(|_, examined| {
        examined.packages.get_mut("head-2").unwrap().insert("kea".to_owned(), None);
    });
    assert_eq!(missing, error("package kea is not installed on head-2"));
    let differs = found(|_, examined| {
        examined.packages.get_mut("head-2").unwrap().insert("kea".to_owned(), Some("2.4".to_owned()));
    });
    assert_eq!(differs, warning("package kea differs: 2.2 on head-1, 2.4 on head-2"));
    let older = found(|_, examined| drop(examined.versions.insert("head-2".to_owned(), "0".to_owned())));
    assert_eq!(older, warning("head-2 runs haoscar 0, this is 1"));
    let never = found(|observed, _| observed.rehearsals.clear());
    assert_eq!(never, warning("group control was never rehearsed"));
    let old = found(|_, examined| examined.now_s += 90 * 86_400);
    assert_eq!(old, warning("group control was last rehearsed 91 days ago"));
    let fast = found(|_, examined| {
        examined.clocks.insert("head-2".to_owned(), Clock { ahead_ms: 3_100, within_ms: 2 });
    });
    assert_eq!(fast, warning("the clock of head-2 is 3 s ahead of that of head-1"));
}

#[test]
fn a_clock_that_is_not_known_well_enough_is_not_called_wrong() {
    let (observed, mut examined) = (observed(), examined());
    examined.clocks.insert("head-2".to_owned(), Clock { ahead_ms: 3_100, within_ms: 3_000 });
    assert_eq!(judged(&observed, &examined).findings, []);
}

#[test]
fn a_machine_that_wakes_late_gets_the_smallest_detect_that_it_holds() {
    let (observed, mut examined) = (observed(), examined());
    examined.stalls.insert("head-2".to_owned(), Stall { longest_ms: 380, steal: 0.12, realtime: true });
    let said = judged(&observed, &examined);
    assert_eq!(
        said.findings[0].message,
        "head-2 cannot hold `detect` of 1100ms: a process was woken up to 380 ms late, and 12 % of its time was stolen"
    );
    assert!(said.findings[0].mend.starts_with("set ha.detect to 2600ms or more"), "{:?}", said.findings);
}

#[test]
fn a_switchover_asks_only_for_what_speaks_against_its_target() {
    let mut examined = examined();
    examined.packages.get_mut("head-2").unwrap().insert("kea".to_owned(), None);
    assert_eq!(against("head-2", &desired(), &examined), ["package kea is not installed on head-2"]);
    assert_eq!(against("head-1", &desired(), &examined), Vec::<String>::new());
}

#[test]
fn heads_keep_the_slowest_answer_of_a_device_and_none_where_a_head_got_none() {
    let mut examined = examined();
    examined.fences.push(FenceTry {
        from: "head-3".to_owned(),
        answer: Ok(0.75),
        ..examined.fences[0].clone()
    });
    let kept = |examined: &Examined| judged(&observed(), examined).checkup("now".to_owned());
    let fences = BTreeMap::from([("fence-head-1".to_owned(), Some(0.75))]);
    assert_eq!(kept(&examined), Checkup { at: "now".to_owned(), errors: 0, warnings: 0, fences });
    examined.fences.push(FenceTry { answer: Err("late".to_owned()), ..examined.fences[0].clone() });
    assert_eq!(kept(&examined).fences["fence-head-1"], None);
}

#[test]
fn metrics_are_lines_that_prometheus_reads() {
    let mut examined = examined();
    examined.fences[0].device = "fence \"1\"".to_owned();
    let text = of_doctor(&judged(&observed(), &examined));
    assert!(text.contains("# TYPE haoscar_doctor_fence_seconds gauge\n"), "{text}");
    assert!(
        text.contains("haoscar_doctor_fence_seconds{device=\"fence \\\"1\\\"\",head=\"head-2\"} 0.25\n"),
        "{text}"
    );
    assert!(text.contains("haoscar_doctor_findings{weight=\"error\"} 0\n"), "{text}");
}
