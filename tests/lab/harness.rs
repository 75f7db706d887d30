//! A lab for one test: made by the program itself, one at a time on this machine, and gone afterwards whatever
//! happened.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};

const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/specs/ha-oscar-2004.yaml");

/// Labs are root's; `.ci/test` runs them as root.
pub fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skipped("a lab needs root");
    }
    root
}

/// The root with the daemons that labs of a spec without a word of its own stand on; built if it is not there yet.
pub fn built_root() -> camino::Utf8PathBuf {
    let (os, engine) = (haoscar::spec::Os::default(), haoscar::spec::EngineKind::Pacemaker);
    haoscar::lab::Recipe { os, engine, more: &[] }.build().unwrap()
}

/// Says that a test did not run what it is there for, past the test harness that holds back what passing tests print.
/// `.ci/test` counts these lines.
pub fn skipped(why: &str) {
    use std::io::Write;
    let line = format!("skipped: {why}\n"); // one write, so that no other test's line gets in between
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Held while a test has labs.
pub struct Turn {
    _lock: File,
}

impl Turn {
    pub fn take() -> Self {
        let lock = File::create(std::env::temp_dir().join("haoscar-lab-tests.lock")).unwrap();
        lock.lock().unwrap();
        Self { _lock: lock }
    }
}

/// Takes its lab away when it goes.
pub struct TestLab {
    pub name: String,
    /// Takes the lab away when this process was killed and could not.
    guard: Child,
}

impl TestLab {
    /// A lab of that name, which is still to be made.
    pub fn named(name: &str) -> Self {
        let wait = "while kill -0 $0 2>/dev/null; do sleep 1; done; exec \"$1\" lab down \"$2\"";
        let own = std::process::id().to_string();
        let guard = Command::new("sh")
            .args(["-c", wait, &own, env!("CARGO_BIN_EXE_haoscar"), name])
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self { name: name.to_owned(), guard: guard.unwrap() }
    }

    /// The reference cluster's hosts of those names.
    pub fn up(name: &str, hosts: &str) -> Self {
        let lab = Self::named(name);
        let said = lab.try_up(hosts);
        assert!(said.status.success(), "lab up: {}", text(&said));
        lab
    }

    pub fn try_up(&self, hosts: &str) -> Output {
        haoscar(&["lab", "up", SPEC, "--name", &self.name, "--hosts", hosts])
    }

    /// A command on a host.
    pub fn exec(&self, host: &str, argv: &[&str]) -> Output {
        haoscar(&[&["lab", "exec", "--name", &self.name, host, "--"], argv].concat())
    }

    /// A shell script on a host that must succeed; gives what it printed.
    pub fn sh(&self, host: &str, script: &str) -> String {
        let said = self.exec(host, &["sh", "-c", script]);
        assert!(said.status.success(), "{host}: {script}: {}", text(&said));
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    }

    /// `haoscar lab` with these words must succeed.
    pub fn good(&self, argv: &[&str]) {
        let said = haoscar(&[&["lab"], argv].concat());
        assert!(said.status.success(), "lab {argv:?}: {}", text(&said));
    }

    pub fn down(&self) {
        let said = haoscar(&["lab", "down", &self.name]);
        assert!(said.status.success(), "lab down: {}", text(&said));
    }

    /// Nothing of this lab is on the machine. Killed processes may wait a moment until the machine's init has taken
    /// note of them; all else must be gone at once.
    pub fn assert_gone(&self) {
        let only_dead = |found: &[String]| found.iter().all(|what| what.starts_with("process /proc/"));
        let mut found = self.remains();
        for _ in 0..50 {
            if found.is_empty() || !only_dead(&found) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
            found = self.remains();
        }
        assert!(found.is_empty(), "left of {}: {found:#?}", self.name);
    }

    /// Everything of this lab that is still on the machine.
    pub fn remains(&self) -> Vec<String> {
        let mut found = Vec::new();
        let cgroup = format!("haoscar-lab/{}", self.name);
        let folder = format!("/run/haoscar/lab/{}", self.name);
        let places = [
            folder.clone(),
            format!("/run/netns/haoscar-{}", self.name),
            format!("/sys/fs/cgroup/{cgroup}"),
            format!("/sys/fs/cgroup/unified/{cgroup}"),
        ];
        found.extend(places.into_iter().filter(|place| fs::exists(place).unwrap()));
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        found.extend(mounts.lines().filter(|line| line.contains(&folder)).map(str::to_owned));
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let of = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
            let command = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            if of.lines().any(|line| line.contains(&format!("/{cgroup}/"))) || command.contains(&folder) {
                found.push(format!("process {}: {command}", entry.path().display()));
            }
        }
        found
    }
}

impl Drop for TestLab {
    fn drop(&mut self) {
        let _ = self.guard.kill().and_then(|()| self.guard.wait());
        let _ = haoscar(&["lab", "down", &self.name]);
    }
}

/// The program itself.
pub fn haoscar(argv: &[&str]) -> Output {
    program(argv).output().unwrap()
}

/// The same, not yet started.
pub fn program(argv: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haoscar"));
    command.args(argv).env_remove("HAOSCAR_LAB");
    command
}

/// What a program said, for messages.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Waits for something that must come true.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..300 {
        if done() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("not within 30 s: {what}");
}
