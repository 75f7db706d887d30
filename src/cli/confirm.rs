//! `haoscar confirm`: a change that waits for its confirmation stays.

use clap::Args;

use super::accept::catch_up;
use super::out::line;
use super::via::{self, Reach};
use super::{Common, Exit, Failure, source};
use crate::host::{Request, Response};

/// Options of `haoscar confirm`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar apply --confirm-within 5m && ssh head-1 true && haoscar confirm

Exit status: 0 the change stays, or none waited; 69 a host was not reached, where it still goes back.")]
pub struct Options {
    #[command(flatten)]
    reach: Reach,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let spec = source::read(common, None)?;
    let mut found = via::survey(&spec, &options.reach)?;
    let names = found.crew.names();
    let mut confirmed = Vec::new();
    let mut failed: Vec<_> = found.observed.unreachable.keys().cloned().collect();
    for (name, answer) in found.crew.each(&names, |_, host| host.ask(&Request::Confirm)) {
        match answer {
            Ok(Response::Confirmed(true)) => confirmed.push(name),
            Ok(_) => {}
            Err(error) => failed.push(format!("{name} ({error})")),
        }
    }
    if !confirmed.is_empty() && failed.is_empty() {
        catch_up(common, &spec, &mut found);
    }
    match confirmed.as_slice() {
        [] => line!("nothing waits for a confirmation"),
        names => line!("confirmed on {}: the change stays", names.join(", ")),
    }
    if failed.is_empty() {
        return Ok(Exit::Done);
    }
    let message = format!("not confirmed on {}: what waits there goes back by itself", failed.join(", "));
    Err(Failure::new(Exit::Unreachable, message).hint("haoscar confirm again when it can be reached"))
}
