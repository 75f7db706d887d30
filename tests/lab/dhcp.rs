//! DHCP: real clients of IPv4 and IPv6, a power cut, and a change of the backend there and back that keeps the leases.

use std::process::Command;

use super::harness::{Turn, haoscar, is_root, text, until};
use super::whole_way::Site;

const LEASES: &str = "cat /srv/state/dhcp/dnsmasq.leases";

impl Site {
    /// A machine that no spec knows, a card of its own on node1's cable, asks for an address. What it got.
    pub(super) fn stranger(&self, number: u8) -> String {
        let script = format!(
            "ip link add mv{number} link eno1 address 02:00:00:00:00:0{number} type macvlan mode bridge 2>/dev/null; ip link set mv{number} up;
             timeout 20 dhclient -1 -q mv{number} -lf /tmp/l{number} -pf /tmp/p{number} >/dev/null 2>&1;
             grep fixed-address /tmp/l{number} | tail -1 | tr -d ' ;' | sed 's/fixed-address//'; pkill -F /tmp/p{number}; true"
        );
        self.lab.sh("node1", &script)
    }

    /// compute1 asks by DHCPv6, as if for the first time but with the DUID that it had (a reserved address is another's while another DUID
    /// has it): the address that it is given, and by whom.
    fn asked_by_6(&self) -> String {
        let script = r"rm -f /tmp/six; timeout 20 dhclient -6 -1 -q -D LL eno1 -sf /bin/true -lf /tmp/six -pf /tmp/six.pid >/dev/null 2>&1;
            pkill -F /tmp/six.pid; sed -n 's/.*iaaddr \(.*\) {/\1/p; s/.*option dhcp6.server-id \(.*\);/by \1/p' /tmp/six | sort -u | tr '\n' ' '";
        self.lab.sh("compute1", script)
    }

    fn on_first(&self, script: &str) -> String {
        text(&self.lab.exec("head-1", &["sh", "-c", script])).trim().to_owned()
    }
}

#[test]
fn dnsmasq_gives_out_addresses_and_a_change_of_the_backend_keeps_them() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::fresh("test-dhcp", "dnsmasq", "head-1,head-2,node1");
    let dnsmasq = std::fs::read_to_string(&site.spec).unwrap();
    let own = folder.path().join("cluster.yaml");
    site.spec = own.to_str().unwrap().to_owned();
    std::fs::write(&own, &dnsmasq).unwrap();
    site.good("apply", &["--adopt", "-y"]);
    site.good("plan", &["--detailed-exitcode"]);
    until("node1 has the address that belongs to its MAC", || {
        text(&site.lab.exec("node1", &["ip", "-4", "-brief", "address", "show", "dev", "eno1"]))
            .contains("10.60.2.1/16")
    });
    let first = site.stranger(1);
    assert!(
        first.starts_with("10.60.250."),
        "{first}: {}",
        site.on_first("journalctl -u haoscar-dhcp | tail")
    );
    let who = site.lab.sh("node1", "grep -o 'server-identifier.*' /tmp/l1 | tail -1");
    assert_eq!(who, "server-identifier 10.60.0.10;", "the group's address, wherever it is");
    reservations_are_read_without_a_restart(&mut site, &dnsmasq);
    the_backend_changes_there_and_back(&mut site, &dnsmasq, &first);

    strangers_are_listed_and_named_in_order(&site, &folder.path().join("macs.csv"));

    site.lab.good(&["fault", "power", "--name", "test-dhcp", "head-1"]);
    until("head-2 carries the group", || site.carrier() == "head-2");
    until("and knows what head-1 has given out", || site.stranger(1) == first);
    assert!(site.lab.sh("head-2", LEASES).contains("52:54:00:60:01:01 10.60.2.1 node1"));
}

#[test]
fn an_ipv6_address_is_given_by_mac_and_again_by_the_same_server_on_another_head() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::fresh("test-ipv6", "ipv6", "head-1,head-2,arbiter,compute1");
    site.good("apply", &["--adopt", "-y"]);
    site.good("plan", &["--detailed-exitcode"]);
    let first = site.asked_by_6();
    assert!(
        first.starts_with("2001:db8:71::2:1 by "),
        "{first}: {}",
        site.on_first("journalctl -u kea-dhcp6-server | tail")
    );
    site.lab.good(&["fault", "power", "--name", "test-ipv6", "head-1"]);
    until("head-2 carries the group", || site.carrier() == "head-2");
    until("and gives the same address in the same name", || site.asked_by_6() == first);
}

