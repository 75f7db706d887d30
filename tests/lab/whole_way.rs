//! The whole way on real daemons: fresh heads, one apply, clients served, a power cut, the dead head back as standby.

use serde_json::Value;

use super::harness::{TestLab, Turn, haoscar, is_root, text, until};

/// A secret that a person would recognise, long enough for corosync (1,024 bits) and munge.
fn planted(name: &str) -> String {
    format!("planted-{name}-").repeat(16)
}

fn spec(name: &str) -> String {
    format!("{}/specs/{name}.yaml", env!("CARGO_MANIFEST_DIR"))
}

/// A cluster in a lab, driven by the program as a person would.
pub struct Site {
    pub lab: TestLab,
    pub spec: String,
    pub said: String,
}

impl Site {
    /// Hosts of a spec, fresh; `hosts` empty means all.
    pub fn fresh(name: &str, spec_name: &str, hosts: &str) -> Self {
        let lab = TestLab::named(name);
        let spec = spec(spec_name);
        let mut argv = vec!["lab", "up", &spec, "--name", name];
        if !hosts.is_empty() {
            argv.extend(["--hosts", hosts]);
        }
        let up = haoscar(&argv);
        assert!(up.status.success(), "{}", text(&up));
        Self { lab, spec, said: String::new() }
    }

    /// A verb with the spec, in the lab: exit status, and what it said is kept.
    pub fn run(&mut self, verb: &str, more: &[&str]) -> Option<i32> {
        let via = format!("lab:{}", self.lab.name);
        let output = haoscar(&[&[verb, &self.spec, "--via", &via], more].concat());
        self.said += &text(&output);
        output.status.code()
    }

    pub fn good(&mut self, verb: &str, more: &[&str]) {
        let status = self.run(verb, more);
        assert_eq!(status, Some(0), "{verb}: {}", self.said);
    }

    /// One drill with its figures; `more` names the fault and the like. It must be good.
    pub fn good_drill(&mut self, more: &[&str]) -> Value {
        let argv = ["lab", "drill", "--name", &self.lab.name, "--spec", &self.spec, "--format", "json"];
        let output = haoscar(&[&argv[..], more].concat());
        self.said += &text(&output);
        let report: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{report}\n{said}");
        report["drills"][0].clone()
    }

    pub fn carrier(&self) -> String {
        let mon =
            "crm_resource --locate --resource control-address-inside 2>/dev/null | sed 's/.*: *//; s/ .*//'";
        let ask = |head: &str| self.lab.exec(head, &["sh", "-c", mon]);
        let heads = ["head-1", "head-2"].map(ask).into_iter().filter(|output| output.status.success());
        let mut names = heads.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        names.rfind(|name| !name.is_empty()).unwrap_or_default()
    }

    pub fn job(&self, script: &str) -> String {
        self.sized("", script)
    }

    fn sized(&self, size: &str, script: &str) -> String {
        self.lab.sh("compute1", &format!("sbatch --parsable {size} -o /tmp/%j.out --wrap '{script}'"))
    }

    pub fn job_state(&self, job: &str) -> String {
        self.lab
            .sh("compute1", &format!("timeout 5 scontrol show job {job} | grep -o 'JobState=[A-Z]*' || true"))
    }
}

