//! `haoscar switchover GROUP`: a healthy group to a head that is proven healthy.

use clap::Args;

use super::moving::{Moving, consent};
use super::out::line;
use super::via::Reach;
use super::{Common, Exit, Failure};
use crate::desired::HostName;
use crate::spec::Failback;

/// Options of `haoscar switchover`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar switchover control                to the group's next head
  haoscar switchover control --to head-1 -y

Shows the engine's own prediction (heartbeat makes none), asks, moves, waits until every service answers, and leaves no constraint behind.
Exit status: 0 moved; 64 no such group or head, or no terminal to ask; 106 no quorum;
107 the target is not proven healthy; 124 it did not arrive in time.")]
pub struct Options {
    /// The group
    group: String,
    /// The head to go to
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
    if moving.is_there(options.to.as_ref()) {
        return Ok(Exit::Done);
    }
    let to = moving.target(options.to.as_ref())?;
    stays(&moving, &to)?;
    let question = format!("move group {group} to {to}?");
    let (arrived, took) = if moving.by_heartbeat() {
        consent(options.yes, &question)?;
        moving.hand_over()?
    } else {
        let constraint = moving.toward(&to);
        if !moving.predict(&constraint, Some(&to)) {
            let why = format!("the engine says that group {group} would not go to {to}");
            return Err(Failure::new(Exit::Unsafe, why)
                .hint("haoscar status tells what keeps it; failures on the head count against it"));
        }
        consent(options.yes, &question)?;
        moving.carry_out(&constraint)?
    };
    moving.answering(&options.reach)?;
    let from = moving.from.as_deref().unwrap_or("nowhere");
    line!(
        "group {group} moved from {from} to {arrived} in {:.1} s, and every service answers",
        took.as_secs_f64()
    );
    Ok(Exit::Done)
}

/// Under `failback: auto` a group that is moved off its first head would return as soon as the constraint is gone.
fn stays(moving: &Moving, to: &str) -> Result<(), Failure> {
    let first = moving.declared().heads.first().map_or("", String::as_str);
    if moving.spec.loaded.cluster.ha.failback == Failback::Manual || first == to {
        return Ok(());
    }
    let message = format!("ha.failback is auto: group {} would return to {first} at once", moving.group);
    Err(Failure::new(Exit::Unsafe, message).hint(format!("keep it away from there: haoscar drain {first}")))
}