fn reservations_are_read_without_a_restart(site: &mut Site, spec: &str) {
    let run = |site: &Site| site.on_first("systemctl show -P MainPID haoscar-dhcp");
    let before = run(site);
    std::fs::write(&site.spec, spec.replace("52:54:00:60:01:04", "02:00:00:00:00:04")).unwrap();
    site.good("apply", &["-y"]);
    assert_eq!(run(site), before, "dnsmasq was started anew");
    assert_eq!(site.stranger(4), "10.60.2.4");
}

fn the_backend_changes_there_and_back(site: &mut Site, spec: &str, first: &str) {
    std::fs::write(&site.spec, spec.replace("backend: dnsmasq", "backend: kea")).unwrap();
    site.good("apply", &["--adopt", "-y"]);
    assert_eq!(site.on_first("systemctl is-active haoscar-dhcp kea-dhcp4-server"), "inactive\nactive");
    let known = site.on_first("cat /srv/state/dhcp/kea-leases4.csv*"); // a newer Kea writes the file anew, and keeps this one beside it for a while
    assert!(known.contains(&format!("{first},02:00:00:00:00:01,")), "{known}");
    assert!(known.contains("10.60.2.1,52:54:00:60:01:01,"), "{known}");
    let second = site.stranger(2);
    assert!(second.starts_with("10.60.250.") && second != first, "{first} was given out twice");
    assert_eq!(site.stranger(1), first, "Kea knows who has it");

    std::fs::write(&site.spec, spec).unwrap();
    site.good("apply", &["--adopt", "-y"]);
    assert_eq!(site.on_first("systemctl is-active haoscar-dhcp kea-dhcp4-server"), "active\ninactive");
    let known = site.on_first(LEASES);
    for (mac, address) in [("02:00:00:00:00:01", first), ("02:00:00:00:00:02", second.as_str())] {
        assert!(known.contains(&format!(" {mac} {address} ")), "{mac} {address} is not in\n{known}");
    }
    assert_eq!(site.stranger(2), second);
    site.good("plan", &["--detailed-exitcode"]);
}

fn strangers_are_listed_and_named_in_order(site: &Site, list: &std::path::Path) {
    let macs = |more: &[&str]| {
        let said = haoscar(&[&["macs", "--spec", &site.spec, "--via", "lab:test-dhcp"], more].concat());
        assert!(said.status.success(), "{}", text(&said));
        text(&said)
    };
    let shown = macs(&[]);
    let line =
        |mac: &str| shown.lines().position(|line| line.starts_with(mac) && line.contains("(a virtual card)"));
    let order = [line("02:00:00:00:00:01"), line("02:00:00:00:00:02")];
    assert!(order.iter().all(Option::is_some), "{shown}");
    assert!(!shown.contains("52:54:00:60:01:01"), "node1 is no stranger: {shown}");
    std::fs::write(list, "name,mac\nnode1,52:54:00:60:01:01\n").unwrap();
    let folder = list.parent().unwrap();
    let git = |words: &str| {
        let output = Command::new("git").arg("-C").arg(folder).args(words.split(' ')).output().unwrap();
        assert!(output.status.success(), "git {words}: {}", text(&output));
        text(&output)
    };
    git("init -q");
    git("config user.name somebody");
    git("config user.email somebody@example.org");
    git("add .");
    let said = macs(&["--assign", "node[1-4]"]);
    assert!(said.contains("3 names of node[1-4] have a MAC in "), "{said}");
    assert!(said.contains("committed: macs.csv: 3 nodes of node[1-4] have a MAC"), "{said}");
    assert_eq!(
        git("show --name-only --format=%s").trim(),
        "macs.csv: 3 nodes of node[1-4] have a MAC\n\nmacs.csv"
    );
    let rows = std::fs::read_to_string(list).unwrap();
    let given: Vec<_> = rows.lines().skip(2).map(|row| row.split_once(',').unwrap()).collect();
    assert_eq!(
        given.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["node2", "node3", "node4"],
        "{rows}"
    );
    let asked: Vec<_> = shown.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(
        given.iter().map(|(_, mac)| *mac).collect::<Vec<_>>(),
        asked,
        "in the order in which they asked"
    );
    assert!(macs(&["--assign", "node[1-4]"]).contains("0 names of node[1-4]"), "once");
    std::fs::remove_file(list).unwrap();
}
