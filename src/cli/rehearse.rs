//! `haoscar rehearse GROUP`: a real switchover there and back, while a client watches.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;

use super::look::asked;
use super::moving::{Moving, consent, failed, moved};
use super::out::line;
use super::via::Reach;
use super::{Common, Exit, Failure, Format};
use crate::apply::{ApplyError, Engine, give_away};
use crate::desired::{HostName, Role};
use crate::host::{HostError, Request, Response};
use crate::observed::Rehearsal;
use crate::plan::outage;
use crate::probe::{ProbeTarget, probes_of};
use crate::spec::Failback;

/// Options of `haoscar rehearse`.
#[derive(Debug, Args)]
#[command(after_help = "\
A real move, twice: users see what a failover of a healthy head costs, and you learn it before it counts. The figures
are kept on the heads and shown by every plan that would disturb the group.
A power cut costs more: detection (ha.detect) and your fence device's time come on top.
Exit status: 0 there and back, every service came back; 1 one did not; 107 the target is not proven healthy.")]
pub struct Options {
    /// The group
    group: String,
    /// The head to go to and come back from
    #[arg(long, value_name = "HEAD")]
    to: Option<HostName>,
    #[command(flatten)]
    reach: Reach,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// A client watches this long around a move; what is not back by then is said to be not back.
const WINDOW: Duration = Duration::from_secs(12);

/// Watched before the move begins, so that the last right answer before it is known.
const BEFORE: Duration = Duration::from_millis(500);

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let mut moving = Moving::find(common, &options.reach, &options.group)?;
    let group = options.group.clone();
    if moving.spec.loaded.cluster.ha.failback == Failback::Auto {
        return Err(Failure::new(Exit::Unsafe, "ha.failback is auto: a group that is moved returns at once")
            .hint("rehearse with ha.failback: manual"));
    }
    let from = moving.from.clone().ok_or_else(|| {
        Failure::new(Exit::Unsafe, format!("group {group} runs nowhere, there is nothing to rehearse"))
    })?;
    let to = moving.target(options.to.as_ref())?;
    if !moving.by_heartbeat() {
        moving.predict(&moving.toward(&to), Some(&to));
    }
    consent(options.yes, &format!("move group {group} to {to} and back?"))?;
    let mut outage_s = BTreeMap::new();
    for (from, to) in [(&from, &to), (&to, &from)] {
        if !common.quiet && common.format == Format::Text {
            line!("moving group {group} from {from} to {to}, watched for {} s", WINDOW.as_secs());
        }
        worse(&mut outage_s, one_way(&mut moving, from, to)?);
        moving.answering(&options.reach)?;
    }
    let at = crate::host::utc_now();
    let rehearsal = Rehearsal { at, between: (from, to), outage_s };
    remember(&mut moving, &rehearsal)?;
    tell(common, &group, &rehearsal);
    Ok(if rehearsal.outage_s.values().all(Option::is_some) { Exit::Done } else { Exit::Failed })
}

/// What each of the two hosts that take part came back with.
enum Part {
    Watched(BTreeMap<String, Option<f64>>),
    Moved(Result<(), Failure>),
}

/// One move, watched by a client.
fn one_way(
    moving: &mut Moving,
    from: &HostName,
    to: &HostName,
) -> Result<BTreeMap<String, Option<f64>>, Failure> {
    let targets: Vec<ProbeTarget> =
        probes_of(&moving.spec.loaded.cluster, &moving.group).into_iter().filter(asked).collect();
    let watcher = watcher(moving, from, to)?;
    let (group, resources, constraint) = (moving.group.clone(), moving.resources.clone(), moving.toward(to));
    let (heads, by_heartbeat) = ([to.clone()], moving.by_heartbeat());
    let mover = if by_heartbeat { from } else { to }; // heartbeat's head gives away what it has
    let parts = moving.found.crew.each(&[watcher.clone(), mover.clone()], |name, host| {
        if name == watcher {
            let window_ms = u64::try_from(WINDOW.as_millis()).unwrap_or(u64::MAX);
            return match host.ask(&Request::Watch { targets: targets.clone(), window_ms })? {
                Response::Watched(seen) => Ok(Part::Watched(by_service(seen))),
                other => {
                    Err(HostError::Failed { subject: name.to_owned(), why: format!("answered {other:?}") })
                }
            };
        }
        std::thread::sleep(BEFORE);
        if by_heartbeat {
            return Ok(Part::Moved(give_away(host).map_err(failed)));
        }
        let done = moved(&mut Engine::on(host), &constraint, &group, &resources, &heads, Some(from));
        Ok(Part::Moved(done.map(|_| ())))
    });
    let mut seen = BTreeMap::new();
    for (_, part) in parts {
        match part.map_err(|error| failed(ApplyError::from(error)))? {
            Part::Watched(found) => seen = found,
            Part::Moved(result) => result?,
        }
    }
    if by_heartbeat {
        moving.taken(to)?;
    }
    Ok(seen)
}

/// A service that is seen in two ways counts by the longer outage.
fn by_service(seen: BTreeMap<String, Option<f64>>) -> BTreeMap<String, Option<f64>> {
    let mut services = BTreeMap::new();
    for (name, outage) in seen {
        let service = name.split('/').next().unwrap_or_default().to_owned();
        worse(&mut services, BTreeMap::from([(service, outage)]));
    }
    services
}

/// A third host, for a head that takes part is no client: a node where there is one.
fn watcher(moving: &Moving, from: &str, to: &str) -> Result<HostName, Failure> {
    let hosts = &moving.found.desired.hosts;
    let third = moving.found.crew.names().into_iter().filter(|name| name != from && name != to);
    let rank = |name: &HostName| hosts.get(name).map(|(role, _)| *role != Role::Node);
    third.min_by_key(rank).ok_or_else(|| {
        Failure::new(Exit::Unreachable, "no node, witness or third head was reached that could watch")
    })
}

/// Of two outages of a service the longer one; one that did not end is the longest.
fn worse(known: &mut BTreeMap<String, Option<f64>>, new: BTreeMap<String, Option<f64>>) {
    for (service, outage) in new {
        let old = known.get(&service).copied().unwrap_or(Some(0.0));
        known.insert(service, old.zip(outage).map(|(old, outage)| old.max(outage)));
    }
}

/// Every head that is reached keeps the figures.
fn remember(moving: &mut Moving, rehearsal: &Rehearsal) -> Result<(), Failure> {
    let heads: Vec<_> = moving.spec.loaded.cluster.heads.keys().cloned().collect();
    let request = Request::Remember { group: moving.group.clone(), rehearsal: rehearsal.clone() };
    moving.found.crew.all(&heads, |_, host| host.ask(&request)).map_err(failed)
}

fn tell(common: &Common, group: &str, rehearsal: &Rehearsal) {
    if common.format == Format::Json {
        let told = serde_json::json!({ "group": group, "rehearsal": rehearsal });
        line!("{}", serde_json::to_string_pretty(&told).unwrap_or_default());
        return;
    }
    line!(
        "group {group} went to {} and back to {}: {}",
        rehearsal.between.1,
        rehearsal.between.0,
        outage(Some(rehearsal))
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_moves_the_longer_outage_counts_and_one_that_did_not_end_is_the_longest() {
        let one = |value| BTreeMap::from([("names".to_owned(), value)]);
        let mut known = BTreeMap::new();
        worse(&mut known, one(Some(0.2)));
        worse(&mut known, one(Some(0.1)));
        assert_eq!(known, one(Some(0.2)));
        worse(&mut known, one(None));
        worse(&mut known, one(Some(0.3)));
        assert_eq!(known, one(None));
    }
}
