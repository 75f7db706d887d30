//! What does not work is taken back, and what served goes on: units and files on a host, resources in the engine.

use super::harness::{Turn, is_root, until};
use super::whole_way::Site;

impl Site {
    /// From now on the spec with `old` replaced by `new`; kept beside the lab's own files for as long as it runs.
    pub fn changed(&mut self, folder: &std::path::Path, old: &str, new: &str) {
        let text = std::fs::read_to_string(&self.spec).unwrap();
        assert!(text.contains(old));
        let path = folder.join("cluster.yaml");
        std::fs::write(&path, text.replace(old, new)).unwrap();
        self.spec = path.to_str().unwrap().to_owned();
    }
}

#[test]
fn a_unit_that_dies_of_its_new_configuration_runs_with_the_old_one_again() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::fresh("test-unit-back", "minimal", "");
    site.good("apply", &["--adopt", "-y"]);
    let picky = "mkdir -p /etc/systemd/system/chrony.service.d && cd /etc/systemd/system/chrony.service.d && \
                 printf '[Service]\\nExecStartPre=/bin/sh -c \"! grep -q bad.example /etc/chrony/chrony.conf\"\\n' > picky.conf && \
                 systemctl daemon-reload";
    site.lab.sh("head-1", picky);
    let before = site.lab.sh("head-1", "cat /etc/chrony/chrony.conf");
    site.changed(folder.path(), "time: {}", "time: { servers: [bad.example] }");
    assert_eq!(site.run("apply", &["-y"]), Some(1), "{}", site.said);
    assert!(site.said.contains("reverting every host"), "{}", site.said);
    assert_eq!(site.lab.sh("head-1", "cat /etc/chrony/chrony.conf"), before);
    // the engine may have seen it dead meanwhile, and starts it once more
    let state = || site.lab.exec("head-1", &["systemctl", "is-active", "chrony"]).stdout;
    until("chrony runs with the old file again", || state() == b"active\n");
}

#[test]
fn a_service_that_moves_and_dies_of_its_new_configuration_serves_with_the_old_one_again() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::fresh("test-moving-back", "two-node", "head-1,head-2");
    let hosts = ["--on", "head-1,head-2"];
    site.good("apply", &[&hosts[..], &["--adopt", "-y"]].concat());
    let picky = "mkdir -p /etc/systemd/system/nfs-ganesha.service.d && cd /etc/systemd/system/nfs-ganesha.service.d && \
                 printf '[Service]\\nExecStartPre=/bin/sh -c \"! grep -q Grace_Period.*=.*23 /etc/ganesha/ganesha.conf\"\\n' > picky.conf && \
                 systemctl daemon-reload";
    let files = "sha256sum /etc/ganesha/ganesha.conf /etc/chrony/chrony.conf";
    let before = ["head-1", "head-2"].map(|head| {
        site.lab.sh(head, picky);
        site.lab.sh(head, files)
    });
    let first = site.spec.clone();
    site.changed(folder.path(), "kind: nfs", "kind: nfs\n    grace: 23s");
    assert_eq!(site.run("apply", &[&hosts[..], &["-y"]].concat()), Some(1), "{}", site.said);
    assert!(site.said.contains("putting back what was committed"), "{}", site.said);
    assert_eq!(["head-1", "head-2"].map(|head| site.lab.sh(head, files)), before);
    let carrier = site.carrier();
    assert_eq!(site.lab.sh(&carrier, "systemctl is-active nfs-ganesha"), "active");
    site.spec = first;
    site.good("plan", &[&hosts[..], &["--detailed-exitcode"]].concat());
    let loops = site
        .lab
        .sh(&carrier, "haoscar status --via head 2>&1; systemctl list-timers 'haoscar-unc*' --no-legend");
    assert!(
        !loops.contains("confirm") && !loops.contains("haoscar-unconfirmed"),
        "nothing waits any more: {loops}"
    );
    what_had_failed_is_tried_with_what_mends_it(&mut site, folder.path(), &hosts);
}

/// The engine has given it up, on both heads.
fn what_had_failed_is_tried_with_what_mends_it(site: &mut Site, folder: &std::path::Path, hosts: &[&str]) {
    let picky = "cd /etc/systemd/system/nfs-ganesha.service.d && sed -i 's/Grace_Period.*=.*23/Grace_Period.*=.*10/' picky.conf && \
                 systemctl daemon-reload";
    for head in ["head-1", "head-2"] {
        site.lab.sh(head, picky);
    }
    let carrier = site.carrier();
    site.lab.sh(&carrier, "systemctl kill -s KILL nfs-ganesha");
    until("the engine has given it up", || {
        let seen = site.lab.sh(&carrier, "crm_mon -1 -r -f");
        let stopped = |line: &str| line.contains("control-home") && line.contains("Stopped");
        seen.lines().any(stopped) && seen.matches("control-home: migration").count() == 2
    });
    site.changed(folder, "kind: nfs", "kind: nfs\n    grace: 12s");
    site.good("apply", &[hosts, &["-y"]].concat());
    assert!(site.said.contains("control-home had failed on every head, and is tried anew"), "{}", site.said);
    let carrier = site.carrier();
    assert_eq!(site.lab.sh(&carrier, "systemctl is-active nfs-ganesha"), "active");
}

#[test]
fn a_service_that_does_not_start_is_taken_out_of_the_engine_again() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::fresh("test-cib-back", "minimal", "");
    site.good("apply", &["--adopt", "-y"]);
    let broken = "printf '[Service]\\nExecStart=/bin/false\\n' > /etc/systemd/system/broken.service && systemctl daemon-reload";
    site.lab.sh("head-1", broken);
    let objects = "cibadmin -Q -o resources | grep -o 'id=\"[^\"]*\"' | sort";
    let before = site.lab.sh("head-1", objects);
    site.changed(
        folder.path(),
        "services: [names, time]",
        "services: [names, time, portal]\n\nstorage: { state: { kind: mounted, path: /srv/state } }",
    );
    site.changed(folder.path(), "  time: {}", "  time: {}\n  portal: { kind: unit, unit: broken.service }");
    assert_eq!(site.run("apply", &["-y"]), Some(1), "{}", site.said);
    assert!(site.said.contains("gets its old configuration back"), "{}", site.said);
    assert_eq!(site.lab.sh("head-1", objects), before);
    assert_eq!(site.lab.sh("head-1", "systemctl is-active dnsmasq chrony"), "active\nactive");
    let dropped =
        site.lab.exec("head-1", &["test", "-e", "/etc/systemd/system/broken.service.d/haoscar-engine.conf"]);
    assert!(!dropped.status.success(), "its files have gone back too");
    assert_eq!(site.run("plan", &["--detailed-exitcode"]), Some(2), "what is still wanted is still planned");
}
