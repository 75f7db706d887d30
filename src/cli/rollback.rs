//! `haoscar rollback [GEN]`: the spec of an earlier generation, applied like any other.

use clap::Args;

use super::accept::Origin;
use super::apply::{Asked, go};
use super::history::{heads, known, recall};
use super::via::Reach;
use super::{Common, Exit, Failure, source};

/// Options of `haoscar rollback`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar rollback                          to the generation before the newest
  haoscar rollback 11 -y

A plan like any other: shown, asked for, carried out, and a new generation. Your repository is not changed: put the spec
there right too, or the next apply brings the change back. A branch that is followed is held until `haoscar resume` or a newer
commit.
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
    let generation = record.generation.clone();
    let spec = source::checked(source::of_record(record))?;
    let (reach, yes, origin) = (&options.reach, options.yes, Origin::Back(&generation));
    let asked = Asked { reach, adopt: false, yes, confirm: None, saved: None, origin };
    go(common, &spec, &asked)
}