#[test]
fn fresh_heads_serve_after_one_apply_and_go_on_after_a_power_cut() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::fresh("test-whole", "ha-oscar-2004", "");
    for secret in ["munge-key", "corosync-authkey"] {
        let put = format!(
            "umask 077; mkdir -p /etc/haoscar/secrets; printf %s '{}' > /etc/haoscar/secrets/{secret}",
            planted(secret)
        );
        site.lab.sh("head-1", &put);
    }

    site.good("apply", &["--adopt", "-y"]);
    site.good("plan", &["--detailed-exitcode"]);
    site.good("status", &[]);
    assert!(site.said.contains("cluster oscar is well: group control is on head-1"), "{}", site.said);

    until("nodes have the addresses that belong to their MACs", || {
        let four = site.lab.exec("compute4", &["ip", "-4", "-brief", "address", "show", "dev", "eno1"]);
        text(&four).contains("10.20.2.4/16")
    });
    until("all nodes are idle", || {
        text(&site.lab.exec("compute1", &["sinfo", "-h", "-o", "%D %t"])).contains("4 idle")
    });
    let first = site.job("hostname");
    until("the first job has finished", || site.job_state(&first) == "JobState=COMPLETED");

    // a small job is let past one that waits for every node: the backfill scheduler has started it
    let wide = ["-N3 --exclusive -t 60", "-N4 --exclusive -t 60"].map(|size| site.sized(size, "sleep 300"));
    let second = site.sized("-N1 -t 5", "for i in $(seq 45); do sleep 1; done; echo finished");
    until("the second job runs", || site.job_state(&second) == "JobState=RUNNING");
    assert_eq!(site.job_state(&wide[1]), "JobState=PENDING");
    std::thread::sleep(std::time::Duration::from_secs(12)); // Slurm writes its state up to 5 s late, and is told to every 3 s
    let report = site.good_drill(&["--wait-return"]);
    assert_eq!(report["target"], "head-1");
    assert_eq!(report["moved_to"], "head-2");
    for service in report["services"].as_array().unwrap() {
        assert!(
            service["outage_s"].as_f64().is_some_and(|s| s > 0.0),
            "{service} was not interrupted: {report}"
        );
    }
    assert_eq!(report["jobs"]["running_before"], 2, "{report}");
    assert_eq!(report["jobs"]["lost"], 0, "{report}");
    assert_eq!(report["jobs"]["running_after"], 2, "{report}");

    until("head-1 is back as standby", || site.run("status", &[]) == Some(0));
    assert_eq!(site.carrier(), "head-2", "a returned head takes nothing back by itself");
    site.good("plan", &["--detailed-exitcode"]);
    let via = format!("lab:{}", site.lab.name);
    let events = text(&haoscar(&["events", "--last", "100", "--spec", &site.spec, "--via", &via]));
    let told = |what: &str| events.lines().any(|line| line.contains(" head-2 ") && line.contains(what));
    let story =
        ["head-1 is lost to the engine", "head-1 was fenced: Operation ", "head-1 is a member of the engine"];
    assert!(story.into_iter().all(told), "{events}");
    until("the second job has gone on to its end", || site.job_state(&second) == "JobState=COMPLETED");
    assert_eq!(site.lab.sh("compute4", &format!("cat /tmp/{second}.out")), "finished");
    site.lab.sh("compute1", &format!("scancel {}", wide.join(" ")));

    heals_a_hand_edit(&mut site);
    heals_what_only_the_daemon_has(&mut site);
    finds_what_hangs(&mut site);
    secrets_are_nowhere_else(&site);
}

fn heals_a_hand_edit(site: &mut Site) {
    site.lab.sh("head-1", "systemctl stop haoscar && echo 'server 203.0.113.9' >> /etc/chrony/chrony.conf");
    assert_eq!(site.run("plan", &["--detailed-exitcode"]), Some(2));
    assert!(site.said.contains("-server 203.0.113.9"), "{}", site.said);
    site.good("apply", &["-y"]);
    site.good("plan", &["--detailed-exitcode"]);
    let kept = site.lab.sh("head-1", "grep -rl 203.0.113.9 /etc /var/lib/haoscar");
    assert!(kept.starts_with("/var/lib/haoscar/edits/") && kept.lines().count() == 1, "{kept}");
}

