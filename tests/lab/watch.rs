//! The watcher on real daemons: the engine is told once of what failed, and of nothing that was planned.

use super::harness::{Turn, haoscar, is_root, text, until};
use super::whole_way::Site;

impl Site {
    /// Failures of a resource that the engine counts on head-1.
    fn count(&self, resource: &str) -> String {
        let ask = format!("crm_failcount -G -r {resource} -N head-1 | sed 's/.*value=//'");
        self.lab.sh("head-1", &ask)
    }

    /// What the watchers of both heads told the engine of processes.
    fn told(&self) -> Vec<String> {
        let ask = "journalctl -u haoscar-watch -o cat | grep 'the engine knows' || true";
        let said = ["head-1", "head-2"].map(|head| self.lab.sh(head, ask));
        said.iter().flat_map(|text| text.lines()).map(str::to_owned).collect()
    }

    fn main_pid(&self, unit: &str) -> String {
        self.lab.sh("head-1", &format!("systemctl show -p MainPID --value {unit}"))
    }

    fn kill_main(&self, unit: &str) {
        let before = self.main_pid(unit);
        self.lab.sh("head-1", &format!("kill -9 {before}"));
        until("it runs again", || ![before.as_str(), "0"].contains(&self.main_pid(unit).as_str()));
    }

    fn cable(&self, heads: &[&str], heal: &[&str]) {
        for head in heads {
            let pull = ["lab", "fault", "link", head, "--network", "public", "--name", &self.lab.name];
            let done = haoscar(&[&pull[..], heal].concat());
            assert!(done.status.success(), "{}", text(&done));
        }
    }
}

#[test]
fn the_engine_is_told_once_of_what_failed_and_of_nothing_that_was_planned() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::fresh("test-watch", "ha-oscar-2004", "head-1,head-2,arbiter,compute1");
    let hosts = ["--on", "head-1,head-2,arbiter,compute1"];
    site.good("apply", &[&hosts[..], &["--adopt", "-y"]].concat());
    assert_eq!(site.carrier(), "head-1");

    planned_stops_are_not_told(&site);
    killed_processes_are_told_once(&site);
    a_dead_watcher_costs_speed_only(&site);
    a_lost_link_moves_the_group_unless_all_have_lost_it(&site);
    a_storage_that_is_read_only_moves_the_group(&site);
    site.good("plan", &[&hosts[..], &["--detailed-exitcode"]].concat());
}

/// By the engine, by systemd and by moves; more of them run in `benches/watch.sh`.
fn planned_stops_are_not_told(site: &Site) {
    let planned = "
        for i in 1 2 3 4; do crm_resource --restart --resource control-dhcp --timeout 30 || exit 1; done
        for i in 1 2 3 4 5 6; do systemctl reset-failed dnsmasq chrony; systemctl restart dnsmasq chrony || exit 1; done
        for head in head-2 head-1 head-2 head-1; do
            crm_resource --move --resource control-address-inside --node $head || exit 1
            crm_resource --wait
            crm_resource --clear --resource control-address-inside
            crm_resource --wait
        done";
    site.lab.sh("head-1", &format!("({planned}) >/dev/null 2>&1"));
    assert_eq!(site.told(), Vec::<String>::new());
    for resource in ["control-dhcp", "control-boot", "control-time", "control-home", "control-scheduler"] {
        assert_eq!(site.count(resource), "0", "{resource}");
    }
    assert_eq!(site.carrier(), "head-1");
}

fn killed_processes_are_told_once(site: &Site) {
    let (unit, resource) = ("kea-dhcp4-server", "control-dhcp");
    site.kill_main(unit);
    until("the engine is told", || site.told().len() == 1);
    std::thread::sleep(std::time::Duration::from_secs(1)); // the count is put right within 0.6 s
    // the engine's own monitor may find it too, in the same instant
    assert!(["1", "2"].contains(&site.count(resource).as_str()), "{}", site.count(resource));
    assert!(site.told()[0].contains(resource), "{:?}", site.told());
    site.lab.sh("head-1", "crm_resource --cleanup >/dev/null 2>&1");
    a_unit_without_state_is_started_again_by_systemd_until_it_loops(site);
}

fn a_unit_without_state_is_started_again_by_systemd_until_it_loops(site: &Site) {
    site.lab.sh("head-1", "systemctl reset-failed dnsmasq");
    site.kill_main("dnsmasq");
    std::thread::sleep(std::time::Duration::from_secs(1)); // the watcher and the engine had time to see it
    assert_eq!(site.told().len(), 1, "systemd has mended it");
    assert_eq!((site.count("control-boot").as_str(), site.carrier().as_str()), ("0", "head-1"));
    let kills = "for i in $(seq 20); do
        pid=$(systemctl show -p MainPID --value dnsmasq); [ $pid = 0 ] || kill -9 $pid; sleep 0.1
        journalctl -u haoscar-watch -o cat | grep -q 'control-boot\\|control-names' && exit 0; done";
    site.lab.sh("head-1", kills);
    until("the engine is told of a loop", || site.told().len() > 1);
    until("it runs again", || !["0", ""].contains(&site.main_pid("dnsmasq").as_str()));
    site.lab.sh("head-1", "systemctl reset-failed dnsmasq; crm_resource --cleanup >/dev/null 2>&1");
}

fn a_dead_watcher_costs_speed_only(site: &Site) {
    site.lab.sh("head-1", "systemctl stop haoscar-watch");
    let told = site.told().len();
    site.kill_main("kea-dhcp4-server");
    assert_eq!(site.told().len(), told, "the engine found it by itself");
    site.lab.sh("head-1", "systemctl start haoscar-watch; crm_resource --cleanup >/dev/null 2>&1");
}

fn a_lost_link_moves_the_group_unless_all_have_lost_it(site: &Site) {
    site.cable(&["head-1"], &[]);
    until("the group has moved", || site.carrier() == "head-2");
    site.cable(&["head-2"], &[]);
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(site.carrier(), "head-2", "equal loss moves nothing");
    site.cable(&["head-1"], &["--heal"]);
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(site.carrier(), "head-2", "a cable counts when it has been in for 10 s");
    until("the group goes where the network is", || site.carrier() == "head-1");
    site.cable(&["head-2"], &["--heal"]);
    until("nothing is lost", || !site.lab.sh("head-1", "crm_mon -1A").contains("haoscar-link-public"));
    site.cable(&["head-1"], &[]);
    until("the group has moved again", || site.carrier() == "head-2");
    site.cable(&["head-1"], &["--heal"]);
    until("nothing is lost again", || !site.lab.sh("head-1", "crm_mon -1A").contains("haoscar-link-public"));
    site.cable(&["head-2"], &[]);
    until("the group has moved back", || site.carrier() == "head-1");
    site.cable(&["head-2"], &["--heal"]);
    until("nothing is lost at last", || {
        !site.lab.sh("head-1", "crm_mon -1A").contains("haoscar-link-public")
    });
}

fn a_storage_that_is_read_only_moves_the_group(site: &Site) {
    site.lab.sh("head-1", "mount --bind /srv/state /srv/state; mount -o remount,bind,ro /srv/state");
    until("the group has moved", || site.carrier() == "head-2");
    site.lab.sh("head-1", "umount -l /srv/state");
    until("nothing is lost", || !site.lab.sh("head-1", "crm_mon -1A").contains("haoscar-storage-state"));
    assert_eq!(site.carrier(), "head-2", "a storage that is back takes nothing back");
}
