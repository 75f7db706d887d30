//! OpenPBS itself in a lab: only where the lab's root has it in /opt/pbs. Debian has no package, so on most machines
//! this says that it is skipped, and then nothing of OpenPBS was run.

use super::harness::{TestLab, Turn, haoscar, is_root, skipped, text};

const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/specs/ha-oscar-2004-pbs.yaml");

fn up(name: &str, more: &[&str]) -> TestLab {
    let lab = TestLab::named(name);
    let said = haoscar(&[&["lab", "up", SPEC, "--name", name], more].concat());
    assert!(said.status.success(), "lab up: {}", text(&said));
    lab
}

/// A verb on the lab: exit status, and what it said.
fn run(lab: &TestLab, verb: &str, more: &[&str]) -> (Option<i32>, String) {
    let said = haoscar(&[&[verb, SPEC, "--via", &format!("lab:{}", lab.name)], more].concat());
    (said.status.code(), text(&said))
}

fn is_installed() -> bool {
    let lab = up("test-pbs-there", &["--hosts", "head-1"]);
    let found = lab.exec("head-1", &["test", "-x", "/opt/pbs/bin/qmgr"]).status.success();
    lab.down();
    found
}

#[test]
fn openpbs_holds_the_queues_and_nodes_of_the_spec_and_a_hand_edit_is_put_back() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    if !is_installed() {
        skipped("the lab's root has no OpenPBS in /opt/pbs; nothing of it was run");
        return;
    }
    let lab = up("test-pbs", &[]);
    let qmgr = |words: &str| lab.sh("head-1", &format!("/opt/pbs/bin/qmgr -c '{words}'"));
    let (status, said) = run(&lab, "apply", &["--adopt", "-y"]);
    assert_eq!(status, Some(0), "{said}");
    let (status, said) = run(&lab, "plan", &["--detailed-exitcode"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(qmgr("print queue batch").contains("made-by-haoscar"));
    assert!(qmgr("print node @default").contains("create node compute4"));

    qmgr("set queue batch enabled = False");
    qmgr("create queue theirs queue_type = Execution");
    qmgr("create queue old comment = made-by-haoscar");
    let (status, said) = run(&lab, "plan", &["--detailed-exitcode"]);
    assert_eq!(status, Some(2), "{said}");
    for line in ["~ set queue batch enabled = True", "- delete queue old"] {
        assert!(said.contains(line), "{said}");
    }
    assert!(!said.contains("theirs"), "{said}");
    let (status, said) = run(&lab, "apply", &["-y"]);
    assert_eq!(status, Some(0), "{said}");
    qmgr("print queue theirs");
    let mom = lab.sh("compute1", "cat /var/spool/pbs/mom_priv/config");
    assert!(mom.contains("$clienthost control") && mom.contains("$restrict_user False"), "{mom}");
}
