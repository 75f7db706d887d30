//! What a plan means for users: what the engine would do, and how long it took when it was rehearsed. Pure.

use std::collections::BTreeMap;

use super::{Impact, Plan};
use crate::desired::Desired;
use crate::engines::pacemaker::Forecast;
use crate::observed::{Observed, Rehearsal};

/// The impact of a plan, with what the engine said that it would do.
pub fn impact(plan: &Plan, desired: &Desired, observed: &Observed, forecast: Vec<Forecast>) -> Impact {
    let resources = desired.engine.as_ref().map(|engine| &engine.resources);
    let disturbed = |group: &String, ids: &Vec<String>| {
        let named = ids.iter().any(|id| {
            plan.engine.restarts.contains_key(id)
                || forecast.iter().any(|f| f.action != "Start" && f.resource == *id)
        });
        named.then(|| (group.clone(), observed.rehearsals.get(group).cloned()))
    };
    let rehearsals: BTreeMap<_, _> =
        resources.into_iter().flatten().filter_map(|(group, ids)| disturbed(group, ids)).collect();
    Impact { forecast, rehearsals, ..Impact::default() }
}

/// The outage to expect, in words: every service's, as it was last rehearsed.
pub fn outage(rehearsal: Option<&Rehearsal>) -> String {
    let Some(rehearsal) = rehearsal else { return "unknown, never rehearsed".to_owned() };
    let service = |(name, seconds): (&String, &Option<f64>)| match seconds {
        Some(seconds) => format!("{name} {seconds:.2} s"),
        None => format!("{name} did not come back in time"),
    };
    let services: Vec<_> = rehearsal.outage_s.iter().map(service).collect();
    format!("{} (a move rehearsed {})", services.join(", "), rehearsal.at)
}

/// One line of a forecast: `move control-home from head-1 to head-2`.
pub fn line(forecast: &Forecast) -> String {
    let action = forecast.action.to_lowercase();
    let place = match (&forecast.from, &forecast.to) {
        _ if action == "fence" => String::new(),
        (Some(from), Some(to)) => format!(" from {from} to {to}"),
        (Some(on), None) | (None, Some(on)) => format!(" on {on}"),
        (None, None) => String::new(),
    };
    format!("{action} {}{place}", forecast.resource)
}
