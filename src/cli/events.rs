//! `haoscar events`: what the loops of the hosts did and saw.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;

use super::out::line;
use super::via::{self, Reach};
use super::{Common, Exit, Failure, Format, source};
use crate::apply::Crew;
use crate::desired::HostName;
use crate::host::{Request, Response};
use crate::observed::Event;

/// Options of `haoscar events`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar events                            the last twenty, of every head and witness
  haoscar events --last 200 --on head-1
  haoscar events --follow                   and those to come, until it is interrupted
  haoscar events --format json              one JSON line an event
  journalctl SYSLOG_IDENTIFIER=haoscar HAOSCAR_REASON=healed    the same on a host, with its fields

Each host keeps its own in /var/lib/haoscar/events.jsonl, a ring of some two thousand.
Exit status: 0 shown; 69 no host was reached.")]
pub struct Options {
    /// And those to come
    #[arg(short, long)]
    follow: bool,
    /// How many of those that are over
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    last: usize,
    #[command(flatten)]
    reach: Reach,
}

/// A person who looks on does not see less than this.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let spec = source::read(common, None)?;
    let mut reached = via::reached(&spec, &options.reach)?;
    if reached.crew.names().is_empty() {
        return Err(Failure::new(Exit::Unreachable, "no host was reached: events lie on the hosts"));
    }
    for (name, why) in &reached.unreachable {
        eprintln!("warning: {name}: {why}");
    }
    let mut shown = BTreeMap::new();
    let old = newer(&mut reached.crew, &mut shown);
    old.iter()
        .skip(old.len().saturating_sub(options.last))
        .for_each(|(host, event)| print(common, host, event));
    if old.is_empty() && !options.follow && common.format != Format::Json {
        line!("nothing has happened yet");
    }
    if !options.follow {
        return Ok(Exit::Done);
    }
    loop {
        std::thread::sleep(PAUSE);
        newer(&mut reached.crew, &mut shown).iter().for_each(|(host, event)| print(common, host, event));
    }
}

/// What no host has told yet, in order of time.
fn newer(crew: &mut Crew, shown: &mut BTreeMap<HostName, u64>) -> Vec<(HostName, Event)> {
    let known = shown.clone();
    let after = |name: &str| known.get(name).copied().unwrap_or_default();
    let answers = crew.each(&crew.names(), |name, host| host.ask(&Request::Events(after(name))));
    let mut events = Vec::new();
    for (name, answer) in answers {
        let Ok(Response::Events(found)) = answer else { continue }; // away: it tells when it is back
        shown.extend(found.last().map(|event| (name.clone(), event.number)));
        events.extend(found.into_iter().map(|event| (name.clone(), event)));
    }
    events.sort_by(|a, b| (&a.1.at, &a.0, a.1.number).cmp(&(&b.1.at, &b.0, b.1.number)));
    events
}

fn print(common: &Common, host: &str, event: &Event) {
    if common.format != Format::Json {
        line!("{} {host:<12} {:<10} {}", event.at, event.reason.to_string(), event.text);
        return;
    }
    let mut value = serde_json::to_value(event).unwrap_or_default(); // strings and numbers: it cannot fail
    value["host"] = host.into();
    line!("{value}");
}
