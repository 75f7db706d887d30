//! Transactions of the local host below a folder: the real code on real files.

use std::collections::BTreeMap;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use haoscar::desired::{OnChange, Piece, Rendered};
use haoscar::host::{Host, Local, Request, Response};
use haoscar::observed::{FileFact, Origin};

use super::file;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }
    fn root(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }
    fn host(&self) -> Local {
        Local::under(self.root())
    }
    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root().join(path)).ok()
    }
}

fn good(host: &mut Local, request: Request) -> Response {
    host.ask(&request).unwrap().good("test").unwrap()
}

fn stage_and_swap(host: &mut Local, files: &[Rendered]) {
    let paths: Vec<Utf8PathBuf> = files.iter().map(|f| f.path.clone()).collect();
    good(host, Request::Begin { id: "t1".to_owned() });
    good(host, Request::Stage(files.to_vec()));
    good(host, Request::Swap(paths));
}

fn fact(host: &mut Local, file: &Rendered) -> FileFact {
    let request = Request::Observe { files: vec![file.clone()], directories: vec![], units: vec![] };
    match good(host, request) {
        Response::Observed(found) => found.files[&file.path].clone(),
        other => panic!("{other:?}"),
    }
}

/// Owner root is written in the files: the tests that swap need to be root, as CI and the lab are.
fn root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        crate::lab::harness::skipped("files of several owners need root");
    }
    root
}

#[test]
fn what_was_applied_is_observed_as_the_same() {
    if !root() {
        return;
    }
    let (place, x) = (Place::new(), file("/etc/x", "new\n", OnChange::Nothing));
    let mut host = place.host();
    stage_and_swap(&mut host, std::slice::from_ref(&x));
    good(&mut host, Request::Commit { restarts: BTreeMap::new(), confirm: None });
    assert_eq!(place.read("etc/x").as_deref(), Some("new\n"));
    assert_eq!(fact(&mut host, &x), FileFact::Same);
}

#[test]
fn a_session_that_ends_before_its_commit_leaves_the_old_files() {
    if !root() {
        return;
    }
    let place = Place::new();
    place.write("etc/x", "old\n");
    let mut host = place.host();
    let files = [file("/etc/x", "new\n", OnChange::Nothing), file("/etc/y", "new\n", OnChange::Nothing)];
    stage_and_swap(&mut host, &files);
    assert_eq!(place.read("etc/x").as_deref(), Some("new\n"), "swapped, or the test proves nothing");
    drop(host);
    assert_eq!(place.read("etc/x").as_deref(), Some("old\n"));
    assert_eq!(place.read("etc/y"), None);
}

#[test]
fn a_killed_agent_leaves_a_journal_that_the_next_one_puts_back() {
    if !root() {
        return;
    }
    let place = Place::new();
    place.write("etc/x", "old\n");
    let mut host = place.host();
    stage_and_swap(&mut host, &[file("/etc/x", "new\n", OnChange::Nothing)]);
    let journal = place.read("var/lib/haoscar/journal.json").unwrap();
    let kept = place.read("var/lib/haoscar/checkpoint/t1/etc/x").unwrap();
    drop(host); // would revert; put the killed agent's leftovers back
    place.write("etc/x", "new\n");
    place.write("var/lib/haoscar/journal.json", &journal);
    place.write("var/lib/haoscar/checkpoint/t1/etc/x", &kept);
    good(&mut place.host(), Request::Begin { id: "t2".to_owned() });
    assert_eq!(place.read("etc/x").as_deref(), Some("old\n"));
    assert_eq!(place.read("var/lib/haoscar/journal.json"), None);
}

#[test]
fn a_hand_edit_is_told_from_somebody_elses_file_and_is_kept() {
    if !root() {
        return;
    }
    let (place, x) = (Place::new(), file("/etc/x", "new\n", OnChange::Nothing));
    place.write("etc/x", "somebody's\n");
    let mut host = place.host();
    assert!(matches!(fact(&mut host, &x), FileFact::Differs(found) if found.origin == Origin::Unowned));
    stage_and_swap(&mut host, std::slice::from_ref(&x));
    good(&mut host, Request::Commit { restarts: BTreeMap::new(), confirm: None });
    assert_eq!(place.read("var/lib/haoscar/adopted/t1/etc/x").as_deref(), Some("somebody's\n"));
    place.write("etc/x", "edited\n");
    assert!(matches!(fact(&mut host, &x), FileFact::Differs(found) if found.origin == Origin::Edited));
    stage_and_swap(&mut host, &[x]);
    good(&mut host, Request::Commit { restarts: BTreeMap::new(), confirm: None });
    assert_eq!(place.read("var/lib/haoscar/edits/t1/etc/x").as_deref(), Some("edited\n"));
}

