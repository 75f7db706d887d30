//! The engine's own configuration: read, replaced by compare-and-swap, waited for.

use std::time::{Duration, Instant};

use super::{ApplyError, Crew, Say, heartbeat};
use crate::desired::{Answer, Desired, HostName};
use crate::engines::pacemaker::{self, EngineError};
use crate::engines::{EngineDesired, EngineResource, EngineState};
use crate::host::{Host, HostError, Request, Response};
use crate::plan::{HostPlan, Plan, UnitAction, UnitVerb};
use crate::spec::EngineKind;

/// A first start elects a DC (up to 20 s with an empty CIB) and starts every service.
const SETTLE_LIMIT: Duration = Duration::from_secs(90);

/// A failure that the engine could mend is mended by then: it tries a start at once, on each head.
const FAILED_LIMIT: Duration = Duration::from_secs(20);

/// What has failed and runs nowhere, while the engine is at nothing, is not tried again: this long it may look so between two
/// tries.
const DEAD_LIMIT: Duration = Duration::from_secs(5);

/// A service that has started must be seen to stay so: longer than its monitor's interval (1 s).
const STEADY: Duration = Duration::from_millis(1_500);

/// A member that starts forms its membership within some token times; a slow machine takes longer.
const MEMBERS_LIMIT: Duration = Duration::from_secs(60);

/// The CIB daemon answers some time after pacemaker's start.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// `cibadmin` says this when somebody else was faster (crm_exit: CRM_EX_OLD).
const OLD: i32 = 103;

/// Tries against others who write at the same time (operation results count too).
const TRIES: usize = 20;

/// Longer than [`RESTART_LIMIT`].
const RUN_LIMIT_MS: u64 = 180_000;

/// Longer than a service may take to stop and to start again, on one head after the other.
const RESTART_LIMIT: &str = "160s";

/// Longer than a join and its way back may take (starting the engine, 60 s for the members, 30 s for quorum).
const MAINTENANCE_LIMIT: &str = "300 seconds";

/// A member that is not in the membership by then did not hear the others' word: it is told by itself.
const TOLD_LIMIT: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(100);

pub(super) fn ask(crew: &mut Crew, host: &str, argv: &[&str], input: &str) -> Result<Answer, HostError> {
    let gone =
        || HostError::Unreachable { host: host.to_owned(), why: "there is no session with it".to_owned() };
    run(host, crew.get(host).ok_or_else(gone)?, argv, input)
}

/// A program on one host.
///
/// # Errors
/// The host did not answer.
pub fn run(name: &str, host: &mut dyn Host, argv: &[&str], input: &str) -> Result<Answer, HostError> {
    run_within(name, host, argv, input, RUN_LIMIT_MS)
}

/// A program on one host, for so long.
///
/// # Errors
/// The host did not answer.
pub fn run_within(
    name: &str,
    host: &mut dyn Host,
    argv: &[&str],
    input: &str,
    timeout_ms: u64,
) -> Result<Answer, HostError> {
    let argv = argv.iter().map(ToString::to_string).collect();
    let request = Request::Run { argv, input: input.to_owned(), timeout_ms };
    match host.ask(&request)? {
        Response::Answer(answer) => Ok(answer),
        other => Err(HostError::Failed { subject: name.to_owned(), why: format!("answered {other:?}") }),
    }
}

/// The live CIB as one member has it; none where no engine runs.
pub fn read_cib(crew: &mut Crew, member: &str) -> Option<String> {
    queried(crew, member).ok().flatten()
}

/// The same, and why the member could not be asked.
fn queried(crew: &mut Crew, member: &str) -> Result<Option<String>, HostError> {
    let answer = ask(crew, member, &["cibadmin", "--query", "--local"], "")?;
    Ok((answer.status == Some(0)).then_some(answer.stdout))
}

/// The engine's state as one member sees it, of heartbeat as every head does; none where no engine runs.
pub fn read_state(engine: &EngineDesired, crew: &mut Crew, member: &str) -> Option<EngineState> {
    match engine.kind {
        EngineKind::Pacemaker => pacemaker_state(crew, member),
        EngineKind::Heartbeat => {
            let heads: Vec<_> = engine.members.keys().cloned().collect();
            Some(heartbeat::read_state(&heads, crew)).filter(|state| state.quorum)
        }
    }
}

