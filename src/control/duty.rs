//! What a look at a unit means for its recovery, where heartbeat is the engine: heartbeat does not look at what it
//! carries, so haoscar runs the policy ([`crate::recovery`]).
//!
//! Pure. Whoever acts on it must not get in heartbeat's way: nothing is known while heartbeat is at work, where the group
//! is not, or where heartbeat does not run and the other head may be about to take the group.

use super::judge::{UnitState, Verdict, judge};
use crate::recovery::{Event, Phase};

/// How heartbeat and its group are on this head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ground {
    /// heartbeat runs here.
    pub engine: bool,
    /// The group's address is here, and so is the group.
    pub here: bool,
    /// heartbeat's scripts are at work.
    pub busy: bool,
}

/// A unit as it was read, with what is known of its last main process.
#[derive(Debug, Clone, Copy)]
pub struct Read<'a> {
    /// What systemd says.
    pub unit: &'a UnitState,
    /// The main process whose end was noticed; 0: none was.
    pub dead: u32,
    /// heartbeat's script marked that it stops the unit.
    pub engine_stops: bool,
}

/// The fact for the unit's recovery; none: look again later, nothing may be done.
pub fn event(ground: Ground, read: Read<'_>, phase: Phase) -> Option<Event> {
    if !ground.engine {
        return Some(Event::Paused);
    }
    if phase == Phase::Paused {
        return Some(Event::Resumed);
    }
    if ground.busy {
        return None;
    }
    Some(if ground.here { here(read, phase) } else { Event::Left })
}

fn here(read: Read<'_>, phase: Phase) -> Event {
    let Read { unit, dead, engine_stops } = read;
    let runs = ["active", "reloading"].contains(&unit.active.as_str());
    match phase {
        Phase::Healthy | Phase::Recovered if runs && (dead == 0 || unit.main_pid != dead) => Event::Time,
        _ if runs && unit.main_pid != dead => Event::Answers,
        Phase::Restarting if !unit.settled() => Event::Time,
        Phase::Restarting => Event::Failed, // a start that failed has no order of times
        Phase::Exhausted | Phase::FailingOver => Event::Time,
        // an earlier haoscar may have seen it end, and systemd has forgotten why
        _ if dead == 0 && unit.ended_us == 0 && unit.active != "failed" => Event::Time,
        _ => match judge(unit, dead, engine_stops) {
            Verdict::Wait => Event::Ended,
            Verdict::Planned => Event::Ordered,
            Verdict::Report => Event::Failed,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Ground = Ground { engine: true, here: true, busy: false };

    fn unit(active: &str, main_pid: u32, ended_us: u64, left_us: u64) -> UnitState {
        UnitState { active: active.to_owned(), main_pid, ended_us, left_us, ..UnitState::default() }
    }

    fn seen(unit: &UnitState, dead: u32, phase: Phase) -> Option<Event> {
        event(GOOD, Read { unit, dead, engine_stops: false }, phase)
    }

    #[test]
    fn a_crash_has_failed_and_a_stop_was_ordered() {
        assert_eq!(seen(&unit("failed", 0, 10, 20), 7, Phase::Healthy), Some(Event::Failed));
        assert_eq!(seen(&unit("inactive", 0, 20, 10), 7, Phase::Healthy), Some(Event::Ordered));
        assert_eq!(seen(&unit("active", 7, 0, 0), 7, Phase::Healthy), Some(Event::Ended), "systemd is late");
    }

    #[test]
    fn a_crash_that_nobody_saw_has_failed_too_unless_it_is_forgotten() {
        assert_eq!(seen(&unit("failed", 0, 10, 20), 0, Phase::Healthy), Some(Event::Failed));
        assert_eq!(seen(&unit("inactive", 0, 0, 0), 0, Phase::Healthy), Some(Event::Time));
    }

    #[test]
    fn a_restart_has_failed_when_it_is_over_and_the_unit_does_not_run() {
        assert_eq!(seen(&unit("failed", 0, 20, 10), 0, Phase::Restarting), Some(Event::Failed));
        assert_eq!(seen(&unit("active", 8, 0, 10), 0, Phase::Restarting), Some(Event::Answers));
        assert_eq!(seen(&unit("activating", 8, 0, 10), 0, Phase::Restarting), Some(Event::Time));
        let queued = UnitState { job: true, ..unit("failed", 0, 10, 20) };
        assert_eq!(seen(&queued, 0, Phase::Restarting), Some(Event::Time), "its job waits");
    }

    #[test]
    fn where_heartbeat_does_not_run_hands_are_off() {
        let unit = unit("failed", 0, 10, 20);
        let read = Read { unit: &unit, dead: 7, engine_stops: false };
        assert_eq!(event(Ground { engine: false, ..GOOD }, read, Phase::Healthy), Some(Event::Paused));
        assert_eq!(event(GOOD, read, Phase::Paused), Some(Event::Resumed));
    }

    #[test]
    fn nothing_is_known_while_heartbeat_is_at_work_and_nothing_is_ours_where_the_group_is_not() {
        let unit = unit("failed", 0, 10, 20);
        let read = Read { unit: &unit, dead: 7, engine_stops: false };
        assert_eq!(event(Ground { busy: true, ..GOOD }, read, Phase::Healthy), None);
        assert_eq!(event(Ground { here: false, ..GOOD }, read, Phase::Healthy), Some(Event::Left));
    }
}
