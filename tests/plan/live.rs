//! Objects that OpenPBS holds itself: planned from what `qmgr` printed, fed through `qmgr -c`.
//!
//! Nothing here is a live run. `qmgr` is a shell script that *replays a transcript*: it prints what OpenPBS 23.06.06
//! printed, with what it was told since behind it, and ends with the exit statuses that were measured
//! (knowledge/schedulers.md section 3, and a lab with OpenPBS built from its source on 2026-11-30). It proves what
//! haoscar says to a qmgr and what it makes of the answers, not that OpenPBS takes it: tests/lab/openpbs.rs does that
//! where OpenPBS is installed.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use haoscar::apply::{Crew, feed};
use haoscar::desired::{Answer, Desired, Surroundings, resolve};
use haoscar::host::Local;
use haoscar::observed::Observed;
use haoscar::plan::{Plan, diff, sentence, show};
use haoscar::spec::{Sources, load};
use haoscar::templates::Templates;

/// As printed, with the comment lines left out.
const SERVER: &str = "\
create queue workq
set queue workq queue_type = Execution
set queue workq enabled = True
set queue workq started = True
set server scheduling = True
set server acl_hosts = h7b
set server acl_hosts += h7a
set server default_queue = workq
";

/// What it says before its first node.
const NO_NODES: &str =
    "qmgr obj= svr=default: Server has no node list\nqmgr: Error (15064) returned from server\n";

fn pbs() -> Desired {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/specs/ha-oscar-2004-pbs.yaml");
    let cluster = load(&Sources::of_text("cluster.yaml", fs::read(path).unwrap())).unwrap().cluster;
    resolve(&cluster, &Surroundings::whole(&cluster), &Templates::packaged().unwrap()).unwrap()
}

fn planned(answers: Option<Vec<Answer>>) -> Plan {
    let live = answers.into_iter().map(|answers| ("scheduler".to_owned(), answers)).collect();
    diff(&pbs(), &Observed { live, ..Observed::default() }, false)
}

fn answer(status: i32, stdout: &str) -> Answer {
    Answer { status: Some(status), stdout: stdout.to_owned(), stderr: String::new() }
}

#[test]
fn objects_of_a_scheduler_that_runs_nowhere_wait_and_are_no_change() {
    let plan = planned(None);
    assert!(plan.statements().next().is_none());
    assert!(show(&plan, false).contains("? scheduler: its objects wait until it runs\n"), "{plan:?}");
}

#[test]
fn a_server_that_refuses_to_talk_is_quoted_and_its_objects_wait() {
    let plan = planned(Some(vec![answer(3, "qmgr: cannot connect to server control (errno=15010)"); 3]));
    let said = show(&plan, false);
    assert!(said.contains("? scheduler: its objects wait: qmgr: cannot connect to server control"), "{said}");
}

#[test]
fn a_fresh_server_is_told_about_queues_then_itself_then_nodes() {
    let none = Answer { stderr: NO_NODES.to_owned(), ..answer(1, "") };
    let plan = planned(Some(vec![answer(0, SERVER), none, answer(0, "")]));
    assert!(!plan.is_empty());
    let said = show(&plan, false);
    let expected = "\
objects of scheduler
  + create hook walltime
  + import hook walltime application/x-python default /etc/haoscar/openpbs-hooks/walltime.py
  + set hook walltime event = queuejob
  + set hook walltime enabled = True
  + create queue batch comment = made-by-haoscar
  + set queue batch queue_type = Execution
  + set queue batch enabled = True
  + set queue batch started = True
  ~ set server default_queue = batch
  ~ set server flatuid = True
  ~ set server job_history_enable = True
  + create node compute1
  + set node compute1 resources_available.ncpus = 1
";
    assert!(said.contains(expected), "{said}");
    assert!(!said.contains("delete"), "a queue that haoscar did not make is deleted: {said}");
    let engine = plan.engine.changes.len();
    assert_eq!(
        sentence(&plan),
        format!("cluster oscar: {engine} object of the engine and 19 objects of services would change")
    );
}