#[test]
fn two_sessions_cannot_change_one_host_at_once() {
    if !root() {
        return;
    }
    let place = Place::new();
    let (mut one, mut two) = (place.host(), place.host());
    good(&mut one, Request::Begin { id: "one".to_owned() });
    assert!(matches!(two.ask(&Request::Begin { id: "two".to_owned() }), Ok(Response::Locked)));
    good(&mut one, Request::Commit { restarts: BTreeMap::new(), confirm: None });
    good(&mut two, Request::Begin { id: "two".to_owned() });
}

#[test]
fn a_secret_is_in_the_file_and_nowhere_else() {
    if !root() {
        return;
    }
    let place = Place::new();
    let mut host = place.host();
    let planted = "s3cr3t-0123456789";
    let hex: String = planted.bytes().map(|b| format!("{b:02x}")).collect();
    good(&mut host, Request::SecretPut { name: "key".to_owned(), hex });
    let mut x = file("/etc/x", "key = ", OnChange::Nothing);
    x.text.push(Piece::Secret("key".to_owned()));
    stage_and_swap(&mut host, std::slice::from_ref(&x));
    let staged = place.read("var/lib/haoscar/journal.json").unwrap();
    assert!(!staged.contains(planted));
    good(&mut host, Request::Commit { restarts: BTreeMap::new(), confirm: None });
    assert_eq!(place.read("etc/x").unwrap(), format!("key = {planted}"));
    x.text.push(Piece::Text("\n".into()));
    let told = format!("{:?}", fact(&mut host, &x));
    assert!(told.contains("holds secret key") && !told.contains(planted), "{told}");
    let mut left: Vec<String> = Vec::new();
    let mut folders = vec![place.root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8().unwrap() {
            let path = entry.unwrap().into_path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::read(&path).unwrap().windows(planted.len()).any(|w| w == planted.as_bytes()) {
                left.push(path.strip_prefix(place.root()).unwrap().to_string());
            }
        }
    }
    left.sort();
    assert_eq!(left, ["etc/haoscar/secrets/key", "etc/x"]);
}

#[test]
fn a_staged_path_stands_in_a_check_for_the_file_that_will_come() {
    if !root() {
        return;
    }
    let place = Place::new();
    let mut host = place.host();
    good(&mut host, Request::Begin { id: "t".to_owned() });
    good(&mut host, Request::Stage(vec![file("/etc/x", "staged\n", OnChange::Nothing)]));
    let argv = ["cat", "{staged:/etc/x}"].map(str::to_owned).into();
    let question = haoscar::desired::Question::Command { argv, timeout_ms: 5_000 };
    match good(&mut host, Request::Check(question)) {
        Response::Answer(answer) => assert_eq!(answer.stdout, "staged\n"),
        other => panic!("{other:?}"),
    }
    assert_eq!(place.read("etc/x"), None);
}

#[test]
fn an_owned_file_that_was_deleted_by_hand_and_left_the_spec_does_not_wedge_apply() {
    if !root() {
        return;
    }
    let (place, x) = (Place::new(), file("/etc/x", "new\n", OnChange::Nothing));
    let mut host = place.host();
    stage_and_swap(&mut host, std::slice::from_ref(&x));
    good(&mut host, Request::Commit { restarts: BTreeMap::new(), confirm: None });
    fs::remove_file(place.root().join("etc/x")).unwrap();
    let gone = match good(&mut host, Request::Observe { files: vec![], directories: vec![], units: vec![] }) {
        Response::Observed(found) => found.gone,
        other => panic!("{other:?}"),
    };
    good(&mut host, Request::Begin { id: "t2".to_owned() });
    let removed = host.ask(&Request::Remove(gone.clone()));
    assert!(removed.is_ok(), "gone {gone:?}: {removed:?}");
}