fn pacemaker_state(crew: &mut Crew, member: &str) -> Option<EngineState> {
    let answer = ask(crew, member, &["crm_mon", "--output-as=xml", "-1"], "").ok()?;
    if answer.status == Some(0) { pacemaker::state(&answer.stdout).ok() } else { None }
}

/// A member whose engine ran before this plan, if there is one.
pub fn running_member(plan: &Plan, crew: &Crew) -> Option<HostName> {
    let reached = crew.names();
    let starting = |name: &HostName| plan.hosts.get(name).is_some_and(HostPlan::starts_engine);
    plan.engine.members.iter().find(|name| reached.contains(name) && !starting(name)).cloned()
}

/// In maintenance the engine watches and does nothing, not even for want of quorum. The engine itself ends it by its
/// clock, whoever is killed or loses power meanwhile.
///
/// # Errors
/// The engine refused.
pub fn maintain(crew: &mut Crew, member: &str, on: bool) -> Result<(), ApplyError> {
    const SECTION: [&str; 3] = ["--scope", "crm_config", "--xml-pipe"];
    let (verb, text): (&[&str], _) = if on {
        // by the member's clock, for the engine looks at that one
        let date = ["date", "--utc", "--date", MAINTENANCE_LIMIT, "+%Y-%m-%d %H:%M:%SZ"];
        let end = ask(crew, member, &date, "")?;
        expect_good(&end)?;
        (&["--modify", "--allow-create"], pacemaker::joint(end.stdout.trim()))
    } else {
        (&["--delete"], pacemaker::joint_selector())
    };
    expect_good(&ask(crew, member, &[&["cibadmin"], verb, &SECTION].concat(), &text)?)
}

/// Tells a running corosync to read its files again, and with it every other that it hears; members that do not run yet
/// read them when they start.
///
/// # Errors
/// corosync refused them.
pub fn reload_membership(crew: &mut Crew, member: &str) -> Result<(), ApplyError> {
    expect_good(&ask(crew, member, &["corosync-cfgtool", "-R"], "")?)
}

