//! Nothing of a lab stays, whoever of it was killed, and labs leave each other alone.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::harness::{TestLab, Turn, built_root, haoscar, is_root, program, text, until};

#[test]
fn two_labs_live_side_by_side_and_nothing_of_one_is_left_after_down() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let one = TestLab::up("test-one", "head-1,head-2");
    let two = TestLab::up("test-two", "head-1");
    one.sh("head-1", "echo one >/etc/mine; echo one >/srv/state/mine");
    assert_eq!(two.sh("head-1", "ls /etc/mine /srv/state/mine 2>/dev/null || echo none"), "none");
    assert!(!two.exec("head-1", &["ping", "-q", "-c1", "-W1", "10.20.0.2"]).status.success());
    let again = one.try_up("head-1");
    assert!(text(&again).contains("lab `test-one` runs already"), "{}", text(&again));
    let client = Command::new("ip")
        .args(["netns", "exec", "haoscar-test-one", "sleep", "600"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    assert!(!one.remains().is_empty(), "the look for remains sees nothing of a lab that runs");
    one.down();
    one.assert_gone();
    assert!(!{ client }.wait().unwrap().success(), "a client in the switch outlived its lab");
    assert_eq!(two.sh("head-1", "cat /proc/1/comm"), "systemd");
}

#[test]
fn a_lab_whose_keeper_was_killed_is_swept_by_the_next_one() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let dead = TestLab::up("test-dead", "head-1");
    kill(keeper_of(&dead));
    let next = TestLab::up("test-next", "head-2");
    dead.assert_gone();
    assert_eq!(next.sh("head-2", "hostname"), "head-2");
}

#[test]
fn a_lab_that_was_killed_half_made_is_swept() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let lab = TestLab::named("test-half");
    let spec = concat!(env!("CARGO_MANIFEST_DIR"), "/specs/ha-oscar-2004.yaml");
    let mut up = program(&["lab", "up", spec, "--name", &lab.name]).stdout(Stdio::null()).spawn().unwrap();
    until("a host has started", || {
        fs::exists("/run/haoscar/lab/test-half/hosts/head-1/process.json").unwrap()
    });
    std::thread::sleep(Duration::from_millis(50));
    up.kill().unwrap();
    up.wait().unwrap();
    assert!(!lab.remains().is_empty());
    lab.down();
    lab.assert_gone();
}

#[test]
fn a_lab_that_is_interrupted_while_it_is_made_takes_itself_away() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let lab = TestLab::named("test-interrupt");
    let spec = concat!(env!("CARGO_MANIFEST_DIR"), "/specs/ha-oscar-2004.yaml");
    let mut up = program(&["lab", "up", spec, "--name", &lab.name]).stdout(Stdio::null()).spawn().unwrap();
    until("the switch is there", || fs::exists("/run/netns/haoscar-test-interrupt").unwrap());
    let pid = nix::unistd::Pid::from_raw(i32::try_from(up.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    assert_eq!(up.wait().unwrap().code(), Some(130));
    until("the sweep is through", || lab.remains().is_empty());
}

#[test]
fn a_lab_that_is_not_there_is_said_so() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let said = haoscar(&["lab", "exec", "--name", "test-nowhere", "head-1", "--", "true"]);
    assert_eq!(said.status.code(), Some(66));
    assert!(text(&said).contains("no lab `test-nowhere` runs here"), "{}", text(&said));
}

