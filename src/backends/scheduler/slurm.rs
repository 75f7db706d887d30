//! Slurm, `managed`: one slurmctld that moves with the group, the same slurm.conf on every host.
//!
//! Slurm has no switch that only checks its configuration; `scontrol show hostnames` reads the file and refuses
//! unknown keys and bad values (knowledge/formats.md), which is what the check asks.

use serde_json::{Value, json};

use super::nodes_of;
use crate::backends::{Backend, Context, Part, Placement, state_folder, zero_is_good};
use crate::desired::{
    Check, Directory, Mode, OnChange, Owner, Piece, Probe, Question, Reads, Rendered, Role, SecretKind, Unit,
    UnitWant, names,
};
use crate::engines::Carried;
use crate::spec::{NodeRange, Nodes, Partition, Problem, SchedulerService};

/// The Slurm backend.
pub struct Slurm;

const CONTROLLER: &str = "slurmctld.service";
const NODE: &str = "slurmd.service";
const MUNGE: &str = "munge.service";
const CONF: &str = "/etc/slurm/slurm.conf";
const MUNGE_SECRET: &str = "munge-key";

/// munge's own `create-munge-key` makes 1024 bytes (Debian 12).
const MUNGE_KEY_BYTES: usize = 1024;

impl Backend for Slurm {
    type Service = SchedulerService;

    fn name(&self) -> &'static str {
        "slurm"
    }

    fn resolve(&self, service: &SchedulerService, context: &Context<'_>) -> Result<Part, Problem> {
        let node = || Placement::Role(Role::Node);
        let mut part = Part {
            directories: vec![state_folder(context.state()?, "slurm", "slurm", 0o700), (node(), spool())],
            carried: vec![Carried {
                recovery: service.recovery.clone(),
                ..Carried::moving(context.name, CONTROLLER, Some("scontrol ping | grep -q 'is UP'"))
            }],
            units: vec![(node(), Unit { name: NODE.to_owned(), want: UnitWant::Running })],
            ..Part::default()
        };
        part.probes.extend(context.heads.iter().map(|head| loaded(head, context)));
        part.files.push((Placement::Heads, drop_in(context)?));
        part.files.push((node(), node_drop_in(context)?));
        for place in [Placement::Heads, node()] {
            let unit = if place == Placement::Heads { CONTROLLER } else { NODE };
            part.files.push((place.clone(), conf(service, unit, context)?));
            part.files.push((place.clone(), cgroup(context)?));
            part.files.push((place.clone(), munge_key()));
            part.secrets.push((place.clone(), MUNGE_SECRET.to_owned(), SecretKind::Random(MUNGE_KEY_BYTES)));
            part.units.push((place.clone(), Unit { name: MUNGE.to_owned(), want: UnitWant::Running }));
            part.checks.push((place.clone(), check()));
            part.packages.extend(["munge", "slurm-client"].map(|p| (place.clone(), p.to_owned())));
        }
        part.packages.extend([(Placement::Heads, "slurmctld".to_owned()), (node(), "slurmd".to_owned())]);
        Ok(part)
    }
}

/// slurmctld and its client each make a number of the slurm.conf that they have read, and the client compares them.
fn loaded(head: &str, context: &Context<'_>) -> Probe {
    let argv = ["scontrol", "show", "config"].map(str::to_owned).into();
    Probe {
        service: context.name.to_owned(),
        group: Some(context.group.0.to_owned()),
        host: head.to_owned(),
        unit: CONTROLLER.to_owned(),
        question: Question::Command { argv, timeout_ms: 10_000 },
        says: vec!["HASH_VAL = Match".to_owned()],
        reads: Reads::OnReload,
        comments: true,
    }
}

fn spool() -> Directory {
    Directory {
        path: "/var/lib/slurm/slurmd".into(),
        owner: Owner::of("slurm", "slurm"),
        mode: Mode(0o755),
        shared: false,
    }
}

fn munge_key() -> Rendered {
    Rendered {
        path: "/etc/munge/munge.key".into(),
        owner: Owner::of("munge", "munge"),
        mode: Mode(0o400),
        text: vec![Piece::Secret(MUNGE_SECRET.to_owned())],
        on_change: OnChange::Restart(MUNGE.to_owned()),
        source: format!("secret {MUNGE_SECRET}"),
    }
}

