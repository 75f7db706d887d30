//! `haoscar lab drill`: makes a fault on purpose and shows the outage that clients saw.

use std::collections::BTreeMap;
use std::net::IpAddr;

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};

use super::{Common, Exit, Failure, Format, out, source};
use crate::lab::drill::{self, CommandGround, Course, Drill, Ground, Outcome, Report};
use crate::spec::{Cluster, Group, Service, Span};

/// Options of `haoscar lab drill`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar lab drill                                  power cut of the head that carries the group
  haoscar lab drill --fault none                     what the prober sees of a healthy cluster
  haoscar lab drill --fault killed --unit dnsmasq.service
  haoscar lab drill --all --out drills               one after the other, each until the cluster is whole again
  haoscar lab drill --target head-2 --wait-return --out drills
  haoscar lab drill --format junit > drill.xml

Exit status: 0 every service came back and nothing was lost, 1 otherwise.
What the figures mean: docs/book/drills.md")]
pub struct Options {
    /// What is done on purpose; several run one after the other
    #[arg(long, value_enum, value_delimiter = ',', default_value = "power")]
    fault: Vec<FaultWord>,
    /// Every fault, one after the other, each until the cluster is whole again
    #[arg(long)]
    all: bool,
    /// The unit that is killed, hangs, cannot start or does not stop. Default: dnsmasq.service; stop-hangs, which needs a
    /// unit that moves: kea-dhcp4-server.service
    #[arg(long, value_name = "UNIT")]
    unit: Option<String>,
    /// The host that it hits, or `active`: the head that carries the group
    #[arg(long, value_name = "HOST", default_value = "active")]
    target: String,
    /// The group that is watched. Default: the spec's first
    #[arg(long)]
    group: Option<String>,
    /// How long a service may be away before it counts as not back
    #[arg(long, value_name = "TIME", default_value = "60s")]
    limit: Span,
    /// The shortest watch after the fault: longer where an engine needs longer to see it
    #[arg(long, value_name = "TIME", default_value = "5s")]
    watch: Span,
    /// Wait until the host that was hit is a member again; not back within the limit is a failure
    #[arg(long)]
    wait_return: bool,
    /// Write report.txt, report.json, junit.xml, and a picture (SVG) and the samples of each drill to a folder
    #[arg(long, value_name = "DIR")]
    out: Option<Utf8PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FaultWord {
    /// Switch ports down, then SIGKILL of the host's pid 1
    Power,
    /// The same, and its fence device has no power either: services wait for a hand
    PowerBmc,
    /// Every head's power at once
    BothHeads,
    /// Every other head's power too, while the services move
    PowerInFailover,
    /// The host's fence device answers nobody
    FenceDead,
    /// Its cables of the public networks out and in, three times in three seconds
    Flapping,
    /// A unit ends and does not start again (--unit)
    CannotStart,
    /// A unit does not stop while its group is told to move (--unit)
    StopHangs,
    /// The group's storage without space: what must write says so, and waits for a hand
    DiskFull,
    /// The host's power while an apply is between its new files and its commit
    ApplyPower,
    /// Every cable of the host out
    Links,
    /// Its cables of the public networks out
    Public,
    /// Its cables of the private networks out
    Private,
    /// The public networks dead for everybody
    PublicEverywhere,
    /// SIGKILL of a unit's main process (--unit)
    Killed,
    /// SIGSTOP of a unit's processes (--unit)
    Hung,
    /// SIGKILL of corosync
    Corosync,
    /// SIGKILL of pacemakerd
    Pacemaker,
    /// SIGKILL of haoscar's event watcher
    Watcher,
    /// The engine is asked to move the group away
    Switchover,
    /// Nothing
    None,
}

impl FaultWord {
    /// Whether that can be done to `group`: `--all` leaves out what cannot.
    fn fits(self, cluster: &Cluster, group: &Group) -> bool {
        let time = |name: &String| matches!(cluster.services.get(name), Some(Service::Time(_)));
        match self {
            // a lab takes the space from a storage that all heads have
            Self::DiskFull => {
                group.storage.as_ref().is_some_and(|name| cluster.shared_storage(name).is_some())
            }
            Self::ApplyPower => group.services.iter().any(time), // the apply is held at its unit
            _ => true,
        }
    }

