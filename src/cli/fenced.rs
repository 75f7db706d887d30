//! `haoscar fenced HEAD --i-saw-it-off`: a person takes the fence device's place.

use clap::Args;

use super::moving::{failed, gone, pacemaker_only};
use super::out::line;
use super::via::{self, Reach};
use super::{Common, Exit, Failure, source};
use crate::apply::Engine;
use crate::desired::HostName;

/// Options of `haoscar fenced`.
#[derive(Debug, Args)]
#[command(after_help = "\
When a head is lost and its fence device does not answer, the engine waits for ever: two heads must never serve at once.
Go there, pull the plug, look at it, and then say so. If it is not off, two heads write to the same storage.
Exit status: 0 told; 64 without --i-saw-it-off; 107 the member is online.")]
pub struct Options {
    /// The member that is off
    head: HostName,
    /// You have seen with your own eyes that it is off
    #[arg(long)]
    i_saw_it_off: bool,
    #[command(flatten)]
    reach: Reach,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let head = &options.head;
    if !options.i_saw_it_off {
        let failure =
            Failure::new(Exit::Usage, format!("{head} must be off, and seen to be off, before this is said"));
        return Err(failure.hint(format!("pull its plug, then: haoscar fenced {head} --i-saw-it-off")));
    }
    let spec = source::read(common, None)?;
    pacemaker_only(
        &spec,
        "be told that a head is off",
        "mend the fence device: heartbeat asks it again by itself",
    )?;
    let mut found = via::survey(&spec, &options.reach)?;
    let member = found
        .member
        .clone()
        .ok_or_else(|| Failure::new(Exit::Unreachable, "no running engine was reached"))?;
    let node = found.observed.engine.as_ref().and_then(|state| state.nodes.get(head));
    match node {
        None => return Err(Failure::new(Exit::Usage, format!("{head} is no member of the engine"))),
        Some(node) if node.online && !node.unclean => {
            return Err(Failure::new(
                Exit::Unsafe,
                format!("{head} is online: nothing waits for it to be off"),
            ));
        }
        Some(_) if found.observed.hosts.contains_key(head) => {
            return Err(Failure::new(Exit::Unsafe, format!("{head} answers haoscar: it is not off")));
        }
        Some(_) => {}
    }
    Engine::on(found.crew.get(&member).ok_or_else(gone)?).confirm_off(head).map_err(failed)?;
    line!("the engine was told that {head} is off, and goes on without it");
    Ok(Exit::Done)
}