/// Daemons are made to read another configuration, and the file is put back behind their back: the file is right, what runs is
/// not.
fn heals_what_only_the_daemon_has(site: &mut Site) {
    let carrier = site.carrier();
    let behind = "c=/etc/kea/kea-dhcp4.conf; cp -p $c /tmp/kea; sed -i 's/\"haoscar\": \".*\"/\"haoscar\": \"x\"/' $c; \
                  kill -HUP $(pidof kea-dhcp4); sleep 1; cp -p /tmp/kea $c";
    let others = "c=/etc/slurm/slurm.conf; cp -p $c /tmp/slurm; echo MinJobAge=299 >> $c; systemctl reload slurmctld; sleep 1; \
                  cp -p /tmp/slurm $c; c=/etc/chrony/chrony.conf; cp -p $c /tmp/chrony; sed -i s/^allow/deny/ $c; \
                  systemctl restart chrony; cp -p /tmp/chrony $c; corosync-cmapctl -s totem.token u32 700";
    site.lab.sh(&carrier, &format!("systemctl stop haoscar; {behind}; {others}"));
    let reads = "~ corosync reads its files again, for that of";
    assert_eq!(site.run("plan", &["--detailed-exitcode"]), Some(2));
    for wanted in
        ["~ reload kea-dhcp4-server.service", "~ reload slurmctld", "~ restart chrony.service", reads]
    {
        assert!(site.said.contains(wanted), "{wanted} in {}", site.said);
    }
    assert_eq!(site.run("status", &[]), Some(1));
    assert!(site.said.contains("dhcp on head-") && site.said.contains("runs with another"), "{}", site.said);
    site.good("apply", &["-y"]);
    let token = site.lab.sh(&carrier, "corosync-cmapctl -g runtime.config.totem.token");
    assert_eq!(token, "runtime.config.totem.token (u32) = 500");
    site.good("status", &[]);
    assert!(site.said.contains("  dhcp           answers (asked from compute1)"), "{}", site.said);
}

/// A process that is stopped is there and runs for systemd, and serves nobody.
fn finds_what_hangs(site: &mut Site) {
    let carrier = site.carrier();
    let units = ["kea-dhcp4-server", "nfs-ganesha", "slurmctld"];
    let mains =
        |site: &Site| units.map(|unit| site.lab.sh(&carrier, &format!("systemctl show -P MainPID {unit}")));
    let before = mains(site);
    site.lab.sh(&carrier, &format!("systemctl kill --signal=STOP {}", units.join(" ")));
    until("each is started anew", || {
        let now = mains(site);
        now.iter().zip(&before).all(|(now, before)| now != before && now != "0")
    });
    until("all is well again", || site.run("status", &[]) == Some(0));
    assert_eq!(site.carrier(), carrier, "what can be mended here moves nothing");
}

/// The planted bytes are in the store and in the one file that needs them, on every host, and in nothing that was said.
fn secrets_are_nowhere_else(site: &Site) {
    for (secret, file) in
        [("munge-key", "/etc/munge/munge.key"), ("corosync-authkey", "/etc/corosync/authkey")]
    {
        assert!(!site.said.contains("planted-"), "a secret was said");
        for host in ["head-1", "head-2", "arbiter", "compute1"] {
            let places = "/etc /var /run /tmp /srv /usr/lib/ocf";
            let found = site
                .lab
                .sh(host, &format!("grep -rlF 'planted-{secret}-' {places} 2>/dev/null | sort || true"));
            let needs = if secret == "munge-key" { host != "arbiter" } else { host != "compute1" };
            let mut expected = [format!("/etc/haoscar/secrets/{secret}"), file.to_owned()];
            expected.sort();
            let expected = expected.join("\n");
            assert_eq!(found, if needs { expected.as_str() } else { "" }, "{host}");
        }
    }
}

