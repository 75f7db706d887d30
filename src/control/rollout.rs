//! A roll-out of the head that leads, handed to `haoscar apply` in a unit of its own: the loop may end, be killed or be replaced
//! by what is rolled out, and the roll-out goes on.

use std::fs;
use std::process::Command;

use camino::{Utf8Component, Utf8Path};

use super::follow::FOLDER;
use crate::history::Followed;
use crate::spec::Sources;

const UNIT: &str = "haoscar-rollout.service";

/// What the last roll-out said.
const LOG: &str = "/var/lib/haoscar/follow/rollout.log";

/// How a roll-out ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is accepted.
    Done,
    /// Somebody else is at it: later.
    Busy(String),
    /// A host that it needs was not reached.
    Unreachable(String),
    /// It failed, and all is as before it.
    Failed(String),
}

/// Whether one runs, of this loop or of one before it.
pub(super) fn at_work() -> bool {
    let said = Command::new("systemctl").args(["is-active", UNIT]).output();
    said.is_ok_and(|said| matches!(said.stdout.trim_ascii(), b"active" | b"activating" | b"deactivating"))
}

/// Has what is accepted applied once more, for a member that was away, and waits for the end.
pub(super) fn again() -> Outcome {
    apply(&["--accepted"])
}

/// Carries it out, and waits for the end.
pub(super) fn run(copy: &Followed, commit: &str, path: &Utf8Path) -> Outcome {
    let tree = Utf8Path::new(FOLDER).join("spec");
    let sources = copy.sources(commit, path).map_err(|error| error.to_string());
    if let Err(why) = sources.and_then(|sources| write(&tree, &sources)) {
        return Outcome::Busy(why); // a disk that is full: the commit is not to blame
    }
    apply(&["--spec", tree.as_str(), "--followed", commit])
}

fn apply(more: &[&str]) -> Outcome {
    if let Err(why) = empty(LOG) {
        return Outcome::Busy(why);
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return Outcome::Busy(error.to_string()),
    };
    let log = format!("append:{LOG}");
    let mut started = Command::new("systemd-run");
    started.args(["--quiet", "--wait", "--collect", "--unit", UNIT, "--setenv=HOME=/root"]);
    started.args(["-p", &format!("StandardOutput={log}"), "-p", &format!("StandardError={log}")]);
    started.arg(program).args(["apply", "--via", "head", "--yes"]).args(more);
    match started.output() {
        Err(error) => Outcome::Busy(format!("systemd-run: {error}")),
        Ok(ended) => {
            let log = fs::read_to_string(LOG).unwrap_or_default();
            let own = String::from_utf8_lossy(&ended.stderr).into_owned();
            outcome(ended.status.code(), &format!("{own}\n{log}"))
        }
    }
}

fn outcome(code: Option<i32>, said: &str) -> Outcome {
    let error = said.lines().rfind(|line| line.starts_with("error: "));
    let last = error.or_else(|| said.lines().rfind(|line| !line.trim().is_empty()));
    let why = last.unwrap_or("it said nothing").trim_start_matches("error: ").trim().to_owned();
    match code {
        Some(0) => Outcome::Done,
        Some(69) => Outcome::Unreachable(why),
        Some(75) => Outcome::Busy(why),
        _ => Outcome::Failed(why),
    }
}

fn empty(path: &str) -> Result<(), String> {
    fs::create_dir_all(FOLDER).and_then(|()| fs::write(path, "")).map_err(|error| format!("{path}: {error}"))
}

/// The spec as files, in place of the last one. Root's alone: a spec may say more of a site than others should read.
fn write(folder: &Utf8Path, sources: &Sources) -> Result<(), String> {
    let wrong = |path: &Utf8Path| {
        let path = path.to_owned();
        move |error: std::io::Error| format!("{path}: {error}")
    };
    let _ = fs::remove_dir_all(folder);
    for (name, bytes) in &sources.files {
        if !name.components().all(|part| matches!(part, Utf8Component::Normal(_))) {
            return Err(format!("{name}: leaves the spec's folder"));
        }
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(wrong(parent))?;
        fs::write(&path, bytes).map_err(wrong(&path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_wait_is_told_from_what_failed_with_its_own_last_error() {
        let said = "[   0.1 s] staging\nerror: head-2 is locked\n  help: wait\n";
        assert_eq!(outcome(Some(75), said), Outcome::Busy("head-2 is locked".to_owned()));
        assert_eq!(outcome(Some(69), said), Outcome::Unreachable("head-2 is locked".to_owned()));
        assert_eq!(outcome(Some(107), said), Outcome::Failed("head-2 is locked".to_owned()));
        assert_eq!(outcome(None, ""), Outcome::Failed("it said nothing".to_owned()), "killed");
        assert_eq!(outcome(Some(0), said), Outcome::Done);
    }

    #[test]
    fn a_spec_replaces_the_last_one_and_never_leaves_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let at = Utf8Path::from_path(folder.path()).unwrap().join("spec");
        let mut sources = Sources::of_text("cluster.yaml", "name: one");
        sources.files.insert("lists/old.csv".into(), b"a".to_vec());
        write(&at, &sources).unwrap();
        sources.files.remove(Utf8Path::new("lists/old.csv"));
        write(&at, &sources).unwrap();
        assert!(at.join("cluster.yaml").is_file() && !at.join("lists").exists());
        sources.files.insert("../out.csv".into(), b"a".to_vec());
        assert!(write(&at, &sources).is_err() && !folder.path().join("out.csv").exists());
    }
}
