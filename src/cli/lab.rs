//! `haoscar lab`.

use clap::Args;

use super::{Common, Exit, Failure};

/// Options of `haoscar lab`.
#[derive(Debug, Args)]
pub struct Options {}

pub(super) fn run(_common: &Common, _options: &Options) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Failed, "`haoscar lab` is not built yet"))
}
