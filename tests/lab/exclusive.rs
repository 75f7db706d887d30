//! A storage that one head at a time has, on the real engine: mounted where the group is, with all that was in it.

use super::harness::{Turn, haoscar, is_root, text, until};
use super::whole_way::Site;

const HEADS: [&str; 2] = ["head-1", "head-2"];

#[test]
fn a_disk_that_one_head_may_use_goes_with_its_group_and_nothing_in_it_is_lost() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::fresh("test-exclusive", "exclusive", "head-1,head-2,arbiter,node1");
    refuses_who_would_mount_it_at_boot(&site);
    site.good("apply", &["--adopt", "-y"]);
    until("nothing is left to do", || site.run("plan", &["--detailed-exitcode"]) == Some(0));
    is_alone_on(&site, "head-1");
    let folders = "cd /srv/state && stat -c '%n %U %a' dhcp boot home";
    assert_eq!(site.lab.sh("head-1", folders), "dhcp _kea 750\nboot root 755\nhome root 755");
    site.lab.sh("head-1", "echo kept >/srv/state/home/note && sync");
    moves_at_a_power_cut(&mut site);
    is_alone_on(&site, "head-2");
    assert_eq!(site.lab.sh("head-2", "cat /srv/state/home/note"), "kept");
    moves_when_somebody_sits_in_it(&mut site);
}

fn refuses_who_would_mount_it_at_boot(site: &Site) {
    site.lab.sh(
        "head-2",
        "cp -a /etc/fstab /root/ 2>/dev/null; echo '/dev/sdb1 /srv/state ext4 defaults 0 2' >>/etc/fstab",
    );
    let via = format!("lab:{}", site.lab.name);
    let said = text(&haoscar(&["apply", "--spec", &site.spec, "--via", &via, "--adopt", "-y"]));
    assert!(said.contains("/srv/state is in /etc/fstab") && said.contains("head-2"), "{said}");
    site.lab.sh("head-1", "! systemctl is-active --quiet corosync");
    site.lab.sh("head-2", "rm /etc/fstab; cp -a /root/fstab /etc/ 2>/dev/null || true");
}

/// The head that has it mounted; the path is empty on the other one.
fn is_alone_on(site: &Site, head: &str) {
    let has = |host: &str| site.lab.exec(host, &["mountpoint", "-q", "/srv/state"]).status.success();
    let found: Vec<_> = HEADS.into_iter().filter(|host| has(host)).collect();
    assert_eq!(found, [head], "who has it mounted");
}

fn moves_at_a_power_cut(site: &mut Site) {
    let drill = site.good_drill(&["--fault", "power", "--limit", "120s", "--wait-return"]);
    assert_eq!((&drill["target"], &drill["moved_to"]), (&"head-1".into(), &"head-2".into()), "{drill}");
    assert_eq!(drill["owners"]["twice"], 0, "{drill}");
    until("nothing is left to do", || site.run("plan", &["--detailed-exitcode"]) == Some(0));
}

/// Whoever still uses it does not hold the group back, and does not get what is beneath.
fn moves_when_somebody_sits_in_it(site: &mut Site) {
    site.lab.sh("head-2", "cd /srv/state/home && systemd-run --quiet --working-directory=/srv/state/home --unit=guest sleep 1000");
    let via = format!("lab:{}", site.lab.name);
    let moved =
        haoscar(&["switchover", "control", "--to", "head-1", "-y", "--spec", &site.spec, "--via", &via]);
    assert!(moved.status.success(), "{}", text(&moved));
    is_alone_on(site, "head-1");
    assert_eq!(site.lab.sh("head-1", "cat /srv/state/home/note"), "kept");
    site.lab.sh("head-2", "! systemctl is-active --quiet guest && [ -z \"$(ls -A /srv/state)\" ]");
    until("nothing is left to do", || site.run("plan", &["--detailed-exitcode"]) == Some(0));
}
