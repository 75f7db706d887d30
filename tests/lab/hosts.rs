//! What a lab host is: a machine of its own, with its NICs, its disk and its power switch.

use super::harness::{TestLab, Turn, haoscar, is_root, text, until};

#[test]
fn a_host_is_systemd_in_namespaces_of_its_own_and_exec_runs_inside() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let lab = TestLab::up("test-hosts", "head-1,compute1");
    assert_eq!(lab.sh("head-1", "hostname; cat /proc/1/comm"), "head-1\nsystemd");
    assert_eq!(lab.exec("head-1", &["sh", "-c", "exit 7"]).status.code(), Some(7));
    let head = lab.sh("head-1", "ip -brief address show dev eno2; cat /sys/class/net/eno1/address");
    assert!(head.contains("10.20.0.1/16") && head.contains("52:54:00:20:00:01"), "{head}");
    let written = lab.exec("head-1", &["sh", "-c", "echo x >> /usr/sbin/haoscar"]);
    assert!(!written.status.success(), "a host can write to the program that it shares");
    assert_eq!(lab.sh("head-1", "cat /proc/sys/kernel/sysrq /proc/sysrq-trigger >/dev/null; echo o >/proc/sysrq-trigger; echo here"), "here");
    let node = lab.sh("compute1", "cat /sys/class/net/eno1/address; ip -4 -brief address show dev eno1");
    assert!(node.starts_with("52:54:00:20:01:01") && !node.contains("10.20."), "{node}");
    let daemons = lab.sh("head-1", "systemctl list-units --state=running --plain --no-legend '*.service'");
    assert!(
        !["corosync", "pacemaker", "kea", "chrony", "munge"].iter().any(|d| daemons.contains(d)),
        "{daemons}"
    );
}

#[test]
fn heads_reach_each_other_on_both_networks_until_a_cable_is_pulled() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let lab = TestLab::up("test-wires", "head-1,head-2");
    lab.sh("head-1", "ping -q -c1 -W2 192.0.2.12 && ping -q -c1 -W2 10.20.0.2");
    let link = |more: &[&str]| {
        let base = ["lab", "fault", "link", "--name", &lab.name, "head-2", "--network", "inside"];
        let said = haoscar(&[&base, more].concat());
        assert!(said.status.success(), "{}", text(&said));
    };
    link(&[]);
    assert!(!lab.exec("head-1", &["ping", "-q", "-c1", "-W1", "10.20.0.2"]).status.success());
    assert_eq!(lab.sh("head-2", "cat /sys/class/net/eno2/carrier"), "0");
    lab.sh("head-1", "ping -q -c1 -W2 192.0.2.12");
    for verb in [&["fault", "power"][..], &["boot"]] {
        let said = haoscar(&[&["lab"], verb, &["--name", &lab.name, "head-2"]].concat());
        assert!(said.status.success(), "{}", text(&said));
    }
    until("head-2 is back with its cable still out", || {
        let carrier =
            lab.exec("head-2", &["cat", "/sys/class/net/eno1/carrier", "/sys/class/net/eno2/carrier"]);
        text(&carrier).trim() == "1\n0"
    });
    link(&["--heal"]);
    lab.sh("head-1", "ping -q -c3 -i0.3 -W2 10.20.0.2");
}

#[test]
fn a_host_that_is_off_refuses_commands_and_finds_its_disk_again() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let lab = TestLab::up("test-power", "head-1,head-2");
    lab.sh("head-1", "echo kept >/etc/kept; echo kept >/srv/state/kept; echo lost >/run/lost");
    let cut = haoscar(&["lab", "fault", "power", "--name", &lab.name, "head-1"]);
    assert!(cut.status.success(), "{}", text(&cut));
    let refused = lab.exec("head-1", &["touch", "/etc/never"]);
    assert_eq!(refused.status.code(), Some(69), "{}", text(&refused));
    assert!(text(&refused).contains("host `head-1` of lab `test-power` is down"), "{}", text(&refused));
    assert!(!lab.exec("head-2", &["ping", "-q", "-c1", "-W1", "10.20.0.1"]).status.success());
    assert_eq!(lab.sh("head-2", "cat /srv/state/kept"), "kept");
    let boot = haoscar(&["lab", "boot", "--name", &lab.name, "head-1"]);
    assert!(boot.status.success(), "{}", text(&boot));
    assert_eq!(
        lab.sh("head-1", "cat /etc/kept /srv/state/kept; ls /run/lost 2>/dev/null || true"),
        "kept\nkept"
    );
    until("head-1 answers on its own address", || {
        lab.exec("head-2", &["ping", "-q", "-c1", "-W1", "10.20.0.1"]).status.success()
    });
}

