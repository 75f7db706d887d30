//! Two heads under Debian's heartbeat: one apply, a change of its own files, a power cut, a shutdown.

use super::harness::{Turn, is_root, until};
use super::whole_way::Site;

impl Site {
    /// A pair under heartbeat that serves.
    fn pair(name: &str) -> Self {
        let mut site = Self::fresh(name, "heartbeat", "");
        let put = "umask 077; mkdir -p /etc/haoscar/secrets; printf x > /etc/haoscar/secrets/pdu";
        site.lab.sh("head-1", put);
        site.good("apply", &["--adopt", "-y"]);
        site
    }

    /// Heads that hold the group's inside address.
    fn holders(&self) -> Vec<&'static str> {
        let holds = |head: &&str| {
            let ask = "ip -o address show to 10.70.0.10 | grep -q .";
            self.lab.exec(head, &["sh", "-c", ask]).status.success()
        };
        ["head-1", "head-2"].into_iter().filter(holds).collect()
    }

    /// What status says first, once it says this.
    fn says(&mut self, what: &str) {
        until(what, || {
            self.said.clear();
            self.run("status", &[]);
            self.said.contains(what)
        });
    }

    /// Every service answers a node; a lab has no time source.
    fn serves(&mut self, head: &str) {
        self.says(&format!(
            "cluster legacy is degraded (time is not synchronized): group control is on {head}"
        ));
        for service in ["dhcp", "home", "names"] {
            let line = format!("  {service:<14} answers (asked from node");
            assert!(self.said.contains(&line), "{service}: {}", self.said);
        }
        assert_eq!(self.holders(), [head]);
    }

    /// Times that a head's heartbeat said this, in all its boots.
    fn logged(&self, head: &str, what: &str) -> usize {
        let ask = format!("journalctl --no-pager -u heartbeat _TRANSPORT=syslog | grep -c '{what}' || true");
        self.lab.sh(head, &ask).parse().unwrap()
    }
}

#[test]
fn a_pair_under_heartbeat_serves_after_one_apply_and_goes_on_after_a_power_cut() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::pair("test-heartbeat");
    site.good("plan", &["--detailed-exitcode"]);
    assert!(site.said.contains("cluster legacy is as the spec says: nothing to do"), "{}", site.said);
    site.serves("head-1");

    let folder = tempfile::tempdir().unwrap();
    site.changed(folder.path(), "detect: 1100ms", "detect: 1500ms");
    site.said.clear();
    site.good("apply", &["-y"]);
    assert!(
        site.said.contains("heartbeat stops on both heads for it, and the group with it"),
        "{}",
        site.said
    );
    let order = [
        "stopping heartbeat, for its files change: head-2",
        "for its files change: head-1",
        "starting heartbeat on head-1, head-2",
    ];
    let places: Vec<_> = order.iter().map(|step| site.said.find(step).unwrap()).collect();
    assert!(places.is_sorted(), "{}", site.said);
    site.serves("head-1");
    assert_eq!(site.logged("head-2", "now reset"), 0, "a head that was stopped in order was fenced");

    site.lab.good(&["fault", "power", "--name", &site.lab.name, "head-1"]);
    site.says("group control is on head-2");
    site.serves("head-2");
    assert_eq!(site.logged("head-2", "node head-1 now reset"), 1);
    site.good("plan", &["--detailed-exitcode"]);
    std::thread::sleep(std::time::Duration::from_secs(3)); // what would take it back does so when the head returns
    site.serves("head-2");

    site.lab.good(&["poweroff", "--name", &site.lab.name, "head-2"]);
    site.says("group control is on head-1");
    assert_eq!(site.holders(), ["head-1"]);
    assert_eq!(site.logged("head-1", "now reset"), 0, "a head that was shut down in order was fenced");
    site.lab.good(&["boot", "--name", &site.lab.name, "head-2"]);
    site.serves("head-1");

    for (verb, why) in [("drain", "keep a head empty"), ("fenced", "be told that a head is off")] {
        let more: &[&str] = if verb == "fenced" { &["--i-saw-it-off"] } else { &[] };
        assert_eq!(site.ask(&[&[verb, "head-1"], more].concat()), Some(64), "{}", site.said);
        assert!(site.said.contains(&format!("engine heartbeat cannot {why}")), "{}", site.said);
    }
}
