//! `haoscar history`: what was applied, when and by whom; and the generations of the heads for the verbs that go back.

use std::collections::BTreeMap;

use clap::Args;

use super::out::line;
use super::via::{self, Reach, Survey};
use super::{Common, Exit, Failure, Format, source};
use crate::apply::{Crew, read_cib};
use crate::desired::HostName;
use crate::engines::pacemaker;
use crate::host::{Real, Request, Response, accepted_here, kept_here, undecided};
use crate::observed::{Edit, Generation, Record};

/// Options of `haoscar history`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar history                           every generation, the newest last
  haoscar history --edits                   hand edits that were put right, and where they are kept
  haoscar diff 11 12                        what differs between two of them
  haoscar rollback 11                       back to one of them

Every head keeps them in /var/lib/haoscar/history.git, a git repository with one tag a generation: the spec, the plan and
every host's files, secrets as names. policy.history says how many.
Exit status: 0 shown; 1 a head's history is broken; 69 no head was reached.")]
pub struct Options {
    /// Hand edits that an apply has put right, instead
    #[arg(long)]
    edits: bool,
    #[command(flatten)]
    reach: Reach,
}

/// The generations of every head that was reached, together.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// By number, with the heads that keep it.
    pub(super) generations: BTreeMap<u64, (Generation, Vec<HostName>)>,
    /// What cannot be read, a line each.
    pub(super) broken: Vec<String>,
    /// Hand edits that were put right, by host.
    edits: BTreeMap<HostName, Vec<Edit>>,
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let (mut found, heads) = heads(common, &options.reach)?;
    let asked = if options.edits { found.crew.names() } else { heads };
    let known = known(&mut found, &asked)?;
    if options.edits {
        edits(common, &known.edits);
        return Ok(Exit::Done);
    }
    if common.format == Format::Json {
        let list: Vec<_> = known.generations.values().map(|(generation, _)| generation).collect();
        line!("{}", serde_json::to_string_pretty(&list).unwrap_or_default());
    } else {
        print(&known);
    }
    known.broken.iter().for_each(|broken| eprintln!("warning: {broken}"));
    Ok(if known.broken.is_empty() { Exit::Done } else { Exit::Failed })
}

/// The cluster as it was found, and its heads.
pub(super) fn heads(common: &Common, reach: &Reach) -> Result<(Survey, Vec<HostName>), Failure> {
    let spec = source::read(common, None)?;
    let found = via::survey(&spec, reach)?;
    let reached = found.crew.names();
    let heads: Vec<_> =
        spec.loaded.cluster.heads.keys().filter(|name| reached.contains(name)).cloned().collect();
    if heads.is_empty() {
        return Err(Failure::new(Exit::Unreachable, "no head was reached: history lies on the heads"));
    }
    Ok((found, heads))
}

/// Asks every head what it keeps.
pub(super) fn known(found: &mut Survey, heads: &[HostName]) -> Result<Known, Failure> {
    let mut known = Known::default();
    for (name, answer) in found.crew.each(heads, |_, host| host.ask(&Request::History)) {
        match answer {
            Ok(Response::Chronicle(chronicle)) => {
                known.broken.extend(chronicle.broken.into_iter().map(|broken| format!("{name}: {broken}")));
                if !chronicle.edits.is_empty() {
                    known.edits.insert(name.clone(), chronicle.edits);
                }
                for generation in chronicle.generations {
                    let entry = known.generations.entry(generation.number);
                    entry.or_insert_with(|| (generation, Vec::new())).1.push(name.clone());
                }
            }
            Ok(_) => known.broken.push(format!("{name}: its agent answered something else")),
            Err(error) => known.broken.push(error.to_string()),
        }
    }
    Ok(known)
}

/// One generation, from the first head that can read it.
pub(super) fn recall(found: &mut Survey, known: &Known, number: u64) -> Result<Record, Failure> {
    let Some((_, keepers)) = known.generations.get(&number) else {
        let (first, last) = (known.generations.keys().next(), known.generations.keys().next_back());
        let failure = Failure::new(Exit::Missing, format!("generation {number} is kept on no head"));
        return Err(match first.zip(last) {
            Some((first, last)) => failure.hint(format!("kept are {first} to {last}: haoscar history")),
            None => failure.hint("nothing was applied yet"),
        });
    };
    recall_from(&mut found.crew, keepers, number)
        .map_err(|said| Failure::new(Exit::Failed, format!("generation {number} cannot be read: {said}")))
}

/// One generation from the first of these that has it.
///
/// # Errors
/// What the last of them said where none has.
pub(super) fn recall_from(crew: &mut Crew, keepers: &[HostName], number: u64) -> Result<Record, String> {
    let mut said = String::new();
    for (_, answer) in crew.each(keepers, |_, host| host.ask(&Request::Recall(number))) {
        match answer {
            Ok(Response::Recalled(Some(record))) => return Ok(*record),
            Ok(_) => {}
            Err(error) => said = error.to_string(),
        }
    }
    Err(said)
}

/// The accepted generation as this head or another one keeps it; none where nothing is accepted here, or what is kept here of
/// it cannot be read. A head whose session was lost when something was accepted has an older one: the engine names the newest.
///
/// # Errors
/// 69: no head that was reached keeps what the engine names.
pub(super) fn accepted_record() -> Result<Option<Record>, Failure> {
    let Some(own) = accepted_here().ok().flatten() else { return Ok(None) };
    let cib = read_cib(&mut Crew::here(&own.host), &own.host);
    let named = cib.as_deref().map_or(0, pacemaker::generation);
    if named <= own.generation || undecided(&Real::under("/")) {
        return Ok(kept_here(own.generation));
    }
    if let Some(record) = kept_here(named) {
        return Ok(Some(record));
    }
    let Some(older) = kept_here(own.generation) else { return Ok(None) };
    let spec = source::checked(source::of_record(older))?;
    let heads: Vec<_> = spec.loaded.cluster.heads.keys().filter(|name| **name != own.host).cloned().collect();
    let mut crew = via::reached(&spec, &Reach::of_heads(&heads))?.crew;
    let keepers = crew.names();
    let record = recall_from(&mut crew, &keepers, named).map_err(|_| {
        let why = format!("generation {named} is accepted, {} has generation {}", own.host, own.generation);
        Failure::new(Exit::Unreachable, format!("{why}, and no head that was reached keeps the newer one"))
            .hint("wait for the head that applied it, or name the spec: --spec PATH")
    })?;
    Ok(Some(record))
}

fn edits(common: &Common, edits: &BTreeMap<HostName, Vec<Edit>>) {
    if common.format == Format::Json {
        line!("{}", serde_json::to_string_pretty(edits).unwrap_or_default());
        return;
    }
    if edits.is_empty() {
        line!("no hand edit was put right yet");
    }
    for (host, edits) in edits {
        for Edit { apply, path, kept } in edits {
            line!(
                "{host}: {path} was edited by hand; apply {apply} put it right, the edit is kept in {kept}"
            );
        }
    }
}

fn print(known: &Known) {
    if known.generations.is_empty() {
        line!("nothing was applied yet");
        return;
    }
    line!("{:>4}  {:<20}  {:<24}  {:<10}  what", "gen", "when", "who", "spec");
    for (generation, _) in known.generations.values() {
        let Generation { number, at, who, commit, what } = generation;
        line!("{number:>4}  {at:<20}  {who:<24}  {:<10}  {what}", commit.as_deref().unwrap_or("-"));
    }
}
