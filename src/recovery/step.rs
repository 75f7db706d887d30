//! One step: every rule of the policy, and nothing else.

use super::{Action, Event, Fact, GOING_MS, Phase, State};
use crate::spec::{Recovery, RecoveryThen};

/// The next state, and what is to be done now.
///
/// A restart counts for `within` from its time on. While the group cannot go, or has gone because of this service within
/// that time already, the service is started again as soon as the count allows: it must not be thrown to and fro between
/// heads that both cannot run it.
pub fn step(state: &State, fact: Fact, policy: &Recovery) -> (State, Action) {
    let mut next = Stepping { state: state.clone(), now: fact.at_ms, policy };
    next.forget();
    let action = next.meet(fact.event);
    (next.state, action)
}

struct Stepping<'a> {
    state: State,
    now: u64,
    policy: &'a Recovery,
}

impl Stepping<'_> {
    fn meet(&mut self, event: Event) -> Action {
        use Phase::{Alert, Exhausted, FailingOver, Healthy, Paused, Recovered, Restarting};
        match (self.state.phase, event) {
            (Paused, Event::Resumed) => self.rest(),
            (Paused, _) | (_, Event::Resumed) => Action::Nothing,
            (_, Event::Paused) => self.go(Paused, Action::Nothing),
            (FailingOver, Event::Left) => {
                self.state.gone = Some(self.now);
                self.rest()
            }
            (_, Event::Left | Event::Answers) => self.rest(),
            (Healthy | Recovered, Event::Ended) => self.go(Alert, Action::Nothing),
            (Alert | Restarting, Event::Ordered) => self.rest(),
            (Healthy | Recovered | Alert | Restarting, Event::Failed) => self.restart_or(Self::exhausted),
            (FailingOver, Event::Stayed) => self.restart_or(Self::told),
            (FailingOver, Event::Time) if self.over(self.state.asked, GOING_MS) => {
                self.restart_or(Self::told)
            }
            (Exhausted, Event::Time) => self.exhausted_for_long(),
            _ => Action::Nothing,
        }
    }

    fn go(&mut self, phase: Phase, action: Action) -> Action {
        self.state.phase = phase;
        action
    }

    /// Nothing is to be done; healthy once no restart counts.
    fn rest(&mut self) -> Action {
        let calm = self.state.restarts.is_empty();
        self.go(if calm { Phase::Healthy } else { Phase::Recovered }, Action::Nothing)
    }

    fn restart_or(&mut self, otherwise: fn(&mut Self) -> Action) -> Action {
        if !self.state.has_room(self.policy) {
            return otherwise(self);
        }
        self.state.restarts.push(self.now);
        self.go(Phase::Restarting, Action::Restart)
    }

    fn exhausted(&mut self) -> Action {
        match self.policy.then {
            RecoveryThen::Failover if self.state.gone.is_none() => self.ask(),
            RecoveryThen::Failover | RecoveryThen::Alert => self.told(),
            RecoveryThen::Stop => self.go(Phase::Exhausted, Action::Stop),
        }
    }

    fn ask(&mut self) -> Action {
        self.state.asked = Some(self.now);
        self.go(Phase::FailingOver, Action::FailOver)
    }

    fn told(&mut self) -> Action {
        self.go(Phase::Exhausted, Action::Alert)
    }

    /// Down, and told: started again as soon as the count allows, and offered to the other head from time to time.
    fn exhausted_for_long(&mut self) -> Action {
        match self.policy.then {
            RecoveryThen::Stop => Action::Nothing,
            _ if self.state.has_room(self.policy) => self.restart_or(Self::told),
            RecoveryThen::Failover if self.state.gone.is_none() && self.over(self.state.asked, GOING_MS) => {
                self.ask()
            }
            _ => Action::Nothing,
        }
    }

    fn over(&self, since: Option<u64>, limit_ms: u64) -> bool {
        since.is_none_or(|at| self.now >= at.saturating_add(limit_ms))
    }

    /// What is older than `within` does not count, and what has recovered is healthy once nothing does.
    fn forget(&mut self) {
        let (now, within) = (self.now, self.policy.within.as_millis());
        let counts = |at: &u64| at.saturating_add(within) > now;
        self.state.restarts.retain(counts);
        self.state.gone = self.state.gone.filter(counts);
        if self.state.phase == Phase::Recovered {
            self.rest();
        }
    }
}
