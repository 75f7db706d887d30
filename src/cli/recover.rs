//! `haoscar recover`: ends an apply that was cut short on this host, and says which way.

use std::time::{Duration, Instant};

use clap::Args;

use super::{Common, Exit, Failure};
use crate::apply::{Crew, give_back};
use crate::cli::out::line;
use crate::host::{Local, Real, engine_back, engine_is_back, expire, recover_alone, unconfirmed_seconds};

/// Options of `haoscar recover`.
#[derive(Debug, Args)]
pub struct Options {
    /// Put a change back that was not confirmed in time (started by its timer)
    #[arg(long)]
    unconfirmed: bool,
}

/// The engine starts, joins and answers within this time, or somebody has stopped it.
const ENGINE_LIMIT: Duration = Duration::from_secs(600);

const PAUSE: Duration = Duration::from_secs(2);

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    if options.unconfirmed {
        return unconfirmed(common);
    }
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

/// Files and units first, then the engine, which may still be starting after a boot.
fn unconfirmed(common: &Common) -> Result<Exit, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, error.to_string());
    let machine = Real::under("/");
    while unconfirmed_seconds(&machine).is_some_and(|left| left > 0) {
        std::thread::sleep(PAUSE); // its clock was set back meanwhile
    }
    if let Some(ended) = expire(&machine, false).map_err(|e| failed(&e))?.filter(|_| !common.quiet) {
        line!("{ended}");
    }
    let begin = Instant::now();
    let mut crew = Crew::default();
    crew.add("this head", Box::new(Local::under("/")));
    // read again each time: an apply that comes in between gives the engine what it is to have
    while let Some(back) = engine_back(&machine).map_err(|e| failed(&e))? {
        match give_back(&mut crew, "this head", &back) {
            Ok(()) => engine_is_back(&machine).map_err(|e| failed(&e))?,
            Err(error) if begin.elapsed() > ENGINE_LIMIT => return Err(failed(&error)),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
    Ok(Exit::Done)
}