fn check() -> Check {
    // `scontrol` reads SLURM_CONF before it does anything
    let conf = format!("SLURM_CONF={{staged:{CONF}}}");
    let argv = ["env", &conf, "scontrol", "show", "hostnames", "x"].map(str::to_owned).into();
    Check {
        name: "scontrol with the new slurm.conf".to_owned(),
        question: Question::Command { argv, timeout_ms: 10_000 },
        verdict: zero_is_good,
    }
}

fn drop_in(context: &Context<'_>) -> Result<Rendered, Problem> {
    let path = format!("/etc/systemd/system/{CONTROLLER}.d/haoscar.conf");
    let values = json!({ "controller": context.group.0 });
    let restart = OnChange::DaemonReload(Some(CONTROLLER.to_owned()));
    context.file(path, "scheduler/slurm/slurmctld.conf.hbs", values, restart)
}

fn node_drop_in(context: &Context<'_>) -> Result<Rendered, Problem> {
    let path = format!("/etc/systemd/system/{NODE}.d/haoscar.conf");
    context.file(path, "scheduler/slurm/slurmd.conf.hbs", json!({}), OnChange::DaemonReload(None))
}

fn cgroup(context: &Context<'_>) -> Result<Rendered, Problem> {
    // slurmd 22.05 starts on a hybrid tree with cgroup/v1 only (knowledge/managed.md 1)
    let plugin = if context.cgroup_hybrid { "cgroup/v1" } else { "autodetect" };
    let values = json!({ "plugin": plugin });
    context.file(
        "/etc/slurm/cgroup.conf",
        "scheduler/slurm/cgroup.conf.hbs",
        values,
        OnChange::Restart(NODE.to_owned()),
    )
}

fn conf(service: &SchedulerService, unit: &str, context: &Context<'_>) -> Result<Rendered, Problem> {
    let partitions = service.partitions.iter().map(|(name, p)| partition(name, p, context));
    let partitions: Vec<_> = partitions.collect::<Result<_, _>>()?;
    let mut nodes = Vec::new();
    for (range, declared) in &context.cluster.nodes {
        nodes.extend(node_lines(range, declared)?);
    }
    let values = json!({
        "cluster": context.cluster.name, "controller": context.group.0, "address": context.private_address()?,
        "state": context.state()?, "nodes": nodes, "partitions": partitions,
    });
    context.file(CONF, "scheduler/slurm/slurm.conf.hbs", values, OnChange::Restart(unit.to_owned()))
}

fn partition(name: &str, partition: &Partition, context: &Context<'_>) -> Result<Value, Problem> {
    let nodes = nodes_of(name, partition, context.cluster)?;
    let time =
        partition.max_time.map_or("INFINITE".to_owned(), |t| t.as_millis().div_ceil(60_000).to_string());
    Ok(json!({ "name": name, "nodes": nodes, "default": partition.default, "time": time }))
}

/// One line a run of addresses that differ in the last part only, so that Slurm can fold them beside the names.
fn node_lines(range: &NodeRange, declared: &Nodes) -> Result<Vec<Value>, Problem> {
    let mut seen = std::collections::BTreeSet::new();
    let mut runs: Vec<(String, Vec<String>, Vec<String>)> = Vec::new();
    for node in names::of_range(range, declared)? {
        if !seen.insert(node.name.clone()) {
            continue; // a second address of the same node: Slurm wants one
        }
        let text = node.address.to_string();
        let (stem, last) = text.rsplit_once('.').unwrap_or((&text, ""));
        match runs.last_mut() {
            Some((known, names, lasts)) if known == stem && !last.is_empty() => {
                names.push(node.name);
                lasts.push(last.to_owned());
            }
            _ => runs.push((stem.to_owned(), vec![node.name], vec![last.to_owned()])),
        }
    }
    let line = |(stem, names, lasts): (String, Vec<String>, Vec<String>)| {
        let addresses = match lasts.as_slice() {
            [last] if last.is_empty() => stem,
            [last] => format!("{stem}.{last}"),
            [first, .., last] => format!("{stem}.[{first}-{last}]"),
            [] => stem,
        };
        json!({ "names": names.join(","), "addresses": addresses, "cpus": declared.cpus, "memory": declared.memory_mib })
    };
    Ok(runs.into_iter().map(line).collect())
}
