//! `haoscar validate`.

use clap::Args;

use super::{Common, Exit, Failure};

/// Options of `haoscar validate`.
#[derive(Debug, Args)]
pub struct Options {}

pub(super) fn run(_common: &Common, _options: &Options) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Failed, "`haoscar validate` is not built yet"))
}
