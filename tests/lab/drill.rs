//! The prober and the drill on real daemons (kea, dnsmasq, chrony, ganesha), without an engine: a script cuts the
//! power and starts the other head after a time that we know, so that what the drill measures can be judged.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use haoscar::lab::drill::{CommandGround, Course, Drill, Fault};
use haoscar::spec::{Cluster, Sources, load};

use super::harness::{built_root, is_root};

/// Seconds from the power cut to the other head's start.
const DELAY_S: f64 = 1.5;

struct Machine {
    unshare: Child,
    ground: CommandGround,
    _work: tempfile::TempDir,
}

impl Drop for Machine {
    fn drop(&mut self) {
        // --kill-child: the kernel takes everything in the namespaces along
        self.unshare.kill().unwrap();
        self.unshare.wait().unwrap();
    }
}

/// A root with the daemons: the one that the environment names, or the lab's own, built if it is not there yet.
fn root() -> Option<PathBuf> {
    if !is_root() {
        return None;
    }
    let named = std::env::var_os("HAOSCAR_LAB_ROOT").map(PathBuf::from);
    Some(named.unwrap_or_else(|| built_root().into()))
}

impl Machine {
    fn start(root: &Path) -> Self {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/two-heads");
        let work = tempfile::tempdir().unwrap();
        let mut unshare = Command::new("unshare")
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child"])
            .arg(scripts.join("machine.sh"))
            .args([root, work.path()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(unshare.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let id = unshare.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let ground = ground(children.trim(), &scripts, work.path().to_str().unwrap());
        Self { unshare, ground, _work: work }
    }

    fn drill(&self, fault: Fault, target: Option<&str>, limit_s: u64) -> Drill {
        let cluster = cluster();
        let limit = Duration::from_secs(limit_s);
        let course = Course {
            cluster: &cluster,
            group: "control",
            fault,
            target,
            watch: Duration::from_secs(5),
            limit,
            whole: false,
        };
        course.run(&self.ground, &mut |_| ()).unwrap().drill
    }
}

fn ground(pid: &str, scripts: &Path, work: &str) -> CommandGround {
    let machine: Vec<String> = ["nsenter", "-t", pid, "-m", "-n", "-p"].map(str::to_owned).into();
    let within = |words: &[&str]| [machine.clone(), words.iter().map(|w| (*w).to_owned()).collect()].concat();
    let enter = |host: &str| {
        let script = format!("exec nsenter -t $(cat {work}/{host}.pid) -m -n -p -r -w -- \"$@\"");
        within(&["sh", "-c", &script, "sh"])
    };
    let cut = scripts.join("cut.sh");
    let cut = cut.to_str().unwrap();
    let haoscar = env!("CARGO_BIN_EXE_haoscar");
    let prober = format!("exec nsenter -t $(cat {work}/client.pid) -n {haoscar} lab-probe");
    CommandGround {
        hosts: BTreeMap::from(["head-1", "head-2"].map(|host| (host.to_owned(), enter(host)))),
        prober: within(&["sh", "-c", &prober]),
        power: BTreeMap::from([
            ("head-1".to_owned(), within(&[cut, work, "head-1", "head-2", &DELAY_S.to_string()])),
            ("head-2".to_owned(), within(&[cut, work, "head-2"])),
        ]),
    }
}

/// The reference spec; its scheduler is not asked, as this ground has no nodes.
fn cluster() -> Cluster {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs/ha-oscar-2004.yaml");
    load(&Sources::of_text("cluster.yaml", std::fs::read(path).unwrap())).unwrap().cluster
}

fn outage_s(drill: &Drill, service: &str) -> f64 {
    drill.services.iter().find(|s| s.service == service).unwrap().outage_s.unwrap()
}

#[test]
fn a_drill_measures_the_outage_that_was_made_and_finds_every_acknowledged_write() {
    let Some(root) = root() else { return };
    let machine = Machine::start(&root);

    let quiet = machine.drill(Fault::None, None, 30);
    assert_eq!(quiet.moved_to.as_deref(), Some("head-1"));
    assert!(quiet.is_good(), "{quiet:?}");

    let cut = machine.drill(Fault::Power, None, 30);
    assert_eq!((cut.target.as_str(), cut.moved_to.as_deref()), ("head-1", Some("head-2")));
    assert!(cut.is_good(), "{cut:?}");
    for service in ["dhcp", "names", "time"] {
        let outage = outage_s(&cut, service);
        assert!((DELAY_S..DELAY_S + 1.5).contains(&outage), "{service}: {outage}");
    }
    // the server is in grace for some seconds more; or for none, where it looks just then and all clients have said that they are done
    assert!((DELAY_S..DELAY_S + 15.0).contains(&outage_s(&cut, "home")), "{cut:?}");
    let writes = cut.writes.unwrap();
    assert!(writes.acknowledged > 20 && writes.missing == 0, "{writes:?}");

    let gone = machine.drill(Fault::Power, Some("head-2"), 6);
    assert_eq!(gone.moved_to, None);
    assert!(!gone.is_good() && gone.services.iter().all(|s| s.outage_s.is_none()), "{gone:?}");
}
