//! `haoscar rollback [GEN]`: the spec of an earlier generation, applied like any other.

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::apply::{Asked, go};
use super::history::{heads, known, recall};
use super::via::Reach;
use super::{Common, Exit, Failure, source};
use crate::observed::Record;
use crate::spec::Sources;

/// Options of `haoscar rollback`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar rollback                          to the generation before the newest
  haoscar rollback 11 -y

A plan like any other: shown, asked for, carried out, and a new generation. Your repository is not changed: put the spec
there right too, or the next apply brings the change back.
Exit status: as apply; 66 that generation is not kept.")]
pub struct Options {
    /// The generation to go back to
    generation: Option<u64>,
    #[command(flatten)]
    reach: Reach,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let (mut found, heads) = heads(common, &options.reach)?;
    let known = known(&mut found, &heads)?;
    let before = known.generations.keys().rev().nth(1).copied();
    let number = options.generation.or(before).ok_or_else(|| {
        Failure::new(Exit::Missing, "there is no earlier generation to go back to").hint("haoscar history")
    })?;
    let record = recall(&mut found, &known, number)?;
    drop(found); // its sessions see the cluster by the newer spec
    let sources = sources(&record);
    let spec = source::checked(source::Gathered {
        sources,
        folder: Utf8PathBuf::from(format!("generation-{number}")),
    })?;
    let back = Some(&record.generation);
    let asked =
        Asked { reach: &options.reach, adopt: false, yes: options.yes, confirm: None, saved: None, back };
    go(common, &spec, &asked)
}

fn sources(record: &Record) -> Sources {
    let within = |(path, text): (&Utf8PathBuf, &String)| {
        let path = path.strip_prefix(Utf8Path::new("spec")).ok()?;
        Some((path.to_owned(), text.clone().into_bytes()))
    };
    Sources { root: record.root.clone(), files: record.files.iter().filter_map(within).collect() }
}
