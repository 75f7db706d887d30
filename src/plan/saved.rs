//! A saved plan against the world as it is now. Pure.
//!
//! What a person has approved is carried out, and nothing else: an object of the plan that has moved since refuses it, and
//! an object that the plan does not touch may move as it likes and stays as it is.

use std::collections::BTreeSet;
use std::fmt;

use super::{EnginePlan, FileChange, FileVerb, HostPlan, Plan, UnitAction};

/// An object of a saved plan that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Which, with its host.
    pub object: String,
    /// What the plan would do.
    pub expected: String,
    /// What would have to be done now.
    pub found: String,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.object, self.expected, self.found)
    }
}

/// The saved plan as it can be carried out now: `now`, without what the saved plan does not touch.
///
/// # Errors
/// Every object of it that has moved.
pub fn unmoved(saved: &Plan, now: Plan) -> Result<Plan, Vec<Moved>> {
    let none = HostPlan::default();
    let mut moved = Vec::new();
    for (name, host) in &saved.hosts {
        moved.extend(host_moved(name, host, now.hosts.get(name).unwrap_or(&none)));
    }
    moved.extend(engine_moved(&saved.engine, &now.engine));
    if !saved.statements().eq(now.statements()) {
        let object = "objects that services hold".to_owned();
        moved.push(Moved {
            object,
            expected: "the statements of the plan".to_owned(),
            found: "others".to_owned(),
        });
    }
    if moved.is_empty() { Ok(only(saved, now)) } else { Err(moved) }
}

fn host_moved(name: &str, saved: &HostPlan, now: &HostPlan) -> Vec<Moved> {
    let told = |object: &str, expected: &str, found: String| Moved {
        object: format!("{name}: {object}"),
        expected: expected.to_owned(),
        found,
    };
    let found = |path: &FileChange| now.all_files().find(|change| change.path == path.path);
    let files = saved.all_files().filter_map(|change| match found(change) {
        Some(now) if now == change => None,
        other => Some(told(change.path.as_str(), says(change.verb), otherwise(change, other))),
    });
    let lacks = saved.directories.iter().filter(|folder| !now.directories.contains(folder));
    let folders = lacks.map(|folder| told(folder.path.as_str(), "to make it", "it there".to_owned()));
    let missing = saved.all_units().filter(|action| !now.all_units().any(|other| same(action, other)));
    let units = missing.map(|action| {
        let expected = format!("to {:?} it", action.verb).to_lowercase();
        told(&action.unit, &expected, "no need to".to_owned())
    });
    files.chain(folders).chain(units).collect()
}

fn says(verb: FileVerb) -> &'static str {
    match verb {
        FileVerb::Create => "to create it",
        FileVerb::Change => "to change it",
        FileVerb::Remove => "to remove it",
    }
}

fn otherwise(saved: &FileChange, now: Option<&FileChange>) -> String {
    match now {
        None => "it as the spec asks".to_owned(),
        Some(now) if now.verb == saved.verb && now.file != saved.file => "another text asked for".to_owned(),
        Some(now) if now.verb == saved.verb => "another text there".to_owned(),
        Some(now) => format!("that one would have {}", says(now.verb)),
    }
}

fn engine_moved(saved: &EnginePlan, now: &EnginePlan) -> Option<Moved> {
    let touched = !saved.changes.is_empty()
        || !saved.leaves.is_empty()
        || !saved.restarts.is_empty()
        || !saved.rereads.is_empty()
        || !saved.anew.is_empty();
    (touched && saved != now).then(|| {
        let lines = |plan: &EnginePlan| match plan.changes.as_slice() {
            [] => "no change of its objects".to_owned(),
            changes => changes.join("; "),
        };
        Moved { object: "the engine".to_owned(), expected: lines(saved), found: lines(now) }
    })
}

/// The reason may name another file: what is done is the same.
fn same(one: &UnitAction, other: &UnitAction) -> bool {
    (one.verb, &one.unit) == (other.verb, &other.unit)
}

