//! The loop of a head: what drifts is put back, at the right time, and by nobody's hand.

use super::harness::{Turn, haoscar, is_root, text, until};
use super::whole_way::Site;

const CHRONY: &str = "/etc/chrony/chrony.conf";

impl Site {
    fn on_head(&self, script: &str) -> String {
        text(&self.lab.exec("head-1", &["sh", "-c", script])).trim().to_owned()
    }

    fn sum(&self) -> String {
        self.on_head(&format!("sha256sum < {CHRONY}; stat -c '%a %U' {CHRONY}"))
    }

    /// What the loop said of itself last.
    fn cycle(&self) -> String {
        self.on_head("cat /run/haoscar/cycle.json")
    }

    /// The loop looks now, and says this.
    fn looked(&self, sentence: &str) {
        self.on_head("systemctl reload haoscar");
        let mut said = Vec::new();
        for _ in 0..100 {
            said.push(self.cycle());
            if said.last().is_some_and(|cycle| cycle.contains(sentence)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        said.dedup();
        panic!("not said: {sentence}: {said:#?}");
    }

    fn events(&self) -> String {
        let said = haoscar(&[
            "events",
            "--spec",
            &self.spec,
            "--via",
            &format!("lab:{}", self.lab.name),
            "--last",
            "100",
        ]);
        assert!(said.status.success(), "{}", text(&said));
        text(&said)
    }
}

#[test]
fn what_drifts_on_a_head_is_put_back_by_its_loop_when_nothing_speaks_against_it() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::fresh("test-heal", "minimal", "");
    site.good("apply", &["--adopt", "-y"]);
    until("the loop runs and is content", || site.cycle().contains("\"in_step\""));
    a_cable_that_is_pulled_wakes_it(&site);
    files_and_units_come_back_and_the_edit_is_kept(&mut site);
    a_pause_holds_the_loop(&mut site);
    the_loop_changes_nothing_by_dying(&site);
    what_was_put_out_and_is_not_accepted_is_left(&mut site);
    what_nobody_confirmed_stays_back(&mut site, folder.path());
    a_policy_that_asks_is_accepted_and_followed(&mut site, folder.path());
    who_edits_again_and_again_is_not_fought(&site);
}

/// It would look each five minutes else.
fn a_cable_that_is_pulled_wakes_it(site: &Site) {
    let last = || site.on_head("stat -c %.Y /run/haoscar/cycle.json");
    until("it is at rest", || {
        let before = last();
        std::thread::sleep(std::time::Duration::from_secs(3));
        last() == before
    });
    let before = last();
    site.on_head("ip link add other type veth && ip link set other up && ip link del other");
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(last(), before, "a card of somebody else's is no matter");
    site.on_head("ip link set eno1 down; sleep 0.5; ip link set eno1 up");
    until("it looks", || last() != before);
}

fn files_and_units_come_back_and_the_edit_is_kept(site: &mut Site) {
    let good = site.sum();
    let main = site.on_head("systemctl show -P MainPID dnsmasq");
    site.on_head(&format!("echo 'maxupdateskew 50 # by hand' >> {CHRONY}"));
    until("the edit is put back", || site.sum() == good);
    site.on_head(&format!("rm {CHRONY}"));
    until("the file is there again", || site.sum() == good);
    site.on_head(&format!("chmod 666 {CHRONY}"));
    until("its mode is back", || site.sum() == good);
    site.on_head("systemctl stop haoscar-watch; systemctl disable haoscar-watch");
    until("the watcher runs and is enabled", || {
        site.on_head("systemctl is-active haoscar-watch; systemctl is-enabled haoscar-watch")
            == "active\nenabled"
    });
    site.on_head("echo log-queries >> /etc/dnsmasq.d/haoscar-names.conf");
    until("the names are put back", || {
        !site.on_head("cat /etc/dnsmasq.d/haoscar-names.conf").contains("log-queries")
    });
    assert_eq!(site.on_head("systemctl show -P MainPID dnsmasq"), main, "it had not read the edit");
    let chrony = "systemctl show -P MainPID chrony";
    let main = site.on_head(chrony);
    site.on_head(&format!("echo '# a remark by hand' >> {CHRONY}"));
    until("the remark is gone", || site.sum() == good);
    assert_eq!(site.on_head(chrony), main, "comments are no reason for a restart");
    until("all is in step", || site.cycle().contains("\"in_step\""));
    site.good("plan", &["--detailed-exitcode"]);
    site.good("status", &[]);
    let via = format!("lab:{}", site.lab.name);
    let edits = text(&haoscar(&["history", "--edits", "--spec", &site.spec, "--via", &via]));
    assert!(edits.contains(&format!("head-1: {CHRONY} was edited by hand")), "{edits}");
    let events = site.events();
    for object in [CHRONY, "haoscar-watch.service", "/etc/dnsmasq.d/haoscar-names.conf"] {
        let told = events.lines().any(|line| line.contains("healed") && line.contains(object));
        assert!(told, "{object}: {events}");
    }
    let journal =
        "journalctl -o json SYSLOG_IDENTIFIER=haoscar HAOSCAR_REASON=healed | grep -c 'HAOSCAR_GENERATION'";
    assert!(site.on_head(journal).parse::<usize>().unwrap() >= 3);
    let metrics = site.on_head("curl -s --unix-socket /run/haoscar/metrics.sock http://localhost/metrics");
    for line in ["haoscar_run_in_step 1", "haoscar_run_leads 1", "haoscar_run_generation 1"] {
        assert!(metrics.lines().any(|said| said == line), "{line}: {metrics}");
    }
    assert!(!metrics.contains("haoscar_run_healed_objects 0"), "{metrics}");
}

fn a_pause_holds_the_loop(site: &mut Site) {
    let good = site.sum();
    let via = format!("lab:{}", site.lab.name);
    let pause = |words: &[&str]| {
        let said = haoscar(&[words, &["--spec", &site.spec, "--via", &via]].concat());
        assert!(said.status.success(), "{}", text(&said));
    };
    pause(&["pause", "--for", "2h", "-y"]);
    site.on_head(&format!("echo '# by hand' >> {CHRONY}"));
    until("it waits and says why", || site.cycle().contains("the engine is paused"));
    assert!(site.sum() != good, "healed during a pause");
    assert_eq!(site.run("status", &[]), Some(1), "{}", site.said);
    assert!(site.said.contains("the engine is paused"), "{}", site.said);
    let resume = haoscar(&["resume", "--spec", &site.spec, "--via", &via]);
    assert!(resume.status.success(), "{}", text(&resume));
    until("the edit is put back after the pause", || site.sum() == good);
}

fn the_loop_changes_nothing_by_dying(site: &Site) {
    let pids = "systemctl show -P MainPID dnsmasq chrony pacemaker corosync haoscar-watch";
    let (before, objects) = (site.on_head(pids), site.on_head("cibadmin -Q -o configuration | sha256sum"));
    let main = site.on_head("systemctl show -P MainPID haoscar");
    site.on_head("systemctl kill -s KILL haoscar");
    until("another loop runs", || {
        let now = site.on_head("systemctl show -P MainPID haoscar");
        now != "0" && now != main && site.cycle().contains("\"in_step\"")
    });
    site.on_head("systemctl stop haoscar; systemctl start haoscar");
    assert_eq!(site.on_head(pids), before);
    assert_eq!(site.on_head("cibadmin -Q -o configuration | sha256sum"), objects);
}

/// An apply that was killed before the end leaves new files; the loop does not take them for drift.
fn what_was_put_out_and_is_not_accepted_is_left(site: &mut Site) {
    let good = site.sum();
    let seen: u64 = site.on_head("cat /var/lib/haoscar/generation").parse().unwrap();
    site.on_head(&format!("echo {} > /var/lib/haoscar/generation", seen + 1));
    site.on_head(&format!("echo '# of the next generation' >> {CHRONY}"));
    site.looked("is not accepted");
    assert!(site.sum() != good, "the old generation was healed over the new");
    site.good("apply", &["-y"]);
    until("it is accepted", || site.cycle().contains("\"in_step\""));
    assert_eq!(site.sum(), good);
}

fn what_nobody_confirmed_stays_back(site: &mut Site, folder: &std::path::Path) {
    let (first, good) = (site.spec.clone(), site.sum());
    site.changed(folder, "  time: {}", "  time: { servers: [new.example] }");
    site.good("apply", &["-y", "--confirm-within", "10s"]);
    site.looked("unless it is confirmed");
    assert!(site.sum() != good);
    until("it goes back by itself", || site.sum() == good);
    site.looked("\"in_step\"");
    assert_eq!(site.sum(), good);
    site.spec = first;
    site.good("apply", &["-y"]);
    site.looked("\"in_step\"");
}

/// Another policy changes no file, and is a generation all the same.
fn a_policy_that_asks_is_accepted_and_followed(site: &mut Site, folder: &std::path::Path) {
    let (first, good) = (site.spec.clone(), site.sum());
    site.changed(folder, "  time: {}", "  time: {}\npolicy: { heal: ask }");
    site.good("apply", &["-y"]);
    site.on_head(&format!("echo '# by hand' >> {CHRONY}"));
    site.looked("policy.heal is ask");
    assert!(site.sum() != good);
    site.spec = first;
    site.good("apply", &["-y"]);
    assert_eq!(site.sum(), good);
}

fn who_edits_again_and_again_is_not_fought(site: &Site) {
    for time in 0..9 {
        site.on_head(&format!("echo '# {time}' >> {CHRONY}"));
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    until("it is left to a person", || site.cycle().contains("somebody else writes it"));
    assert!(site.on_head(&format!("cat {CHRONY}")).contains("# 8"));
    assert!(site.events().contains("somebody else writes it"));
}
