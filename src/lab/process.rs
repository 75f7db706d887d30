//! A process by its id and start time, so that an id that was given to another is never taken for it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// One process of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// When it started, in clock ticks after the machine's boot.
    pub started: u64,
}

impl Process {
    /// The process that has this id now.
    pub fn of(pid: i32) -> Option<Self> {
        let (state, started) = stat(pid)?;
        (state != 'Z' && state != 'X').then_some(Self { pid, started })
    }

    /// The process that asks.
    pub fn own() -> Option<Self> {
        Self::of(i32::try_from(std::process::id()).ok()?)
    }

    /// Whether it still runs.
    pub fn runs(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }

    /// Its name, as the kernel has it.
    pub fn name(&self) -> Option<String> {
        let text = std::fs::read_to_string(format!("/proc/{}/comm", self.pid)).ok()?;
        self.runs().then(|| text.trim_end().to_owned())
    }

    /// SIGKILL, if it still runs.
    pub(crate) fn kill(&self) {
        if self.runs() {
            let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
        }
    }
}

/// State and start time: fields 3 and 22 of stat; the name before them may hold spaces and parentheses.
fn stat(pid: i32) -> Option<(char, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start_not_only_its_id() {
        let own = Process::own().unwrap();
        assert!(own.runs());
        assert!(!Process { started: own.started + 1, ..own }.runs());
    }
}
