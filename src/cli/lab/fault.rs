//! `haoscar lab fault` and `boot`: breaks what breaks in a machine room, and mends it.

use crate::cli::out::line;
use clap::{Args, Subcommand};

use super::super::{Common, Exit, Failure};
use super::{Which, failure};
use crate::lab;

/// Options of `haoscar lab fault`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(subcommand)]
    fault: Fault,
}

#[derive(Debug, Subcommand)]
enum Fault {
    /// Cut a host's power: nothing is written, nothing is said
    Power(Power),
    /// Pull a host's cable on one network
    Link(Link),
}

#[derive(Debug, Args)]
struct Power {
    #[command(flatten)]
    which: Which,
    /// The host
    host: String,
}

#[derive(Debug, Args)]
struct Link {
    #[command(flatten)]
    which: Which,
    /// The host
    host: String,
    /// The network whose cable is meant
    #[arg(long)]
    network: String,
    /// Put it back
    #[arg(long)]
    heal: bool,
}

/// Options of `haoscar lab boot`.
#[derive(Debug, Args)]
pub(super) struct Boot {
    #[command(flatten)]
    which: Which,
    /// The host
    host: String,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let said = match &options.fault {
        Fault::Power(Power { which, host }) => {
            lab::power_cut(&which.choose()?.name, host).map_err(failure)?;
            format!("{host} is off")
        }
        Fault::Link(Link { which, host, network, heal }) => {
            lab::set_link(&which.choose()?.name, host, network, *heal).map_err(failure)?;
            format!("{host} is {} {network}", if *heal { "back on" } else { "cut off from" })
        }
    };
    say(common, &said)
}

pub(super) fn boot(common: &Common, options: &Boot) -> Result<Exit, Failure> {
    lab::boot(&options.which.choose()?.name, &options.host).map_err(failure)?;
    say(common, &format!("{} is on", options.host))
}

fn say(common: &Common, said: &str) -> Result<Exit, Failure> {
    if !common.quiet {
        line!("{said}");
    }
    Ok(Exit::Done)
}
