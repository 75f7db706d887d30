//! `haoscar render`.

use clap::Args;

use super::{Common, Exit, Failure};

/// Options of `haoscar render`.
#[derive(Debug, Args)]
pub struct Options {}

pub(super) fn run(_common: &Common, _options: &Options) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Failed, "`haoscar render` is not built yet"))
}
