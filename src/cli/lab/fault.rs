//! `haoscar lab fault` and `boot`: breaks what breaks in a machine room, and mends it.

use crate::cli::out::line;
use clap::{Args, Subcommand};

use super::super::{Common, Exit, Failure};
use super::{Which, failure};
use crate::lab::{self, Cables};

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
    /// Pull the cable of one NIC of a host
    Nic(Nic),
    /// Pull every cable of a host
    Links(Links),
    /// Silence the fence device of a host, as a BMC that lost its power
    Fence(Fence),
    /// Take away all the space that a storage has left
    Full(Full),
    /// Kill the main process of a unit on a host, as a crash does
    Kill(Kill),
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

#[derive(Debug, Args)]
struct Nic {
    #[command(flatten)]
    which: Which,
    /// The host
    host: String,
    /// The NIC, as the host calls it
    nic: String,
    /// Put it back
    #[arg(long)]
    heal: bool,
}

#[derive(Debug, Args)]
struct Links {
    #[command(flatten)]
    which: Which,
    /// The host
    host: String,
    /// Put them back
    #[arg(long)]
    heal: bool,
}

#[derive(Debug, Args)]
struct Fence {
    #[command(flatten)]
    which: Which,
    /// The host
    host: String,
    /// The device of this level, where the host has several
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    level: u32,
    /// Have it answer again
    #[arg(long)]
    heal: bool,
}

#[derive(Debug, Args)]
struct Full {
    #[command(flatten)]
    which: Which,
    /// The storage, as the spec calls it
    storage: String,
    /// Give it back
    #[arg(long)]
    heal: bool,
}

#[derive(Debug, Args)]
struct Kill {
    #[command(flatten)]
    which: Which,
    /// The host
    host: String,
    /// The unit
    unit: String,
}

/// Options of `haoscar lab boot` and `lab poweroff`.
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
            pull(which, host, &Cables::Network(network), *heal)?;
            format!("{host} is {} {network}", if *heal { "back on" } else { "cut off from" })
        }
        Fault::Nic(Nic { which, host, nic, heal }) => {
            pull(which, host, &Cables::Nic(nic), *heal)?;
            format!("the cable of {nic} on {host} is {}", if *heal { "in" } else { "out" })
        }
        Fault::Links(Links { which, host, heal }) => {
            pull(which, host, &Cables::All, *heal)?;
            format!("every cable of {host} is {}", if *heal { "in" } else { "out" })
        }
        Fault::Fence(Fence { which, host, level, heal }) => {
            lab::set_fence(&which.choose()?.name, host, *level, *heal).map_err(failure)?;
            format!("the fence device of {host} {}", if *heal { "answers again" } else { "answers nobody" })
        }
        Fault::Full(Full { which, storage, heal }) => {
            lab::set_full(&which.choose()?.name, storage, !heal).map_err(failure)?;
            format!("storage {storage} {}", if *heal { "has space again" } else { "is full" })
        }
        Fault::Kill(Kill { which, host, unit }) => {
            lab::kill_unit(&which.choose()?.name, host, unit).map_err(failure)?;
            format!("{unit} on {host} is killed")
        }
    };
    say(common, &said)
}

fn pull(which: &Which, host: &str, cables: &Cables, heal: bool) -> Result<(), Failure> {
    lab::set_cables(&which.choose()?.name, host, cables, heal).map_err(failure)
}

/// `haoscar lab poweroff`.
pub(super) fn poweroff(common: &Common, options: &Boot) -> Result<Exit, Failure> {
    lab::power_off(&options.which.choose()?.name, &options.host).map_err(failure)?;
    say(common, &format!("{} is off", options.host))
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
