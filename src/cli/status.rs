//! `haoscar status`: how the cluster is, in one sentence and a table.

use crate::cli::out::line;
use camino::Utf8PathBuf;
use clap::Args;

use super::look::look;
use super::via::{self, Reach};
use super::{Common, Exit, Failure, Format, build, examine, source};
use crate::desired::Role;
use crate::observed::{Seen, Word};
use crate::plan::diff;
use crate::status::{GroupStatus, Status, of_status, status};

/// Options of `haoscar status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar status
  haoscar status --format prometheus > /var/lib/prometheus/node-exporter/haoscar.prom    from a timer

Exit status: 0 well, 1 degraded.")]
pub struct Options {
    /// The spec: a file, or a folder that holds cluster.yaml
    path: Option<Utf8PathBuf>,
    #[command(flatten)]
    reach: Reach,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let spec = source::read(common, options.path.as_deref())?;
    let mut found = via::survey(&spec, &options.reach)?;
    look(&spec, &mut found);
    let plan = diff(&found.desired, &found.observed, true);
    let mut now = status(&found.desired, &found.observed, &plan);
    now.building = build::progress(&spec, &mut found);
    now.mirrors = examine::mirrors(&spec.loaded.cluster, &mut found.crew);
    now.disks = examine::disks(&spec.loaded.cluster, &mut found.crew);
    match common.format {
        Format::Json => line!("{}", serde_json::to_string_pretty(&now).unwrap_or_default()),
        Format::Prometheus => line!("{}", of_status(&now, &found.observed).trim_end()),
        _ => print(&now),
    }
    Ok(if now.degraded { Exit::Failed } else { Exit::Done })
}

fn print(status: &Status) {
    line!("{}", status.sentence);
    line!("{:<16} {:<8} {:<12} {:<14} drift", "host", "role", "agent", "engine");
    for (name, host) in &status.hosts {
        let role = serde_json::to_value(host.role).unwrap_or_default();
        let agent = if host.reached { "answers" } else { "unreachable" };
        line!(
            "{name:<16} {:<8} {agent:<12} {:<14} {}",
            role.as_str().unwrap_or_default(),
            host.engine,
            host.drift
        );
    }
    for (name, host) in &status.hosts {
        if let Some(recovered) = &host.recovered {
            line!("{name}: {recovered}");
        }
        if let Some(unconfirmed) = &host.unconfirmed {
            line!("{name}: {unconfirmed}");
        }
        if let Some(cycle) = host.cycle.as_ref().filter(|cycle| cycle.word != Word::InStep) {
            line!("{name}: {} ({})", cycle.sentence, cycle.at);
        }
    }
    for told in &status.told {
        line!("{told}");
    }
    for (name, far) in &status.building {
        let node = status.hosts.get(name).is_some_and(|host| host.role == Role::Node);
        line!("{name} is {}: {far}", if node { "starting" } else { "being built" });
    }
    for (name, mirror) in &status.mirrors {
        line!("storage {name}: {}", mirror.told());
    }
    for (name, disks) in &status.disks {
        line!("storage {name}: {}", disks.told());
    }
    if let Some(follows) = &status.follows {
        line!("branch: {}", follows.sentence);
    }
    for (name, group) in &status.groups {
        let place = group.on.as_deref().unwrap_or("nowhere");
        let missing = if group.missing.is_empty() {
            "all started".to_owned()
        } else {
            format!("missing: {}", group.missing.join(", "))
        };
        line!("group {name}: on {place}, {missing}");
        services(group);
        standby(name, group);
    }
    match &status.doctor {
        Some(found) => {
            line!("doctor: errors {}, warnings {}, asked {}", found.errors, found.warnings, found.at);
        }
        None => line!("doctor: never asked (haoscar doctor proves more than this)"),
    }
}

fn standby(name: &str, group: &GroupStatus) {
    let rehearsed =
        group.rehearsed.as_ref().map_or("never rehearsed".to_owned(), |at| format!("last rehearsed {at}"));
    for (head, against) in &group.standby {
        match against.as_slice() {
            [] => line!("standby of {name}: {head} is proven, {rehearsed}"),
            reasons => line!("standby of {name}: {head} is not proven: {}", reasons.join("; ")),
        }
    }
}

fn services(group: &GroupStatus) {
    let Some(from) = &group.asked_from else { return };
    for (service, seen) in &group.services {
        let seen = match seen {
            Seen::Answers => format!("answers (asked from {from})"),
            Seen::NotYet(what) => format!("answers, but {what} (asked from {from})"),
            Seen::Wrong(what) => format!("answers wrong: {what} (asked from {from})"),
            Seen::Silent => format!("does not answer (asked from {from})"),
            Seen::NotAsked(why) => format!("not asked: {why}"),
        };
        line!("  {service:<14} {seen}");
    }
}
