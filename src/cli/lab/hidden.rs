//! `haoscar lab keeper` and `fence`: started by haoscar and by Pacemaker, never by people.

use std::io::Read;

use clap::Args;

use super::super::{Exit, Failure};
use super::failure;
use crate::lab::fence::{Fenced, run};
use crate::lab::keeper::serve;

/// Options of `haoscar lab keeper`.
#[derive(Debug, Args)]
pub(super) struct Keeper {
    /// The lab
    name: String,
}

/// Options of `haoscar lab fence`.
#[derive(Debug, Args)]
pub(super) struct Fence {
    /// The action; without it, standard input says it
    #[arg(short = 'o', long)]
    action: Option<String>,
}

pub(super) fn keeper(options: &Keeper) -> Result<Exit, Failure> {
    serve(&options.name).map(|()| Exit::Done).map_err(failure)
}

/// RHCS exit codes: 0 done, 1 failed, 2 the machine is off.
pub(super) fn fence(options: &Fence) -> Result<Exit, Failure> {
    let mut input = String::new();
    if options.action.is_none() {
        let read = std::io::stdin().lock().read_to_string(&mut input);
        read.map_err(|error| Failure::new(Exit::Failed, format!("standard input: {error}")))?;
    }
    match run(&input, options.action.as_deref()) {
        Fenced::Done(text) => print!("{text}"),
        Fenced::Off => std::process::exit(2),
        Fenced::Failed(said) => return Err(Failure::new(Exit::Failed, said)),
    }
    Ok(Exit::Done)
}
