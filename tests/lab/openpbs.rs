//! OpenPBS itself in a lab: only where the lab's root has it in /opt/pbs. Debian has no package, so on most machines
//! this says that it is skipped, and then nothing of OpenPBS was run.

use super::harness::{TestLab, Turn, haoscar, is_root, skipped, text};

const SPECS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/specs");

/// Writes a line a second.
const JOB: &str = r#"cd /tmp && printf '%s\n' 'for i in $(seq 60); do date +%s; sleep 1; done' >job &&
    su -s /bin/sh daemon -c '/opt/pbs/bin/qsub -f -S /bin/sh -l select=1:ncpus=1:host=compute1 -o /tmp/out -e /tmp/err /tmp/job'"#;

const HOME: &str = "/srv/state/scheduler";

struct Site {
    lab: TestLab,
    spec: String,
    _folder: tempfile::TempDir,
}

impl Site {
    /// The reference spec, without what a lab's root lacks: boot loaders.
    fn up(name: &str, spec: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let whole = std::fs::read_to_string(format!("{SPECS}/{spec}.yaml")).unwrap();
        let lines = whole.lines().filter(|line| !line.starts_with("  boot: {"));
        let own: String = lines.map(|line| format!("{line}\n")).collect();
        let spec = folder.path().join("cluster.yaml").to_str().unwrap().to_owned();
        std::fs::write(&spec, own.replace("dhcp, boot, names", "dhcp, names")).unwrap();
        let lab = TestLab::named(name);
        let said = haoscar(&["lab", "up", &spec, "--name", name]);
        assert!(said.status.success(), "lab up: {}", text(&said));
        Self { lab, spec, _folder: folder }
    }

    /// A verb on the lab: exit status, and what it said.
    fn run(&self, argv: &[&str]) -> (Option<i32>, String) {
        let via = format!("lab:{}", self.lab.name);
        let said = haoscar(&[argv, &["--spec", &self.spec, "--via", &via]].concat());
        (said.status.code(), text(&said))
    }

    fn good(&self, argv: &[&str]) -> String {
        let (status, said) = self.run(argv);
        assert_eq!(status, Some(0), "{said}");
        said
    }

    fn qmgr(&self, words: &str) -> String {
        self.lab.sh("head-1", &format!("/opt/pbs/bin/qmgr -c '{words}'"))
    }

    /// What a node's client hears of the server; nothing where it does not answer.
    fn server(&self) -> String {
        let said = self.lab.exec("compute2", &["timeout", "5", "/opt/pbs/bin/qstat", "-B"]);
        if said.status.success() { text(&said) } else { String::new() }
    }

    /// A job that runs: one that is submitted while no node is there yet waits for the scheduler's next round, and one that its node
    /// has not got yet when the head dies is taken for one that runs (its substate stays 41: PBS's own).
    fn submit(&self) {
        let said = |script: &str| text(&self.lab.exec("compute1", &["sh", "-c", script]));
        until("four nodes are free", || said("/opt/pbs/bin/pbsnodes -aSj").matches(" free ").count() == 4);
        self.lab.sh("compute1", JOB);
        until("the job runs", || {
            said("cat /var/spool/pbs/spool/*.OU").lines().any(|line| line.starts_with(['1', '2']))
        });
    }

    /// The seconds that a job has written, and the longest pause between two of them.
    fn written(&self) -> (usize, u64) {
        let seconds = self.lab.sh("compute1", "cat /tmp/out 2>/dev/null || true");
        let seconds: Vec<u64> = seconds.lines().filter_map(|line| line.trim().parse().ok()).collect();
        let pause = seconds.windows(2).map(|two| two[1] - two[0]).max().unwrap_or_default();
        (seconds.len(), pause)
    }
}

/// Up to three minutes: a secondary takes half a minute and more to take over.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let in_time = (0..360).any(|_| {
        done() || {
            std::thread::sleep(std::time::Duration::from_millis(500));
            false
        }
    });
    assert!(in_time, "{what}");
}

fn is_installed() -> bool {
    let lab = TestLab::named("test-pbs-there");
    let spec = format!("{SPECS}/ha-oscar-2004-pbs.yaml");
    let said = haoscar(&["lab", "up", &spec, "--name", &lab.name, "--hosts", "head-1"]);
    assert!(said.status.success(), "lab up: {}", text(&said));
    let found = lab.exec("head-1", &["test", "-x", "/opt/pbs/bin/qmgr"]).status.success();
    lab.down();
    if !found {
        skipped("the lab's root has no OpenPBS in /opt/pbs; nothing of it was run");
    }
    found
}