/// A power cut after the transaction was decided and before its ledger was written.
fn cut_after_the_decision(place: &Place, act: impl FnOnce(&mut Local)) {
    let mut host = place.host();
    good(&mut host, Request::Begin { id: "t2".to_owned() });
    act(&mut host);
    let journal = place.read("var/lib/haoscar/journal.json").unwrap();
    let old_ledger = place.read("var/lib/haoscar/ledger.json").unwrap();
    good(&mut host, Request::Commit { restarts: BTreeMap::new(), confirm: None });
    let new_ledger = place.read("var/lib/haoscar/ledger.json").unwrap();
    let mut journal: serde_json::Value = serde_json::from_str(&journal).unwrap();
    journal["committed"] = serde_json::from_str(&new_ledger).unwrap();
    place.write("var/lib/haoscar/journal.json", &journal.to_string());
    place.write("var/lib/haoscar/ledger.json", &old_ledger);
    drop(host);
    let mut next = place.host();
    good(&mut next, Request::Begin { id: "t3".to_owned() });
    good(&mut next, Request::Commit { restarts: BTreeMap::new(), confirm: None });
}

#[test]
fn a_cut_inside_the_commit_ends_with_the_new_file_and_its_ledger() {
    if !root() {
        return;
    }
    let (place, old) = (Place::new(), file("/etc/x", "old\n", OnChange::Nothing));
    let mut host = place.host();
    stage_and_swap(&mut host, std::slice::from_ref(&old));
    good(&mut host, Request::Commit { restarts: BTreeMap::new(), confirm: None });
    drop(host);
    let new = file("/etc/x", "new\n", OnChange::Nothing);
    cut_after_the_decision(&place, |host| {
        good(host, Request::Stage(vec![new.clone()]));
        good(host, Request::Swap(vec![new.path.clone()]));
    });
    assert_eq!(fact(&mut place.host(), &new), FileFact::Same);
}

#[test]
fn a_cut_inside_the_commit_of_a_removal_leaves_neither_file_nor_entry() {
    if !root() {
        return;
    }
    let (place, old) = (Place::new(), file("/etc/x", "old\n", OnChange::Nothing));
    let mut host = place.host();
    stage_and_swap(&mut host, std::slice::from_ref(&old));
    good(&mut host, Request::Commit { restarts: BTreeMap::new(), confirm: None });
    drop(host);
    cut_after_the_decision(&place, |host| {
        good(host, Request::Remove(vec![old.path.clone()]));
    });
    assert_eq!(place.read("etc/x"), None);
    assert!(!place.read("var/lib/haoscar/ledger.json").unwrap().contains("/etc/x"));
}

#[test]
fn a_secret_in_a_current_file_whose_new_text_has_none_is_masked() {
    if !root() {
        return;
    }
    let place = Place::new();
    let mut host = place.host();
    let planted = "s3cr3t-0123456789";
    let hex: String = planted.bytes().map(|b| format!("{b:02x}")).collect();
    good(&mut host, Request::SecretPut { name: "key".to_owned(), hex });
    place.write("etc/x", &format!("key = {planted}\n"));
    let told = format!("{:?}", fact(&mut host, &file("/etc/x", "no key\n", OnChange::Nothing)));
    assert!(!told.contains(planted), "{told}");
}

#[test]
fn a_check_that_echoes_its_input_tells_no_secret() {
    if !root() {
        return;
    }
    let place = Place::new();
    let mut host = place.host();
    let planted = "s3cr3t-0123456789";
    let hex: String = planted.bytes().map(|b| format!("{b:02x}")).collect();
    good(&mut host, Request::SecretPut { name: "key".to_owned(), hex });
    let mut x = file("/etc/x", "key = ", OnChange::Nothing);
    x.text.push(Piece::Secret("key".to_owned()));
    good(&mut host, Request::Begin { id: "t".to_owned() });
    good(&mut host, Request::Stage(vec![x]));
    let argv = ["cat", "{staged:/etc/x}"].map(str::to_owned).into();
    let question = haoscar::desired::Question::Command { argv, timeout_ms: 5_000 };
    let told = format!("{:?}", good(&mut host, Request::Check(question)));
    assert!(!told.contains(planted), "{told}");
}

