//! Objects that running services hold themselves: asked for, and fed a statement at a time, on the head that carries
//! the service. What differs is decided by the backend.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{ApplyError, Crew, Say, engine};
use crate::desired::{Answer, Desired, HostName, Live, Statement};
use crate::host::{HostError, Request, Response};
use crate::observed::Observed;

/// The engine's probe has answered by then; the daemon's own tools may come some seconds later.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// qmgr answers in milliseconds; a client of a dead server has hung for more than 25 s (knowledge/schedulers.md 3).
const STATEMENT_LIMIT_MS: u64 = 30_000;

const PAUSE: Duration = Duration::from_millis(200);

/// What services answer on the heads that carry them. A service that nobody carries, or whose head is not reached, is
/// not in it.
pub fn ask(desired: &Desired, observed: &Observed, crew: &mut Crew) -> BTreeMap<String, Vec<Answer>> {
    let mut found = BTreeMap::new();
    for live in &desired.live {
        for head in places(live, observed.carrier(desired, &live.group)) {
            let Ok(answers) = ask_on(live, &head, crew) else { continue };
            let good = (live.changes)(&live.wanted, &answers).is_ok();
            if good || !found.contains_key(&live.service) {
                found.insert(live.service.clone(), answers);
            }
            if good {
                break;
            }
        }
    }
    found
}

/// Where it may be, the likeliest first; nowhere, where nobody carries its group.
fn places(live: &Live, carrier: Option<HostName>) -> Vec<HostName> {
    let Some(carrier) = carrier else { return Vec::new() };
    let others = live.elsewhere.iter().filter(|head| **head != carrier).cloned();
    std::iter::once(carrier.clone()).chain(others).collect()
}

/// Every answer of one head; after one that did not come in time the rest is not asked.
fn ask_on(live: &Live, head: &str, crew: &mut Crew) -> Result<Vec<Answer>, HostError> {
    let mut answers = Vec::new();
    for question in &live.ask {
        let answer = answer(crew, head, &Request::Ask(question.clone()))?;
        let silent = answer.status.is_none();
        answers.push(answer);
        if silent {
            break;
        }
    }
    Ok(answers)
}

fn answer(crew: &mut Crew, head: &str, request: &Request) -> Result<Answer, HostError> {
    let gone =
        || HostError::Unreachable { host: head.to_owned(), why: "there is no session with it".to_owned() };
    match crew.get(head).ok_or_else(gone)?.ask(request)? {
        Response::Answer(answer) => Ok(answer),
        other => Err(HostError::Failed { subject: head.to_owned(), why: format!("answered {other:?}") }),
    }
}

/// Feeds every service whose carrying head is reached. To be called when the engine has settled.
///
/// # Errors
/// What [`feed`] says.
pub fn feed_all(desired: &Desired, crew: &mut Crew, say: Say<'_>) -> Result<(), ApplyError> {
    for live in &desired.live {
        let mut heads = places(live, carrier(desired, live, crew));
        heads.retain(|head| crew.get(head).is_some());
        if heads.is_empty() {
            say(&format!("{}: its objects wait: the head that carries it is not reached", live.service));
        } else {
            feed(live, &heads, crew, say)?;
        }
    }
    Ok(())
}

/// The head that carries the service now, as a member that is reached sees it.
fn carrier(desired: &Desired, live: &Live, crew: &mut Crew) -> Option<HostName> {
    let engine = desired.engine.as_ref()?;
    let state = engine.members.keys().find_map(|member| engine::read_state(engine, crew, member))?;
    let observed = Observed { engine: Some(state), ..Observed::default() };
    observed.carrier(desired, &live.group)
}

/// Asks one service on `heads`, of which it is on one, until it answers, and feeds it what differs.
///
/// # Errors
/// It does not answer, or it refuses a statement: that one is quoted, and what came before it stays.
pub fn feed(live: &Live, heads: &[HostName], crew: &mut Crew, say: Say<'_>) -> Result<(), ApplyError> {
    let (head, statements) = differing(live, heads, crew)?;
    if !statements.is_empty() {
        let (count, service) = (statements.len(), &live.service);
        let plural = if count == 1 { "" } else { "s" };
        say(&format!("telling {service} on {head} about its objects: {count} statement{plural}"));
    }
    statements.iter().try_for_each(|statement| tell(live, head, statement, crew))
}

fn differing<'a>(
    live: &Live,
    heads: &'a [HostName],
    crew: &mut Crew,
) -> Result<(&'a str, Vec<Statement>), ApplyError> {
    let begin = Instant::now();
    let mut turns = heads.iter().cycle();
    loop {
        let head = turns.next().ok_or_else(|| failed(live, "no head", "nobody carries it".to_owned()))?;
        let answers = ask_on(live, head, crew)?;
        match (live.changes)(&live.wanted, &answers) {
            Ok(statements) => return Ok((head, statements)),
            Err(why) if begin.elapsed() > ANSWER_LIMIT => {
                let after = ANSWER_LIMIT.as_secs();
                let why = format!("after {after} s its objects cannot be read: {why}");
                return Err(failed(live, head, why));
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

fn tell(live: &Live, head: &str, statement: &Statement, crew: &mut Crew) -> Result<(), ApplyError> {
    let argv = live.feed.iter().chain([&statement.text]).cloned().collect();
    let request = Request::Run { argv, input: String::new(), timeout_ms: STATEMENT_LIMIT_MS };
    let answer = answer(crew, head, &request)?;
    let status = match answer.status {
        Some(0) => return Ok(()),
        Some(code) => match (live.means)(code) {
            "" => format!("with exit status {code}"),
            known => format!("with exit status {code} ({known})"),
        },
        None => "and its program was killed or is not there".to_owned(),
    };
    let said = format!("{}{}", answer.stdout, answer.stderr);
    let text = &statement.text;
    let why = format!(
        "`{text}` is refused {status}: {}; what came before it stays: mend it and apply again",
        said.trim()
    );
    Err(failed(live, head, why))
}

fn failed(live: &Live, head: &str, why: String) -> ApplyError {
    ApplyError::Live { service: live.service.clone(), host: head.to_owned(), why }
}
