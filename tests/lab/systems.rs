//! Other distributions on their own daemons: what differs there is known before anything is started. `HAOSCAR_SYSTEM=ubuntu-24`: that
//! one alone, as CI does with one of them a run.

use super::harness::{Turn, is_root, skipped, text, until};
use super::whole_way::Site;

/// Fresh heads of that spec serve, a power cut moves everything, a job goes on, and nothing is left to do.
fn goes_the_whole_way(spec: &str, kea: &str, pacemaker: &str) {
    if !is_root() {
        return;
    }
    if std::env::var("HAOSCAR_SYSTEM").is_ok_and(|only| only != spec) {
        return skipped(&format!("{spec} is not this run's distribution"));
    }
    let _turn = Turn::take();
    let mut site = Site::fresh(&format!("test-{spec}"), spec, "");
    let versions = site.lab.sh("head-1", "kea-dhcp4 -v; pacemakerd --version");
    assert!(versions.starts_with(kea), "{versions}");
    assert!(versions.contains(&format!("Pacemaker {pacemaker}")), "{versions}");

    site.good("apply", &["--adopt", "-y"]);
    site.good("plan", &["--detailed-exitcode"]);
    until("a node has the address that belongs to its MAC", || {
        let address = site.lab.exec("compute2", &["ip", "-4", "-brief", "address", "show", "dev", "eno1"]);
        text(&address).contains(".2.2/16")
    });
    until("both nodes are idle", || both_idle(&site));
    until("every service answers a client", || site.run("status", &[]) == Some(0));
    let folder = tempfile::tempdir().unwrap();
    nodes_hear_what_changes(&mut site, &folder.path().join("cluster.yaml"));

    let job = site.job("for i in $(seq 40); do sleep 1; done; echo finished");
    until("a job runs", || site.job_state(&job) == "JobState=RUNNING");
    std::thread::sleep(std::time::Duration::from_secs(12)); // Slurm writes its state up to 5 s late, and is told to every 3 s
    let report = site.good_drill(&["--wait-return"]);
    assert_eq!(report["moved_to"], "head-2");
    assert_eq!(report["jobs"]["lost"], 0, "{report}");
    assert_eq!(report["jobs"]["running_after"], 1, "{report}");
    until("head-1 is back as standby", || site.run("status", &[]) == Some(0));
    site.good("plan", &["--detailed-exitcode"]);
    until("the job has gone on to its end", || site.job_state(&job) == "JobState=COMPLETED");
    assert_eq!(site.lab.sh("compute1", &format!("cat /tmp/{job}.out")), "finished");

    let said = "grep -c 'svc_vc_wait.*errno' /var/log/ganesha/ganesha.log || true; \
                journalctl -u chrony | grep -c 'failed leap second' || true";
    let noise = site.lab.sh("head-2", said);
    assert_eq!(noise, "0\n0", "a probe is no broken connection, and chrony knows the leap seconds");
}

fn both_idle(site: &Site) -> bool {
    text(&site.lab.exec("compute1", &["sinfo", "-h", "-o", "%D %t"])).contains("2 idle")
}

/// Where nodes have no file of Slurm's, slurmd hears of a change from slurmctld.
fn nodes_hear_what_changes(site: &mut Site, other: &std::path::Path) {
    let text = std::fs::read_to_string(&site.spec).unwrap();
    if !text.contains("configless: true") {
        return;
    }
    let conf = "ls /etc/slurm/slurm.conf; grep -o 'MaxTime=.* ' /run/slurm/conf/slurm.conf";
    let of_node = |site: &Site| self::text(&site.lab.exec("compute1", &["sh", "-c", conf]));
    let before = of_node(site);
    assert!(before.contains("No such file") && before.contains("MaxTime=INFINITE"), "{before}");
    std::fs::write(other, text.replace("default: true }", "default: true, max_time: 2h }")).unwrap();
    site.spec = other.to_str().unwrap().to_owned();
    site.good("apply", &["-y"]);
    site.good("plan", &["--detailed-exitcode"]);
    until("a node has the other limit", || of_node(site).contains("MaxTime=120"));
    until("both nodes are idle again", || both_idle(site));
}

#[test]
fn heads_of_debian_13_serve_and_go_on_after_a_power_cut() {
    goes_the_whole_way("debian-13", "2.6.", "3.0.");
}

#[test]
fn heads_of_ubuntu_24_serve_and_go_on_after_a_power_cut() {
    goes_the_whole_way("ubuntu-24", "2.4.", "2.1.6");
}

#[test]
fn heads_of_ubuntu_26_serve_with_kea_3_and_go_on_after_a_power_cut() {
    goes_the_whole_way("ubuntu-26", "3.0.", "3.0.");
}
