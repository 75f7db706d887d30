//! `haoscar observe`: the cluster as it is, in one file, for a plan that is made elsewhere.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use clap::Args;

use super::out::line;
use super::via::{self, Reach};
use super::{Common, Exit, Failure, agents, examine, source};
use crate::apply::Crew;
use crate::desired::HostName;
use crate::host::{Heard, Listener, Request, Response, utc_now};
use crate::observed::{EXPORT_VERSION, Export, Exported};

/// Options of `haoscar observe`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar observe -o facts.json                          on a head, or where hosts are reached
  haoscar plan --via facts:facts.json new.yaml           elsewhere, offline: a CI that reviews changes of the spec

The file holds what haoscar's own files and units are like on every host, the engine's configuration and state, and no
secret. A plan made from it is as old as it is, and has not asked the engine what it would do. It cannot be applied from there.
Exit status: 0 written; 69 with --output where no host was reached.")]
pub struct Options {
    /// The spec: a file, or a folder that holds cluster.yaml
    path: Option<Utf8PathBuf>,
    #[command(flatten)]
    reach: Reach,
    /// Where to write; standard output when left out
    #[arg(short, long, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let spec = source::read(common, options.path.as_deref())?;
    let mut reached = via::reached(&spec, &options.reach)?;
    let heard = listened(&mut reached.crew);
    let facts = reached.facts.clone();
    let mut found = via::surveyed(reached)?;
    agents::ask(&spec, &mut found, options.reach.is_lab())?;
    examine::missing(&mut found);
    let owned = owned(&mut found.crew)?;
    let answers = |name: &HostName| heard.get(name).map(|heard| heard.lock().map(|heard| heard.clone()));
    let of = |(name, seen): (HostName, _)| {
        let (_, wanted) = found.desired.hosts.get(&name)?;
        let answers = answers(&name)?.unwrap_or_default();
        let seen = (seen, owned.get(&name).cloned().unwrap_or_default());
        Some((name.clone(), Exported::of(facts.get(&name)?.clone(), wanted, seen, answers)))
    };
    let export = Export {
        version: EXPORT_VERSION,
        at: utc_now(),
        cluster: spec.loaded.cluster.name.clone(),
        lab: found.lab,
        hosts: std::mem::take(&mut found.observed.hosts).into_iter().filter_map(of).collect(),
        unreachable: found.observed.unreachable.clone(),
    };
    let failed = |why: String| Failure::new(Exit::Failed, format!("the facts cannot be written: {why}"));
    let text = serde_json::to_string_pretty(&export).map_err(|error| failed(error.to_string()))?;
    let Some(output) = &options.output else {
        line!("{text}");
        return Ok(Exit::Done);
    };
    if export.hosts.is_empty() {
        return Err(Failure::new(Exit::Unreachable, "no host was reached: nothing is written"));
    }
    std::fs::write(output, text + "\n").map_err(|error| failed(format!("{output}: {error}")))?;
    if !common.quiet {
        line!("{output}: {} hosts as of {}", export.hosts.len(), export.at);
        for (name, why) in &export.unreachable {
            line!("? {name} unreachable ({why}): a plan from this will say so");
        }
    }
    Ok(Exit::Done)
}

/// Every file that haoscar wrote on each host: where nothing is wanted, all of them are gone from the spec.
fn owned(crew: &mut Crew) -> Result<BTreeMap<HostName, Vec<Utf8PathBuf>>, Failure> {
    let nothing = Request::Observe { files: Vec::new(), directories: Vec::new(), units: Vec::new() };
    let mut all = BTreeMap::new();
    for (name, answer) in crew.each(&crew.names(), |_, host| host.ask(&nothing)) {
        match answer {
            Ok(Response::Observed(seen)) => drop(all.insert(name, seen.gone)),
            Ok(_) => {}
            Err(error) => return Err(Failure::new(Exit::Failed, error.to_string())),
        }
    }
    Ok(all)
}

/// The same sessions, listened to.
fn listened(crew: &mut Crew) -> BTreeMap<HostName, Heard> {
    let mut all = BTreeMap::new();
    *crew = std::mem::take(crew).map(|name, host| {
        let (listener, heard) = Listener::to(host);
        all.insert(name.to_owned(), heard);
        Box::new(listener)
    });
    all
}
