//! What hosts answered about the agents that they have.

use std::collections::{BTreeMap, BTreeSet};

use super::{Agent, Use, judge};
use crate::spec::{Loaded, Problem, uses};

/// What one host says of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Its parameters.
    Metadata(Agent),
    /// It is not there.
    Absent,
}

/// Everything in a spec that an agent on a host would not take, and agents that are not where they are needed.
/// `answers`: agent, then host. What is waived is left out, and so are notes: the lints have said them.
pub fn refusals(loaded: &Loaded, answers: &BTreeMap<String, BTreeMap<String, Told>>) -> Vec<Problem> {
    let waived: BTreeSet<&str> = loaded.cluster.waive.iter().map(|waive| waive.code.as_str()).collect();
    let mut found = Vec::new();
    for used in uses(&loaded.cluster) {
        let Some(told) = answers.get(&used.agent) else { continue };
        let told: BTreeMap<_, _> = told.iter().filter(|(host, _)| used.by.contains(*host)).collect();
        found.extend(absent(loaded, &used, &told));
        for (agent, hosts) in versions(&told) {
            let source = format!("on {hosts}");
            let findings = judge(&used, agent, &source, &loaded.cluster);
            found.extend(findings.into_iter().filter(|finding| !finding.is_note).map(|finding| {
                let place = loaded.places.key(&finding.path);
                let place = place.unwrap_or_else(|| loaded.places.nearest(&finding.path));
                Problem::error(finding.code, finding.message).at(place).hint(finding.hint)
            }));
        }
    }
    found.retain(|problem| !waived.contains(problem.code.as_str()));
    found
}

/// Hosts that have the same agent, told once.
fn versions<'a>(told: &BTreeMap<&String, &'a Told>) -> Vec<(&'a Agent, String)> {
    let mut all: Vec<(&Agent, String)> = Vec::new();
    for (host, told) in told {
        let Told::Metadata(agent) = told else { continue };
        match all.iter_mut().find(|(known, _)| *known == agent) {
            Some((_, hosts)) => *hosts = format!("{hosts}, {host}"),
            None => all.push((agent, (*host).clone())),
        }
    }
    all
}

fn absent(loaded: &Loaded, used: &Use, told: &BTreeMap<&String, &Told>) -> Option<Problem> {
    let hosts: Vec<_> =
        told.iter().filter(|(_, told)| ***told == Told::Absent).map(|(host, _)| host.as_str()).collect();
    if hosts.is_empty() {
        return None;
    }
    let message = format!(
        "{} is not installed on {}, which is to run it for {}",
        used.agent,
        hosts.join(", "),
        used.owner
    );
    let hint = "install its package there, or correct the name".to_owned();
    Some(
        Problem::error("agent/not-installed", message).at(loaded.places.nearest(&used.agent_path)).hint(hint),
    )
}
