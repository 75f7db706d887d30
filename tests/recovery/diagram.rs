//! The state diagram of `docs/book/recovery.md`: every state that [`step`] can reach is asked what each event does to it.
//!
//! `HAOSCAR_UPDATE=1 cargo test diagram` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use haoscar::recovery::{Action, Event, Fact, GOING_MS, Phase, State, step};
use haoscar::spec::{Recovery, RecoveryThen, Span};

use super::{EVENTS, THENS};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/book/recovery.md");
const BEGIN: &str = "<!-- diagram: drawn by tests/recovery/diagram.rs from src/recovery -->\n";
const END: &str = "<!-- end of the diagram -->\n";

/// Two restarts a window, of the length of two looks: small enough to be seen whole.
fn policy(then: RecoveryThen) -> Recovery {
    Recovery { restarts: 2, within: Span::from_millis(2 * GOING_MS), then }
}

/// What an outcome hung on: restarts that count, and what the policy says that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    counted: usize,
    then: &'static str,
}

type Outcomes = BTreeMap<(Phase, Event), BTreeMap<(Phase, Action), BTreeSet<Case>>>;

/// A state with when it was entered, and when its group went.
type Place = (State, u64, Option<u64>);

/// Asks everything that can be reached: all policies, all events, at once and a minute later.
fn explored() -> Outcomes {
    let mut outcomes = Outcomes::default();
    for then in THENS {
        let policy = policy(then);
        let mut known = BTreeSet::new();
        let mut open: Vec<(Place, usize)> = vec![((State::default(), 0, None), 0)];
        while let Some(((state, at, went), depth)) = open.pop() {
            if depth > 9 || !known.insert((state.clone(), at)) {
                continue;
            }
            for (event, at_ms) in EVENTS.into_iter().flat_map(|event| [(event, at), (event, at + GOING_MS)]) {
                let before = remembered(&state, at_ms, &policy);
                if before.phase() != state.phase() && event != Event::Time {
                    continue; // time has passed already
                }
                let (next, action) = step(&state, Fact { at_ms, event }, &policy);
                let case = Case { counted: before.restarts(), then: follows(then, went, at_ms) };
                let key = (state.phase(), event);
                outcomes.entry(key).or_default().entry((next.phase(), action)).or_default().insert(case);
                let goes = key == (Phase::FailingOver, Event::Left);
                open.push(((next, at_ms, if goes { Some(at_ms) } else { went }), depth + 1));
            }
        }
    }
    outcomes
}

/// A word that changes nothing, so that only what is over is forgotten.
fn remembered(state: &State, at_ms: u64, policy: &Recovery) -> State {
    let still = if state.phase() == Phase::Paused { Event::Paused } else { Event::Resumed };
    step(state, Fact { at_ms, event: still }, policy).0
}

fn follows(then: RecoveryThen, went: Option<u64>, at_ms: u64) -> &'static str {
    match then {
        RecoveryThen::Failover if went.is_some_and(|at| at + 2 * GOING_MS > at_ms) => WENT,
        RecoveryThen::Failover => "failover",
        RecoveryThen::Alert => "alert",
        RecoveryThen::Stop => "stop",
    }
}

const WENT: &str = "failover, and it went before";

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Healthy => "healthy",
        Phase::Alert => "alert",
        Phase::Restarting => "restarting",
        Phase::Exhausted => "exhausted",
        Phase::FailingOver => "failing_over",
        Phase::Recovered => "recovered",
        Phase::Paused => "paused",
    }
}

fn words(event: Event) -> &'static str {
    match event {
        Event::Ended => "its process ends",
        Event::Ordered => "somebody ordered it",
        Event::Failed => "it failed",
        Event::Answers => "it runs",
        Event::Left => "the group is elsewhere",
        Event::Stayed => "the group cannot go",
        Event::Paused => "pause",
        Event::Resumed => "resume",
        Event::Time => "time passes",
    }
}

fn deed(action: Action) -> &'static str {
    match action {
        Action::Nothing => "",
        Action::Restart => " / start it again",
        Action::FailOver => " / ask the group to go",
        Action::Alert => " / tell",
        Action::Stop => " / leave it stopped, and tell",
    }
}

/// What tells this outcome from the others of the same event.
fn conditions(cases: &BTreeSet<Case>, all: &BTreeSet<Case>) -> String {
    let told = |set: &BTreeSet<Case>| set.iter().map(|case| case.counted).collect::<Vec<_>>();
    let (mut ours, mut total) = (told(cases), told(all));
    [&mut ours, &mut total].iter_mut().for_each(|set| {
        set.sort_unstable();
        set.dedup();
    });
    let count = match ours.as_slice() {
        _ if ours == total => "",
        [0] => "no restart counts",
        [.., 1] => "restarts are left",
        [2] => "none is left",
        _ => "restarts count",
    };
    let thens = |set: &BTreeSet<Case>| set.iter().map(|case| case.then).collect::<BTreeSet<_>>();
    let (mut named, mut known) = (thens(cases), thens(all));
    if named.contains("failover") {
        named.remove(WENT);
        known.remove(WENT);
    }
    let then = if named == known {
        String::new()
    } else {
        format!("then {}", named.into_iter().collect::<Vec<_>>().join(" or "))
    };
    let found: Vec<_> = [count, &then].into_iter().filter(|text| !text.is_empty()).collect();
    if found.is_empty() { String::new() } else { format!(" [{}]", found.join(", ")) }
}

/// One line for all events that do the same.
fn mermaid() -> String {
    let mut lines: BTreeMap<(Phase, Phase, String), Vec<&str>> = BTreeMap::new();
    for ((from, event), results) in &explored() {
        let all = results.values().flatten().copied().collect();
        for ((to, action), cases) in
            results.iter().filter(|((to, action), _)| (from, Action::Nothing) != (to, *action))
        {
            let label = format!("{}{}", conditions(cases, &all), deed(*action));
            lines.entry((*from, *to, label)).or_default().push(words(*event));
        }
    }
    let mut text = "```mermaid\nstateDiagram-v2\n    [*] --> healthy\n".to_owned();
    for ((from, to, label), events) in lines {
        writeln!(text, "    {} --> {}: {}{label}", name(from), name(to), events.join(" or ")).unwrap();
    }
    text + "```\n"
}

#[test]
fn the_diagram_in_the_book_is_what_the_code_does() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the diagram");
    let (shown, after) = rest.split_once(END).expect("the diagram has an end");
    let drawn = mermaid();
    if std::env::var_os("HAOSCAR_UPDATE").is_some() {
        std::fs::write(PAGE, format!("{before}{BEGIN}{drawn}{END}{after}")).unwrap();
        return;
    }
    assert!(shown == drawn, "docs/book/recovery.md is stale: HAOSCAR_UPDATE=1 cargo test diagram\n{drawn}");
}
