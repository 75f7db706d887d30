//! `haoscar validate`: every problem of each spec in one run, or one line that says what it describes.

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::source::Gathered;
use super::{Common, Exit, Failure, Format, out, problems, source};
use crate::desired::judge_site;
use crate::spec::{Cluster, Problem, judge as judge_spec};

/// Options of `haoscar validate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar validate                          ./cluster.yaml, else /etc/haoscar/spec
  haoscar validate specs/*.yaml             several at once
  haoscar validate --format github          annotations for a GitHub workflow
  haoscar validate --format junit > validate.xml
  git show HEAD:cluster.yaml | haoscar validate -

Exit status: 0 valid (notes may be printed), 65 invalid, 66 no such file.
A lint that is right to ignore here is waived in the spec, with its reason:
  waive: [ { code: fence/bmc-shares-power, reason: \"dual feed, ticket 4711\" } ]")]
pub struct Options {
    /// The spec: a file, a folder that holds cluster.yaml, or - for standard input
    #[arg(value_name = "PATH")]
    paths: Vec<Utf8PathBuf>,
}

/// What was found in one spec; `summary` only where it is valid.
struct Judged {
    gathered: Gathered,
    found: Vec<Problem>,
    summary: Option<String>,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let named: Vec<Option<&Utf8Path>> = match &options.paths[..] {
        [] => vec![None],
        paths => paths.iter().map(|path| Some(path.as_path())).collect(),
    };
    let all: Vec<Judged> = named.into_iter().map(|path| judge(common, path)).collect::<Result<_, _>>()?;
    out::say(&shown(&all, common));
    let mut failures = all.iter().filter(|judged| judged.summary.is_none());
    match (failures.next(), failures.count()) {
        (None, _) => Ok(Exit::Done),
        (Some(one), 0) => Err(source::invalid(&one.found, &one.gathered)),
        (Some(one), more) => {
            let hint = source::invalid(&one.found, &one.gathered).hint;
            let message = format!("{} of {} specs are invalid", more + 1, all.len());
            Err(Failure { hint, ..Failure::new(Exit::Invalid, message) })
        }
    }
}

fn judge(common: &Common, path: Option<&Utf8Path>) -> Result<Judged, Failure> {
    let gathered = source::gather(common, path)?;
    let (found, summary) = match judge_spec(&gathered.sources) {
        Ok((loaded, notes)) => {
            let wrong = judge_site(&gathered.sources, &loaded.cluster);
            let summary = wrong.is_empty().then(|| summary(&loaded.cluster));
            ([wrong, notes].concat(), summary)
        }
        Err(found) => (found, None),
    };
    Ok(Judged { gathered, found, summary })
}

fn shown(all: &[Judged], common: &Common) -> String {
    match common.format {
        Format::Json => {
            let each: Vec<_> =
                all.iter().map(|j| problems::json(&j.found, &j.gathered, j.summary.as_deref())).collect();
            match &each[..] {
                [one] => format!("{one:#}\n"),
                many => format!("{:#}\n", serde_json::json!(many)),
            }
        }
        Format::Github => all.iter().map(|j| problems::github(&j.found, &j.gathered)).collect(),
        Format::Junit => {
            let suites: String = all.iter().map(|j| problems::junit(&j.found, &j.gathered)).collect();
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n{suites}</testsuites>\n")
        }
        Format::Text | Format::Markdown | Format::Prometheus => {
            all.iter().map(|judged| text(judged, common.quiet, all.len() > 1)).collect()
        }
    }
}

fn text(judged: &Judged, quiet: bool, several: bool) -> String {
    if quiet && judged.summary.is_some() {
        return String::new();
    }
    let mut said = problems::text(&judged.found, &judged.gathered, problems::colour_of_stdout());
    if let Some(summary) = &judged.summary {
        let file = judged.gathered.shown(&judged.gathered.sources.root);
        said += &if several { format!("ok: {file}: {summary}\n") } else { format!("ok: {summary}\n") };
    }
    said
}

/// `cluster oscar: 2 heads, 1 witness, 4 nodes, 6 services`.
fn summary(cluster: &Cluster) -> String {
    let nodes: usize = cluster.nodes.keys().map(|range| range.names().len()).sum();
    let counts = [
        (cluster.heads.len(), "head", "heads"),
        (cluster.witnesses.len(), "witness", "witnesses"),
        (nodes, "node", "nodes"),
        (cluster.services.len(), "service", "services"),
    ];
    let said = counts.map(|(n, one, many)| format!("{n} {}", if n == 1 { one } else { many }));
    format!("cluster {}: {}", cluster.name, said.join(", "))
}
