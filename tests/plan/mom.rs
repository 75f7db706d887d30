//! The script that puts mom's configuration into the home that PBS makes at its first start: real, on real files. In
//! the place of pbs_mom runs a shell of that name which catches SIGHUP some time after its start, as pbs_mom does;
//! this is not a run of OpenPBS.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use haoscar::templates::Templates;

struct Node {
    folder: tempfile::TempDir,
    mom: Option<Child>,
}

impl Node {
    /// A home as pbs_init.d leaves it.
    fn started() -> Self {
        let node = Self { folder: tempfile::tempdir().unwrap(), mom: None };
        fs::create_dir_all(node.path("home/mom_priv")).unwrap();
        fs::write(node.path("home/mom_priv/config"), "$restrict_user_maxsysid 999\n").unwrap();
        fs::write(node.path("new"), "$usecp *:/home /home\n").unwrap();
        let values =
            serde_json::json!({ "header": "", "home": node.path("home"), "config": node.path("new") });
        let script = Templates::packaged().unwrap().render("scheduler/openpbs/mom.sh.hbs", values).unwrap();
        node.program("script", &script);
        node
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn mom(&mut self, text: &str) {
        self.program("pbs_mom", text);
        // a shell that was started with SIGHUP ignored, as below nohup, can never catch it
        let mut command = Command::new("env");
        command.arg("--default-signal=HUP").arg(self.path("pbs_mom"));
        let child = command.current_dir(self.folder.path()).spawn().unwrap();
        fs::write(self.path("home/mom_priv/mom.lock"), format!("{}\n", child.id())).unwrap();
        self.mom = Some(child);
    }

    fn run(&self, words: &[&str]) -> Output {
        Command::new(self.path("script")).args(words).output().unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut mom) = self.mom.take() {
            let _ = mom.kill();
            let _ = mom.wait();
        }
    }
}

/// Catches SIGHUP after half a second, and ends well when it came.
const SLOW: &str =
    "#!/bin/sh\nsleep 0.5\ntrap 'cp home/mom_priv/config seen; exit 0' HUP\nwhile :; do sleep 0.05; done\n";

#[test]
fn mom_reads_the_configuration_after_its_first_start_and_not_before_it_can() {
    let mut node = Node::started();
    node.mom(SLOW);
    let said = node.run(&["start"]);
    assert!(said.status.success(), "{said:?}");
    let ended = node.mom.as_mut().unwrap().wait().unwrap();
    assert!(ended.success(), "mom died of the signal: {ended:?}");
    assert_eq!(node.read("seen"), "$usecp *:/home /home\n");
    let mode = fs::metadata(node.path("home/mom_priv/config")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
}

#[test]
fn a_mom_that_started_with_the_right_configuration_is_left_alone() {
    let mut node = Node::started();
    fs::copy(node.path("new"), node.path("home/mom_priv/config")).unwrap();
    node.mom("#!/bin/sh\nwhile :; do sleep 0.05; done\n");
    assert!(node.run(&["start"]).status.success());
    assert!(
        node.mom.as_mut().unwrap().try_wait().unwrap().is_none(),
        "it was sent a signal that it does not catch"
    );
}

#[test]
fn a_process_of_another_name_under_an_old_number_is_sent_no_signal() {
    let node = Node::started();
    let own = std::process::id(); // this test would die of SIGHUP
    fs::write(node.path("home/mom_priv/mom.lock"), own.to_string()).unwrap();
    let said = node.run(&[]);
    assert_eq!(said.status.code(), Some(1));
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.trim(), "pbs_mom is not there to read its new configuration");
    assert!(Path::new(&node.path("home/mom_priv/config")).exists());
}