/// Says what is asked of it into `asked`, answers as recorded, and knows what it was told.
const QMGR: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
echo "$2" >> asked
case $2 in
"print server")
    [ -e server-up ] || { echo "qmgr: cannot connect to server control (errno=15010)" >&2; touch server-up; exit 3; }
    cat server; grep -s -E ' (queue|server) ' told | grep -v resources_available; exit 0 ;;
"print node @default") grep -s ' node ' told || { cat no-nodes >&2; exit 1; }; exit 0 ;;
"print hook @default") grep -s ' hook ' told | grep -v '^import'; ! grep -qs '^import hook' told || cat program; exit 0 ;;
"create node $(cat unknown 2>/dev/null)")
    echo "qmgr obj=${2#create node } svr=default: Unknown node " >&2; exit 214 ;;
*) echo "$2" | sed 's/\(create queue [^ ]*\) \(comment.*\)/\1/' >> told ;;
esac
"#;

/// A folder with that qmgr, and the live objects of the spec with it in the place of /opt/pbs/bin/qmgr.
struct Site {
    folder: tempfile::TempDir,
    live: haoscar::desired::Live,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let qmgr = folder.path().join("qmgr");
        fs::write(&qmgr, QMGR).unwrap();
        fs::set_permissions(&qmgr, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.path().join("server"), SERVER).unwrap();
        fs::write(folder.path().join("no-nodes"), NO_NODES).unwrap();
        let mut live = pbs().live.remove(0);
        let program = live.wanted.lines().skip_while(|line| !line.starts_with("import hook"));
        let program =
            program.take_while(|line| !line.starts_with("set hook")).map(|line| format!("{line}\n"));
        fs::write(folder.path().join("program"), program.collect::<String>()).unwrap();
        let path = qmgr.to_str().unwrap().to_owned();
        assert_eq!(live.feed, ["/opt/pbs/bin/qmgr", "-c"]);
        live.feed[0].clone_from(&path);
        for question in &mut live.ask {
            let haoscar::desired::Question::Command { argv, .. } = question else { unreachable!() };
            argv[0].clone_from(&path);
        }
        Self { folder, live }
    }

    fn feed(&self) -> Result<(), String> {
        let mut crew = Crew::default();
        crew.add("head-1", Box::new(Local::under(self.folder.path().to_str().unwrap())));
        feed(&self.live, &["head-1".to_owned()], &mut crew, &|_| {}).map_err(|error| error.to_string())
    }

    fn asked(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("asked")).unwrap();
        text.lines().filter(|line| !line.starts_with("print")).map(str::to_owned).collect()
    }
}

#[test]
fn what_differs_is_fed_once_the_server_answers_and_nothing_the_second_time() {
    let site = Site::new();
    site.feed().unwrap();
    let told = site.asked();
    assert_eq!(told.len(), 19, "{told:?}");
    assert_eq!(told[4], "create queue batch comment = made-by-haoscar");
    site.feed().unwrap();
    assert_eq!(site.asked(), told, "fed again what the server holds already");
}

#[test]
fn the_first_refused_statement_ends_the_feeding_and_is_quoted_with_its_exit_status() {
    let site = Site::new();
    fs::write(site.folder.path().join("unknown"), "compute2").unwrap();
    let said = site.feed().unwrap_err();
    assert_eq!(
        said,
        "scheduler on head-1: `create node compute2` is refused with exit status 214 (unknown node, or a name that \
         does not resolve there): qmgr obj=compute2 svr=default: Unknown node; what came before it stays: mend it \
         and apply again"
    );
    let told = site.asked();
    assert_eq!(told.last().unwrap(), "create node compute2");
    fs::remove_file(site.folder.path().join("unknown")).unwrap();
    site.feed().unwrap();
    assert_eq!(site.asked()[told.len()..][0], "create node compute2", "what came before is told again");
}
