//! Our own rules, as the worlds call them: the real functions, and each broken on purpose in one way.

use haoscar::control::duty::{self, Ground, Read};
use haoscar::control::gauge::{Gauge, Word};
use haoscar::control::judge::{UnitState, Verdict, judge};
use haoscar::control::tip;
use haoscar::engines::heartbeat::{Hang, Mend, Pair, Seen, claims};
use haoscar::observed::Following;
use haoscar::recovery::{Action, Event, Fact, Phase, State, step};
use haoscar::spec::{Recovery, Span};

/// One rule, broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    IgnoreWindow,
    NeverGiveUp,
    ForgetThen,
    GoAgainAndAgain,
    NeverRecovered,
    ReportPlannedStops,
    MissCrashes,
    ActWhileBusy,
    ActElsewhere,
    ActWithoutEngine,
    TakeWhatIsNotHeld,
    MendAtOnce,
    NeverMend,
    TellPlannedStops,
    TellNoCrash,
    TellTwice,
    BackAtOnce,
    NeverBack,
    LossOnce,
    NoRecoveryAtBoot,
    NoLock,
    NoClaim,
    AcceptOlder,
    SwapAnything,
    IgnoreHold,
    HoldNothing,
    HealInTheMiddle,
}

impl Mutation {
    pub const ALL: [Self; 27] = [
        Self::IgnoreWindow,
        Self::NeverGiveUp,
        Self::ForgetThen,
        Self::GoAgainAndAgain,
        Self::NeverRecovered,
        Self::ReportPlannedStops,
        Self::MissCrashes,
        Self::ActWhileBusy,
        Self::ActElsewhere,
        Self::ActWithoutEngine,
        Self::TakeWhatIsNotHeld,
        Self::MendAtOnce,
        Self::NeverMend,
        Self::TellPlannedStops,
        Self::TellNoCrash,
        Self::TellTwice,
        Self::BackAtOnce,
        Self::NeverBack,
        Self::LossOnce,
        Self::NoRecoveryAtBoot,
        Self::NoLock,
        Self::NoClaim,
        Self::AcceptOlder,
        Self::SwapAnything,
        Self::IgnoreHold,
        Self::HoldNothing,
        Self::HealInTheMiddle,
    ];
}

/// The rules of a world.
#[derive(Debug, Clone, Copy)]
pub struct Rules(pub Option<Mutation>);

impl Rules {
    fn broken(self, mutation: Mutation) -> bool {
        self.0 == Some(mutation)
    }

    pub fn step(self, state: &State, fact: Fact, policy: &Recovery) -> (State, Action) {
        let mut policy = policy.clone();
        if self.broken(Mutation::IgnoreWindow) {
            policy.within = Span::from_millis(0);
        }
        if self.broken(Mutation::NeverGiveUp) {
            policy.restarts = u32::MAX;
        }
        if self.broken(Mutation::NeverRecovered) && fact.event == Event::Answers {
            return (state.clone(), Action::Nothing);
        }
        let forgetful = self.broken(Mutation::GoAgainAndAgain).then(|| never_gone(state));
        let (next, action) = step(forgetful.as_ref().unwrap_or(state), fact, &policy);
        let forgotten = self.broken(Mutation::ForgetThen) && action == Action::FailOver;
        (next, if forgotten { Action::Nothing } else { action })
    }

    pub fn event(self, mut ground: Ground, read: Read<'_>, phase: Phase) -> Option<Event> {
        ground.busy &= !self.broken(Mutation::ActWhileBusy);
        ground.here |= self.broken(Mutation::ActElsewhere);
        ground.engine |= self.broken(Mutation::ActWithoutEngine);
        let event = duty::event(ground, read, phase);
        match event {
            Some(Event::Ordered) if self.broken(Mutation::ReportPlannedStops) => Some(Event::Failed),
            Some(Event::Failed) if self.broken(Mutation::MissCrashes) => Some(Event::Ordered),
            _ => event,
        }
    }

    pub fn claims(self, pair: &Pair, hold: &str) -> bool {
        claims(pair, hold) || self.broken(Mutation::TakeWhatIsNotHeld)
    }

    pub fn look(self, hang: &mut Hang, seen: Seen, now_ms: u64) -> Option<Mend> {
        if self.broken(Mutation::NeverMend) {
            return None;
        }
        match seen {
            Seen::Claimed if self.broken(Mutation::MendAtOnce) => Some(Mend::Take),
            Seen::Undecided if self.broken(Mutation::MendAtOnce) => Some(Mend::Ask),
            _ => hang.look(seen, now_ms),
        }
    }

    pub fn judge(self, state: &UnitState, dead: u32, engine_stops: bool) -> Verdict {
        match judge(state, dead, engine_stops) {
            Verdict::Planned if self.broken(Mutation::TellPlannedStops) => Verdict::Report,
            Verdict::Report if self.broken(Mutation::TellNoCrash) => Verdict::Planned,
            verdict => verdict,
        }
    }

    pub fn locks_nothing(self) -> bool {
        self.broken(Mutation::NoLock)
    }

    pub fn claims_nothing(self) -> bool {
        self.broken(Mutation::NoClaim)
    }

    pub fn accepts_older(self) -> bool {
        self.broken(Mutation::AcceptOlder)
    }

    /// The engine's own rule, which ours stand on.
    pub fn swaps_anything(self) -> bool {
        self.broken(Mutation::SwapAnything)
    }

    pub fn holds_what_is_by_hand(self) -> bool {
        !self.broken(Mutation::HoldNothing)
    }

    pub fn standing(self, seen: &tip::Seen) -> Option<Following> {
        let held = seen.held.clone().filter(|_| !self.broken(Mutation::IgnoreHold));
        tip::standing(&tip::Seen { held, ..seen.clone() })
    }

    pub fn hinders(self, rule: impl FnOnce() -> Option<String>) -> Option<String> {
        if self.broken(Mutation::HealInTheMiddle) { None } else { rule() }
    }

    /// Whether a head finishes or puts back what a cut left.
    pub fn recovers_at_boot(self) -> bool {
        !self.broken(Mutation::NoRecoveryAtBoot)
    }

    /// Whether an end that was judged may be judged again.
    pub fn judges_again(self) -> bool {
        self.broken(Mutation::TellTwice)
    }

    pub fn read(self, gauge: &mut Gauge, good: bool, now_ms: u64) -> Option<Word> {
        if self.broken(Mutation::BackAtOnce) && good {
            return Some(Word::Back);
        }
        let known = gauge.is_lost();
        match gauge.read(good, now_ms) {
            Some(Word::Back) if self.broken(Mutation::NeverBack) => None,
            Some(Word::Lost) if self.broken(Mutation::LossOnce) && known => None,
            word => word,
        }
    }
}

fn never_gone(state: &State) -> State {
    let mut text = serde_json::to_value(state).unwrap();
    text["gone"] = serde_json::Value::Null;
    serde_json::from_value(text).unwrap()
}
