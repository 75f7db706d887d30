//! `haoscar lab drill`: makes a fault on purpose and shows the outage that clients saw.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};

use super::{Common, Exit, Failure, Format, out, source};
use crate::lab::drill::{self, CommandGround, Course, Drill, Ground, Outcome, Report};
use crate::spec::{Cluster, Span};

/// Options of `haoscar lab drill`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar lab drill                                  power cut of the head that carries the group
  haoscar lab drill --fault none                     what the prober sees of a healthy cluster
  haoscar lab drill --target head-2 --wait-return --out drills
  haoscar lab drill --format junit > drill.xml

Exit status: 0 every service came back and nothing was lost, 1 otherwise.
What the figures mean: docs/book/drills.md")]
pub struct Options {
    /// What is done on purpose
    #[arg(long, value_enum, default_value_t = FaultWord::Power)]
    fault: FaultWord,
    /// The host that it hits, or `active`: the head that carries the group
    #[arg(long, value_name = "HOST", default_value = "active")]
    target: String,
    /// The group that is watched. Default: the spec's first
    #[arg(long)]
    group: Option<String>,
    /// How long a service may be away before it counts as not back
    #[arg(long, value_name = "TIME", default_value = "60s")]
    limit: Span,
    /// Wait until the host that was hit is a member again; not back within the limit is a failure
    #[arg(long)]
    wait_return: bool,
    /// Write report.json, junit.xml, and a picture and the samples of each drill to a folder
    #[arg(long, value_name = "DIR")]
    out: Option<Utf8PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FaultWord {
    /// Switch ports down, then SIGKILL of the host's pid 1
    Power,
    /// Nothing
    None,
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
    let course = course(options, cluster)?;
    let mut say = |text: &str| {
        if !common.quiet {
            eprintln!("{text}");
        }
    };
    let outcome = course.run(ground, &mut say).map_err(|e| failure(&e))?;
    let back = !options.wait_return || {
        say(&format!("waiting until {} is a member again", outcome.drill.target));
        course.wait_return(ground, &outcome.drill, options.limit.as_duration())
    };
    let resolution_s = outcome.resolution_s.clone();
    let report = Report { spec: spec.to_string(), resolution_s, drills: vec![outcome.drill.clone()] };
    show(common.format, &report);
    if let Some(folder) = &options.out {
        write(folder, &report, &outcome).map_err(|e| Failure::new(Exit::Failed, format!("{folder}: {e}")))?;
    }
    if !back {
        let target = &outcome.drill.target;
        let message = format!("{target} is not a member again after {}", options.limit);
        return Err(Failure::new(Exit::Failed, message));
    }
    Ok(if outcome.drill.is_good() { Exit::Done } else { Exit::Failed })
}

fn course<'a>(options: &'a Options, cluster: &'a Cluster) -> Result<Course<'a>, Failure> {
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
    let fault = match options.fault {
        FaultWord::Power => drill::Fault::Power,
        FaultWord::None => drill::Fault::None,
    };
    Ok(Course { cluster, group, fault, target, limit: options.limit.as_duration() })
}

fn failure(problem: &drill::DrillProblem) -> Failure {
    let source = std::error::Error::source(problem).map(|s| format!(": {s}")).unwrap_or_default();
    Failure::new(Exit::Failed, format!("{problem}{source}"))
}

fn show(format: Format, report: &Report) {
    match format {
        Format::Json => out::say(&json(report)),
        Format::Junit => out::say(&drill::junit(report)),
        Format::Text | Format::Github => report.drills.iter().for_each(|drill| {
            out::say(&drill::table(drill, &report.resolution_s));
            out::say(&format!("{}\n", drill::sentence(drill)));
        }),
    }
}

fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).unwrap_or_default() + "\n"
}

fn write(folder: &Utf8Path, report: &Report, outcome: &Outcome) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("report.json"), json(report))?;
    std::fs::write(folder.join("junit.xml"), drill::junit(report))?;
    let Drill { fault, target, .. } = &outcome.drill;
    std::fs::write(folder.join(format!("{fault}-{target}.svg")), &outcome.svg)?;
    let samples: BTreeMap<_, _> = outcome.samples.iter().cloned().collect();
    std::fs::write(folder.join(format!("{fault}-{target}.samples.json")), serde_json::to_vec(&samples)?)
}
