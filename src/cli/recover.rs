//! `haoscar recover`: ends an apply that was cut short on this host, and says which way.

use clap::Args;

use super::{Common, Exit, Failure};
use crate::cli::out::line;
use crate::host::{Real, recover_alone};

/// Options of `haoscar recover`.
#[derive(Debug, Args)]
pub struct Options {}

pub(super) fn run(common: &Common, _options: &Options) -> Result<Exit, Failure> {
    let ended = recover_alone(&Real::under("/")).map_err(|error| {
        let why = format!("an apply was cut short here and can be neither finished nor put back: {error}");
        Failure::new(Exit::Failed, why).hint(
            "the engine is not started here: mend that, then systemctl restart haoscar-recover, and start it",
        )
    })?;
    if let Some(ended) = ended.filter(|_| !common.quiet) {
        line!("{ended}");
    }
    Ok(Exit::Done)
}
