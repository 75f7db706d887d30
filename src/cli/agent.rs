//! `haoscar agent`: one session on this host over stdin and stdout.

use clap::Args;

use super::{Common, Exit, Failure};
use crate::host::{Local, agent};

/// Options of `haoscar agent`.
#[derive(Debug, Args)]
pub struct Options {}

pub(super) fn run(_common: &Common, _options: &Options) -> Result<Exit, Failure> {
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    match agent::serve(Local::under("/"), input, output) {
        Ok(()) => Ok(Exit::Done),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => Err(Failure::new(Exit::Failed, format!("agent: {error}"))),
    }
}
