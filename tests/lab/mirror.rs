//! A storage that one head owns and the others copy, on the real engine: what a planned move and a power cut keep, and who may not own it.

use super::harness::{Turn, haoscar, is_root, text, until};
use super::whole_way::Site;

const HEADS: [&str; 2] = ["head-1", "head-2"];
const LEASES: &str = "/srv/state/dhcp/kea-leases4.csv";
const SPARE: &str = "cat /srv/state.lost-1/dhcp/late";

#[test]
fn a_copy_takes_over_and_an_older_one_neither_serves_nor_is_copied_from() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::fresh("test-mirror", "mirror", "head-1,head-2,arbiter,node1");
    know_each_other(&site);
    site.good("apply", &["--adopt", "-y"]);
    until("nothing is left to do", || site.run("plan", &["--detailed-exitcode"]) == Some(0));
    assert_eq!(owner(&site), "head-1");
    copies(&site);
    cut_loses_what_was_not_copied_and_nothing_else(&mut site);
    planned_move_loses_nothing(&site);
    an_empty_folder_is_not_copied(&mut site);
    who_is_behind_gets_no_group(&mut site);
    a_plan_says_what_a_power_cut_would_cost(&site);
}

fn a_plan_says_what_a_power_cut_would_cost(site: &Site) {
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("cluster.yaml");
    let before = std::fs::read_to_string(&site.spec).unwrap();
    std::fs::write(&spec, before.replace("every: 5s", "every: 6s")).unwrap();
    let via = format!("lab:{}", site.lab.name);
    let plan = text(&haoscar(&["plan", "--spec", spec.to_str().unwrap(), "--via", &via]));
    assert!(plan.contains("impact: storage state: the copy of head-1 is "), "{plan}");
}

/// As an administrator has set it up: root of each head reaches the other one.
fn know_each_other(site: &Site) {
    for head in HEADS {
        site.lab.sh(head, "mkdir -p -m 700 /root/.ssh /run/sshd && ssh-keygen -A >/dev/null && ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519 && systemctl enable --quiet --now ssh");
    }
    for (head, other, address) in [("head-1", "head-2", "10.20.0.2"), ("head-2", "head-1", "10.20.0.1")] {
        let user = site.lab.sh(other, "cat /root/.ssh/id_ed25519.pub");
        let host = site.lab.sh(other, "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub");
        site.lab.sh(head, &format!("echo '{user}' >/root/.ssh/authorized_keys; echo '{other},{address},* {host}' >/root/.ssh/known_hosts"));
    }
}

fn owner(site: &Site) -> String {
    let owns =
        |head: &&str| site.lab.exec(head, &["test", "-e", "/run/haoscar-mirror-state"]).status.success();
    HEADS.into_iter().filter(owns).collect::<Vec<_>>().join(" and ")
}

fn told(site: &Site, head: &str) -> String {
    site.lab.sh(head, "OCF_RESKEY_name=state OCF_RESKEY_path=/srv/state /usr/lib/ocf/resource.d/haoscar/mirror told | cut -d' ' -f1-3")
}

fn has(site: &Site, head: &str, file: &str) -> bool {
    site.lab.exec(head, &["test", "-e", &format!("/srv/state/dhcp/{file}")]).status.success()
}

fn copies(site: &Site) {
    site.lab.sh("head-1", "cd /srv/state/dhcp && echo kept >kept && ln kept linked && chown 4711 linked");
    until("head-2 has a copy", || has(site, "head-2", "linked"));
    assert_eq!(site.lab.sh("head-2", "stat -c '%u %h' /srv/state/dhcp/kept"), "4711 2");
    site.lab.sh("head-1", "rm /srv/state/dhcp/linked");
    until("what goes, goes there too", || !has(site, "head-2", "linked"));
    assert_eq!([told(site, "head-1"), told(site, "head-2")], ["owner 1 1", "copy 1 1"]);
}

fn cut_loses_what_was_not_copied_and_nothing_else(site: &mut Site) {
    // a copy that never ends
    site.lab.sh("head-2", "systemctl kill --signal=STOP haoscar-mirror-state");
    site.lab.sh("head-1", "echo late >/srv/state/dhcp/late && sync");
    let leased = a_lease_is_told(site);
    let drill = site.good_drill(&["--fault", "power", "--limit", "120s", "--wait-return"]);
    assert_eq!((&drill["target"], &drill["moved_to"]), (&"head-1".into(), &"head-2".into()), "{drill}");
    assert_eq!(drill["owners"]["twice"], 0, "{drill}");
    assert_eq!(owner(site), "head-2");
    assert!(has(site, "head-2", "kept") && !has(site, "head-2", "late"));
    until("what head-2 was told is with the other leases, and Kea starts with it", || {
        site.lab.sh("head-2", &format!("cat {LEASES}*")).contains(&format!("{leased},02:00:00:00:00:01,"))
    });
    let other = site.stranger(2);
    assert!(
        other.starts_with("10.20.250.") && other != leased,
        "{leased} was given to somebody else: {other}"
    );
    assert_eq!(site.stranger(1), leased);
    until("head-1 has the copy of what head-2 owns", || told(site, "head-1") == "copy 2 2");
    // what it alone had is out of the way, and not lost
    assert!(!has(site, "head-1", "late") && site.lab.sh("head-1", SPARE) == "late");
    until("nothing is left to do", || site.run("plan", &["--detailed-exitcode"]) == Some(0));
}