#[test]
fn openpbs_holds_the_queues_and_nodes_of_the_spec_and_a_job_runs_on_through_a_power_cut() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    if !is_installed() {
        return;
    }
    let site = Site::up("test-pbs", "ha-oscar-2004-pbs");
    site.good(&["apply", "--adopt", "-y"]);
    site.good(&["plan", "--detailed-exitcode"]);
    assert!(site.qmgr("print queue batch").contains("made-by-haoscar"));
    assert!(site.qmgr("print node @default").contains("create node compute4"));

    assert!(site.qmgr("print hook walltime").contains("import hook walltime application/x-python base64 -"));

    site.qmgr("set queue batch enabled = False");
    site.qmgr("set server job_history_enable = False");
    site.qmgr("set hook walltime event = modifyjob");
    site.qmgr("create hook theirs");
    site.lab.sh("head-1", "echo '# made by haoscar' >/root/h.py; /opt/pbs/bin/qmgr -c 'create hook old'; /opt/pbs/bin/qmgr -c 'import hook old application/x-python default /root/h.py'");
    site.qmgr("create queue theirs queue_type = Execution");
    site.qmgr("create queue old comment = made-by-haoscar");
    let (status, said) = site.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(status, Some(2), "{said}");
    for line in [
        "~ set queue batch enabled = True",
        "~ set server job_history_enable = True",
        "~ set hook walltime event = queuejob",
        "- delete queue old",
        "- delete hook old",
    ] {
        assert!(said.contains(line), "{said}");
    }
    assert!(!said.contains("theirs"), "{said}");
    site.good(&["apply", "-y"]);
    site.good(&["plan", "--detailed-exitcode"]);
    site.qmgr("print queue theirs");
    site.qmgr("print hook theirs");
    let mom = site.lab.sh("compute1", "cat /var/spool/pbs/mom_priv/config");
    assert!(mom.contains("$clienthost control") && mom.contains("$restrict_user False"), "{mom}");

    site.submit();
    site.lab.good(&["fault", "power", "--name", "test-pbs", "head-1"]);
    until("head-2's server answers", || !site.server().is_empty());
    let job = site.lab.sh("compute1", "/opt/pbs/bin/qstat -f 0");
    assert!(job.contains("Resource_List.walltime = 01:00:00"), "the hook was asked: {job}");
    until("the job has ended", || site.written().0 == 60 || site.written().1 > 2);
    assert!(site.written().1 <= 2, "the job stood still: {:?}", site.written());
    until("a plan is empty", || site.run(&["plan", "--detailed-exitcode"]).0 == Some(0));
}

#[test]
fn openpbs_of_its_own_failover_asks_the_engine_before_its_secondary_takes_over() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    if !is_installed() {
        return;
    }
    let site = Site::up("test-pbs-native", "openpbs-native");
    site.good(&["apply", "--adopt", "-y"]);
    site.good(&["plan", "--detailed-exitcode"]);
    until("the secondary is registered", || {
        site.good(&["status"]).contains("standby of control: head-2 is proven")
    });
    let log =
        |words: &str| site.lab.sh("head-2", &format!("cat {HOME}/server_logs/* | grep -c '{words}' || true"));
    let is_active = || {
        site.lab
            .exec("head-2", &["test", "-e", &format!("{HOME}/server_priv/secondary_active")])
            .status
            .success()
    };
    assert!(!is_active());
    assert_eq!(log("registering head-2"), "1");
    // the server of the primary's head runs, says the engine
    assert!(!site.lab.exec("head-2", &["/etc/haoscar/openpbs-stonith", "head-1"]).status.success());

    site.submit();
    site.good(&["drain", "head-1", "-y"]);
    until("the secondary is active, and answers", || is_active() && !site.server().is_empty());
    // at once, for the engine knows that the primary does not run
    site.lab.sh("head-2", "systemctl kill --signal=KILL pbs");
    until("it is active again", || !site.server().is_empty());
    site.good(&["undrain", "head-1"]);
    until("the primary has taken over", || !is_active() && !site.server().is_empty());
    until("the secondary is registered", || site.good(&["status"]).contains("is proven"));
    until("the job has ended", || site.written().0 == 60 || site.written().1 > 2);
    assert!(site.written().1 <= 2, "the job stood still: {:?}", site.written());

    site.lab.good(&["fault", "power", "--name", "test-pbs-native", "head-1"]);
    until("a server answers", || !site.server().is_empty());
    until("a plan is empty", || site.run(&["plan", "--detailed-exitcode"]).0 == Some(0));
}
