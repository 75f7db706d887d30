//! Joint changes under a running engine: on all members at once or on none, nobody is fenced, the address stays where it
//! is. One lab for all of them, for they lead from one to the next.

use std::path::Path;
use std::process::{Child, Stdio};

use super::harness::{Turn, is_root, program, text, until};
use super::whole_way::Site;

const HEADS: [&str; 3] = ["head-1", "head-2", "head-3"];

/// The full spec, without what `without` marks, and with `old` as `new`.
fn spec(folder: &Path, without: &[&str], (old, new): (&str, &str)) -> String {
    let path = format!("{}/tests/lab/joint/cluster.yaml", env!("CARGO_MANIFEST_DIR"));
    let full = std::fs::read_to_string(path).unwrap();
    let stays = |line: &&str| !without.iter().any(|mark| line.contains(&format!("# {mark}")));
    let mut spec = full.lines().filter(stays).collect::<Vec<_>>().join("\n").replace(old, new);
    if without.contains(&"third") {
        spec = spec.replace(", head-3]", "]");
    }
    let path = folder.join("cluster.yaml");
    std::fs::write(&path, spec + "\n").unwrap();
    path.to_str().unwrap().to_owned()
}

impl Site {
    /// In a lab where a plan is empty the cluster is well, and says so.
    fn is_well(&mut self, carrier: &str) {
        self.good("plan", &["--detailed-exitcode"]);
        self.said.clear();
        until("the cluster is well", || self.run("status", &[]) == Some(0));
        let sentence = format!("cluster joint is well: group control is on {carrier}");
        assert!(self.said.contains(&sentence), "{}", self.said);
    }

    fn members(&self) -> String {
        self.lab.sh("head-1", "timeout 20 corosync-quorumtool -l | awk '/head-/ { print $3 }' | sort | xargs")
    }

    /// Of two, who was away alone must not count itself as enough; of three, two are enough whatever happened before.
    fn waits_for_all(&self, heads: &[&str], expected: bool) {
        for head in heads {
            let flags = self.lab.sh(head, "corosync-quorumtool -s | grep Flags");
            assert_eq!(flags.contains("WaitForAll"), expected, "{head}: {flags}");
        }
    }

    fn fenced(&self, head: &str) -> String {
        self.lab.sh("head-1", &format!("stonith_admin --history '{head}' | tail -1"))
    }

    /// What corosync has: the key on the disk of each head.
    fn keys(&self, heads: &[&str]) -> Vec<String> {
        heads.iter().map(|head| self.lab.sh(head, "md5sum < /etc/corosync/authkey")).collect()
    }

    /// The address has not left head-1 since [`watch_address`].
    fn address_stayed(&self) {
        let gone = self.lab.sh("head-1", "grep -c 'Deleted.*10.70.0.10/' /run/addresses || true");
        assert_eq!(gone, "0", "{}", self.said);
    }

    fn rotate(&mut self) {
        let via = format!("lab:{}", self.lab.name);
        let made = program(&["secret", "rotate", "corosync-authkey", "-s", &self.spec, "--via", &via])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", text(&made));
    }

    /// Starts an apply, and comes back when it stands still at `moment`.
    fn apply_until(&self, moment: &str) -> Child {
        self.lab.sh("head-1", &format!("rm -f /run/there; touch /run/wait-{moment}"));
        let via = format!("lab:{}", self.lab.name);
        let mut apply = program(&["apply", &self.spec, "--via", &via, "-y"]);
        let apply = apply.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until(moment, || self.lab.exec("head-1", &["test", "-e", "/run/there"]).status.success());
        apply
    }

    fn cut_and_boot(&self, head: &str) {
        self.lab.good(&["fault", "power", "--name", &self.lab.name, head]);
        self.lab.good(&["boot", "--name", &self.lab.name, head]);
    }
}

fn watch_address(site: &Site) {
    site.lab.sh("head-1", "systemd-run --quiet sh -c 'exec ip monitor address > /run/addresses'; sleep 1");
}

/// On head-1, which is spoken to: stands still before the files are swapped, before they are read, and after.
fn stand_still(site: &Site) {
    let script = r#"cd /usr/sbin && for p in cibadmin corosync-cfgtool; do mv $p $p.real; done
cat > cibadmin <<'END'
#!/bin/sh
case "$*" in --modify*crm_config*) [ -e /run/wait-swap ] && { rm /run/wait-swap; touch /run/there; sleep 5; } ;; esac
exec /usr/sbin/cibadmin.real "$@"
END
cat > corosync-cfgtool <<'END'
#!/bin/sh
[ -e /run/wait-reload ] && { rm /run/wait-reload; touch /run/there; sleep 5; }
/usr/sbin/corosync-cfgtool.real "$@"; status=$?
[ -e /run/wait-commit ] && { rm /run/wait-commit; touch /run/there; sleep 3; }
exit $status
END
chmod 755 cibadmin corosync-cfgtool"#;
    site.lab.sh("head-1", script);
}

