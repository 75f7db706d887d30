//! `haoscar agent`: one session on this host over stdin and stdout.

use std::sync::mpsc::channel;

use clap::Args;

use super::{Common, Exit, Failure};
use crate::host::{Local, agent};

/// Options of `haoscar agent`.
#[derive(Debug, Args)]
pub struct Options {}

pub(super) fn run(_common: &Common, _options: &Options) -> Result<Exit, Failure> {
    let (sender, lines) = channel();
    std::thread::spawn(move || std::io::stdin().lines().try_for_each(|line| sender.send(line)));
    match agent::serve(Local::under("/"), lines, std::io::stdout().lock(), agent::SILENCE) {
        Ok(()) => Ok(Exit::Done),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => Err(Failure::new(Exit::Failed, format!("agent: {error}"))),
    }
}
