//! Asks the hosts' own fence agents and OCF agents whether they would take the parameters of the spec.
//!
//! Asks; [`crate::spec::agents`] decides what the answers mean. A lab has no fence agents but its own.

use std::collections::{BTreeMap, BTreeSet};

use super::via::Survey;
use super::{Failure, problems, source};
use crate::desired::{Answer, HostName, Question};
use crate::host::{Request, Response};
use crate::spec::agents::{Agent, Told, refusals, uses};

/// A fence agent is a Python program: 0.2 s on a quiet machine, some seconds on a busy one.
const LIMIT_MS: u64 = 20_000;

/// `env` says so when a program is not there.
const NOT_THERE: i32 = 127;

/// Refuses the spec where an agent would not take it. Hosts and agents that do not answer refuse nothing.
///
/// # Errors
/// 65, with every problem printed at its place.
pub fn ask(spec: &source::Spec, found: &mut Survey, lab: bool) -> Result<(), Failure> {
    let mut wanted: BTreeMap<HostName, BTreeSet<String>> = BTreeMap::new();
    for used in uses(&spec.loaded.cluster) {
        let replaced = lab && used.target.is_some();
        for host in used.by.iter().filter(|_| !replaced) {
            wanted.entry(host.clone()).or_default().insert(used.agent.clone());
        }
    }
    let names: Vec<_> = found.crew.names().into_iter().filter(|name| wanted.contains_key(name)).collect();
    let answers = found.crew.each(&names, |name, host| {
        let mut told = Vec::new();
        for agent in &wanted[name] {
            if let Response::Answer(answer) = host.ask(&Request::Ask(question(agent)))? {
                told.extend(understood(&answer).map(|said| (agent.clone(), said)));
            }
        }
        Ok(told)
    });
    let mut all: BTreeMap<String, BTreeMap<HostName, Told>> = BTreeMap::new();
    for (host, told) in answers {
        for (agent, said) in told.unwrap_or_default() {
            all.entry(agent).or_default().insert(host.clone(), said);
        }
    }
    let refused = refusals(&spec.loaded, &all);
    if refused.is_empty() {
        return Ok(());
    }
    eprint!("{}", problems::text(&refused, &spec.gathered, problems::colour_of_stderr()));
    Err(source::invalid(&refused, &spec.gathered))
}

fn question(agent: &str) -> Question {
    let argv = match agent.strip_prefix("ocf:") {
        Some(name) => {
            let program = format!("/usr/lib/ocf/resource.d/{}", name.replace(':', "/"));
            vec!["env".to_owned(), "OCF_ROOT=/usr/lib/ocf".to_owned(), program, "meta-data".to_owned()]
        }
        None => ["env", &format!("/usr/sbin/{agent}"), "-o", "metadata"].map(str::to_owned).into(),
    };
    Question::Command { argv, timeout_ms: LIMIT_MS }
}

fn understood(answer: &Answer) -> Option<Told> {
    match answer.status {
        Some(NOT_THERE) => Some(Told::Absent),
        Some(0) => Agent::of_metadata(&answer.stdout).map(Told::Metadata),
        _ => None,
    }
}
