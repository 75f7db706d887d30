//! How failures of a service are answered: `recovery: { restarts, within, then }` as a state machine, one a service on a
//! head.
//!
//! Pure: a fact with its time in, an action out. It must not look, wait or act: under engine heartbeat
//! [`crate::control`] does, and under pacemaker the engine has rules of its own that come close. The diagram in
//! `docs/book/recovery.md` is drawn by running [`step()`].

mod step;

pub use step::step;

use serde::{Deserialize, Serialize};

use crate::spec::{Recovery, RecoveryThen, Span};

/// A group that was asked to go and is still here after that time has stayed. heartbeat itself gives a start that
/// failed back after 30 s.
pub const GOING_MS: u64 = 60_000;

/// Without a policy of its own a service is started again so often, within [`WITHIN_MS`], before its group moves.
const RESTARTS: u32 = 3;
const WITHIN_MS: u64 = 300_000;

/// The policy of a service that has none of its own.
pub fn usual() -> Recovery {
    Recovery { restarts: RESTARTS, within: Span::from_millis(WITHIN_MS), then: RecoveryThen::Failover }
}

/// Where a service is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It serves, or is not this head's to serve; no restart counts any more.
    #[default]
    Healthy,
    /// Its main process has ended; whether somebody ordered that is not known yet.
    Alert,
    /// It is being started again here.
    Restarting,
    /// It has failed once more than the policy starts it again.
    Exhausted,
    /// Its group was asked to go to another head.
    FailingOver,
    /// It serves again, here or on another head; its restarts still count.
    Recovered,
    /// Whoever runs this has to keep its hands off.
    Paused,
}

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// Its main process has ended; why is not known yet.
    Ended,
    /// Somebody ordered its end.
    Ordered,
    /// Nobody ordered its end, or a restart did not succeed.
    Failed,
    /// It runs here.
    Answers,
    /// The group is not on this head.
    Left,
    /// The other head cannot take the group.
    Stayed,
    /// Hands off.
    Paused,
    /// Hands on again.
    Resumed,
    /// Nothing but time.
    Time,
}

/// What has happened, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact {
    /// Milliseconds of a clock that never goes back.
    pub at_ms: u64,
    /// What.
    pub event: Event,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Start it again here.
    Restart,
    /// Ask the group to go to another head.
    FailOver,
    /// Tell a person; nothing else.
    Alert,
    /// Leave it stopped until a person starts it, and tell.
    Stop,
}

/// What is remembered of a service on a head.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct State {
    phase: Phase,
    /// When it was started again, as far as it counts, oldest first.
    restarts: Vec<u64>,
    /// When its group was last asked to go.
    asked: Option<u64>,
    /// When its group last went because of it.
    gone: Option<u64>,
}

impl State {
    /// Where it is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Restarts that count.
    pub fn restarts(&self) -> usize {
        self.restarts.len()
    }

    /// When [`Event::Time`] will matter though nothing else happens; none: never.
    pub fn due_ms(&self, policy: &Recovery) -> Option<u64> {
        let over = |at: &u64| at.saturating_add(policy.within.as_millis());
        match self.phase {
            Phase::Recovered => self.restarts.last().map(over),
            Phase::FailingOver => self.asked.map(|at| at + GOING_MS),
            Phase::Exhausted if policy.then == RecoveryThen::Stop => None,
            Phase::Exhausted => {
                let room = if self.has_room(policy) { Some(0) } else { self.restarts.first().map(over) };
                let offer = self.gone.as_ref().map(over).max(self.asked.map(|at| at + GOING_MS));
                let offer = offer.filter(|_| policy.then == RecoveryThen::Failover);
                room.into_iter().chain(offer).min()
            }
            _ => None,
        }
    }

    fn has_room(&self, policy: &Recovery) -> bool {
        self.restarts.len() < usize::try_from(policy.restarts).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests;
