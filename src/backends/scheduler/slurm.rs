//! Slurm, `managed`: one slurmctld that moves with the group, the same slurm.conf on every host.
//!
//! Slurm has no switch that only checks its configuration; `scontrol show hostnames` reads the file and refuses
//! unknown keys and bad values (knowledge/formats.md), which is what the check asks.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::nodes_of;
use crate::backends::{Backend, Context, Part, Placement, state_folder, zero_is_good};
use crate::desired::{
    Check, Directory, Mode, OnChange, Owner, Piece, Probe, Question, Reads, Rendered, Role, SecretKind, Unit,
    UnitWant, names,
};
use crate::engines::Carried;
use crate::spec::{Cluster, Nodes, Partition, Problem, SchedulerService};

/// The Slurm backend.
pub struct Slurm;

const CONTROLLER: &str = "slurmctld.service";
/// Sees to it that jobs of the backfill scheduler are written down, and that nodes without files hear of a change; it comes and
/// goes with the controller.
const JOBS: &str = "haoscar-jobs.service";
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
        jobs(service, context, &mut part)?;
        part.files.push((node(), node_drop_in(service, context)?));
        let conf = conf(service, context)?;
        for place in [Placement::Heads, node()] {
            let has_files = place == Placement::Heads || !service.configless;
            if has_files {
                let unit = if place == Placement::Heads { CONTROLLER } else { NODE };
                let on_change = OnChange::Restart(unit.to_owned());
                part.files.push((place.clone(), Rendered { on_change, ..conf.clone() }));
                part.files.push((place.clone(), cgroup(context)?));
                part.checks.push((place.clone(), check()));
            }
            part.files.push((place.clone(), munge_key()));
            part.secrets.push((place.clone(), MUNGE_SECRET.to_owned(), SecretKind::Random(MUNGE_KEY_BYTES)));
            part.units.push((place.clone(), Unit { name: MUNGE.to_owned(), want: UnitWant::Running }));
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
    let values = json!({ "controller": context.group.0, "jobs": JOBS });
    let restart = OnChange::DaemonReload(Some(CONTROLLER.to_owned()));
    context.file(path, "scheduler/slurm/slurmctld.conf.hbs", values, restart)
}

fn jobs(service: &SchedulerService, context: &Context<'_>, part: &mut Part) -> Result<(), Problem> {
    let restart = OnChange::Restart(JOBS.to_owned());
    let values = json!({ "configless": service.configless, "state": context.state()? });
    part.script(context.file("/usr/share/haoscar/jobs", "scheduler/slurm/jobs.hbs", values, restart)?);
    let reload = OnChange::DaemonReload(Some(JOBS.to_owned()));
    let (path, values) = (format!("/etc/systemd/system/{JOBS}"), json!({ "controller": CONTROLLER }));
    part.files
        .push((Placement::Heads, context.file(path, "scheduler/slurm/jobs.service.hbs", values, reload)?));
    part.units.push((Placement::Heads, Unit { name: JOBS.to_owned(), want: UnitWant::Engine }));
    Ok(())
}

fn node_drop_in(service: &SchedulerService, context: &Context<'_>) -> Result<Rendered, Problem> {
    let path = format!("/etc/systemd/system/{NODE}.d/haoscar.conf");
    let server = service.configless.then(|| context.private_address()).transpose()?;
    let change = OnChange::DaemonReload(server.map(|_| NODE.to_owned()));
    context.file(path, "scheduler/slurm/slurmd.conf.hbs", json!({ "server": server }), change)
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

/// The same on every host; what is done when it has changed is the host's.
fn conf(service: &SchedulerService, context: &Context<'_>) -> Result<Rendered, Problem> {
    let partitions = service.partitions.iter().map(|(name, p)| partition(name, p, context));
    let partitions: Vec<_> = partitions.collect::<Result<_, _>>()?;
    let nodes: Vec<_> = runs(context.cluster)?.iter().map(Run::line).collect();
    let values = json!({
        "cluster": context.cluster.name, "controller": context.group.0, "address": context.private_address()?,
        "state": context.state()?, "configless": service.configless, "nodes": nodes, "partitions": partitions,
    });
    context.file(CONF, "scheduler/slurm/slurm.conf.hbs", values, OnChange::Nothing)
}

fn partition(name: &str, partition: &Partition, context: &Context<'_>) -> Result<Value, Problem> {
    let nodes = nodes_of(name, partition, context.cluster)?;
    let time =
        partition.max_time.map_or("INFINITE".to_owned(), |t| t.as_millis().div_ceil(60_000).to_string());
    Ok(json!({ "name": name, "nodes": nodes, "default": partition.default, "time": time }))
}

/// Nodes with the same words whose addresses are counted up in their last part only, so that Slurm can fold them beside the
/// names: one line.
struct Run<'a> {
    declared: &'a Nodes,
    /// All but the last part of the addresses; the whole one of a node that stands alone.
    stem: String,
    /// The last parts of the first address and of the last one.
    lasts: Option<(u8, u8)>,
    names: Vec<String>,
}

/// Nodes that are said one by one are as few lines as those of a range.
fn runs(cluster: &Cluster) -> Result<Vec<Run<'_>>, Problem> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    for (range, declared) in &cluster.nodes {
        let mut seen = BTreeSet::new();
        for node in names::of_range(range, declared)? {
            if !seen.insert(node.name.clone()) {
                continue; // a second address of the same node: Slurm wants one
            }
            let text = node.address.to_string();
            let parts = text.rsplit_once('.').and_then(|(stem, last)| Some((stem, last.parse().ok()?)));
            match (runs.last_mut(), parts) {
                (Some(run), Some((stem, last))) if run.goes_on(declared, stem, last) => {
                    run.lasts = run.lasts.map(|(first, _)| (first, last));
                    run.names.push(node.name);
                }
                (_, Some((stem, last))) => {
                    let (stem, lasts) = (stem.to_owned(), Some((last, last)));
                    runs.push(Run { declared, stem, lasts, names: vec![node.name] });
                }
                (_, None) => runs.push(Run { declared, stem: text, lasts: None, names: vec![node.name] }),
            }
        }
    }
    Ok(runs)
}

impl Run<'_> {
    /// Whether that is the next address.
    fn goes_on(&self, declared: &Nodes, stem: &str, last: u8) -> bool {
        let alike = (self.declared.cpus, self.declared.memory_mib) == (declared.cpus, declared.memory_mib);
        let next = self.lasts.and_then(|(_, so_far)| so_far.checked_add(1));
        alike && self.stem == stem && next == Some(last)
    }

    fn line(&self) -> Value {
        let stem = &self.stem;
        let addresses = match self.lasts {
            None => stem.clone(),
            Some((first, last)) if first == last => format!("{stem}.{first}"),
            Some((first, last)) => format!("{stem}.[{first}-{last}]"),
        };
        let Nodes { cpus, memory_mib, .. } = self.declared;
        json!({ "names": self.names.join(","), "addresses": addresses, "cpus": cpus, "memory": memory_mib })
    }
}
