//! A plan as text: `+ ~ -` lines and diffs a host, then the engine, the impact, what waits, and one sentence.

use std::fmt::Write;

use super::impact::{line, outage};
use super::{FileChange, FileVerb, HostPlan, Plan, UnitAction, UnitVerb, live};
use crate::desired::Mode;
use crate::engines;
use crate::observed::Origin;
use crate::spec::EngineKind;

/// The whole plan. `diffs`: with unified diffs of changed files; new files are only named.
pub fn show(plan: &Plan, diffs: bool) -> String {
    let mut text = String::new();
    for (name, host) in &plan.hosts {
        let _ = writeln!(text, "{name}");
        host_lines(host, diffs, &mut text);
    }
    if !plan.engine.changes.is_empty() {
        let _ = writeln!(text, "engine");
        plan.engine
            .changes
            .iter()
            .for_each(|change| text.extend(["  ", &change.replace('\n', "\n  "), "\n"]));
    }
    rest(plan, &mut text);
    text
}

/// Who leaves, objects of services, the impact, what waits, what speaks against it: a line each.
pub(super) fn rest(plan: &Plan, text: &mut String) {
    for (name, away) in &plan.engine.leaves {
        let _ = match away {
            None => writeln!(
                text,
                "- {name} leaves: what it carries moves, its engine stops, its files and units become what they were"
            ),
            Some(why) => writeln!(
                text,
                "- {name} leaves, is off and cannot be reached ({why}): its files stay; it has no quorum should it come back"
            ),
        };
    }
    let daemon = engines::membership_daemon(plan.engine.kind);
    for (name, why) in &plan.engine.rereads {
        let _ = writeln!(text, "~ {daemon} reads its files again, for that of {name} has not: {why}");
    }
    for (name, anew) in &plan.engine.anew {
        let how = match anew.moves {
            true => "what it carries moves away first",
            false => "in maintenance, what it carries goes on and nobody fails over meanwhile",
        };
        let _ = writeln!(text, "~ the engine of {name} is started anew: {} ({how})", anew.reason);
    }
    *text += &live::lines(&plan.live);
    impact(plan, text);
    for (name, waiting) in &plan.waits {
        let objects = if waiting.objects == 1 { "object waits" } else { "objects wait" };
        let _ = writeln!(text, "? {name} unreachable ({}); its {} {objects}", waiting.why, waiting.objects);
    }
    live::waiting(&plan.live).for_each(|line| text.extend(["? ", &line, "\n"]));
    if plan.hosts.values().any(|host| !host.packages.is_empty()) {
        *text +=
            "note: what packages bring is looked at when they are there, and the rest is planned anew then\n";
    }
    for note in &plan.notes {
        let _ = writeln!(text, "note: {note}");
    }
    for refusal in &plan.refused {
        let _ = writeln!(text, "! {}", refusal.why);
    }
}

fn host_lines(host: &HostPlan, diffs: bool, text: &mut String) {
    for package in &host.packages {
        let _ = writeln!(text, "  + package {package}");
    }
    for folder in &host.directories {
        let (owner, mode): (_, Mode) = (&folder.owner, folder.mode);
        let _ = writeln!(text, "  + {}/ ({}:{} {mode})", folder.path, owner.user, owner.group);
    }
    for change in host.all_files() {
        let _ = writeln!(text, "  {}", file_line(change));
        if diffs && has_diff(change) {
            change.diff.lines().for_each(|line| text.extend(["      ", line, "\n"]));
        }
    }
    for action in host.all_units() {
        let _ = writeln!(text, "  {}", unit_line(action));
    }
}

/// What is new or was a distribution's is only named.
pub(super) fn has_diff(change: &FileChange) -> bool {
    change.verb == FileVerb::Change && change.origin != Some(Origin::Packaged)
}

pub(super) fn file_line(change: &FileChange) -> String {
    let sign = match change.verb {
        FileVerb::Create => '+',
        FileVerb::Change => '~',
        FileVerb::Remove => '-',
    };
    let whose = match change.origin {
        Some(Origin::Edited) => " (edited by hand; the edit is kept)",
        Some(Origin::Packaged) => " (as packaged; kept)",
        Some(Origin::Unowned) => " (adopted; the original is kept)",
        Some(Origin::Old) | None => "",
    };
    let comments = if change.cosmetic { " (comments alone: nothing is restarted)" } else { "" };
    format!("{sign} {}{whose}{comments}", change.path)
}

pub(super) fn unit_line(action: &UnitAction) -> String {
    let verb = match action.verb {
        UnitVerb::DaemonReload => return format!("~ systemd reads its units again: {}", action.reason),
        UnitVerb::Disable => "disable",
        UnitVerb::Enable => "enable",
        UnitVerb::Stop => "stop",
        UnitVerb::Start => "start",
        UnitVerb::Reload => "reload",
        UnitVerb::Restart | UnitVerb::EngineRestart => "restart",
    };
    format!("~ {verb} {}: {}", action.unit, action.reason)
}

fn impact(plan: &Plan, text: &mut String) {
    for (resource, reason) in &plan.engine.restarts {
        let _ = writeln!(text, "impact: the engine restarts {resource}: {reason}");
    }
    for forecast in &plan.impact.forecast {
        let _ = writeln!(text, "impact: the engine would {}", line(forecast));
    }
    for (group, rehearsal) in &plan.impact.rehearsals {
        let _ = writeln!(text, "impact: group {group}: expected outage: {}", outage(rehearsal.as_ref()));
    }
    for (storage, mirror) in &plan.impact.mirrors {
        let _ = writeln!(text, "impact: storage {storage}: {}", mirror.told());
    }
    for (storage, disks) in &plan.impact.disks {
        let _ = writeln!(text, "impact: storage {storage}: {}", disks.told());
    }
    if plan.hosts.values().any(|host| !host.joint.is_empty()) {
        let members: Vec<_> = plan.engine.members.iter().map(String::as_str).collect();
        let daemon = engines::membership_daemon(plan.engine.kind);
        let names = members.join(", ");
        let _ = writeln!(text, "impact: {daemon}'s files change on all members at once: {names}");
        let starts = |name: &String| plan.hosts.get(name).is_some_and(HostPlan::starts_engine);
        if plan.engine.kind == EngineKind::Heartbeat && !plan.engine.members.iter().all(starts) {
            let _ = writeln!(
                text,
                "impact: heartbeat stops on both heads for it, and the group with it: about 20 s"
            );
        }
    }
}

/// The plan in one sentence.
pub fn sentence(plan: &Plan) -> String {
    let waits = match plan.waits.len() {
        0 => String::new(),
        1 => "; 1 host is unreachable and waits".to_owned(),
        n => format!("; {n} hosts are unreachable and wait"),
    };
    if plan.is_empty() {
        return format!("cluster {} is as the spec says: nothing to do{waits}", plan.cluster);
    }
    format!("cluster {}: {} would change{waits}", plan.cluster, summary(plan))
}

/// How much changes, for people: `3 objects on 2 hosts and 1 object of the engine`.
pub fn summary(plan: &Plan) -> String {
    let objects: usize = plan.hosts.values().map(HostPlan::objects).sum();
    let engine = &plan.engine;
    let count = |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
    let all = [
        (objects, format!("on {}", count(plan.hosts.len(), "host"))),
        (engine.objects(), "of the engine".to_owned()),
        (plan.statements().count(), "of services".to_owned()),
    ];
    let some =
        all.into_iter().filter(|(n, _)| *n > 0).map(|(n, place)| format!("{} {place}", count(n, "object")));
    some.collect::<Vec<_>>().join(" and ")
}