    fn fault(self, unit: Option<&str>, address: IpAddr, group: &Group) -> drill::Fault {
        use drill::Fault;
        let unit = unit.unwrap_or(match self {
            Self::StopHangs => "kea-dhcp4-server.service",
            _ => "dnsmasq.service",
        });
        match self {
            Self::Power => Fault::Power,
            Self::PowerBmc => Fault::PowerBmc,
            Self::BothHeads => Fault::BothHeads,
            Self::PowerInFailover => Fault::PowerInFailover(address),
            Self::FenceDead => Fault::FenceDead,
            Self::Flapping => Fault::Flapping,
            Self::CannotStart => Fault::CannotStart(unit.to_owned()),
            Self::StopHangs => Fault::StopHangs { unit: unit.to_owned(), address },
            Self::DiskFull => Fault::DiskFull { storage: group.storage.clone().unwrap_or_default() },
            Self::ApplyPower => Fault::ApplyPower,
            Self::Links => Fault::Links,
            Self::Public => Fault::Public,
            Self::Private => Fault::Private,
            Self::PublicEverywhere => Fault::PublicEverywhere,
            Self::Killed => Fault::Killed(unit.to_owned()),
            Self::Hung => Fault::Hung(unit.to_owned()),
            Self::Corosync => Fault::Corosync,
            Self::Pacemaker => Fault::Pacemaker,
            Self::Watcher => Fault::Watcher,
            Self::Switchover => Fault::Switchover(address),
            Self::None => Fault::None,
        }
    }
}

/// Options of the hidden `haoscar lab-drill`, which takes the lab as command lines.
#[derive(Debug, Args)]
pub struct GroundOptions {
    /// JSON: `{"hosts": {HOST: [WORD, …]}, "prober": [WORD, …], "power": {HOST: [WORD, …]}}`
    #[arg(long, value_name = "FILE")]
    ground: Utf8PathBuf,
    #[command(flatten)]
    options: Options,
}

pub(super) fn run_on_ground(common: &Common, options: &GroundOptions) -> Result<Exit, Failure> {
    let path = &options.ground;
    let text =
        std::fs::read_to_string(path).map_err(|e| Failure::new(Exit::Missing, format!("{path}: {e}")))?;
    let ground: CommandGround =
        serde_json::from_str(&text).map_err(|e| Failure::new(Exit::Usage, format!("{path}: {e}")))?;
    let spec = source::read(common, None)?;
    let name = spec.gathered.shown(&spec.gathered.sources.root);
    run(common, &options.options, (&name, &spec.loaded.cluster), &ground)
}

/// Runs the drill on `ground` and shows it.
///
/// # Errors
/// Why there are no figures.
pub(super) fn run(
    common: &Common,
    options: &Options,
    (spec, cluster): (&Utf8Path, &Cluster),
    ground: &dyn Ground,
) -> Result<Exit, Failure> {
    let faults = faults(options, cluster)?;
    let mut report = Report { spec: spec.to_string(), resolution_s: BTreeMap::new(), drills: Vec::new() };
    let mut away = Vec::new();
    // what an apply left is read when its head is back
    let whole = options.wait_return || faults.len() > 1 || faults.contains(&FaultWord::ApplyPower);
    for fault in faults {
        let course = course(options, cluster, fault, whole)?;
        let (outcome, back) = one(common, &course, ground).inspect_err(|_| {
            show(common.format, &report); // what was measured before is not lost
        })?;
        report.resolution_s.extend(outcome.resolution_s.clone());
        report.drills.push(outcome.drill.clone());
        if let Some(folder) = &options.out {
            write(folder, &report, &outcome)
                .map_err(|e| Failure::new(Exit::Failed, format!("{folder}: {e}")))?;
        }
        if !back {
            let (target, limit) = (&outcome.drill.target, options.limit);
            away.push(format!(
                "after {limit} the cluster is not whole again: {target} is no member, or a loss still counts"
            ));
            break; // the next fault would hit a cluster that is not whole
        }
    }
    show(common.format, &report);
    if let Some(message) = away.pop() {
        return Err(Failure::new(Exit::Failed, message));
    }
    Ok(if report.drills.iter().all(Drill::is_good) { Exit::Done } else { Exit::Failed })
}

/// The faults that were asked for; of all of them, those that the engine knows and the group can have.
fn faults(options: &Options, cluster: &Cluster) -> Result<Vec<FaultWord>, Failure> {
    let group =
        options.group.as_ref().map_or(cluster.groups.values().next(), |name| cluster.groups.get(name));
    let Some(group) = group else { return Ok(options.fault.clone()) }; // said where the course is made
    let nobody = IpAddr::from([0, 0, 0, 0]);
    let known = |word: &FaultWord| word.fault(None, nobody, group).is_for(cluster.ha.engine);
    if options.all {
        let fits = |word: &FaultWord| known(word) && word.fits(cluster, group);
        return Ok(FaultWord::value_variants().iter().copied().filter(fits).collect());
    }
    if let Some(strange) = options.fault.iter().find(|word| !known(word)) {
        let word = strange.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        return Err(Failure::new(
            Exit::Usage,
            format!("engine heartbeat has nothing that fault {word} hits"),
        )
        .hint("--all makes every fault that it has"));
    }
    Ok(options.fault.clone())
}

/// One drill, and whether the host that was hit is a member again (not asked unless the course says so).
fn one(common: &Common, course: &Course<'_>, ground: &dyn Ground) -> Result<(Outcome, bool), Failure> {
    let mut say = |text: &str| {
        if !common.quiet {
            eprintln!("{text}");
        }
    };
    let outcome = course.run(ground, &mut say).map_err(|e| failure(&e))?;
    let back = outcome.back.unwrap_or(true);
    Ok((outcome, back))
}

fn course<'a>(
    options: &'a Options,
    cluster: &'a Cluster,
    fault: FaultWord,
    whole: bool,
) -> Result<Course<'a>, Failure> {
    let first = || cluster.groups.keys().next().map(String::as_str);
    let group = options.group.as_deref().or_else(first);
    let group = group.filter(|name| cluster.groups.contains_key(*name)).ok_or_else(|| {
        let names: Vec<&str> = cluster.groups.keys().map(String::as_str).collect();
        Failure::new(Exit::Usage, "there is no such group in the spec")
            .hint(format!("groups: {}", names.join(", ")))
    })?;
    let target = Some(options.target.as_str()).filter(|target| *target != "active");
    if let Some(target) =
        target.filter(|t| !cluster.heads.contains_key(*t) && !cluster.witnesses.contains_key(*t))
    {
        return Err(Failure::new(Exit::Usage, format!("{target} is no head and no witness of the spec")));
    }
    let carried = &cluster.groups[group];
    let address = carried.addresses.values().chain(carried.addresses6.values()).next();
    let address =
        address.ok_or_else(|| Failure::new(Exit::Usage, format!("group {group} has no address to watch")))?;
    if !fault.fits(cluster, carried) {
        let why = format!("group {group} has no storage to fill, or no time service to hold an apply at");
        return Err(Failure::new(Exit::Usage, why));
    }
    let fault = fault.fault(options.unit.as_deref(), *address, carried);
    Ok(Course {
        cluster,
        group,
        fault,
        target,
        watch: options.watch.as_duration(),
        limit: options.limit.as_duration(),
        whole,
    })
}

