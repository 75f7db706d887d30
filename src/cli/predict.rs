//! What the engine says that it would do: crm_simulate on a member, with the configuration that is to come.

use super::examine;
use super::via::Survey;
use crate::engines::pacemaker::{Forecast, forecast, merged};
use crate::host::{Request, Response};
use crate::plan::{Plan, impact};
use crate::spec::Cluster;

/// crm_simulate of a cluster of this size takes 30 ms; a loaded machine takes longer.
const LIMIT_MS: u64 = 20_000;

/// Adds to a plan what it means for users. An engine that does not run yet has nothing to say.
pub fn with_impact(mut plan: Plan, cluster: &Cluster, found: &mut Survey) -> Plan {
    let new = found.desired.engine.as_ref().zip(found.observed.cib.as_deref());
    let new = new.and_then(|(engine, cib)| merged(engine, cib).ok()).map(|merged| merged.cib);
    let said = match new {
        Some(cib) if !plan.engine.changes.is_empty() => simulated(found, &cib),
        _ => Vec::new(),
    };
    plan.impact = impact(&plan, &found.desired, &found.observed, said);
    if !plan.is_empty() && found.member.is_some() {
        plan.impact.mirrors = examine::mirrors(cluster, &mut found.crew);
        plan.impact.disks = examine::disks(cluster, &mut found.crew);
    }
    plan
}

/// What a running member's engine would do with a CIB.
pub fn simulated(found: &mut Survey, cib: &str) -> Vec<Forecast> {
    let argv = ["crm_simulate", "--simulate", "--xml-pipe"].map(str::to_owned).into();
    let request = Request::Run { argv, input: cib.to_owned(), timeout_ms: LIMIT_MS };
    let Some(member) = found.member.clone() else { return Vec::new() };
    match found.crew.get(&member).map(|host| host.ask(&request)) {
        Some(Ok(Response::Answer(answer))) => forecast(&answer.stdout),
        _ => Vec::new(),
    }
}
