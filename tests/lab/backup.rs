//! A pair that was lost with all its disks: from a backup and the spec it is the same cluster again.

use std::io::Write;
use std::process::{Command, Stdio};

use super::harness::{Turn, haoscar, is_root, text, until};
use super::whole_way::Site;

const NAME: &str = "test-backup";
const HOSTS: &str = "head-1,head-2,node1";
const KEYS: &str = "cd /etc/haoscar/secrets && sha256sum *";

#[test]
fn a_lost_pair_is_the_same_cluster_again_from_a_backup_and_the_spec() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::fresh(NAME, "dnsmasq", HOSTS);
    site.good("apply", &["--adopt", "-y"]);
    site.lab.sh(
        "head-1",
        "echo '1900000000 52:54:00:99:00:01 10.20.250.7 guest *' >>/srv/state/dhcp/dnsmasq.leases",
    );
    let keys = site.lab.sh("head-1", KEYS);
    let backup = site.lab.exec("head-1", &["haoscar", "backup", "--state", "-"]);
    assert!(backup.status.success(), "{}", String::from_utf8_lossy(&backup.stderr));
    let archive = backup.stdout;
    assert_eq!(restored(&site, &archive).0, Some(107), "a member is not overwritten");
    drop(site);

    let mut site = Site::fresh(NAME, "dnsmasq", HOSTS);
    let (status, said) = restored(&site, &archive[..archive.len() / 2]);
    assert_eq!(status, Some(65), "{said}");
    site.lab.sh("head-1", "! [ -e /etc/haoscar/secrets ]");
    let (status, said) = restored(&site, &archive);
    assert!(status == Some(0) && said.contains("of head-1, generation 1 of cluster"), "{said}");
    assert_eq!(site.lab.sh("head-1", KEYS), keys);
    site.good("apply", &["--adopt", "-y"]);
    until("nothing is left to do", || site.run("plan", &["--detailed-exitcode"]) == Some(0));
    for head in ["head-1", "head-2"] {
        assert_eq!(site.lab.sh(head, KEYS), keys, "{head} has the old keys");
    }
    let history = text(&haoscar(&["history", "--spec", &site.spec, "--via", &format!("lab:{NAME}")]));
    let numbers: Vec<_> =
        history.lines().filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok()).collect();
    assert!(numbers.contains(&1) && numbers.contains(&2), "{history}");
    let carrier = site.carrier();
    let leases = site.lab.sh(&carrier, "cat /srv/state/dhcp/dnsmasq.leases");
    assert!(leases.contains("10.20.250.7 guest"), "{leases}");
}

fn restored(site: &Site, archive: &[u8]) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_haoscar"))
        .args(["lab", "exec", "--name", &site.lab.name, "head-1", "--", "haoscar", "restore", "--state", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(archive); // one that is refused is not read to its end
    let output = child.wait_with_output().unwrap();
    (output.status.code(), text(&output))
}
