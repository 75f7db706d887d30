//! `haoscar secret`: what is kept in the stores of the hosts, by name; never its bytes.

use clap::{Args, Subcommand};

use super::out::line;
use super::via::{self, Reach};
use super::{Common, Exit, Failure, source};
use crate::apply::{ApplyError, rotate};
use crate::host::HostError;

/// Options of `haoscar secret`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a secret anew on every host that uses it; the next apply puts it in place
    Rotate(Rotate),
}

/// Options of `haoscar secret rotate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar secret rotate corosync-authkey && haoscar apply    corosync's key, on all members at once
  haoscar secret rotate munge-key && haoscar apply           munge restarts host by host: for some seconds jobs cannot start

Only secrets that haoscar makes itself. What is in place stays until `haoscar apply`.
Exit status: 0 made; 64 haoscar does not make a secret of that name; 69 a host that uses it is not reached, and no store was
changed.")]
struct Rotate {
    /// The secret: corosync-authkey, munge-key, heartbeat-authkey
    name: String,
    #[command(flatten)]
    reach: Reach,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let Verb::Rotate(Rotate { name, reach }) = &options.verb;
    let spec = source::read(common, None)?;
    let mut found = via::survey(&spec, reach)?;
    let hosts = rotate(name, &found.desired, &mut found.crew).map_err(|error| {
        let exit = match &error {
            ApplyError::SecretUnknown(_) | ApplyError::SecretGiven(_) => Exit::Usage,
            ApplyError::Host(HostError::Unreachable { .. }) => Exit::Unreachable,
            _ => Exit::Failed,
        };
        let failure = Failure::new(exit, error.to_string());
        if exit == Exit::Usage { failure } else { failure.hint("say it again when every host is reached") }
    })?;
    line!("secret {name} is new on {}: haoscar apply puts it in place", hosts.join(", "));
    Ok(Exit::Done)
}