/// A member that has left is forgotten: else the engine would wait for it, and fence it. Told again until no member's
/// controller knows it: `crm_node` of Pacemaker 2.1.5 hangs up before its order is read (it came through in 2 of 6 tries),
/// and who is still known there is written into the configuration anew at the next election.
///
/// # Errors
/// The engine refused, or remembers it still when the time is over.
pub fn forget(crew: &mut Crew, members: &[HostName], gone: &str) -> Result<(), ApplyError> {
    let begin = Instant::now();
    let mut absent: Option<Instant> = None;
    while absent.is_none_or(|since| since.elapsed() < STEADY) {
        if begin.elapsed() > ANSWER_LIMIT {
            return Err(ApplyError::Engine(format!(
                "{gone} has left, and comes back into its configuration"
            )));
        }
        if knows(crew, members, gone)? {
            absent = None;
            for member in members {
                expect_good(&ask(crew, member, &["crm_node", "--force", "--remove", gone], "")?)?;
            }
        } else {
            absent = absent.or_else(|| Some(Instant::now()));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Whether the configuration has a member, or the controller of any of `members` does.
fn knows(crew: &mut Crew, members: &[HostName], gone: &str) -> Result<bool, HostError> {
    let Some(first) = members.first() else { return Ok(false) };
    let wanted = format!("//nodes/node[@uname='{gone}']");
    if ask(crew, first, &["cibadmin", "--query", "--xpath", &wanted], "")?.status == Some(0) {
        return Ok(true);
    }
    for member in members {
        let peers = ask(crew, member, &["crm_node", "--list"], "")?.stdout; // ID NAME STATE
        if peers.lines().any(|peer| peer.split_whitespace().nth(1) == Some(gone)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// After a membership that did not come about: who was to join is stopped again, every host gets its old files, and
/// the running corosync reads them, so that it has its quorum back before the maintenance ends. What fails here is
/// not said: the error that led here is.
pub fn go_back(plan: &Plan, crew: &mut Crew, member: &str) {
    let with = |wanted: fn(&HostPlan) -> bool| plan.hosts.iter().filter(move |(_, host)| wanted(host));
    let starts: Vec<_> = with(HostPlan::starts_engine).map(|(name, _)| name.clone()).collect();
    let stop =
        |unit: &str, verb| UnitAction { verb, unit: unit.to_owned(), reason: "it did not join".to_owned() };
    let stops: Vec<_> = ["pacemaker.service", "corosync.service"]
        .into_iter()
        .flat_map(|unit| [stop(unit, UnitVerb::Stop), stop(unit, UnitVerb::Disable)])
        .collect();
    let _ = crew.all(&starts, |_, host| host.ask(&Request::Units(stops.clone())));
    let _ = crew.all(&crew.names(), |_, host| host.ask(&Request::Revert));
    let others = plan.engine.members.iter().map(String::as_str).filter(|name| *name != member);
    for name in std::iter::once(member).chain(others) {
        if !starts.iter().any(|start| start == name) {
            let _ = reload_membership(crew, name); // all of them: by then they may not hear each other
        }
    }
    let begin = Instant::now();
    while !pacemaker_state(crew, member).is_some_and(|state| state.quorum) && begin.elapsed() < ANSWER_LIMIT {
        std::thread::sleep(PAUSE);
    }
}

pub(super) fn expect_good(answer: &Answer) -> Result<(), ApplyError> {
    let said = || format!("{}{}", answer.stdout, answer.stderr).trim().to_owned();
    if answer.status == Some(0) { Ok(()) } else { Err(ApplyError::Engine(said())) }
}

/// Waits until one membership of all members has quorum.
///
/// # Errors
/// Who is missing when the time is over.
pub fn await_members(plan: &Plan, crew: &mut Crew, member: &str) -> Result<(), ApplyError> {
    let begin = Instant::now();
    let mut told = false;
    loop {
        let state = pacemaker_state(crew, member).unwrap_or_default();
        let online =
            |name: &&HostName| state.nodes.get(*name).is_some_and(|node| node.online && !node.unclean);
        let missing: Vec<_> =
            plan.engine.members.iter().filter(|name| !online(name)).map(String::as_str).collect();
        if missing.is_empty() && state.quorum {
            return Ok(());
        }
        if begin.elapsed() > TOLD_LIMIT && !told {
            told = true;
            for name in &missing {
                match reload_membership(crew, name) {
                    Err(gone @ ApplyError::Host(HostError::Unreachable { .. })) => return Err(gone),
                    _ => continue, // refused: it may still be starting
                }
            }
        }
        if begin.elapsed() > MEMBERS_LIMIT {
            let names = missing.join(", ");
            return Err(ApplyError::Engine(format!(
                "after {} s not joined: {names}",
                MEMBERS_LIMIT.as_secs()
            )));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Pushes the configuration where it differs, restarts what must be, waits until all is settled. What it was before
/// comes back, where it was pushed and was ours.
///
/// # Errors
/// The engine refused, or did not settle in time.
pub fn configure(
    plan: &Plan,
    desired: &Desired,
    crew: &mut Crew,
    say: Say<'_>,
) -> Result<Option<String>, ApplyError> {
    let Some(engine) = desired.engine.as_ref().filter(|engine| !engine.members.is_empty()) else {
        return Ok(None);
    };
    let Some(member) = spokesman(plan, engine, crew) else { return Ok(None) };
    if !plan.engine.rereads.is_empty() {
        say("the membership's daemon reads its files again");
        reload_membership(crew, &member)?;
    }
    let before = if plan.engine.changes.is_empty() { None } else { read_cib(crew, &member) };
    start_anew(plan, crew, &member, true, say)?;
    if !plan.engine.changes.is_empty() {
        say("configuring the engine");
        push_engine(crew, &member, engine)?;
    }
    start_anew(plan, crew, &member, false, say)?;
    try_anew(engine, crew, &member, say)?;
    let restarted = plan.engine.restarts.iter().try_for_each(|(resource, reason)| {
        say(&format!("the engine restarts {resource}: {reason}"));
        restart(crew, &member, resource)
    });
    let touched = !plan.engine.changes.is_empty() || !plan.engine.restarts.is_empty();
    let settled = restarted.and_then(|()| {
        say("waiting until every service is started");
        settle(engine, crew, &member, if touched { STEADY } else { Duration::ZERO })
    });
    let before = before.filter(|cib| pacemaker::is_ours(cib));
    if let (Err(_), Some(old)) = (&settled, &before) {
        say("it has not settled: the engine gets its old configuration back");
        push(crew, &member, &|current| pacemaker::put_back(old, current))?;
    }
    settled.map(|()| before)
}

/// Starts the engine of members anew, one after the other: `first`, before the configuration changes, or after it.
fn start_anew(
    plan: &Plan,
    crew: &mut Crew,
    member: &str,
    first: bool,
    say: Say<'_>,
) -> Result<(), ApplyError> {
    let reached = crew.names();
    for (name, anew) in
        plan.engine.anew.iter().filter(|(name, anew)| anew.first == first && reached.contains(name))
    {
        say(&format!("starting the engine of {name} anew: {}", anew.reason));
        if !anew.moves {
            maintain(crew, member, true)?;
        }
        let argv = pacemaker::anew();
        let argv: Vec<_> = argv.iter().map(String::as_str).collect();
        let started = ask(crew, name, &argv, "")?;
        // what it carries may still run there: without it as a member the maintenance ends by its date, when it is up or off
        await_members(plan, crew, name)?;
        if !anew.moves {
            maintain(crew, member, false)?;
        }
        expect_good(&started)?;
    }
    Ok(())
}

/// What had failed everywhere before this apply may live with what is new.
fn try_anew(engine: &EngineDesired, crew: &mut Crew, member: &str, say: Say<'_>) -> Result<(), ApplyError> {
    let state = read_state(engine, crew, member).unwrap_or_default();
    let dead = ours(engine).filter(|id| state.resources.get(*id).is_some_and(EngineResource::is_dead));
    for id in dead {
        say(&format!("{id} had failed on every head, and is tried anew"));
        expect_good(&ask(crew, member, &["crm_resource", "--cleanup", "--resource", id], "")?)?;
    }
    Ok(())
}

/// What was restarted for a change reads its old files again, once those are back: what failed is started anew, and what runs
/// is restarted.
///
/// # Errors
/// It does not run as before.
pub fn start_again(plan: &Plan, desired: &Desired, crew: &mut Crew, say: Say<'_>) -> Result<(), ApplyError> {
    let Some(engine) = desired.engine.as_ref() else { return Ok(()) };
    let Some(member) = spokesman(plan, engine, crew) else { return Ok(()) };
    let state = read_state(engine, crew, &member).unwrap_or_default();
    for resource in plan.engine.restarts.keys() {
        say(&format!("{resource} reads its old files again"));
        if runs(&state, resource) {
            restart(crew, &member, resource)?;
        } else {
            expect_good(&ask(crew, &member, &["crm_resource", "--cleanup", "--resource", resource], "")?)?;
        }
    }
    let begin = Instant::now();
    loop {
        let state = read_state(engine, crew, &member).unwrap_or_default();
        let Some(down) = plan.engine.restarts.keys().find(|resource| !runs(&state, resource)) else {
            return Ok(());
        };
        if begin.elapsed() > FAILED_LIMIT {
            let seconds = begin.elapsed().as_secs();
            return Err(ApplyError::Engine(format!(
                "after {seconds} s {down} does not run with its old files"
            )));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Has a resource restarted in one transition, and waits until the engine has nothing left to do.
///
/// # Errors
/// The engine refused, or it did not start again on any head.
pub fn restart(crew: &mut Crew, member: &str, resource: &str) -> Result<(), ApplyError> {
    let token = jiff::Timestamp::now().to_string();
    push(crew, member, &|current| pacemaker::again(current, resource, &token))?;
    let waited = ask(crew, member, &["crm_resource", "--wait", "--timeout", RESTART_LIMIT], "")?;
    let state = pacemaker_state(crew, member).unwrap_or_default();
    if runs(&state, resource) {
        return Ok(());
    }
    let tried = state.resources.get(resource).map(|found| found.failed_on.join(", ")).unwrap_or_default();
    let why =
        if tried.is_empty() { waited.stderr.trim().to_owned() } else { format!("it failed on {tried}") };
    Err(ApplyError::Engine(format!("{resource} does not start again: {why}")))
}

fn runs(state: &EngineState, resource: &str) -> bool {
    state.resources.get(resource).is_some_and(|found| !found.failed && !found.on.is_empty())
}

/// Gives the running engine its configuration, as far as it is ours.
///
/// # Errors
/// The engine refused.
pub fn push_engine(crew: &mut Crew, member: &str, engine: &EngineDesired) -> Result<(), ApplyError> {
    push(crew, member, &|current| Ok(pacemaker::merged(engine, current)?.cib))
}

/// The member that is spoken to: one whose engine ran before this plan, for a new one's empty CIB gives way to the
/// cluster's when it joins, and what was pushed there would be lost.
pub(super) fn spokesman(plan: &Plan, engine: &EngineDesired, crew: &Crew) -> Option<HostName> {
    let reached = crew.names();
    running_member(plan, crew).or_else(|| engine.members.keys().find(|name| reached.contains(name)).cloned())
}

/// Replaces the CIB by what `change` makes of it, by compare-and-swap.
pub(super) fn push(
    crew: &mut Crew,
    member: &str,
    change: &dyn Fn(&str) -> Result<String, EngineError>,
) -> Result<(), ApplyError> {
    let begin = Instant::now();
    let mut tries = 0;
    loop {
        let current = match queried(crew, member) {
            Err(gone @ HostError::Unreachable { .. }) => return Err(gone.into()), // a lost session does not come back
            current => current.ok().flatten(),
        };
        let Some(current) = current else {
            if begin.elapsed() > ANSWER_LIMIT {
                return Err(ApplyError::Engine(format!("it does not answer on {member}")));
            }
            std::thread::sleep(PAUSE);
            continue;
        };
        let new = change(&current).map_err(|e| ApplyError::Engine(e.to_string()))?;
        let answer = ask(crew, member, &["cibadmin", "--replace", "--xml-pipe"], &new)?;
        tries += 1;
        match answer.status {
            Some(0) => return Ok(()),
            Some(OLD) if tries < TRIES => std::thread::sleep(crew.pause()),
            _ => return Err(ApplyError::Engine(format!("cibadmin: {}", answer.stderr.trim()))),
        }
    }
}

/// Waits until every group's resources are started and every member that is reached is online, and have been so for `hold`.
///
/// # Errors
/// What is still missing when the time is over.
pub fn settle(
    engine: &EngineDesired,
    crew: &mut Crew,
    member: &str,
    hold: Duration,
) -> Result<(), ApplyError> {
    let begin = Instant::now();
    let reached = crew.names(); // who is away waits, and nobody waits for it
    let (mut failing, mut dead, mut steady): (Option<_>, Option<_>, Option<Instant>) = (None, None, None);
    loop {
        let state = read_state(engine, crew, member);
        let missing = match &state {
            Some(state) => missing(engine, state, &reached),
            None => vec!["the engine does not answer".to_owned()],
        };
        steady = if missing.is_empty() { steady.or_else(|| Some(Instant::now())) } else { None };
        if steady.is_some_and(|since| since.elapsed() >= hold) {
            return Ok(());
        }
        let state = state.unwrap_or_default();
        let any = |what: fn(&EngineResource) -> bool| state.resources.values().any(what);
        let since = |now: bool, before: Option<Instant>| now.then(|| before.unwrap_or_else(Instant::now));
        failing = since(any(|found| found.failed), failing);
        let given_up = ours(engine).any(|id| state.resources.get(id).is_some_and(EngineResource::is_dead));
        // "Monitoring" stays on what the engine has given up
        let at_it = any(|found| found.pending.as_ref().is_some_and(|what| what != "Monitoring"));
        dead = since(given_up && !at_it, dead);
        let longer = |since: Option<Instant>, limit| since.is_some_and(|since| since.elapsed() > limit);
        if longer(failing, FAILED_LIMIT) || longer(dead, DEAD_LIMIT) || begin.elapsed() > SETTLE_LIMIT {
            let seconds = begin.elapsed().as_secs();
            return Err(ApplyError::Engine(format!("after {seconds} s: {}", missing.join(", "))));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Primitives of every group.
fn ours(engine: &EngineDesired) -> impl Iterator<Item = &str> {
    engine.resources.values().flatten().map(|id| id.strip_suffix("-clone").unwrap_or(id))
}

/// What is not yet as the spec wants it.
fn missing(engine: &EngineDesired, state: &EngineState, reached: &[HostName]) -> Vec<String> {
    let mut missing = Vec::new();
    for name in engine.members.keys().filter(|name| reached.contains(name)) {
        if !state.nodes.get(name).is_some_and(|node| node.online && !node.unclean) {
            missing.push(format!("{name} is not online"));
        }
    }
    for primitive in ours(engine) {
        let found = state.resources.get(primitive);
        match found {
            Some(found) if found.failed => missing.push(format!("{primitive} has failed")),
            Some(found) if found.is_dead() => {
                missing
                    .push(format!("{primitive} does not run, and failed on {}", found.failed_on.join(", ")));
            }
            Some(found) if !found.on.is_empty() && found.pending.is_none() => {}
            _ => missing.push(format!("{primitive} is not started")),
        }
    }
    missing
}