#[test]
fn what_changes_on_all_members_at_once_changes_on_all_or_on_none_and_nobody_is_fenced() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::fresh("test-joint", "../tests/lab/joint/cluster", "");
    site.spec = spec(folder.path(), &["third", "beat"], ("", ""));
    site.good("apply", &["--adopt", "-y"]);
    assert_eq!(site.carrier(), "head-1");
    watch_address(&site);

    a_third_head_joins(&mut site, folder.path());
    a_new_link_is_used(&mut site, folder.path());
    a_new_key_is_everywhere(&mut site);
    site.address_stayed();
    assert_eq!(site.fenced("*"), "0 events found", "{}", site.said);
    with_a_member_away_a_joint_change_waits_and_another_goes(&mut site, folder.path());
    stand_still(&site);
    a_power_cut_in_the_middle_leaves_all_old(&mut site);
    haoscar_that_is_killed_leaves_all_old(&mut site);
    a_corosync_that_holds_a_key_of_no_file_is_started_anew(&mut site);
    site.address_stayed();
    for head in ["head-1", "head-2"] {
        assert_eq!(site.fenced(head), "0 events found", "{}", site.said);
    }
    a_head_leaves(&mut site, folder.path());
}

fn a_third_head_joins(site: &mut Site, folder: &Path) {
    site.spec = spec(folder, &["beat"], ("", ""));
    site.waits_for_all(&["head-1", "head-2"], true);
    site.good("apply", &["--adopt", "-y"]);
    assert_eq!(site.members(), "head-1 head-2 head-3");
    site.waits_for_all(&HEADS, false);
    site.is_well("head-1");
}

fn a_new_link_is_used(site: &mut Site, folder: &Path) {
    site.spec = spec(folder, &[], ("", ""));
    site.good("apply", &["-y"]);
    for head in HEADS {
        let links = "corosync-cfgtool -s | grep -c -E '^[[:space:]]*nodeid.*(connected|localhost)'";
        until("three links to three heads", || {
            text(&site.lab.exec(head, &["sh", "-c", links])).trim() == "9"
        });
        assert!(
            site.lab.sh(head, "corosync-cfgtool -s").contains("10.71.0."),
            "the new one is not among them"
        );
    }
    site.is_well("head-1");
}

fn a_new_key_is_everywhere(site: &mut Site) {
    let before = site.keys(&HEADS);
    site.rotate();
    assert_eq!(site.keys(&HEADS), before, "only apply changes what is in place");
    site.good("apply", &["-y"]);
    let after = site.keys(&HEADS);
    assert!(after[0] != before[0] && after.iter().all(|key| *key == after[0]), "{after:?}");
    assert_eq!(site.members(), "head-1 head-2 head-3");
    site.is_well("head-1");
}

fn with_a_member_away_a_joint_change_waits_and_another_goes(site: &mut Site, folder: &Path) {
    let name = site.lab.name.clone();
    site.lab.good(&["poweroff", "--name", &name, "head-3"]);
    let files = "cd /etc && find . -type f -exec md5sum {} + | sort";
    let before = site.lab.sh("head-1", files);
    site.spec = spec(folder, &["beat"], ("", ""));
    site.said.clear();
    assert_eq!(site.run("apply", &["-y"]), Some(69), "{}", site.said);
    assert!(site.said.contains("head-3 is a member and cannot be reached"), "{}", site.said);
    assert_eq!(site.lab.sh("head-1", files), before);
    let via = format!("lab:{name}");
    let rotate = ["secret", "rotate", "corosync-authkey", "-s", &site.spec, "--via", &via];
    assert_eq!(program(&rotate).status().unwrap().code(), Some(69));
    site.spec = spec(folder, &[], ("names: {}", "names: { forwarders: [192.0.2.53] }"));
    site.good("apply", &["-y"]);
    assert!(site.lab.sh("head-2", "grep -r 192.0.2.53 /etc/dnsmasq*").contains("192.0.2.53"));
    site.said.clear();
    assert_eq!(site.run("status", &[]), Some(1));
    assert!(site.said.contains("degraded (head-3 unreachable)"), "{}", site.said);
    site.lab.good(&["boot", "--name", &name, "head-3"]);
    until("head-3 is back", || site.members() == "head-1 head-2 head-3");
    site.good("apply", &["-y"]);
    site.is_well("head-1");
}

/// Of the head between stage and swap, then between swap and the moment at which corosync reads its files.
fn a_power_cut_in_the_middle_leaves_all_old(site: &mut Site) {
    for moment in ["swap", "reload"] {
        let before = site.keys(&HEADS);
        site.rotate();
        let mut apply = site.apply_until(moment);
        site.cut_and_boot("head-3");
        assert!(
            !apply.wait().unwrap().success(),
            "{moment}: an apply that lost a member has not done its work"
        );
        until("one membership of all", || site.members() == "head-1 head-2 head-3");
        assert_eq!(site.keys(&HEADS), before, "{moment}: {}", site.said);
        site.said.clear();
        site.run("status", &[]);
        let told = site.said.contains("was cut short and has been put back");
        assert!(told || moment == "swap", "{}", site.said);
        assert!(!site.said.contains("paused"), "{}", site.said);
        site.good("apply", &["-y"]);
        assert!(site.keys(&HEADS).iter().all(|key| *key != before[0]));
        site.is_well("head-1");
    }
}

