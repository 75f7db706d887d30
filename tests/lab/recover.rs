//! An apply that a power cut has cut short: at its next boot the head is wholly old or wholly new before its engine
//! starts, or the engine does not start, and `status` says which.

use super::harness::{Turn, is_root, program, text, until};
use super::whole_way::Site;

impl Site {
    /// Starts an apply and cuts the head's power once `there` succeeds on it.
    fn cut_in_apply(&mut self, there: &str) {
        let via = format!("lab:{}", self.lab.name);
        let mut apply = program(&["apply", &self.spec, "--via", &via, "--adopt", "-y"]);
        let mut apply =
            apply.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        until("the apply is in the middle", || {
            self.lab.exec("head-1", &["sh", "-c", there]).status.success()
        });
        self.lab.good(&["fault", "power", "--name", &self.lab.name, "head-1"]);
        assert!(!apply.wait().unwrap().success(), "an apply that lost its head has not done its work");
    }

    fn boot(&self) {
        self.lab.good(&["boot", "--name", &self.lab.name, "head-1"]);
    }

    fn status_soon(&mut self, says: &str) {
        let mut said = String::new();
        until(says, || {
            self.said.clear();
            self.run("status", &[]);
            said.clone_from(&self.said);
            said.contains(says)
        });
    }
}

/// Every file, folder and link of /etc with its sum, but for what systemd and haoscar's own store keep there.
pub const ETC: &str = "cd /etc && find . -path ./haoscar -prune -o \\( -type l -printf '%p -> %l\\n' \\) -o \
                   \\( -type f -exec md5sum {} + \\) | sort";

#[test]
fn a_head_that_lost_power_in_an_apply_has_its_old_files_back_before_its_engine_starts() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::fresh("test-cut", "minimal", "");
    site.good("apply", &["--adopt", "-y"]);
    let before = site.lab.sh("head-1", "cat /etc/chrony/chrony.conf");
    let slow = "mkdir -p /etc/systemd/system/chrony.service.d && cd /etc/systemd/system/chrony.service.d && \
                printf '[Service]\\nExecStartPre=/bin/sh -c \"! grep -q new.example /etc/chrony/chrony.conf || sleep 60\"\\n' > slow.conf && \
                systemctl daemon-reload";
    site.lab.sh("head-1", slow);
    site.changed(folder.path(), "time: {}", "time: { servers: [new.example] }");
    site.cut_in_apply("grep -q new.example /etc/chrony/chrony.conf");
    site.boot();
    site.status_soon("was cut short and has been put back");
    assert_eq!(site.lab.sh("head-1", "cat /etc/chrony/chrony.conf"), before);
    let order = "recovered=$(systemctl show -P ActiveEnterTimestampMonotonic haoscar-recover) && \
                 engine=$(systemctl show -P ExecMainStartTimestampMonotonic corosync) && \
                 test $recovered -gt 0 && test $recovered -lt $engine";
    until("the engine has started after the recovery", || {
        site.lab.exec("head-1", &["sh", "-c", order]).status.success()
    });
    site.lab.sh("head-1", "rm /etc/systemd/system/chrony.service.d/slow.conf && systemctl daemon-reload");
    site.good("apply", &["-y"]);
    site.said.clear();
    site.run("status", &[]);
    assert!(!site.said.contains("cut short"), "told after the next commit: {}", site.said);
}

#[test]
fn a_head_that_lost_power_in_its_first_apply_is_as_if_nobody_had_touched_it() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::fresh("test-first-cut", "minimal", "");
    let slow = "mkdir -p /etc/systemd/system/haoscar-watch.service.d && cd /etc/systemd/system/haoscar-watch.service.d && \
                printf '[Service]\\nExecStartPre=sleep 60\\n' > slow.conf";
    site.lab.sh("head-1", slow);
    let before = site.lab.sh("head-1", ETC);
    site.cut_in_apply("systemctl is-active haoscar-watch | grep -q activating");
    site.boot();
    site.status_soon("was cut short and has been put back");
    assert_eq!(site.lab.sh("head-1", ETC), before);
    let left = site.lab.exec("head-1", &["systemctl", "is-active", "corosync", "pacemaker", "haoscar-watch"]);
    assert_eq!(text(&left).trim(), "inactive\ninactive\ninactive");
    site.lab
        .sh("head-1", "rm /etc/systemd/system/haoscar-watch.service.d/slow.conf && systemctl daemon-reload");
    site.good("apply", &["--adopt", "-y"]);
}

#[test]
fn a_head_whose_journal_cannot_be_followed_does_not_start_its_engine_and_says_why() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::fresh("test-stuck", "minimal", "");
    site.good("apply", &["--adopt", "-y"]);
    site.lab.sh("head-1", "echo '{ half' > /var/lib/haoscar/journal.json");
    site.lab.good(&["fault", "power", "--name", &site.lab.name, "head-1"]);
    site.boot();
    until("systemd has done what it can", || {
        let said = site.lab.exec("head-1", &["systemctl", "is-system-running"]);
        ["degraded", "running"].contains(&text(&said).trim())
    });
    let engine = site.lab.exec("head-1", &["systemctl", "is-active", "corosync", "pacemaker"]);
    assert!(!text(&engine).lines().any(|state| state == "active"), "{}", text(&engine));
    site.said.clear();
    assert_eq!(site.run("status", &[]), Some(1));
    assert!(
        site.said.contains("so the engine is not started: /var/lib/haoscar/journal.json"),
        "{}",
        site.said
    );
    let again =
        "rm /var/lib/haoscar/journal.json && systemctl restart haoscar-recover && systemctl start pacemaker";
    site.lab.sh("head-1", again);
    site.status_soon("cluster tiny is well");
}
