//! The recovery policy over any course of things, and its diagram in the book.

mod diagram;

use haoscar::recovery::{Action, Event, Fact, Phase, State, step};
use haoscar::spec::{Recovery, RecoveryThen, Span};
use proptest::prelude::*;

const EVENTS: [Event; 9] = [
    Event::Ended,
    Event::Ordered,
    Event::Failed,
    Event::Answers,
    Event::Left,
    Event::Stayed,
    Event::Paused,
    Event::Resumed,
    Event::Time,
];

const THENS: [RecoveryThen; 3] = [RecoveryThen::Failover, RecoveryThen::Alert, RecoveryThen::Stop];

fn policies() -> impl Strategy<Value = Recovery> {
    let then = proptest::sample::select(THENS.to_vec());
    (0..5_u32, 1..400_000_u64, then).prop_map(|(restarts, within, then)| Recovery {
        restarts,
        within: Span::from_millis(within),
        then,
    })
}

/// Facts, each so long after the one before; failures and their ends most of all.
fn courses() -> impl Strategy<Value = Vec<(u64, Event)>> {
    let wait = prop_oneof![Just(0), 1..2_000_u64, 1..200_000_u64];
    let event = prop_oneof![
        3 => Just(Event::Failed),
        2 => Just(Event::Answers),
        5 => proptest::sample::select(EVENTS.to_vec()),
    ];
    proptest::collection::vec((wait, event), 1..80)
}

/// One step of a course: the time, the phase before, the event, and what came of it.
struct Row {
    at_ms: u64,
    before: Phase,
    event: Event,
    after: State,
    action: Action,
}

fn run(policy: &Recovery, course: &[(u64, Event)]) -> Vec<Row> {
    let (mut state, mut at_ms) = (State::default(), 0);
    let mut rows = Vec::new();
    for &(wait, event) in course {
        at_ms += wait;
        let before = state.phase();
        let (after, action) = step(&state, Fact { at_ms, event }, policy);
        state = after.clone();
        rows.push(Row { at_ms, before, event, after, action });
    }
    rows
}

/// What the policy says that follows.
fn follows(then: RecoveryThen) -> Action {
    match then {
        RecoveryThen::Failover => Action::FailOver,
        RecoveryThen::Alert => Action::Alert,
        RecoveryThen::Stop => Action::Stop,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn never_more_restarts_than_the_policy_allows_within_any_window(policy in policies(), course in courses()) {
        let rows = run(&policy, &course);
        let at: Vec<_> = rows.iter().filter(|row| row.action == Action::Restart).map(|row| row.at_ms).collect();
        let many = policy.restarts as usize + 1;
        for window in at.windows(many) {
            let long = window[many - 1] - window[0];
            prop_assert!(long >= policy.within.as_millis(), "{many} restarts within {long} ms");
        }
    }

    #[test]
    fn what_is_exhausted_is_always_answered_with_what_the_policy_says(policy in policies(), course in courses()) {
        let mut gone = None;
        for row in run(&policy, &course) {
            if (row.before, row.event) == (Phase::FailingOver, Event::Left) {
                gone = Some(row.at_ms);
            }
            let failed = row.event == Event::Failed
                && ![Phase::Exhausted, Phase::FailingOver, Phase::Paused].contains(&row.before);
            if !failed || row.action == Action::Restart {
                continue;
            }
            let went = gone.is_some_and(|at| at + policy.within.as_millis() > row.at_ms);
            let fails_over = policy.then == RecoveryThen::Failover;
            let expected = if fails_over && went { Action::Alert } else { follows(policy.then) };
            prop_assert_eq!(row.action, expected);
            prop_assert_eq!(row.after.restarts(), policy.restarts as usize, "given up with restarts left");
        }
    }

    #[test]
    fn only_what_the_policy_says_is_ever_done(policy in policies(), course in courses()) {
        for row in run(&policy, &course) {
            let moved = row.action == Action::FailOver && policy.then != RecoveryThen::Failover;
            let stopped = row.action == Action::Stop && policy.then != RecoveryThen::Stop;
            prop_assert!(!moved && !stopped, "{:?}", row.action);
        }
    }

    #[test]
    fn a_group_never_goes_twice_within_one_window(policy in policies(), course in courses()) {
        let rows = run(&policy, &course);
        let went = |row: &&Row| (row.before, row.event) == (Phase::FailingOver, Event::Left);
        let at: Vec<_> = rows.iter().filter(went).map(|row| row.at_ms).collect();
        prop_assert!(at.windows(2).all(|two| two[1] - two[0] >= policy.within.as_millis()), "{at:?}");
    }

    #[test]
    fn what_is_paused_does_nothing_until_it_is_resumed(policy in policies(), course in courses()) {
        for row in run(&policy, &course).iter().filter(|row| row.before == Phase::Paused) {
            prop_assert_eq!(row.action, Action::Nothing);
            prop_assert_eq!(row.after.phase() == Phase::Paused, row.event != Event::Resumed);
        }
    }

    #[test]
    fn quiet_leads_back_to_healthy_from_anywhere(policy in policies(), course in courses()) {
        let rows = run(&policy, &course);
        let last = rows.last().unwrap();
        let quiet = [Event::Resumed, Event::Answers, Event::Time];
        let waits = [0, 0, policy.within.as_millis()];
        let (mut state, mut at_ms) = (last.after.clone(), last.at_ms);
        for (event, wait) in quiet.into_iter().zip(waits) {
            at_ms += wait;
            state = step(&state, Fact { at_ms, event }, &policy).0;
        }
        prop_assert_eq!((state.phase(), state.restarts()), (Phase::Healthy, 0));
    }

    #[test]
    fn between_facts_nothing_happens_before_the_time_that_it_names(policy in policies(), course in courses()) {
        let rows = run(&policy, &course);
        let last = rows.last().unwrap();
        let due = last.after.due_ms(&policy);
        let wake = |at_ms| step(&last.after, Fact { at_ms, event: Event::Time }, &policy);
        let early = due.map_or(last.at_ms + 10_000_000, |due| due.saturating_sub(1)).max(last.at_ms);
        if due.is_none_or(|due| due > last.at_ms) {
            let (state, action) = wake(early);
            prop_assert_eq!((state.phase(), action), (last.after.phase(), Action::Nothing));
        }
        if let Some(due) = due {
            let (state, action) = wake(due.max(last.at_ms));
            prop_assert!(state.phase() != last.after.phase() || action != Action::Nothing, "woken for nothing");
        }
    }
}