#[test]
fn a_revert_gives_a_symlink_back_as_a_symlink() {
    if !root() {
        return;
    }
    let place = Place::new();
    place.write("run/real", "real\n");
    fs::create_dir_all(place.root().join("etc")).unwrap();
    std::os::unix::fs::symlink("../run/real", place.root().join("etc/x")).unwrap();
    let mut host = place.host();
    stage_and_swap(&mut host, &[file("/etc/x", "new\n", OnChange::Nothing)]);
    drop(host);
    assert!(fs::symlink_metadata(place.root().join("etc/x")).unwrap().is_symlink());
}

#[test]
fn folders_of_a_host_below_a_root_stay_below_it() {
    if !root() {
        return;
    }
    let place = Place::new();
    let other = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(other.path()).unwrap().join("made");
    let folder = haoscar::desired::Directory {
        path: path.clone(),
        owner: haoscar::desired::Owner::root(),
        mode: haoscar::desired::Mode(0o755),
        shared: false,
    };
    good(&mut place.host(), Request::Directories(vec![folder]));
    assert!(!path.exists(), "made outside of the root");
}

#[test]
fn an_agent_that_never_answers_is_given_up() {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut command = std::process::Command::new("sleep");
        command.arg("40");
        let _ = tell.send(haoscar::host::Remote::start("h", command).is_err());
    });
    assert!(told.recv_timeout(std::time::Duration::from_secs(30)).is_ok());
}

#[test]
fn what_somebody_put_where_haoscar_gave_a_path_up_stays_when_haoscar_goes() {
    if !root() {
        return;
    }
    let place = Place::new();
    place.write("etc/adopted", "original\n");
    let mut host = place.host();
    let files =
        ["/etc/made", "/etc/adopted", "/etc/owned"].map(|path| file(path, "ours\n", OnChange::Nothing));
    stage_and_swap(&mut host, &files);
    good(&mut host, Request::Commit { restarts: BTreeMap::new(), confirm: None });
    good(&mut host, Request::Begin { id: "t2".to_owned() });
    good(&mut host, Request::Remove(vec!["/etc/made".into(), "/etc/adopted".into()]));
    good(&mut host, Request::Commit { restarts: BTreeMap::new(), confirm: None });
    place.write("etc/made", "theirs\n");
    place.write("etc/adopted", "theirs\n");
    let accepted = "var/lib/haoscar/accepted.json"; // an apply's last word, outside of its transaction
    place.write(accepted, "{}");
    good(&mut host, Request::Begin { id: "t3".to_owned() });
    good(&mut host, Request::Dismantle { keep: false });
    good(&mut host, Request::Commit { restarts: BTreeMap::new(), confirm: None });
    assert_eq!(place.read("etc/made").as_deref(), Some("theirs\n"));
    assert_eq!(place.read("etc/adopted").as_deref(), Some("theirs\n"));
    assert_eq!(place.read("etc/owned"), None);
    assert_eq!(place.read(accepted), None, "nothing is healed any more");
}

fn seen(host: &mut Local) -> u64 {
    match good(host, Request::Hello) {
        Response::Facts(facts) => facts.generation,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plan_from_before_another_apply_is_refused() {
    if !root() {
        return;
    }
    let place = Place::new();
    let mut host = place.host();
    assert_eq!(seen(&mut host), 0);
    good(&mut host, Request::Begin { id: "t1".to_owned() });
    good(&mut host, Request::Claim(3));
    let mut record = Box::new(haoscar::observed::Record::default());
    record.generation.number = 3;
    record.generation.who = "root@admin".to_owned();
    good(&mut host, Request::Keep { record: record.clone(), limit: 9 });
    good(&mut host, Request::Commit { restarts: BTreeMap::new(), confirm: None });
    assert_eq!(seen(&mut host), 3);

    good(&mut host, Request::Begin { id: "t2".to_owned() });
    assert!(
        matches!(host.ask(&Request::Claim(3)).unwrap(), Response::Outdated(3)),
        "made from generation 2, too"
    );
    good(&mut host, Request::Claim(4));
    good(&mut host, Request::Revert);

    record.generation.number = 2;
    good(&mut host, Request::Keep { record, limit: 9 });
    assert_eq!(seen(&mut host), 3, "a late word takes nothing back");
}
