//! `haoscar init`: asked at a terminal, told by options, and never over a spec that is there.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::said;

const INSIDE: &str = "eno1 52:54:00:30:00:01 10.30.0.1/24";

#[test]
fn options_answer_everything_and_a_spec_that_is_there_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["init", "--from", "none", "--public", "none", "--inside", INSIDE, "--peer", "none"];
    let (status, text) = said(folder.path(), &words);
    assert!(status == Some(0) && text.contains("next: haoscar plan --spec cluster.yaml"), "{text}");
    let spec = fs::read_to_string(folder.path().join("cluster.yaml")).unwrap();
    assert!(spec.contains("addresses: { inside: 10.30.0.10 }"), "{spec}");
    assert_eq!(said(folder.path(), &["validate", "-q"]), (Some(0), String::new()));
    let (status, text) = said(folder.path(), &words);
    assert!(
        status == Some(107) && text.contains("cluster.yaml is there already: nothing was touched"),
        "{text}"
    );
    assert_eq!(fs::read_to_string(folder.path().join("cluster.yaml")).unwrap(), spec);
}

#[test]
fn what_only_a_person_can_know_is_said_where_nobody_can_be_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (status, text) =
        said(folder.path(), &["init", "--from", "none", "--public", "none", "--inside", INSIDE]);
    assert!(status == Some(64) && text.contains("--peer-cards 'MAC=ADDRESS"), "{text}");
    assert!(text.contains("--boards") && !text.contains("--storage"), "{text}");
    let (status, text) = said(folder.path(), &["init", "--from", "none", "--public", "eno1"]);
    assert!(status == Some(65) && text.contains("--public: CARD MAC ADDRESS/PREFIX"), "{text}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was written");
}

#[test]
fn this_machine_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (status, text) = said(
        folder.path(),
        &["init", "-y", "--head", "head-1", "--inside", INSIDE, "--public", "none", "--peer", "none"],
    );
    assert_eq!(status, Some(0), "{text}");
}

/// The program at a pseudo-terminal (util-linux's script), and all that it has written there.
struct Terminal {
    child: Child,
    output: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    fn open(folder: &std::path::Path) -> Self {
        let program = env!("CARGO_BIN_EXE_haoscar");
        let words = format!("{program} init --from none --peer none --via local");
        let mut child = Command::new("script")
            .args(["-qefc", &words, "/dev/null"])
            .current_dir(folder)
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdout.take().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                let _ = sender.send(buffer[..length].to_vec());
            }
        });
        Self { child, output, seen: String::new() }
    }

    /// Waits for this to be shown, then types that.
    fn at(&mut self, shown: &str, typed: &str) {
        while !self.seen.contains(shown) {
            let more = self.output.recv_timeout(Duration::from_secs(20));
            self.seen += &String::from_utf8_lossy(
                &more.unwrap_or_else(|_| panic!("{shown} is not in\n{}", self.seen)),
            );
        }
        self.seen = self.seen.split_once(shown).unwrap().1.to_owned();
        self.child.stdin.as_mut().unwrap().write_all(typed.as_bytes()).unwrap();
    }

    fn end(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

#[test]
fn at_a_terminal_answers_are_checked_kept_and_asked_for_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Terminal::open(folder.path());
    let again = "\u{7f}".repeat(20);
    first.at("1/10 the cluster's name:", &format!("{again}1 of all\r"));
    first.at("is no name", &format!("{again}tiny\r"));
    first.at("2/10 its domain:", "\u{3}"); // control-C
    assert_eq!(first.end(), Some(1));
    assert!(!folder.path().join("cluster.yaml").exists());

    let mut second = Terminal::open(folder.path());
    second.at("tiny", "\r");
    second.at("2/10 its domain:", "\r");
    second.at("3/10", "none\r");
    second.at("4/10", &format!("{INSIDE}\r"));
    second.at("8/10", "\r");
    second.at("9/10", "\r");
    second.at("10/10", "\r");
    second.at("cluster.yaml is written, and valid", "");
    second.at("cluster tiny", "");
    assert_eq!(second.end(), Some(0));
    let spec = fs::read_to_string(folder.path().join("cluster.yaml")).unwrap();
    assert!(spec.contains("name: tiny\ndomain: tiny.example\n"), "{spec}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "what was kept is gone");
}
