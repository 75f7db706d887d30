//! The script that gives a DHCP server what others know: run as a golden tree has it, in folders of its own.

use std::path::PathBuf;
use std::process::{Command, Output};

const COLUMNS: &str =
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context";

/// A lease of `lifetime` seconds that ends at `expire`; 0: it was given back.
fn lease(address: &str, mac: &str, lifetime: i64, expire: i64) -> String {
    format!("{address},{mac},,{lifetime},{expire},1,0,0,,0,")
}

/// What is on a head: a copy of the group's storage, and what Kea's hook has told it.
struct Head(tempfile::TempDir);

const COPY: &str = "state/kea-leases4.csv";
const TOLD: &str = "told4/kea-leases4.csv";

impl Head {
    fn new() -> Self {
        let head = Self(tempfile::tempdir().unwrap());
        let script = "tests/golden/trees/mirror/head-1/usr/share/haoscar/leases";
        let script = std::fs::read_to_string(script).unwrap();
        let told = head.place("told").to_str().unwrap().to_owned();
        let script = script.replace("/var/lib/haoscar-leases", &told).replace("chown _kea:_kea", "test -e");
        std::fs::write(head.place("leases"), script).unwrap();
        for name in ["state", "told4"] {
            std::fs::create_dir(head.place(name)).unwrap();
        }
        head
    }

    fn place(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, lines: &[String]) {
        let text = [&[COLUMNS.to_owned()], lines, &[String::new()]].concat().join("\n");
        std::fs::write(self.place(name), text).unwrap();
    }

    fn takes_over(&self) -> Output {
        let (script, state) = (self.place("leases"), self.place("state"));
        Command::new("sh").arg(script).arg("told").arg(state).arg("4").output().unwrap()
    }

    /// Lines of the copy after that, without its first.
    fn leases(&self) -> Vec<String> {
        let ran = self.takes_over();
        assert!(ran.status.success() && ran.stderr.is_empty(), "{ran:?}");
        let text = std::fs::read_to_string(self.place(COPY)).unwrap();
        text.lines().skip(1).map(str::to_owned).collect()
    }
}

#[test]
fn a_head_that_takes_over_adds_what_it_was_told_and_its_copy_lacks() {
    let (head, now) = (Head::new(), jiff::Timestamp::now().as_second());
    let (renewed, new) = (lease("10.0.0.1", "aa", 600, now + 200), lease("10.0.0.3", "cc", 600, now + 400));
    let (same, given_back) = (lease("10.0.0.2", "bb", 600, now + 300), lease("10.0.0.6", "ff", 0, now - 200));
    let before = lease("10.0.0.1", "aa", 600, now + 100);
    head.write(&format!("{TOLD}.2"), &[before.clone(), lease("10.0.0.7", "old", 600, now - 5)]);
    let told = [
        renewed.clone(),
        same.clone(),
        lease("10.0.0.4", "dd", 600, now + 400),
        lease("10.0.0.4", "dd", 0, now - 200), // never in the copy, and nobody's again
        new.clone(),
        lease("10.0.0.5", "ee", 600, now + 50), // somebody else has it since
        lease("10.0.0.6", "ff", 600, now + 400),
        given_back.clone(),
    ];
    head.write(TOLD, &told);
    let mut copied = vec![
        before,
        same,
        lease("10.0.0.5", "gg", 600, now + 500),
        lease("10.0.0.6", "ff", 600, now + 300),
        "10.0.0.9,torn,,60".to_owned(), // copied while it was written
    ];
    head.write(COPY, &copied);
    let whole = std::fs::read_to_string(head.place(COPY)).unwrap();
    std::fs::write(head.place(COPY), whole.trim_end()).unwrap();

    let mut added = head.leases().split_off(copied.len());
    added.sort();
    assert_eq!(added, [renewed, new, given_back]);
    copied.extend(added);
    let (mut again, mut all) = (head.leases(), copied);
    again.sort();
    all.sort();
    assert_eq!(again, all, "what was there stays, and nothing is added twice");
}

#[test]
fn leases_that_were_told_are_all_where_there_is_no_copy_and_none_where_kea_was_another() {
    let (head, now) = (Head::new(), jiff::Timestamp::now().as_second());
    assert_eq!(head.takes_over().status.code(), Some(0), "nothing was told yet");
    assert!(!head.place(COPY).exists());
    let told = [lease("10.0.0.1", "aa", 600, now + 200), lease("10.0.0.2", "bb", 600, now + 300)];
    head.write(TOLD, &told);
    let mut found = head.leases();
    found.sort();
    assert_eq!(found, told);

    let older = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id\n";
    std::fs::write(head.place(COPY), older).unwrap();
    let ran = head.takes_over();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("another version of Kea"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(head.place(COPY)).unwrap(), older);
}
