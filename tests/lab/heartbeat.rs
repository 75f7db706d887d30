//! Two heads under Debian's heartbeat: one apply, a change of its own files, a power cut, a shutdown, units that die.

use serde_json::Value;

use super::harness::{Turn, haoscar, is_root, text, until};
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

    /// One drill, by its exit status and its report.
    fn drill(&self, fault: &str) -> (Option<i32>, Value) {
        let lab = &self.lab.name;
        let argv = ["lab", "drill", "--name", lab, "-s", &self.spec, "--fault", fault];
        let output = haoscar(&[&argv[..], &["--wait-return", "--format", "json"]].concat());
        eprintln!("{}", text(&output));
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
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

    // a clock of the heads' own, so that time answers too and a drill may begin
    site.changed(folder.path(), "time: { servers: [ntp1.example] }", "time: {}");
    site.good("apply", &["-y"]);
    assert_eq!(site.drill("corosync").0, Some(64), "heartbeat has none");
    let (status, report) = site.drill("switchover");
    let drill = &report["drills"][0];
    assert_eq!((status, &drill["moved_to"]), (Some(0), &Value::from("head-2")), "{drill}");
    assert_eq!(drill["owners"]["order"], serde_json::json!(["head-1", "head-2"]));
    for (verb, to, done) in [("switchover", "head-1", "moved"), ("failover", "head-2", "failed over")] {
        assert_eq!(site.ask(&[verb, "control", "-y"]), Some(0), "{}", site.said);
        assert!(site.said.contains(&format!("group control {done} from ")), "{}", site.said);
        assert!(site.said.contains(&format!(" to {to} in ")), "{}", site.said);
        assert_eq!(site.holders(), [to]);
    }
    assert_eq!(site.ask(&["failover", "control", "--to", "head-2", "-y"]), Some(0), "{}", site.said);
    assert!(site.said.contains("group control is on head-2 already"), "{}", site.said);
    assert_eq!(site.ask(&["rehearse", "control", "-y"]), Some(0), "{}", site.said);
    assert!(site.said.contains("group control went to head-1 and back to head-2: "), "{}", site.said);
    assert_eq!(site.holders(), ["head-2"]);
    assert_eq!(site.ask(&["pause", "--for", "1m", "-y"]), Some(64), "{}", site.said);
    assert_eq!(site.logged("head-2", "now reset"), 1, "a head that gave its group away was fenced");
}

/// Makes a head lose the next message by which its takeover goes on: what heartbeat's own writers do to each other when
/// they mix (2 of 26 takeovers by the preferred head), made certain.
const LOSE_ONE: &str = r#"cat >>/etc/ha.d/shellfuncs <<'X'
ha_clustermsg() {
	_m=$(cat -)
	case $_m in *ip-request-resp*) if [ -e /run/lose ]; then mv /run/lose /run/lost; return 0; fi ;; esac
	printf '>>>\n%s\n<<<\n' "$_m" >>$HA_FIFO
}
X
touch /run/lose"#;

#[test]
fn a_takeover_that_hangs_is_mended_counted_and_told() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::pair("test-heartbeat-hang");
    site.lab.good(&["fault", "power", "--name", &site.lab.name, "head-1"]);
    site.serves("head-2");
    site.lab.sh("head-1", LOSE_ONE);
    site.lab.good(&["fault", "power", "--name", &site.lab.name, "head-2"]);
    site.serves("head-1");
    let traces = "ls /run/lost /run/lose 2>/dev/null; wc -l </var/lib/haoscar/heartbeat-mended; systemctl show -p NRestarts --value haoscar-mend";
    assert_eq!(site.lab.sh("head-1", traces), "/run/lost\n1\n0");
    let told = "head-1: heartbeat hung in a takeover once and was mended, last at ";
    assert!(site.said.contains(told), "{}", site.said);
    let line = "heartbeat holds the group and has not started it: started";
    let log = format!("journalctl --no-pager -u haoscar-mend | grep -c '{line}'");
    assert_eq!(site.lab.sh("head-1", &log), "1");
    site.good("plan", &["--detailed-exitcode"]);

    killed_units_are_started_again_and_counted_then_the_group_moves(&mut site);

    // the pair is whole: it fails over as before, and nothing is mended that does not hang
    site.lab.good(&["fault", "power", "--name", &site.lab.name, "head-2"]);
    site.serves("head-1");
    assert_eq!(site.lab.sh("head-2", "ls /var/lib/haoscar/heartbeat-mended 2>/dev/null || true"), "");
}

/// The usual policy: 3 restarts within 5 minutes, then the group moves.
fn killed_units_are_started_again_and_counted_then_the_group_moves(site: &mut Site) {
    let unit = "kea-dhcp4-server";
    let fenced = site.logged("head-2", "now reset");
    let main =
        |site: &Site, head: &str| site.lab.sh(head, &format!("systemctl show -p MainPID --value {unit}"));
    let runs = |site: &Site, before: &str| ![before, "0"].contains(&main(site, "head-1").as_str());
    site.lab.sh("head-1", &format!("systemctl restart {unit}")); // ordered: it counts nothing
    for _ in 0..3 {
        let before = main(site, "head-1");
        site.lab.sh("head-1", &format!("kill -9 {before}"));
        until("it runs again", || runs(site, &before));
        assert_eq!(site.holders(), ["head-1"]);
    }
    site.lab.sh("head-1", &format!("kill -9 {}", main(site, "head-1")));
    until("the group has moved", || site.holders() == ["head-2"] && main(site, "head-2") != "0");
    assert_eq!(main(site, "head-1"), "0");
    site.serves("head-2");
    let said = site.lab.sh("head-1", &format!("journalctl --no-pager -o cat -u haoscar-mend | grep {unit}"));
    let expected = [
        "failed and is started again (1 of 3 restarts within 5m)",
        "failed and is started again (2 of 3 restarts within 5m)",
        "failed and is started again (3 of 3 restarts within 5m)",
        "failed once more: the group is given to head-2 (3 of 3 restarts within 5m)",
    ];
    assert_eq!(said, expected.map(|what| format!("{unit}.service {what}")).join("\n"));
    assert_eq!(site.logged("head-2", "now reset"), fenced, "a head whose unit died was fenced");
}
