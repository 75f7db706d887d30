//! A change that waits for its confirmation: it goes back by itself, also after a reboot, or stays when it is confirmed.

use super::harness::{Turn, haoscar, is_root, text, until};
use super::whole_way::Site;

impl Site {
    fn confirm(&self) -> String {
        let said = haoscar(&["confirm", "--spec", &self.spec, "--via", &format!("lab:{}", self.lab.name)]);
        assert!(said.status.success(), "{}", text(&said));
        text(&said)
    }

    fn head(&self, script: &str) -> String {
        text(&self.lab.exec("head-1", &["sh", "-c", script])).trim().to_owned()
    }
}

const OBJECTS: &str = "cibadmin -Q -o resources | grep -o 'id=\"[^\"]*\"' | sort";

/// A service of the site's own, so that files, units and the engine's configuration change.
fn with_portal(site: &mut Site, folder: &std::path::Path) {
    site.lab.sh(
        "head-1",
        "printf '[Service]\\nExecStart=/bin/sleep inf\\n' > /etc/systemd/system/portal.service && systemctl daemon-reload",
    );
    site.changed(
        folder,
        "services: [names, time]",
        "services: [names, time, portal]\n\nstorage: { state: { kind: mounted, path: /srv/state } }",
    );
    site.changed(
        folder,
        "  time: {}",
        "  time: { servers: [new.example] }\n  portal: { kind: unit, unit: portal.service }",
    );
}

#[test]
fn what_nobody_confirms_goes_back_with_files_units_and_engine() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::fresh("test-confirm", "minimal", "");
    site.good("apply", &["--adopt", "-y"]);
    let (first, chrony) = (site.spec.clone(), site.head("cat /etc/chrony/chrony.conf"));
    let objects = site.lab.sh("head-1", OBJECTS);
    with_portal(&mut site, folder.path());

    site.good("apply", &["-y", "--confirm-within", "15s"]);
    assert!(site.said.contains("unless you confirm it"), "{}", site.said);
    assert!(site.head("cat /etc/chrony/chrony.conf").contains("new.example"));
    assert_eq!(site.head("systemctl is-active portal"), "active");
    assert_eq!(site.run("apply", &["-y"]), Some(0), "nothing to do is no second change: {}", site.said);
    until("the old file is back", || site.head("cat /etc/chrony/chrony.conf") == chrony);
    until("the engine has its old resources", || site.head(OBJECTS) == objects);
    until("the portal is gone", || site.head("systemctl is-active portal") == "inactive");
    site.spec = first;
    until("all is as the first spec says", || site.run("plan", &["--detailed-exitcode"]) == Some(0));
    site.said.clear();
    assert_eq!(site.run("status", &[]), Some(0), "{}", site.said);
    assert!(site.said.contains("was not confirmed and has been put back"), "{}", site.said);
}

#[test]
fn what_nobody_confirms_goes_back_though_the_head_lost_power_meanwhile() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::fresh("test-confirm-cut", "minimal", "");
    site.good("apply", &["--adopt", "-y"]);
    let (first, chrony) = (site.spec.clone(), site.head("cat /etc/chrony/chrony.conf"));
    let objects = site.lab.sh("head-1", OBJECTS);
    with_portal(&mut site, folder.path());
    site.good("apply", &["-y", "--confirm-within", "40s"]);
    let name = site.lab.name.clone();
    site.lab.good(&["fault", "power", "--name", &name, "head-1"]);
    site.lab.good(&["boot", "--name", &name, "head-1"]);
    assert!(site.head("cat /etc/chrony/chrony.conf").contains("new.example"), "before its time");
    std::thread::sleep(std::time::Duration::from_secs(20));
    until("the old file is back", || site.head("cat /etc/chrony/chrony.conf") == chrony);
    until("the engine has its old resources", || site.head(OBJECTS) == objects);
    site.spec = first;
    until("all is as the first spec says", || site.run("plan", &["--detailed-exitcode"]) == Some(0));
}

#[test]
fn what_is_confirmed_stays() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::fresh("test-confirmed", "minimal", "");
    site.good("apply", &["--adopt", "-y"]);
    with_portal(&mut site, folder.path());
    site.good("apply", &["-y", "--confirm-within", "10s"]);
    assert!(site.confirm().contains("confirmed on head-1"));
    assert!(site.confirm().contains("nothing waits"));
    std::thread::sleep(std::time::Duration::from_secs(14));
    assert!(site.head("cat /etc/chrony/chrony.conf").contains("new.example"));
    site.good("plan", &["--detailed-exitcode"]);
}