#[test]
fn a_lab_without_root_is_refused_before_anything_is_built() {
    if !is_root() {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    fs::set_permissions(work.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = work.path().join("haoscar"); // nobody may not look into everybody's folders
    fs::copy(env!("CARGO_BIN_EXE_haoscar"), &copy).unwrap();
    let spec = work.path().join("cluster.yaml");
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/specs/minimal.yaml"), &spec).unwrap();
    let mut up = Command::new(&copy);
    up.args(["lab", "up"]).arg(&spec).env("HAOSCAR_CACHE", work.path().join("cache"));
    let said = up.current_dir(work.path()).uid(65_534).gid(65_534).output().unwrap();
    assert_eq!(said.status.code(), Some(77), "{}", text(&said));
    let plain = "error: a lab needs root: it makes namespaces and mounts\n  help: run it with sudo\n";
    assert_eq!(text(&said), plain);
    assert!(!work.path().join("cache").exists());
}

#[test]
fn a_lab_that_the_machine_has_no_inotify_instances_for_is_refused_with_what_to_set() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let lab = TestLab::named("test-instances");
    let spec = concat!(env!("CARGO_MANIFEST_DIR"), "/specs/three-heads.yaml");
    let said = haoscar(&["lab", "up", spec, "--name", &lab.name]);
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_user_instances").unwrap();
    if limit.trim() == "128" {
        assert_eq!(said.status.code(), Some(1), "{}", text(&said));
        assert!(text(&said).contains("help: sysctl -w fs.inotify.max_user_instances="), "{}", text(&said));
        lab.assert_gone();
    } else {
        assert!(said.status.success(), "{}", text(&said));
    }
    assert_eq!(fs::read_to_string("/proc/sys/fs/inotify/max_user_instances").unwrap(), limit);
}

#[test]
fn the_cached_roots_go_only_when_that_is_asked_for_and_nothing_else_of_the_cache_does() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let cache = tempfile::tempdir().unwrap();
    for folder in ["lab/root-0123456789ab", "lab/root-half/usr", "lab/other", "images"] {
        fs::create_dir_all(cache.path().join(folder)).unwrap();
    }
    File::create(cache.path().join("lab/lock")).unwrap();
    let down = |more: &[&str]| {
        let mut down = program(&[&["lab", "down", "test-nowhere"], more].concat());
        let said = down.env("HAOSCAR_CACHE", cache.path()).output().unwrap();
        assert!(said.status.success(), "{}", text(&said));
    };
    let there = |folder: &str| cache.path().join(folder).exists();
    down(&[]);
    assert!(there("lab/root-0123456789ab"));
    down(&["--purge-cache"]);
    assert!(!there("lab/root-0123456789ab") && !there("lab/root-half"));
    assert!(there("lab/other") && there("images"));
}

#[test]
fn a_cached_root_that_a_lab_stands_on_is_not_purged() {
    if !is_root() {
        return;
    }
    let _turn = Turn::take();
    let lab = TestLab::named("test-purge");
    let cache = tempfile::tempdir().unwrap(); // with a link to the root: a purge that goes wrong costs no more than that
    let real = built_root();
    let link = cache.path().join("lab").join(real.file_name().unwrap());
    fs::create_dir(cache.path().join("lab")).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let there = |argv: &[&str]| program(argv).env("HAOSCAR_CACHE", cache.path()).output().unwrap();
    let spec = concat!(env!("CARGO_MANIFEST_DIR"), "/specs/ha-oscar-2004.yaml");
    let up = there(&["lab", "up", spec, "--name", &lab.name, "--hosts", "head-1"]);
    assert!(up.status.success(), "{}", text(&up));
    let said = there(&["lab", "down", "test-nowhere", "--purge-cache"]);
    assert_eq!(said.status.code(), Some(1), "{}", text(&said));
    assert!(text(&said).contains("the cached root is in use by test-purge"), "{}", text(&said));
    assert!(link.exists());
    let said = there(&["lab", "down", &lab.name, "--purge-cache"]);
    assert!(said.status.success(), "{}", text(&said));
    assert!(!link.exists() && real.join("usr").is_dir());
}

fn keeper_of(lab: &TestLab) -> i32 {
    let state = fs::read_to_string(format!("/run/haoscar/lab/{}/state.json", lab.name)).unwrap();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    i32::try_from(state["owner"]["pid"].as_i64().unwrap()).unwrap()
}

fn kill(pid: i32) {
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    until("the keeper is dead", || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    });
}
