//! `haoscar plan`: what would change on every machine.

use crate::cli::out::line;
use camino::Utf8PathBuf;
use clap::Args;
use serde::{Deserialize, Serialize};

use super::predict::with_impact;
use super::via::{self, Reach};
use super::{Common, Exit, Failure, Format, agents, examine, source};
use crate::desired;
use crate::plan::{Plan, diff, markdown, sentence, show};

/// Options of `haoscar plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar plan                              ./cluster.yaml, hosts by ssh
  haoscar plan --via lab:demo --detailed-exitcode
  haoscar plan -o plan.json && haoscar apply plan.json
  haoscar plan --format markdown > comment.md   for a pull request: folds, bounded to what GitHub takes

Exit status: 0 shown; 2 with --detailed-exitcode where something would change; 65 spec invalid.")]
pub struct Options {
    /// The spec: a file, or a folder that holds cluster.yaml
    path: Option<Utf8PathBuf>,
    #[command(flatten)]
    reach: Reach,
    /// Files that haoscar did not write may be taken over; the originals are kept
    #[arg(long)]
    adopt: bool,
    /// Save the plan for `haoscar apply FILE`
    #[arg(short, long, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
    /// Exit with 2 where something would change
    #[arg(long)]
    detailed_exitcode: bool,
}

/// A saved plan: what it saw, and what it was asked.
#[derive(Debug, Serialize, Deserialize)]
pub struct Saved {
    /// Where the spec lies.
    pub spec: Utf8PathBuf,
    /// Whether files may be taken over.
    pub adopt: bool,
    /// How hosts were reached, and which.
    pub reach: Reach,
    /// The plan.
    pub plan: Plan,
    /// The spec's files as they were, as sha256 in hex.
    #[serde(default)]
    pub sources: String,
}

/// A spec's files, as sha256 in hex.
pub(super) fn fingerprint(spec: &source::Spec) -> String {
    let files = spec.gathered.sources.files.iter();
    let lines = files.map(|(path, bytes)| format!("{path} {}\n", desired::fingerprint(bytes)));
    desired::fingerprint(lines.collect::<String>().as_bytes())
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let spec = source::read(common, options.path.as_deref())?;
    let mut found = via::survey(&spec, &options.reach)?;
    agents::ask(&spec, &mut found, options.reach.is_lab())?;
    examine::missing(&mut found);
    let plan =
        with_impact(diff(&found.desired, &found.observed, options.adopt), &spec.loaded.cluster, &mut found);
    if let Some(output) = &options.output {
        let folder =
            spec.gathered.folder.canonicalize_utf8().unwrap_or_else(|_| spec.gathered.folder.clone());
        let saved = Saved {
            spec: folder.join(&spec.gathered.sources.root),
            adopt: options.adopt,
            reach: options.reach.settled(),
            plan: plan.clone(),
            sources: fingerprint(&spec),
        };
        save(output, &saved)?;
    }
    print(common, &plan);
    Ok(if options.detailed_exitcode && !plan.is_empty() { Exit::Changes } else { Exit::Done })
}

/// The plan of `--spec`, as it is shown.
pub(super) fn of_spec(common: &Common, reach: &Reach) -> Result<Exit, Failure> {
    let reach = reach.clone();
    run(common, &Options { path: None, reach, adopt: false, output: None, detailed_exitcode: false })
}

fn save(output: &camino::Utf8Path, saved: &Saved) -> Result<(), Failure> {
    let failed = |why: String| Failure::new(Exit::Failed, format!("{output} cannot be written: {why}"));
    let text = serde_json::to_string_pretty(saved).map_err(|e| failed(e.to_string()))?;
    std::fs::write(output, text).map_err(|e| failed(e.to_string()))
}

/// Prints a plan as `--format` says.
pub(super) fn print(common: &Common, plan: &Plan) {
    if common.format == Format::Json {
        line!("{}", serde_json::to_string_pretty(plan).unwrap_or_default());
    } else if common.format == Format::Markdown {
        crate::cli::out::say(&markdown(plan));
    } else {
        crate::cli::out::say(&show(plan, !common.quiet));
        line!("{}", sentence(plan));
    }
}