/// Everything that a plan changes, a word each.
pub fn objects(plan: &Plan) -> BTreeSet<String> {
    let of = |host: &HostPlan| {
        let folders = host.directories.iter().map(|folder| folder.path.to_string());
        let files = host.all_files().map(|change| change.path.to_string());
        let units =
            host.all_units().map(|action| format!("{:?} {}", action.verb, action.unit).to_lowercase());
        let packages = host.packages.iter().map(|package| format!("package {package}"));
        packages.chain(folders).chain(files).chain(units).collect::<Vec<_>>()
    };
    let hosts = plan.hosts.iter().map(|(name, host)| (name, of(host)));
    let named = hosts.flat_map(|(name, all)| all.into_iter().map(move |object| format!("{name}: {object}")));
    let EnginePlan { changes, restarts, leaves, rereads, anew, .. } = &plan.engine;
    let members = leaves.keys().chain(rereads.keys()).chain(anew.keys());
    let engine = changes.iter().chain(restarts.keys()).chain(members);
    named.chain(engine.map(|object| format!("the engine: {object}"))).collect()
}

/// `now`, cut to what the saved plan names.
fn only(saved: &Plan, mut now: Plan) -> Plan {
    now.hosts.retain(|name, _| saved.hosts.contains_key(name));
    for (name, host) in &mut now.hosts {
        cut(&saved.hosts[name], host);
    }
    if saved.engine != now.engine {
        let EnginePlan { kind, members, .. } = now.engine;
        now.engine = EnginePlan { kind, members, ..EnginePlan::default() };
    }
    now
}

fn cut(saved: &HostPlan, now: &mut HostPlan) {
    now.packages.retain(|package| saved.packages.contains(package));
    now.directories.retain(|folder| saved.directories.contains(folder));
    now.files.retain(|change| saved.files.contains(change));
    now.joint.retain(|change| saved.joint.contains(change));
    now.units.retain(|action| saved.units.iter().any(|one| same(one, action)));
    now.engine_units.retain(|action| saved.engine_units.iter().any(|one| same(one, action)));
    now.restarts.retain(|unit, _| saved.restarts.contains_key(unit));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::UnitVerb;
    use std::collections::BTreeMap;

    fn restart(unit: &str) -> UnitAction {
        UnitAction { verb: UnitVerb::Restart, unit: unit.to_owned(), reason: String::new() }
    }

    fn file(path: &str, diff: &str) -> FileChange {
        let diff = diff.to_owned();
        FileChange {
            path: path.into(),
            verb: FileVerb::Change,
            origin: None,
            diff,
            file: None,
            cosmetic: false,
        }
    }

    fn plan(files: &[FileChange], units: &[&str]) -> Plan {
        let units = units.iter().map(|unit| restart(unit)).collect();
        let host = HostPlan { files: files.to_vec(), units, ..HostPlan::default() };
        Plan { hosts: BTreeMap::from([("head-1".to_owned(), host)]), ..Plan::default() }
    }

    #[test]
    fn what_the_plan_does_not_touch_may_move_and_is_not_carried_out() {
        let saved = plan(&[file("/etc/a", "-x")], &["a.service"]);
        let mut now = plan(&[file("/etc/a", "-x"), file("/etc/b", "-y")], &["a.service", "b.service"]);
        now.hosts.insert(
            "head-2".to_owned(),
            HostPlan { units: vec![restart("c.service")], ..HostPlan::default() },
        );
        now.engine.changes.push("+ x".to_owned());
        let left: Vec<_> = objects(&now).difference(&objects(&saved)).cloned().collect();
        assert_eq!(unmoved(&saved, now).unwrap(), saved);
        let expected =
            ["head-1: /etc/b", "head-1: restart b.service", "head-2: restart c.service", "the engine: + x"];
        assert_eq!(left, expected);
    }

    #[test]
    fn an_object_of_the_plan_that_has_moved_refuses_it_with_what_was_expected_and_found() {
        let saved = plan(&[file("/etc/a", "-x"), file("/etc/b", "-y")], &["a.service"]);
        let now = plan(&[file("/etc/a", "-z")], &[]);
        let said: Vec<_> = unmoved(&saved, now).unwrap_err().iter().map(Moved::to_string).collect();
        let expected = [
            "head-1: /etc/a: expected to change it, found another text there",
            "head-1: /etc/b: expected to change it, found it as the spec asks",
            "head-1: a.service: expected to restart it, found no need to",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_plan_that_touches_the_engine_is_refused_when_the_engine_has_moved() {
        let mut saved = Plan::default();
        saved.engine.changes.push("+ x".to_owned());
        let said = unmoved(&saved, Plan::default()).unwrap_err();
        assert_eq!(said[0].to_string(), "the engine: expected + x, found no change of its objects");
    }
}
