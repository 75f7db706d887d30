//! `haoscar apply`.

use clap::Args;

use super::{Common, Exit, Failure};

/// Options of `haoscar apply`.
#[derive(Debug, Args)]
pub struct Options {}

pub(super) fn run(_common: &Common, _options: &Options) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Failed, "`haoscar apply` is not built yet"))
}
