//! Whether the end of a main process is a failure that the engine should know of, or a stop that somebody ordered.
//!
//! Pure: systemd's words in, a verdict out. The order of two times decides most cases: who is stopped leaves `active`
//! first and then ends; who fails ends first.

use std::collections::BTreeMap;

/// Properties that a verdict needs.
pub const PROPERTIES: &str = "LoadState,ActiveState,SubState,Result,MainPID,Job,\
ExecMainPID,ExecMainExitTimestampMonotonic,ActiveExitTimestampMonotonic";

/// What systemd says about a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitState {
    /// `ActiveState`: active, reloading, inactive, failed, activating, deactivating.
    pub active: String,
    /// `Result` of its last life: success, signal, exit-code, watchdog, oom-kill and others.
    pub result: String,
    /// The main process, 0 if there is none.
    pub main_pid: u32,
    /// A job waits or runs.
    pub job: bool,
    /// When the main process ended, microseconds of systemd's monotonic clock; 0 if it is forgotten or runs.
    pub ended_us: u64,
    /// When the unit left `active`; 0 if it is forgotten or never did.
    pub left_us: u64,
}

/// Results by which systemd itself stops a unit, or no longer starts it.
const OWN_REASONS: [&str; 3] = ["watchdog", "oom-kill", "start-limit-hit"];

/// What is made of the end of a main process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// systemd has not made up its mind: ask again.
    Wait,
    /// Ordered, or already mended by systemd itself.
    Planned,
    /// The engine must know.
    Report,
}

impl UnitState {
    /// Reads one block of `systemctl show`.
    pub fn read(block: &str) -> Self {
        let values: BTreeMap<_, _> = block.lines().filter_map(|line| line.split_once('=')).collect();
        let text = |name: &str| values.get(name).copied().unwrap_or_default();
        let number = |name: &str| text(name).parse().unwrap_or_default();
        Self {
            active: text("ActiveState").to_owned(),
            result: text("Result").to_owned(),
            main_pid: text("MainPID").parse().unwrap_or_default(),
            job: !text("Job").is_empty(),
            ended_us: number("ExecMainExitTimestampMonotonic"),
            left_us: number("ActiveExitTimestampMonotonic"),
        }
    }

    /// Neither starting nor stopping: nothing will change without a notice.
    pub fn settled(&self) -> bool {
        !self.job && !["activating", "deactivating"].contains(&self.active.as_str())
    }

    /// It left `active` before its main process ended. systemd's own reasons to stop a unit are failures too.
    fn was_stopped(&self) -> bool {
        !OWN_REASONS.contains(&self.result.as_str()) && self.left_us < self.ended_us
    }
}

/// The verdict on main process `dead`, of which a notice said that it ended. `engine_stops`: the engine's agent marked
/// that it stops the unit, which is all there is to know when systemd has forgotten the unit.
pub fn judge(state: &UnitState, dead: u32, engine_stops: bool) -> Verdict {
    match state.active.as_str() {
        "active" | "reloading" if state.main_pid == dead => Verdict::Wait,
        "active" | "reloading" => Verdict::Planned,
        "activating" | "deactivating" => Verdict::Wait,
        _ if state.job => Verdict::Planned,
        _ if state.ended_us == 0 && engine_stops => Verdict::Planned,
        _ if state.ended_us != 0 && state.was_stopped() => Verdict::Planned,
        _ => Verdict::Report,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(active: &str, result: &str, ended_us: u64, left_us: u64) -> UnitState {
        UnitState {
            active: active.to_owned(),
            result: result.to_owned(),
            ended_us,
            left_us,
            ..UnitState::default()
        }
    }

    #[test]
    fn a_killed_process_is_reported() {
        // as systemd 252 said it of kea, killed with -9
        let block = "MainPID=0\nResult=signal\nExecMainExitTimestampMonotonic=16101240561\nExecMainPID=468\n\
                     LoadState=loaded\nActiveState=failed\nSubState=failed\n\
                     ActiveExitTimestampMonotonic=16101241169\nJob=\n";
        let seen = UnitState::read(block);
        assert_eq!(seen, state("failed", "signal", 16_101_240_561, 16_101_241_169));
        assert_eq!(judge(&seen, 468, false), Verdict::Report);
        assert_eq!(judge(&seen, 468, true), Verdict::Report, "a mark does not hide a crash that systemd saw");
    }

    #[test]
    fn a_unit_that_left_active_before_its_process_ended_was_stopped() {
        assert_eq!(judge(&state("inactive", "success", 20, 10), 7, false), Verdict::Planned);
        assert_eq!(judge(&state("failed", "exit-code", 20, 10), 7, false), Verdict::Planned);
        assert_eq!(judge(&state("failed", "timeout", 20, 10), 7, false), Verdict::Planned);
    }

    #[test]
    fn a_process_that_ends_by_itself_is_reported_even_when_it_ends_well() {
        assert_eq!(judge(&state("inactive", "success", 10, 20), 7, false), Verdict::Report);
    }

    #[test]
    fn a_forgotten_unit_was_stopped_if_the_engine_says_so() {
        assert_eq!(judge(&state("inactive", "success", 0, 0), 7, true), Verdict::Planned);
        assert_eq!(judge(&state("inactive", "success", 0, 0), 7, false), Verdict::Report);
    }

    #[test]
    fn systemds_own_reasons_to_stop_are_failures() {
        for reason in OWN_REASONS {
            assert_eq!(judge(&state("failed", reason, 20, 10), 7, false), Verdict::Report, "{reason}");
        }
    }

    #[test]
    fn a_restart_is_planned_while_its_job_waits_and_when_it_is_done() {
        let waiting = UnitState { job: true, ..state("inactive", "success", 0, 0) };
        assert_eq!(judge(&waiting, 7, false), Verdict::Planned);
        let done = UnitState { main_pid: 8, ..state("active", "success", 0, 0) };
        assert_eq!(judge(&done, 7, false), Verdict::Planned);
    }

    #[test]
    fn what_systemd_restarts_by_itself_is_waited_for() {
        assert_eq!(judge(&state("activating", "signal", 10, 20), 7, false), Verdict::Wait);
    }

    #[test]
    fn systemd_is_asked_again_until_it_knows() {
        let early = UnitState { main_pid: 7, ..state("active", "success", 0, 0) };
        assert_eq!(judge(&early, 7, false), Verdict::Wait);
        assert_eq!(judge(&state("deactivating", "success", 0, 10), 7, false), Verdict::Wait);
    }
}
