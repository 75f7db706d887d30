//! What is interrupted, killed or left out: found by a review with fresh eyes.

use super::*;
use haoscar::host::{Host, Local, Request, Response};
use std::time::{Duration, Instant};

fn good(host: &mut Local, request: Request) -> Response {
    host.ask(&request).unwrap().good("test").unwrap()
}

fn cycle(host: &mut Local, id: &str, file: &Rendered) {
    good(host, Request::Begin { id: id.to_owned() });
    good(host, Request::Stage(vec![file.clone()]));
    good(host, Request::Swap(vec![file.path.clone()]));
}

#[test]
fn what_an_open_journal_will_put_back_is_not_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let root = camino::Utf8Path::from_path(folder.path()).unwrap();
    let mut host = Local::under(root);
    cycle(&mut host, "t1", &file("/etc/x", "old\n", OnChange::Nothing));
    good(&mut host, Request::Commit { restarts: BTreeMap::new(), confirm: None });
    let new = file("/etc/x", "new\n", OnChange::Nothing);
    cycle(&mut host, "t2", &new);
    std::mem::forget(host); // a power cut or SIGKILL: no Drop
    std::fs::remove_file(root.join("run/haoscar/apply.lock")).unwrap(); // the kernel lets a dead process's lock go
    let seen = |root: &camino::Utf8Path| {
        let request = Request::Observe { files: vec![new.clone()], directories: vec![], units: vec![] };
        match good(&mut Local::under(root), request) {
            Response::Observed(found) => found.files[&new.path].clone(),
            other => panic!("{other:?}"),
        }
    };
    let before = seen(root);
    haoscar_recover(root);
    let after = std::fs::read_to_string(root.join("etc/x")).unwrap();
    println!("observed {before:?}, after the next Begin the file holds {after:?}");
    assert!(!(before == FileFact::Same && after == "old\n"));
}

/// The forgotten host keeps the flock in this process, so the lock file goes first, as a reboot's /run does.
fn haoscar_recover(root: &camino::Utf8Path) {
    std::fs::remove_file(root.join("run/haoscar/apply.lock")).unwrap();
    good(&mut Local::under(root), Request::Begin { id: "t3".to_owned() });
}

#[test]
fn a_joint_change_needs_members_that_on_leaves_out() {
    let host = HostDesired {
        files: vec![file("/etc/corosync/corosync.conf", "new\n", OnChange::Joint)],
        ..HostDesired::default()
    };
    let mut wanted = desired(host);
    let members = BTreeMap::from([("head-1".to_owned(), 1), ("head-2".to_owned(), 2)]);
    wanted.engine = Some(EngineDesired { members, ..EngineDesired::default() });
    let seen = HostObserved {
        files: LiteMap::from_iter([("/etc/corosync/corosync.conf".into(), differs("old\n", Origin::Old))]),
        ..HostObserved::default()
    };
    let plan = diff(&wanted, &observed(seen), false); // head-2 was not asked: --on head-1
    assert!(!plan.refused.is_empty(), "refused by nobody:\n{}", show(&plan, true));
}

#[test]
fn a_time_limit_holds_though_a_grandchild_has_the_pipe() {
    let argv = ["sh", "-c", "sleep 8; true"].map(str::to_owned).to_vec();
    let begin = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let mut host = Local::under(camino::Utf8Path::from_path(folder.path()).unwrap());
    good(&mut host, Request::Run { argv, input: String::new(), timeout_ms: 200 });
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
}

#[test]
fn a_removed_drop_in_makes_systemd_read_again() {
    let host = HostDesired { units: vec![unit("x.service", UnitWant::Running)], ..HostDesired::default() };
    let seen = HostObserved {
        gone: vec!["/etc/systemd/system/x.service.d/haoscar.conf".into()],
        units: LiteMap::from_iter([("x.service".to_owned(), fact(true, "active"))]),
        ..HostObserved::default()
    };
    let plan = diff(&desired(host), &observed(seen), false);
    let reload = plan.hosts["head-1"].units.iter().any(|action| action.verb == UnitVerb::DaemonReload);
    assert!(reload, "{}", show(&plan, true));
}

#[test]
fn a_change_of_mode_alone_is_told() {
    let host =
        HostDesired { files: vec![file("/etc/x", "x\n", OnChange::Nothing)], ..HostDesired::default() };
    let (text, owner, mode, origin) = ("x\n".to_owned(), Owner::root(), Mode(0o666), Origin::Old);
    let fact = FileFact::Differs(Box::new(FoundFile { text, owner, mode, origin }));
    let seen =
        HostObserved { files: LiteMap::from_iter([("/etc/x".into(), fact)]), ..HostObserved::default() };
    let plan = diff(&desired(host), &observed(seen), false);
    assert!(show(&plan, true).contains("666"), "{}", show(&plan, true));
}
