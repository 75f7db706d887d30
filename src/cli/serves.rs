//! `haoscar serves`: whether a daemon answers on its unix socket, for the engine's own question to a unit.

use std::time::Duration;

use camino::Utf8PathBuf;
use clap::Args;

use super::{Common, Exit, Failure};
use crate::host;

/// Options of `haoscar serves`.
#[derive(Debug, Args)]
pub struct Options {
    /// The daemon's socket
    socket: Utf8PathBuf,
    /// What it is asked, one line; any answer will do
    question: String,
}

/// The engine's agent gives a question up after 5 s.
const LIMIT: Duration = Duration::from_secs(4);

pub(super) fn run(_common: &Common, options: &Options) -> Result<Exit, Failure> {
    let found = host::serves(&options.socket, &options.question, LIMIT);
    found.map(|()| Exit::Done).map_err(|why| Failure::new(Exit::Failed, why))
}
