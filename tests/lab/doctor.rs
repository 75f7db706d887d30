//! The standby is proven on real daemons: what is well is said to be well, each thing that is broken is found and
//! named, and an outside watch hears from the cluster while it is whole only.

use serde_json::Value;

use super::harness::{Turn, haoscar, is_root, until};
use super::whole_way::Site;

const HOSTS: [&str; 2] = ["--on", "head-1,head-2,arbiter"];

/// Answers every request and counts them.
const LISTENER: &str = "\
import http.server
class Watch(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        open('/tmp/heard', 'a').write(self.path + '\\n')
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(('', 8099), Watch).serve_forever()
";

impl Site {
    /// What doctor found, as `about: message`; late wake-ups are this machine's and not the lab's.
    fn doctor(&self) -> (Vec<String>, Value) {
        let via = format!("lab:{}", self.lab.name);
        let asked = ["doctor", &self.spec, "--via", &via, "--for", "1s", "--format", "json"];
        let output = haoscar(&[&asked[..], &HOSTS].concat());
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code() == Some(0), said["well"] == true, "{said:#}");
        let findings = said["findings"].as_array().unwrap().iter();
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        let found = findings.map(|f| format!("{}: {}", text(f, "about"), text(f, "message")));
        (found.filter(|line| !line.starts_with("detect")).collect(), said)
    }

    fn heard(&self) -> usize {
        self.lab
            .sh("arbiter", "cat /tmp/heard 2>/dev/null || true")
            .lines()
            .filter(|l| *l == "/ping/4711")
            .count()
    }
}

#[test]
fn the_standby_is_proven_and_an_outside_watch_hears_so_while_the_cluster_is_whole() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::fresh("test-doctor", "ha-oscar-2004", "head-1,head-2,arbiter");
    let folder = tempfile::tempdir().unwrap();
    let watched = "failback: manual\n  watched_by: { url: { secret: watch-url }, every: 10s }";
    site.changed(folder.path(), "failback: manual", watched);
    let url = "umask 077; mkdir -p /etc/haoscar/secrets; echo http://192.0.2.13:8099/ping/4711 > /etc/haoscar/secrets/watch-url";
    site.lab.sh("head-1", url);
    site.lab.sh(
        "arbiter",
        &format!("cat > /tmp/listen.py <<'E'\n{LISTENER}E\nsystemd-run -q python3 /tmp/listen.py"),
    );
    site.good("apply", &[&HOSTS[..], &["--adopt", "-y"]].concat());

    what_is_well_is_said_to_be_well(&mut site);
    what_is_broken_is_found(&mut site);
    until("the outside watch hears that the cluster is whole", || site.heard() > 0);
    site.lab.sh("head-2", "systemctl stop pacemaker corosync");
    std::thread::sleep(std::time::Duration::from_secs(2)); // a sign that was on its way has come
    let heard = site.heard();
    let said = "journalctl -u haoscar-alive -o cat | grep -F 'silent: head-2 is not online' || true";
    until("the head that speaks has seen it", || !site.lab.sh("head-1", said).is_empty());
    assert_eq!(site.heard(), heard, "a cluster without its standby is not whole");
    site.lab.sh("head-2", "systemctl start corosync pacemaker");
    until("the outside watch hears again", || site.heard() > heard);
    assert_eq!(site.lab.sh("head-2", "journalctl -u haoscar-alive -o cat | grep -c hears || true"), "0");
    let secret = site.lab.sh("head-1", "ps -eo args | grep -c '[p]ing/4711' || true");
    assert_eq!(secret, "0", "the address stands in no list of processes");
}