/// After corosync has read the new key, and before anything is committed.
fn haoscar_that_is_killed_leaves_all_old(site: &mut Site) {
    let before = site.keys(&HEADS);
    site.rotate();
    let mut apply = site.apply_until("commit");
    apply.kill().unwrap();
    apply.wait().unwrap();
    until("all have their old key", || site.keys(&HEADS) == before);
    until("the maintenance has ended, with all members there", || {
        site.said.clear();
        site.run("status", &[]);
        !site.said.contains("paused") && site.members() == "head-1 head-2 head-3"
    });
    assert_eq!(site.said.matches("was cut short and has been put back").count(), 3, "{}", site.said);
    until("no head is being put back any more", || site.run("apply", &["-y"]) != Some(75));
    site.good("apply", &["-y"]);
    assert!(site.keys(&HEADS).iter().all(|key| *key != before[0]));
    site.is_well("head-1");
}

/// As a lost message leaves it: the members' files are the same, and one sends what the others cannot read.
fn a_corosync_that_holds_a_key_of_no_file_is_started_anew(site: &mut Site) {
    assert_eq!(site.ask(&["pause", "--for", "10m", "-y"]), Some(0), "{}", site.said);
    let runs = "for unit in dnsmasq chrony; do systemctl show -P MainPID $unit; done";
    let corosync = "systemctl show -P MainPID corosync";
    let before = (site.lab.sh("head-1", runs), site.lab.sh("head-1", corosync));
    let script = "cd /etc/corosync && cp -p authkey /run/authkey && head -c 256 /dev/urandom > authkey &&
        { corosync-cfgtool -R; cp -p /run/authkey authkey; mkdir -p /run/deaf; ln -sf /bin/true /run/deaf/corosync-cfgtool; }";
    site.lab.sh("head-1", script);
    until("head-1 is heard by nobody", || {
        let heard = "timeout 5 corosync-quorumtool -l | grep -c head-1 || true";
        site.lab.sh("head-2", heard) == "0"
    });
    let after = include_str!("../../src/engines/pacemaker/after-joint.sh");
    let none = r#"<cluster_property_set id="haoscar-joint"/>"#;
    let argv = ["env", "PATH=/run/deaf:/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-c", after, "after-joint"];
    let said = site.lab.exec("head-1", &[&argv[..], &["/etc/corosync/corosync.conf", none]].concat());
    assert_eq!(site.members(), "head-1 head-2 head-3", "{}", text(&said));
    assert_ne!(site.lab.sh("head-1", corosync), before.1);
    assert_eq!(site.lab.sh("head-1", runs), before.0, "a service did not run on");
    assert_eq!(site.ask(&["resume"]), Some(0), "{}", site.said);
    site.is_well("head-1");
}

fn a_head_leaves(site: &mut Site, folder: &Path) {
    let fenced = site.fenced("*");
    assert_eq!(site.ask(&["switchover", "control", "--to", "head-3", "-y"]), Some(0), "{}", site.said);
    site.spec = spec(folder, &["third"], ("", ""));
    site.said.clear();
    assert_eq!(site.run("plan", &["--detailed-exitcode"]), Some(2));
    assert!(site.said.contains("- head-3 leaves: what it carries moves"), "{}", site.said);
    site.good("apply", &["-y"]);
    assert_eq!(site.members(), "head-1 head-2");
    site.waits_for_all(&["head-1", "head-2"], true);
    let known = "cibadmin -Q | grep head-3; grep -H head-3 /etc/corosync/corosync.conf || true";
    // the engine takes what it remembers of a device that is gone out of its status in a transition of its own
    until("nothing of head-3 is left", || site.lab.sh("head-1", known).is_empty());
    std::thread::sleep(std::time::Duration::from_secs(2)); // a member that comes back does so at the next election
    assert_eq!(site.lab.sh("head-1", known), "");
    assert_eq!(site.fenced("*"), fenced, "{}", site.said);
    let left = "systemctl is-active corosync pacemaker dnsmasq; ls /etc/haoscar/watch.json; grep -rl 'made by haoscar' /etc || true";
    let left = text(&site.lab.exec("head-3", &["sh", "-c", left]));
    assert!(left.starts_with("inactive\ninactive\ninactive\nls: "), "{left}");
    assert!(!left.contains("/etc/corosync/corosync.conf\n"), "{left}");
    let carrier = site.carrier();
    site.is_well(&carrier);
}
