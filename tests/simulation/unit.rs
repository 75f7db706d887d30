//! A unit as systemd keeps it: what it is, and what it says, which may lag behind.

use haoscar::control::judge::UnitState;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Is {
    Inactive,
    Running,
    /// Its process is gone, and systemd has not noticed until then.
    Unnoticed(u64),
    /// Somebody stops it; its process ends then.
    Stopping(u64),
    Failed,
    /// A restart of what had failed.
    Starting(u64),
}

#[derive(Debug, Clone)]
pub struct Unit {
    pub is: Is,
    pub pid: u32,
    /// Its last end was ordered: the truth, which no rule may ask.
    pub ordered: bool,
    /// A restart's start follows its stop.
    job: bool,
    mark: bool,
    ended_us: u64,
    left_us: u64,
}

impl Unit {
    pub fn new() -> Self {
        Self { is: Is::Inactive, pid: 0, ordered: true, job: false, mark: false, ended_us: 0, left_us: 0 }
    }

    /// Its process is there.
    pub fn runs(&self) -> bool {
        matches!(self.is, Is::Running | Is::Stopping(_))
    }

    pub fn start(&mut self, pid: u32) {
        (self.is, self.pid, self.job, self.mark) = (Is::Running, pid, false, false);
    }

    /// A start that did not succeed: it was never active.
    pub fn fail_to_start(&mut self, now_ms: u64) {
        (self.is, self.ended_us, self.ordered, self.mark) = (Is::Failed, now_ms * 1_000 + 3, false, false);
    }

    /// Its process dies by itself, seen by systemd so much later.
    pub fn crash(&mut self, now_ms: u64, lag_ms: u64) {
        if self.is == Is::Running {
            (self.is, self.ended_us, self.ordered) =
                (Is::Unnoticed(now_ms + lag_ms), now_ms * 1_000 + 1, false);
        }
    }

    /// Somebody stops it. `mark`: the engine's script does.
    pub fn stop(&mut self, now_ms: u64, takes_ms: u64, mark: bool, again: bool) {
        self.mark = mark;
        if let Is::Unnoticed(_) = self.is {
            (self.is, self.left_us) = (Is::Failed, now_ms * 1_000 + 2);
        }
        if self.is == Is::Failed {
            self.is = if again { Is::Starting(now_ms + takes_ms) } else { Is::Inactive };
        }
        match self.is {
            Is::Stopping(until) => {
                (self.is, self.job) = (Is::Stopping(until.min(now_ms + takes_ms)), again);
            }
            Is::Starting(_) if !again => self.is = Is::Inactive,
            _ => {}
        }
        if self.is == Is::Running {
            (self.is, self.left_us, self.job) = (Is::Stopping(now_ms + takes_ms), now_ms * 1_000 + 1, again);
        }
    }

    /// What time does to it. A stopped unit may be forgotten by systemd.
    pub fn pass(&mut self, now_ms: u64, forgets: bool, pid: u32) {
        match self.is {
            Is::Unnoticed(until) if now_ms >= until => {
                (self.is, self.left_us) = (Is::Failed, now_ms * 1_000 + 2);
            }
            Is::Starting(until) if now_ms >= until => self.start(pid),
            Is::Stopping(until) if now_ms >= until => {
                (self.is, self.ended_us, self.ordered) = (Is::Inactive, now_ms * 1_000 + 2, true);
                if self.job {
                    self.start(pid);
                } else if forgets && self.mark {
                    (self.ended_us, self.left_us) = (0, 0);
                }
            }
            _ => {}
        }
    }

    /// What `systemctl show` says.
    pub fn said(&self) -> UnitState {
        let (active, result, main_pid) = match self.is {
            Is::Inactive => ("inactive", "success", 0),
            Is::Running | Is::Unnoticed(_) => ("active", "success", self.pid),
            Is::Stopping(_) => ("deactivating", "success", self.pid),
            Is::Failed => ("failed", "signal", 0),
            Is::Starting(_) => ("activating", "success", 0),
        };
        UnitState {
            active: active.to_owned(),
            result: result.to_owned(),
            main_pid,
            job: self.job || matches!(self.is, Is::Stopping(_) | Is::Starting(_)),
            ended_us: if self.runs() { 0 } else { self.ended_us },
            left_us: self.left_us,
        }
    }

    pub fn marked(&self) -> bool {
        self.mark
    }
}