/// Kea gives an address, and no copy of the storage has it; what it was.
fn a_lease_is_told(site: &Site) -> String {
    let leased = site.stranger(1);
    assert!(leased.starts_with("10.20.250."), "{leased}");
    for head in HEADS {
        until("a Kea on each head is told", || {
            site.lab
                .sh(head, "cat /var/lib/haoscar-leases4/kea-leases4.csv 2>/dev/null || :")
                .contains(&leased)
        });
    }
    assert!(
        !site.lab.sh("head-2", &format!("cat {LEASES}* 2>/dev/null || :")).contains(&leased),
        "it was copied"
    );
    leased
}

fn switched(site: &Site, to: &str) -> std::process::Output {
    let via = format!("lab:{}", site.lab.name);
    haoscar(&["switchover", "control", "--to", to, "-y", "--spec", &site.spec, "--via", &via])
}

fn planned_move_loses_nothing(site: &Site) {
    // written the moment before, and no copy in between: head-1 fetches it when it begins
    site.lab.sh("head-1", "systemctl kill --signal=STOP haoscar-mirror-state");
    site.lab.sh("head-2", "echo last >/srv/state/dhcp/last");
    let moved = switched(site, "head-1");
    assert!(moved.status.success(), "{}", text(&moved));
    assert_eq!((owner(site).as_str(), told(site, "head-1").as_str()), ("head-1", "owner 3 3"));
    assert!(has(site, "head-1", "last"), "what was written last came with the group");
    until("head-2 has the copy", || told(site, "head-2") == "copy 3 3");
}

/// As where a disk is not mounted any more: the folder is there, and nothing is in it.
fn an_empty_folder_is_not_copied(site: &mut Site) {
    site.lab.sh("head-1", "mount -t tmpfs none /srv/state");
    until("the copy takes over", || owner(site) == "head-2" && told(site, "head-2") == "owner 4 4");
    assert!(has(site, "head-2", "last") && has(site, "head-2", "kept"), "an empty folder was copied");
    site.lab.sh("head-1", "umount -l /srv/state");
    until("head-1 has a copy again", || told(site, "head-1") == "copy 4 4" && has(site, "head-1", "last"));
    site.lab.sh("head-1", "crm_resource --cleanup >/dev/null");
    until("nothing is left to do", || site.run("plan", &["--detailed-exitcode"]) == Some(0));
}

fn who_is_behind_gets_no_group(site: &mut Site) {
    site.lab.sh(
        "head-1",
        "systemctl kill --signal=STOP haoscar-mirror-state; attrd_updater --name haoscar-mirror-state --update behind",
    );
    let refused = switched(site, "head-1");
    assert_eq!(refused.status.code(), Some(107), "{}", text(&refused));
    assert!(text(&refused).contains("head-1 has an older copy of storage state"), "{}", text(&refused));
    assert_eq!(owner(site), "head-2");
    // nor does the agent itself begin with an older one, whatever the engine believes
    let before = site.lab.sh("head-1", "cat /srv/state/.haoscar-mirror");
    site.lab.sh(
        "head-1",
        "echo '1 head-1' >/srv/state/.haoscar-mirror; attrd_updater --name haoscar-mirror-state --update fit",
    );
    let via = format!("lab:{}", site.lab.name);
    let seen = haoscar(&["doctor", "--spec", &site.spec, "--via", &via]);
    assert!(text(&seen).contains("/srv/state on head-1 is generation 1, and "), "{}", text(&seen));
    let status = || text(&haoscar(&["status", "--spec", &site.spec, "--via", &via]));
    let said = status();
    assert!(said.contains("storage state: head-1 is behind, generation 1 of "), "{said}");
    site.lab.sh(
        "head-1",
        &format!(
            "echo '{before}' >/srv/state/.haoscar-mirror; systemctl kill --signal=CONT haoscar-mirror-state"
        ),
    );
    let said = status();
    assert!(
        said.contains("storage state: the copy of head-1 is ") && said.contains("; head-2 owns generation "),
        "{said}"
    );
    until("nothing is left to do", || site.run("plan", &["--detailed-exitcode"]) == Some(0));
}