#[test]
fn one_head_serves_alone_and_the_others_join_without_anybody_being_fenced() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::fresh("test-join", "ha-oscar-2004", "head-1,head-2,arbiter,compute1");
    site.good("apply", &["--adopt", "-y", "--on", "head-1"]);
    let members = "crm_node -l | awk '{ print $2 }' | sort | xargs";
    assert_eq!(site.lab.sh("head-1", members), "head-1");
    assert_eq!(
        site.lab.sh("head-1", "cibadmin -Q -o configuration | grep -c -E 'head-2|arbiter' || true"),
        "0"
    );
    assert_eq!(site.carrier(), "head-1");
    let before =
        site.lab.sh("head-1", "systemctl show -p InvocationID --value slurmctld nfs-ganesha corosync");
    site.good("apply", &["--adopt", "-y"]);
    assert_eq!(site.lab.sh("head-1", members), "arbiter head-1 head-2");
    let after =
        site.lab.sh("head-1", "systemctl show -p InvocationID --value slurmctld nfs-ganesha corosync");
    assert_eq!(before, after, "what served was restarted for the others to join");
    assert_eq!(site.lab.sh("head-1", "stonith_admin --history '*' | tail -1"), "0 events found");
    site.good("plan", &["--detailed-exitcode"]);
    // iPXE waits 16 s where nobody answers; the link address of who answers is all that there is to know
    let heard = text(&site.lab.exec("compute1", &["perl", "-e", include_str!("router.pl"), "eno1"]));
    assert_eq!(heard.trim(), "lifetime 0, flags 0, 8 bytes of options");
    assert_eq!(site.lab.sh("compute1", "ip -6 route show default"), "");
}

#[test]
fn the_second_plan_of_every_reference_spec_that_a_lab_can_run_is_empty() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let three = "head-1,head-2,head-3,compute01";
    for (name, hosts) in [("minimal", ""), ("two-node", ""), ("three-heads", three)] {
        let mut site = Site::fresh(&format!("test-{name}"), name, hosts);
        site.good("apply", &["--adopt", "-y"]);
        site.good("plan", &["--detailed-exitcode"]);
        site.lab.down();
        site.lab.assert_gone();
    }
}

#[test]
fn files_that_haoscar_did_not_write_are_refused_and_nothing_is_changed() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::fresh("test-adopt", "minimal", "");
    let before = site.lab.sh("head-1", "cat /etc/hosts; ls -la --time-style=full-iso /etc | md5sum");
    assert_eq!(site.run("apply", &["-y"]), Some(107), "{}", site.said);
    assert!(site.said.contains("--adopt"), "{}", site.said);
    assert_eq!(site.lab.sh("head-1", "cat /etc/hosts; ls -la --time-style=full-iso /etc | md5sum"), before);
}

#[test]
fn a_join_that_fails_leaves_the_head_that_serves_serving() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let mut site = Site::fresh("test-failed-join", "ha-oscar-2004", "head-1,head-2,arbiter,compute1");
    site.good("apply", &["--adopt", "-y", "--on", "head-1"]);
    for host in ["head-2", "arbiter"] {
        let folder = "/etc/systemd/system/corosync.service.d";
        let text = "[Service]\nExecStart=\nExecStart=/bin/false\n";
        let broken =
            format!("mkdir -p {folder} && printf '{text}' > {folder}/broken.conf && systemctl daemon-reload");
        site.lab.sh(host, &broken);
    }
    let serves = "systemctl show -p InvocationID --value slurmctld nfs-ganesha; systemctl is-active slurmctld nfs-ganesha";
    let before = site.lab.sh("head-1", serves);
    assert_eq!(site.run("apply", &["--adopt", "-y"]), Some(1), "{}", site.said);
    std::thread::sleep(std::time::Duration::from_secs(10)); // an engine without quorum would have stopped them by now
    assert_eq!(site.lab.sh("head-1", serves), before, "{}", site.said);
    let quorum = site
        .lab
        .sh("head-1", "corosync-quorumtool -s | grep Quorate; grep -c nodeid: /etc/corosync/corosync.conf");
    assert!(quorum.contains("Yes") && quorum.ends_with('1'), "{quorum}");
    let maintenance = site.lab.exec("head-1", &["crm_attribute", "--name", "maintenance-mode", "--query"]);
    assert!(!text(&maintenance).contains("value=true"), "{}", text(&maintenance));
}
