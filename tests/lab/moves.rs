//! What an administrator asks of a running pair, on the real engine.

use super::harness::{Turn, haoscar, is_root, text, until};
use super::whole_way::Site;

impl Site {
    /// A verb about the running cluster, with the spec behind `-s`: exit status.
    pub fn ask(&mut self, argv: &[&str]) -> Option<i32> {
        let via = format!("lab:{}", self.lab.name);
        let output = haoscar(&[argv, &["-s", &self.spec, "--via", &via]].concat());
        self.said += &text(&output);
        output.status.code()
    }

    fn done(&mut self, argv: &[&str]) {
        let status = self.ask(argv);
        assert_eq!(status, Some(0), "{argv:?}: {}", self.said);
    }

    /// Whatever the engine remembers of moves and failures.
    fn traces(&self) -> String {
        let ask = "cibadmin -Q | grep -o -E 'haoscar-move-[a-z]*|fail-count-[a-z0-9-]*' | sort -u";
        self.lab.sh("arbiter", &format!("{ask} || true"))
    }
}

#[test]
fn a_group_is_moved_drained_paused_and_rehearsed_and_no_trace_of_it_stays() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::fresh("test-moves", "ha-oscar-2004", "head-1,head-2,arbiter,compute1");
    site.good("apply", &["--adopt", "-y"]);

    site.done(&["switchover", "control", "-y"]);
    assert!(
        site.said.contains("the engine would move control-scheduler from head-1 to head-2"),
        "{}",
        site.said
    );
    assert!(site.said.contains("group control moved from head-1 to head-2 in "), "{}", site.said);
    assert_eq!(site.carrier(), "head-2");
    assert_eq!(site.traces(), "");

    site.done(&["drain", "head-2", "-y"]);
    assert_eq!(site.carrier(), "head-1");
    assert_eq!(site.ask(&["switchover", "control", "-y"]), Some(107), "{}", site.said);
    assert!(site.said.contains("head-2 is drained: haoscar undrain head-2"), "{}", site.said);
    assert_eq!(site.ask(&["drain", "head-1", "-y"]), Some(107), "the last head was drained: {}", site.said);
    site.done(&["undrain", "head-2"]);
    assert_eq!(site.carrier(), "head-1", "an undrained head takes nothing by itself");

    site.done(&["pause", "--for", "12s", "-y"]);
    site.lab.sh("head-1", "systemctl kill -s KILL slurmctld; sleep 3");
    assert_eq!(
        site.lab.exec("head-1", &["systemctl", "is-active", "--quiet", "slurmctld"]).status.code(),
        Some(3)
    );
    assert_eq!(site.ask(&["switchover", "control", "-y"]), Some(107), "{}", site.said);
    until("the pause has ended by itself and the engine has mended what broke", || {
        site.lab.exec("head-1", &["systemctl", "is-active", "--quiet", "slurmctld"]).status.success()
    });
    site.lab.sh("head-1", "crm_resource --cleanup; sleep 2");

    site.done(&["rehearse", "control", "-y"]);
    assert!(site.said.contains("group control went to head-2 and back to head-1: dhcp "), "{}", site.said);
    assert_eq!(site.carrier(), "head-1");
    assert_eq!(site.traces(), "");
    let folder = tempfile::tempdir().unwrap();
    site.changed(folder.path(), "default: true", "default: true, max_time: 3h");
    assert_eq!(site.run("plan", &["--detailed-exitcode"]), Some(2));
    assert!(site.said.contains("impact: the engine restarts control-scheduler"), "{}", site.said);
    let expected = "impact: group control: expected outage: dhcp ";
    assert!(site.said.contains(expected), "{}", site.said);

    assert_eq!(site.ask(&["fenced", "head-2"]), Some(64));
    assert_eq!(site.ask(&["fenced", "head-2", "--i-saw-it-off"]), Some(107), "{}", site.said);
}
