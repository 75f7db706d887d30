//! `haoscar validate`: every problem of a spec in one run, or one line that says what it describes.

use camino::Utf8PathBuf;
use clap::Args;

use super::{Common, Exit, Failure, Format, out, problems, source};
use crate::spec::Cluster;

/// Options of `haoscar validate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar validate                          ./cluster.yaml, else /etc/haoscar/spec
  haoscar validate specs/two-node.yaml
  haoscar validate --format github          annotations for a GitHub workflow
  haoscar validate --format junit > validate.xml
  git show HEAD:cluster.yaml | haoscar validate -

Exit status: 0 valid (notes may be printed), 65 invalid, 66 no such file.
A lint that is right to ignore here is waived in the spec, with its reason:
  waive: [ { code: fence/bmc-shares-power, reason: \"dual feed, ticket 4711\" } ]")]
pub struct Options {
    /// The spec: a file, a folder that holds cluster.yaml, or - for standard input
    path: Option<Utf8PathBuf>,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let gathered = source::gather(common, options.path.as_deref())?;
    let (found, summary) = match source::judge(&gathered.sources) {
        Ok((loaded, notes)) => (notes, Some(summary(&loaded.cluster))),
        Err(found) => (found, None),
    };
    match common.format {
        Format::Json => out::say(&problems::json(&found, &gathered, summary.as_deref())),
        Format::Github => out::say(&problems::github(&found, &gathered)),
        Format::Junit => out::say(&problems::junit(&found, &gathered)),
        Format::Text if common.quiet && summary.is_some() => {}
        Format::Text => out::say(&problems::text(&found, &gathered, problems::colour_of_stdout())),
    }
    match summary {
        None => Err(source::invalid(&found, &gathered)),
        Some(summary) => {
            if common.format == Format::Text && !common.quiet {
                out::say(&format!("ok: {summary}\n"));
            }
            Ok(Exit::Done)
        }
    }
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