#[test]
fn a_fenced_host_is_dead_when_the_agent_returns_and_comes_back_by_itself() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let lab = TestLab::up("test-fence", "head-1,head-2");
    let fence =
        |options: &str| lab.exec("head-1", &["sh", "-c", &format!("printf '{options}' | fence_haoscar")]);
    assert!(text(&fence("action=list\\n")).contains("head-2"));
    assert_eq!(fence("action=status\\nport=head-2\\n").status.code(), Some(0));
    let before = lab.sh("head-2", "stat -c %Y /run/systemd/system; cat /proc/1/stat | cut -d' ' -f22");
    let reboot = fence("action=reboot\\nport=head-2\\nnodename=head-2\\n");
    assert!(reboot.status.success(), "{}", text(&reboot));
    assert_eq!(fence("action=status\\nport=head-2\\n").status.code(), Some(2), "head-2 is still on");
    assert_eq!(lab.exec("head-2", &["true"]).status.code(), Some(69));
    until("head-2 is back", || lab.exec("head-2", &["true"]).status.success());
    let after = lab.sh("head-2", "stat -c %Y /run/systemd/system; cat /proc/1/stat | cut -d' ' -f22");
    assert_ne!(before, after, "head-2 was never off");
    assert!(fence("action=reboot\\nport=head-2\\n").status.success());
    let cut = haoscar(&["lab", "fault", "power", "--name", &lab.name, "head-2"]);
    assert!(cut.status.success(), "{}", text(&cut));
    std::thread::sleep(std::time::Duration::from_secs(6)); // the reboot would have switched it on after 4
    assert_eq!(
        fence("action=status\\nport=head-2\\n").status.code(),
        Some(2),
        "a cut host came back by itself"
    );
    let nobody = fence("action=off\\nport=head-9\\n");
    assert_eq!(nobody.status.code(), Some(1), "{}", text(&nobody));
}

#[test]
fn a_host_that_is_shut_down_stops_its_units_first_and_boots_again() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let lab = TestLab::up("test-off", "head-1");
    let unit = "[Service]\nExecStart=/bin/sleep infinity\nExecStop=/bin/sh -c 'echo well >/etc/stopped'\n";
    lab.sh("head-1", &format!("cat >/etc/systemd/system/last.service <<'X'\n{unit}X\nsystemctl start last"));
    lab.good(&["poweroff", "--name", &lab.name, "head-1"]);
    assert_eq!(lab.exec("head-1", &["true"]).status.code(), Some(69));
    let again = haoscar(&["lab", "poweroff", "--name", &lab.name, "head-1"]);
    assert_eq!(again.status.code(), Some(69), "{}", text(&again));
    lab.good(&["boot", "--name", &lab.name, "head-1"]);
    assert_eq!(lab.sh("head-1", "cat /etc/stopped"), "well");
}

#[test]
fn one_cable_or_all_of_them_are_out_until_they_are_put_back() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let lab = TestLab::up("test-cables", "head-1");
    let carriers = || lab.sh("head-1", "cat /sys/class/net/eno1/carrier /sys/class/net/eno2/carrier | xargs");
    lab.good(&["fault", "nic", "--name", &lab.name, "head-1", "eno1"]);
    assert_eq!(carriers(), "0 1");
    lab.good(&["fault", "links", "--name", &lab.name, "head-1"]);
    assert_eq!(carriers(), "0 0");
    let status = || text(&haoscar(&["lab", "status", &lab.name]));
    assert!(status().contains(", without cable: eno1, eno2"), "{}", status());
    lab.good(&["fault", "nic", "--name", &lab.name, "head-1", "eno2", "--heal"]);
    assert_eq!(carriers(), "0 1");
    lab.good(&["fault", "links", "--name", &lab.name, "head-1", "--heal"]);
    assert_eq!(carriers(), "1 1");
    assert!(!status().contains("without cable"), "{}", status());
    let none = haoscar(&["lab", "fault", "nic", "--name", &lab.name, "head-1", "eno9"]);
    assert_eq!(none.status.code(), Some(66));
    let expected = "host `head-1` has no NIC `eno9`: it has eno1 on public, eno2 on inside";
    assert!(text(&none).contains(expected), "{}", text(&none));
}

#[test]
fn a_unit_is_killed_as_by_a_crash() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let lab = TestLab::up("test-kill", "head-1");
    let unit = "[Service]\nExecStart=/bin/sleep infinity\n";
    lab.sh("head-1", &format!("cat >/etc/systemd/system/prey.service <<'X'\n{unit}X\nsystemctl start prey"));
    lab.good(&["fault", "kill", "--name", &lab.name, "head-1", "prey.service"]);
    until("systemd has seen the signal", || {
        lab.sh("head-1", "systemctl show -p Result --value prey") == "signal"
    });
    let none = haoscar(&["lab", "fault", "kill", "--name", &lab.name, "head-1", "nobody.service"]);
    assert_eq!(none.status.code(), Some(1), "{}", text(&none));
    assert!(text(&none).contains("unit `nobody.service` on host `head-1` was not killed"), "{}", text(&none));
}

#[test]
fn a_host_that_does_not_come_up_is_named_with_what_it_waits_for() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let lab = TestLab::up("test-hangs", "head-1");
    let unit = "[Unit]\nBefore=multi-user.target\n[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo I hang; sleep 600'\n\
                [Install]\nWantedBy=multi-user.target\n";
    lab.sh(
        "head-1",
        &format!("cat >/etc/systemd/system/hangs.service <<'X'\n{unit}X\nsystemctl enable hangs"),
    );
    lab.good(&["fault", "power", "--name", &lab.name, "head-1"]);
    lab.good(&["boot", "--name", &lab.name, "head-1"]);
    let begin = std::time::Instant::now();
    let within = std::time::Duration::from_secs(3);
    let said = haoscar::lab::await_running(&lab.name, "head-1", within).unwrap_err().to_string();
    assert!(begin.elapsed().as_secs() < 20, "the limit is none");
    assert!(said.starts_with("host `head-1` was not up within 3 s; it is starting"), "{said}");
    assert!(said.contains("hangs.service") && said.contains("I hang"), "{said}");
}