fn failure(problem: &drill::DrillProblem) -> Failure {
    let source = std::error::Error::source(problem).map(|s| format!(": {s}")).unwrap_or_default();
    Failure::new(Exit::Failed, format!("{problem}{source}"))
}

fn show(format: Format, report: &Report) {
    match format {
        Format::Json => out::say(&json(report)),
        Format::Junit => out::say(&drill::junit(report)),
        Format::Text | Format::Github | Format::Markdown | Format::Prometheus => out::say(&text(report)),
    }
}

fn text(report: &Report) -> String {
    let shown = |drill: &Drill| {
        let table = drill::table(drill, &report.resolution_s);
        format!("drill {} of {}\n{table}{}\n", drill.fault, drill.target, drill::sentence(drill))
    };
    report.drills.iter().map(shown).collect::<Vec<_>>().join("\n")
}

fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).unwrap_or_default() + "\n"
}

fn write(folder: &Utf8Path, report: &Report, outcome: &Outcome) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("report.txt"), text(report))?;
    std::fs::write(folder.join("report.json"), json(report))?;
    std::fs::write(folder.join("junit.xml"), drill::junit(report))?;
    let Drill { fault, target, .. } = &outcome.drill;
    std::fs::write(folder.join(format!("{fault}-{target}.svg")), outcome.svg())?;
    let samples: BTreeMap<_, _> = outcome.samples.iter().map(|(t, samples)| (&t.service, samples)).collect();
    std::fs::write(folder.join(format!("{fault}-{target}.samples.json")), serde_json::to_vec(&samples)?)
}