fn what_is_well_is_said_to_be_well(site: &mut Site) {
    let (found, said) = site.doctor();
    assert_eq!(found, ["rehearsal: group control was never rehearsed"], "{said:#}");
    let fences = said["examined"]["fences"].as_array().unwrap();
    let asked: Vec<_> =
        fences.iter().map(|f| (f["device"].as_str().unwrap(), f["from"].as_str().unwrap())).collect();
    let each = [
        ("fence-arbiter", "head-1"),
        ("fence-head-2", "head-1"),
        ("fence-arbiter", "head-2"),
        ("fence-head-1", "head-2"),
    ];
    assert_eq!(asked, each);
    assert!(fences.iter().all(|fence| fence["answer"]["Ok"].as_f64().is_some_and(|s| s > 0.0)), "{said:#}");
    assert!(said["power_cut"]["head-1"]["total_s"].as_f64().is_some_and(|s| s > 1.4), "{said:#}");
    assert!(said["examined"]["checks"]["head-2"]["chronyd -p"].is_string(), "{said:#}");
    let token = site.lab.sh("head-2", "cat /srv/state/.haoscar-token");
    assert!(token.starts_with("head-1 "), "{token}");

    site.run("status", &HOSTS); // nodes that were not brought up degrade it
    assert!(site.said.contains("standby of control: head-2 is proven, never rehearsed"), "{}", site.said);
    assert!(site.said.contains("doctor: errors 0, warnings "), "{}", site.said);
    site.run("status", &[&HOSTS[..], &["--format", "prometheus"]].concat());
    for line in [
        "haoscar_standby_proven{group=\"control\",head=\"head-2\"} 1",
        "haoscar_group_carried{group=\"control\",head=\"head-1\"} 1",
        "haoscar_member_online{host=\"arbiter\"} 1",
        "haoscar_fence_answers{device=\"fence-head-1\"} 1",
        "haoscar_objects_out_of_step{host=\"head-2\"} 0",
        "haoscar_watcher_alive{host=\"head-2\"} 1",
        "haoscar_loop_alive{host=\"arbiter\"} 1",
        "haoscar_loop_in_step{host=\"head-2\"} 1",
        "haoscar_accepted_generation{host=\"head-1\"} 1",
        "haoscar_last_doctor_findings{weight=\"error\"} 0",
    ] {
        assert!(site.said.lines().any(|said| said == line), "{line}: {}", site.said);
    }
}

fn what_is_broken_is_found(site: &mut Site) {
    let broken = "
        systemctl stop haoscar
        echo bogus >> /etc/chrony/chrony.conf
        cp /var/lib/dpkg/status /tmp/status
        sed -i '/^Package: chrony$/,/^Version:/s/^Version: .*/Version: 4.2-1/' /var/lib/dpkg/status
        mount -t tmpfs none /srv/state";
    site.lab.sh("head-2", broken);
    let fence = ["lab", "fault", "fence", "head-1", "--name", &site.lab.name];
    assert!(haoscar(&fence).status.success());
    let (found, _) = site.doctor();
    for start in [
        "step: 8 objects on head-2 are not in step with the spec", // a file, the loop, and folders on the storage
        "validator: chronyd -p on head-2 refuses the files as they are: ",
        "package: package chrony differs: ",
        "storage: storage /srv/state on head-2: the token that another head has written cannot be read: ",
        "fence: fence device fence-head-1 does not answer head-2: ",
        "rehearsal: group control was never rehearsed",
    ] {
        assert!(found.iter().any(|line| line.starts_with(start)), "{start}: {found:#?}");
    }
    assert!(haoscar(&[&fence[..], &["--heal"]].concat()).status.success());
    site.lab.sh("head-1", "crm_resource --cleanup >/dev/null 2>&1");
    site.lab.sh("head-2", "mkfifo /srv/state/.haoscar-token");
    let (found, _) = site.doctor();
    let hangs = "storage: storage /srv/state on head-2: it has not answered for 3 s";
    assert!(found.iter().any(|line| line == hangs), "{found:#?}");

    let mend = "sed -i '/^bogus$/d' /etc/chrony/chrony.conf; umount /srv/state; systemctl start haoscar
        sed '/^Package: chrony$/,/^$/d' /tmp/status > /var/lib/dpkg/status";
    site.lab.sh("head-2", mend);
    assert_eq!(
        site.ask(&[&["switchover", "control", "-y"], &HOSTS[..]].concat()),
        Some(107),
        "{}",
        site.said
    );
    assert!(site.said.contains("head-2: package chrony is not installed on head-2"), "{}", site.said);
    site.lab.sh("head-2", "mv /tmp/status /var/lib/dpkg/status");
}
