//! `haoscar failover GROUP`: away from the head that carries it, because something is broken; no proof is asked.

use std::time::Duration;

use clap::Args;

use super::moving::{Moving, consent, failed, gone};
use super::out::line;
use super::via::Reach;
use super::{Common, Exit, Failure};
use crate::apply::Engine;
use crate::desired::HostName;

/// Options of `haoscar failover`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar failover control                  away from the head that carries it
  haoscar failover control --to head-2 -y

Forgets the failures of the group's resources first, so that a head that was ruled out may carry it again.
`haoscar switchover` is the gentle way: it asks for a target that is proven healthy.
Exit status: 0 moved and every service answers; 1 moved, and something does not answer; 106 no quorum;
107 the engine says that the group would go nowhere; 124 it did not arrive in time.")]
pub struct Options {
    /// The group
    group: String,
    /// The head to go to; without it the engine chooses
    #[arg(long, value_name = "HEAD")]
    to: Option<HostName>,
    #[command(flatten)]
    reach: Reach,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let mut moving = Moving::find(common, &options.reach, &options.group)?;
    let group = options.group.clone();
    let heads = &moving.declared().heads;
    if let Some(to) = options.to.as_ref().filter(|to| !heads.contains(to)) {
        let failure = Failure::new(Exit::Usage, format!("{to} is no head of group {group}"));
        return Err(failure.hint(format!("its heads are: {}", heads.join(", "))));
    }
    if moving.by_heartbeat() {
        if moving.is_there(options.to.as_ref()) {
            return Ok(Exit::Done);
        }
        consent(options.yes, &format!("fail group {group} over?"))?;
        let (arrived, took) = moving.hand_over()?;
        return told(&mut moving, &options.reach, &arrived, took);
    }
    let constraint = match (&options.to, &moving.from) {
        (Some(to), _) => moving.toward(to),
        (None, Some(from)) => moving.away_from(from),
        (None, None) => moving.toward(&moving.declared().heads[0].clone()),
    };
    let goes = moving.predict(&constraint, options.to.as_deref());
    consent(options.yes, &format!("fail group {group} over?"))?;
    let resources = moving.resources.clone();
    let host = moving.found.crew.get(&moving.member).ok_or_else(gone)?;
    let mut engine = Engine::on(host);
    for resource in &resources {
        engine.forget_failures(resource).map_err(failed)?;
    }
    if !goes && moving.from.is_some() {
        let failure =
            Failure::new(Exit::Unsafe, format!("the engine says that group {group} would go nowhere"));
        return Err(
            failure.hint("its failures were forgotten: look again with haoscar status, then try again")
        );
    }
    let (arrived, took) = moving.carry_out(&constraint)?;
    told(&mut moving, &options.reach, &arrived, took)
}

fn told(moving: &mut Moving, reach: &Reach, arrived: &str, took: Duration) -> Result<Exit, Failure> {
    moving.answering(reach)?;
    let (group, from) = (&moving.group, moving.from.as_deref().unwrap_or("nowhere"));
    let seconds = took.as_secs_f64();
    line!("group {group} failed over from {from} to {arrived} in {seconds:.1} s, and every service answers");
    Ok(Exit::Done)
}
