//! Takes haoscar away again: the engine stops what it carries, then every host becomes what it was before.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{ApplyError, Crew, Say, engine, revert};
use crate::desired::HostName;
use crate::engines::{EngineDesired, EngineState};
use crate::host::Request;

/// No object of ours. Without fence devices the engine would do nothing at all, unless it is told that it has none.
const NOTHING: &str = "<configuration><crm_config><cluster_property_set id=\"cib-bootstrap-options\">\
    <nvpair id=\"cib-bootstrap-options-stonith-enabled\" name=\"stonith-enabled\" value=\"false\"/>\
    </cluster_property_set></crm_config></configuration>";

/// Every unit's stop may take 30 s, some after another.
const STOP_LIMIT: Duration = Duration::from_secs(120);

const PAUSE: Duration = Duration::from_millis(200);

/// `member`: one whose pacemaker runs, if one does. `order`: its name in journals, and whether services run on. All hosts
/// or none.
///
/// # Errors
/// What was not stopped, or a host that was not as before; then all are as they were, but for the engine, which
/// carries nothing.
pub fn remove(
    crew: &mut Crew,
    member: Option<&HostName>,
    order: (&str, bool),
    say: Say<'_>,
) -> Result<(), ApplyError> {
    let (id, keep) = order;
    let names = crew.names();
    let all = |crew: &mut Crew| {
        // before the engine stops: a loop would put back what goes
        crew.all(&names, |name, host| super::begin(name, host, id))?;
        member.map_or(Ok(()), |member| release(crew, member, keep, say))?;
        say(&format!("making files and units as they were on {}", names.join(", ")));
        crew.all(&names, |_, host| host.ask(&Request::Dismantle { keep }))?;
        crew.all(&names, |_, host| host.ask(&Request::Commit { restarts: BTreeMap::new(), confirm: None }))
    };
    all(crew).map_err(|error| revert(crew, error))
}

/// The engine lets go of what it carries, or stops it and forgets it.
fn release(crew: &mut Crew, member: &str, keep: bool, say: Say<'_>) -> Result<(), ApplyError> {
    let set = |name| -> [&str; 7] {
        ["crm_attribute", "--name", name, "--set-name", "cib-bootstrap-options", "--update", "true"]
    };
    if keep {
        say("the engine lets go of what it carries");
        return engine::expect_good(&engine::ask(crew, member, &set("maintenance-mode"), "")?);
    }
    say("the engine stops all that it carries for haoscar");
    let nothing = EngineDesired { cib: NOTHING.to_owned(), ..EngineDesired::default() };
    // stopped first, for what is out of the CIB is stopped without its parameters
    engine::expect_good(&engine::ask(crew, member, &set("stop-all-resources"), "")?)?;
    stopped(&nothing, crew, member)?;
    engine::push_engine(crew, member, &nothing)
}

fn stopped(wanted: &EngineDesired, crew: &mut Crew, member: &str) -> Result<(), ApplyError> {
    let begin = Instant::now();
    let running = |state: &EngineState| {
        let running = state.resources.iter().filter(|(_, found)| !found.on.is_empty());
        running.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    loop {
        let left = engine::read_state(wanted, crew, member)
            .map_or_else(|| vec!["pacemaker".to_owned()], |s| running(&s));
        if left.is_empty() {
            return Ok(());
        }
        if begin.elapsed() > STOP_LIMIT {
            return Err(ApplyError::Engine(format!("still runs: {}", left.join(", "))));
        }
        std::thread::sleep(PAUSE);
    }
}
