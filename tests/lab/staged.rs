//! A change that a standby cannot live with does not reach the head that serves.

use super::harness::{Turn, is_root, text, until};
use super::whole_way::Site;

const HOSTS: [&str; 2] = ["--on", "head-1,head-2"];

/// dnsmasq starts, and ends a moment later.
pub const DIES: &str = "mkdir -p /etc/systemd/system/dnsmasq.service.d && cd /etc/systemd/system/dnsmasq.service.d &&
    printf '[Service]\\nType=simple\\nExecStartPre=\\nExecStart=\\nExecStartPost=\\nExecReload=\\nExecStart=/bin/sh -c \"sleep 0.4; exit 1\"\\n' > zz.conf &&
    systemctl daemon-reload";

#[test]
fn a_service_that_dies_on_the_standby_stops_the_apply_before_the_active_head() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::fresh("test-staged", "two-node", "head-1,head-2");
    site.good("apply", &[&HOSTS[..], &["--adopt", "-y"]].concat());
    let serving = site.carrier();
    let standby = if serving == "head-1" { "head-2" } else { "head-1" };
    until("the loop of the standby, where units are not loaded, comes to rest", || {
        let last = || site.lab.sh(standby, "stat -c %.Y /run/haoscar/cycle.json 2>/dev/null || true");
        let before = last();
        std::thread::sleep(std::time::Duration::from_secs(3));
        !before.is_empty() && last() == before
    });
    let look = |site: &Site, head: &str| {
        site.lab
            .sh(head, "systemctl show -P MainPID dnsmasq; sha256sum /etc/dnsmasq.d/* /etc/chrony/chrony.conf")
    };
    let files =
        |site: &Site, head: &str| look(site, head).lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let before = (look(&site, &serving), files(&site, standby));
    site.lab.sh(standby, DIES);
    site.changed(folder.path(), "forwarders: [198.51.100.53]", "forwarders: [198.51.100.54]");
    assert_eq!(site.run("apply", &[&HOSTS[..], &["-y"]].concat()), Some(1), "{}", site.said);
    let why = format!("dnsmasq.service on {standby} does not go on running");
    assert!(site.said.contains(&why), "{}", site.said);
    assert!(!site.said.contains(&format!("acting on units: {serving}\n")), "{}", site.said);
    assert_eq!(look(&site, &serving), before.0, "the head that serves was touched");
    assert_eq!(files(&site, standby), before.1, "the standby has the new files still");
    assert_eq!(site.carrier(), serving);

    let mend = "rm /etc/systemd/system/dnsmasq.service.d/zz.conf; systemctl daemon-reload; systemctl reset-failed dnsmasq;
        systemctl restart dnsmasq; crm_resource --cleanup >/dev/null 2>&1";
    let mended = site.lab.exec(standby, &["sh", "-c", mend]);
    assert!(mended.status.success(), "{}", text(&mended));
    site.good("apply", &[&HOSTS[..], &["-y"]].concat());
    assert_ne!(files(&site, &serving), before.1);
    a_service_that_runs_and_does_not_serve(&mut site, folder.path(), &serving, standby);
}

/// It goes on running, and a client of it gets no answer. The engine finds that too, every ten seconds, and stops it: a try in which
/// it was faster shows nothing.
fn a_service_that_runs_and_does_not_serve(
    site: &mut Site,
    folder: &std::path::Path,
    serving: &str,
    standby: &str,
) {
    let deaf = DIES.replace("sleep 0.4; exit 1", "exec sleep infinity");
    let mend = "rm -f /etc/systemd/system/dnsmasq.service.d/zz.conf; systemctl daemon-reload; systemctl reset-failed dnsmasq;
        systemctl restart dnsmasq; crm_resource --cleanup >/dev/null 2>&1; crm_resource --wait";
    let why = format!("dnsmasq.service on {standby} runs and does not serve");
    let look = "systemctl show -P MainPID dnsmasq; sha256sum /etc/dnsmasq.d/*";
    for number in 54..57 {
        site.changed(folder, &format!("[198.51.100.{number}]"), &format!("[198.51.100.{}]", number + 1));
        site.lab.exec(standby, &["sh", "-c", mend]);
        site.lab.sh(standby, &format!("{deaf}; systemctl restart dnsmasq"));
        let before = site.lab.sh(serving, look);
        if site.run("apply", &[&HOSTS[..], &["-y"]].concat()) == Some(1) && site.said.contains(&why) {
            assert_eq!(site.lab.sh(serving, look), before, "the head that serves was touched");
            return;
        }
    }
    panic!("never seen: {why}: {}", site.said);
}
