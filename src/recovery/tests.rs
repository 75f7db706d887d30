//! Each rule a sentence.

use super::*;
use Action::{Alert, FailOver, Nothing, Restart, Stop};
use Event::{Answers, Ended, Failed, Left, Ordered, Resumed, Stayed, Time};

fn policy(restarts: u32, then: RecoveryThen) -> Recovery {
    Recovery { restarts, within: Span::from_millis(300_000), then }
}

/// A service through facts, each with its second; every answer.
struct Life {
    state: State,
    policy: Recovery,
}

impl Life {
    fn with(restarts: u32, then: RecoveryThen) -> Self {
        Self { state: State::default(), policy: policy(restarts, then) }
    }

    fn meets(&mut self, second: u64, event: Event) -> Action {
        let (next, action) = step(&self.state, Fact { at_ms: second * 1_000, event }, &self.policy);
        self.state = next;
        action
    }

    /// Fails and is up again, from that second on.
    fn fails(&mut self, second: u64) -> Action {
        self.meets(second, Ended);
        let action = self.meets(second, Failed);
        if action == Restart {
            self.meets(second, Answers);
        }
        action
    }

    fn all(&mut self, seconds: impl IntoIterator<Item = u64>) -> Vec<Action> {
        seconds.into_iter().map(|second| self.fails(second)).collect()
    }
}

#[test]
fn a_failure_is_answered_with_a_restart_and_what_answers_again_has_recovered() {
    let mut life = Life::with(3, RecoveryThen::Failover);
    assert_eq!((life.meets(10, Ended), life.state.phase()), (Nothing, Phase::Alert));
    assert_eq!((life.meets(10, Failed), life.state.phase()), (Restart, Phase::Restarting));
    assert_eq!((life.meets(11, Answers), life.state.phase()), (Nothing, Phase::Recovered));
    assert_eq!((life.meets(309, Time), life.state.phase()), (Nothing, Phase::Recovered));
    assert_eq!((life.meets(310, Time), life.state.phase()), (Nothing, Phase::Healthy));
}

#[test]
fn an_end_that_somebody_ordered_counts_nothing() {
    let mut life = Life::with(1, RecoveryThen::Stop);
    for second in 0..10 {
        life.meets(second, Ended);
        assert_eq!((life.meets(second, Ordered), life.state.phase()), (Nothing, Phase::Healthy));
    }
    assert_eq!(life.fails(20), Restart);
}

#[test]
fn one_failure_more_than_restarts_leads_to_what_the_policy_says() {
    for (then, last) in
        [(RecoveryThen::Failover, FailOver), (RecoveryThen::Alert, Alert), (RecoveryThen::Stop, Stop)]
    {
        assert_eq!(Life::with(2, then).all([1, 2, 3]), [Restart, Restart, last], "{then:?}");
        assert_eq!(Life::with(0, then).fails(1), last, "{then:?}");
    }
}

#[test]
fn the_window_slides_so_that_an_old_restart_makes_room_for_one_new() {
    let mut life = Life::with(2, RecoveryThen::Stop);
    assert_eq!(life.all([0, 200, 300, 499]), [Restart, Restart, Restart, Stop], "300 and 200 count at 499");
    let mut life = Life::with(2, RecoveryThen::Stop);
    assert_eq!(life.all([0, 200, 300, 500]), [Restart; 4]);
}

#[test]
fn a_restart_that_does_not_succeed_counts_as_one() {
    let mut life = Life::with(2, RecoveryThen::Failover);
    assert_eq!([1, 2, 3].map(|second| life.meets(second, Failed)), [Restart, Restart, FailOver]);
}

#[test]
fn a_group_that_went_has_recovered_and_does_not_go_again_within_the_window() {
    let mut life = Life::with(1, RecoveryThen::Failover);
    assert_eq!(life.all([0, 100]), [Restart, FailOver]);
    assert_eq!((life.meets(101, Left), life.state.phase()), (Nothing, Phase::Recovered));
    assert_eq!((life.fails(200), life.state.phase()), (Alert, Phase::Exhausted), "it came back and failed");
    assert_eq!(life.meets(299, Time), Nothing);
    assert_eq!(life.meets(300, Time), Restart, "the first restart counts no more");
    life.meets(300, Answers);
    assert_eq!(life.all([401]), [FailOver], "it went 300 s ago");
}

#[test]
fn a_group_that_cannot_go_is_told_started_when_the_count_allows_and_offered_each_minute() {
    let mut life = Life::with(1, RecoveryThen::Failover);
    assert_eq!(life.all([0, 10]), [Restart, FailOver]);
    assert_eq!((life.meets(10, Stayed), life.state.phase()), (Alert, Phase::Exhausted));
    assert_eq!(life.meets(69, Time), Nothing);
    assert_eq!((life.meets(70, Time), life.meets(70, Stayed)), (FailOver, Alert));
    assert_eq!((life.meets(130, Time), life.meets(189, Time)), (FailOver, Nothing));
    assert_eq!(
        (life.meets(190, Time), life.state.phase()),
        (Alert, Phase::Exhausted),
        "it was to go, and is here"
    );
    assert_eq!(life.meets(300, Time), Restart);
}

#[test]
fn what_is_stopped_for_good_stays_so_until_a_person_starts_it() {
    let mut life = Life::with(0, RecoveryThen::Stop);
    assert_eq!(life.fails(0), Stop);
    assert_eq!((life.meets(9_000, Time), life.state.phase()), (Nothing, Phase::Exhausted));
    assert_eq!(life.state.due_ms(&life.policy), None);
    assert_eq!((life.meets(9_001, Answers), life.state.phase()), (Nothing, Phase::Healthy));
}

#[test]
fn what_is_paused_does_nothing_and_keeps_its_count() {
    let mut life = Life::with(1, RecoveryThen::Stop);
    assert_eq!(life.fails(0), Restart);
    life.meets(1, Event::Paused);
    let all = [Ended, Failed, Answers, Left, Stayed, Ordered, Time, Event::Paused];
    assert_eq!(all.map(|event| life.meets(2, event)), [Nothing; 8]);
    assert_eq!((life.meets(3, Resumed), life.state.phase()), (Nothing, Phase::Recovered));
    assert_eq!(life.fails(4), Stop);
}
