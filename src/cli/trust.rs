//! `haoscar trust`: keys that are believed on this head before the accepted spec names some.

use std::io::Read;

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

use super::out::line;
use super::{Common, Exit, Failure, as_root};
use crate::host::{accepted_here, trust, trusted};
use crate::spec::public_keys;

/// Options of `haoscar trust`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples, on each head:
  haoscar trust add ops.pub                 commits that this key has signed are believed
  haoscar trust list

These keys count until the accepted spec names some (policy.trust.keys): from then on a commit is believed when a key of
the commit before it has signed it. They are not taken into account again as long as the spec names keys.")]
pub struct Options {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Believe the keys of a file on this head
    Add {
        /// Public keys of ssh, one a line; - for standard input
        file: Utf8PathBuf,
    },
    /// Show whose commits this head believes
    List,
}

pub(super) fn run(_common: &Common, options: &Options) -> Result<Exit, Failure> {
    match &options.verb {
        Verb::Add { file } => add(file),
        Verb::List => list(),
    }
}

fn add(file: &Utf8PathBuf) -> Result<Exit, Failure> {
    as_root("keys are root's to add", "sudo haoscar trust add")?;
    let read = || {
        if file != "-" {
            return std::fs::read_to_string(file);
        }
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    };
    let text = read().map_err(|error| Failure::new(Exit::Missing, format!("{file}: {error}")))?;
    let keys = public_keys(&text)
        .and_then(|keys| if keys.is_empty() { Err("there is no key in it".to_owned()) } else { Ok(keys) })
        .map_err(|bad| Failure::new(Exit::Invalid, format!("{file}: {bad}")).hint("name a .pub file"))?;
    let new = trust(&keys).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    match new.as_slice() {
        [] => line!("known already"),
        new => new.iter().for_each(|key| line!("believed on this head: {key}")),
    }
    if !named()?.is_empty() {
        line!("the accepted spec names keys, and only those count while it does");
    }
    Ok(Exit::Done)
}

fn list() -> Result<Exit, Failure> {
    let named = named()?;
    let by_hand = if named.is_empty() { "by hand" } else { "by hand, not counted while the spec names keys" };
    named.iter().for_each(|key| line!("{key}  (accepted spec)"));
    trusted().iter().for_each(|key| line!("{key}  ({by_hand})"));
    Ok(Exit::Done)
}

/// By the spec that is accepted on this head.
fn named() -> Result<Vec<String>, Failure> {
    let accepted = accepted_here().map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    Ok(accepted.and_then(|accepted| accepted.policy.trust).map(|trust| trust.keys).unwrap_or_default())
}
