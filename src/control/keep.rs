//! Runs the recovery policy of the units that heartbeat carries here: heartbeat starts and stops them, and never looks at
//! them in between.
//!
//! A process that ends and a mark of heartbeat's scripts only wake it. What a look means is [`duty`]'s to say, what
//! follows is [`step()`]'s; here it is done. What is counted outlives this process, not a boot.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::duty::{self, Ground, Read};
use super::judge::UnitState;
use super::{MARKS, WatchProblem, mend, system, tell, wake};
use crate::engines::heartbeat::{Kept, Pair, claims};
use crate::recovery::{Action, Event, Fact, Phase, State, step};

/// Where counts are kept until the next boot.
const COUNTS: &str = "/run/haoscar/recovery.json";

/// heartbeat itself.
const ENGINE: &str = "heartbeat.service";

/// A unit that somebody starts by hand is watched after that time at the latest.
const SWEEP_MS: u64 = 30_000;

/// While something is under way it is looked at so soon, and then after twice the time, up to a second.
const FIRST_MS: u64 = 10;
const LONGEST_MS: u64 = 1_000;

/// The group of this head.
pub(super) struct Keeper<'a> {
    pair: &'a Pair,
    say: &'a (dyn Fn(&str) + Sync),
    marks: wake::Marks,
    units: Vec<Unit<'a>>,
}

struct Unit<'a> {
    of: &'a Kept,
    state: State,
    watched: Option<(u32, OwnedFd)>,
    /// A main process that has ended; 0: none.
    dead: u32,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(pair: &'a Pair, say: &'a (dyn Fn(&str) + Sync)) -> Result<Self, WatchProblem> {
        std::fs::create_dir_all(MARKS).map_err(system(MARKS))?;
        let known = std::fs::read_to_string(COUNTS).unwrap_or_default();
        let mut known: BTreeMap<String, State> = serde_json::from_str(&known).unwrap_or_default();
        let unit = |of: &'a Kept| Unit {
            of,
            state: known.remove(&of.unit).unwrap_or_default(),
            watched: None,
            dead: 0,
        };
        let units = pair.units.iter().map(unit).collect();
        Ok(Self { pair, say, marks: wake::Marks::of(Path::new(MARKS)).map_err(system("inotify"))?, units })
    }

    pub(super) fn run(mut self) {
        let mut pause_ms = 0; // the first look is at once
        while !self.units.is_empty() {
            let noticed = self.wait(pause_ms);
            let settled = self.look();
            let soon = if noticed { FIRST_MS } else { (pause_ms * 2).clamp(FIRST_MS, LONGEST_MS) };
            pause_ms = if settled { self.due_in_ms() } else { soon };
        }
    }

    /// Waits for a notice. Says whether there was one.
    fn wait(&mut self, limit_ms: u64) -> bool {
        let watched = self.units.iter().filter_map(|unit| unit.watched.as_ref());
        let mut sources = vec![self.marks.as_fd()];
        sources.extend(watched.map(|(_, process)| process.as_fd()));
        let ready = wake::wait(&sources, limit_ms);
        self.marks.drain();
        let mut ended = ready.iter().skip(1);
        for unit in self.units.iter_mut().filter(|unit| unit.watched.is_some()) {
            if ended.next() == Some(&true) {
                unit.dead = unit.watched.take().map_or(0, |(pid, _)| pid);
            }
        }
        ready.contains(&true)
    }

    fn due_in_ms(&self) -> u64 {
        let due = self.units.iter().filter_map(|unit| unit.state.due_ms(&unit.of.recovery));
        due.min().map_or(SWEEP_MS, |due| due.saturating_sub(now_ms()).clamp(FIRST_MS, SWEEP_MS))
    }

    /// Reads every unit and does what its recovery asks for. Says whether all is at rest.
    fn look(&mut self) -> bool {
        let names = std::iter::once(ENGINE).chain(self.units.iter().map(|unit| unit.of.unit.as_str()));
        let Ok(states) = tell::states(&names.collect::<Vec<_>>()) else { return false }; // systemd reloads
        let (Some(engine), states) = (states.first(), states.get(1..).unwrap_or_default()) else {
            return false;
        };
        let well = self.units.iter().zip(states).all(|(unit, state)| unit.is_well(state));
        let ground = if well {
            Ground { engine: true, here: true, busy: false }
        } else {
            Ground {
                engine: engine.active == "active",
                here: mend::is_here(self.pair),
                busy: mend::at_work(),
            }
        };
        let before: Vec<_> = self.units.iter().map(|unit| unit.state.clone()).collect();
        let mut settled = true;
        for (index, state) in states.iter().enumerate() {
            settled &= self.meet(index, state, ground);
        }
        if self.units.iter().zip(&before).any(|(unit, before)| unit.state != *before) {
            self.keep_counts();
        }
        settled
    }

    /// One unit. Says whether it is at rest.
    fn meet(&mut self, index: usize, state: &UnitState, ground: Ground) -> bool {
        let unit = &mut self.units[index];
        let mark = std::fs::read_to_string(Path::new(MARKS).join(&unit.of.unit)).unwrap_or_default();
        let read = Read { unit: state, dead: unit.dead, engine_stops: mark.trim() == "stop" };
        let Some(event) = duty::event(ground, read, unit.state.phase()) else { return false };
        if event != Event::Ended {
            unit.dead = 0;
        }
        let was = unit.state.phase();
        unit.watch(state);
        if (was, event) == (Phase::Restarting, Event::Left) {
            self.withdraw(index);
        }
        self.take(index, event);
        let rests =
            [Phase::Healthy, Phase::Recovered, Phase::Exhausted].contains(&self.units[index].state.phase());
        rests && state.settled()
    }

    fn take(&mut self, index: usize, event: Event) {
        let unit = &mut self.units[index];
        let (next, action) = step(&unit.state, Fact { at_ms: now_ms(), event }, &unit.of.recovery);
        unit.state = next;
        match action {
            Action::Nothing => {}
            Action::Restart => self.restart(index),
            Action::FailOver => self.fail_over(index),
            Action::Alert => self.tell(index, "is down, and is started again as soon as its recovery allows"),
            Action::Stop => self.tell(index, "is down, and stays so until somebody starts it"),
        }
    }

    fn tell(&self, index: usize, what: &str) {
        let Kept { unit, recovery } = self.units[index].of;
        let count = self.units[index].state.restarts();
        (self.say)(&format!(
            "{unit} {what} ({count} of {} restarts within {})",
            recovery.restarts, recovery.within
        ));
    }

    /// Returns at once: the next looks see what becomes of it.
    fn restart(&self, index: usize) {
        match tell::run(&["systemctl", "start", "--no-block", &self.units[index].of.unit]) {
            Ok(_) => self.tell(index, "failed and is started again"),
            Err(error) => self.tell(index, &format!("failed and cannot be started again: {error}")),
        }
    }

    /// The group left while the unit was being started: it must not run here.
    fn withdraw(&self, index: usize) {
        let done = tell::run(&["systemctl", "stop", "--no-block", &self.units[index].of.unit]);
        self.tell(
            index,
            if done.is_ok() { "is stopped, for its group has left" } else { "runs where its group is not" },
        );
    }

    fn fail_over(&mut self, index: usize) {
        let word = |argv: &[&str]| tell::run(argv).map(|said| said.trim().to_owned()).unwrap_or_default();
        let peer_is_well = word(&["cl_status", "nodestatus", &self.pair.peer]) == "active";
        let ours = claims(self.pair, &word(&["cl_status", "rscstatus"]));
        let asked = if peer_is_well && ours {
            tell::run_for(&["/usr/share/heartbeat/hb_standby", "all"], mend::START_LIMIT_MS).map(drop)
        } else {
            Err(format!("{} cannot take it now", self.pair.peer))
        };
        match asked {
            Ok(()) => {
                self.tell(index, &format!("failed once more: the group is given to {}", self.pair.peer))
            }
            Err(why) => {
                self.tell(index, &format!("failed once more, and the group stays: {why}"));
                self.take(index, Event::Stayed);
            }
        }
    }

    /// A count that cannot be kept is lost with this process, no sooner.
    fn keep_counts(&self) {
        let counts: BTreeMap<_, _> = self.units.iter().map(|unit| (&unit.of.unit, &unit.state)).collect();
        let beside = format!("{COUNTS}.new");
        let text = serde_json::to_string(&counts).unwrap_or_default();
        if std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, COUNTS)).is_err() {
            (self.say)(&format!("{COUNTS} cannot be written: counts of restarts end with this process"));
        }
    }
}

impl Unit<'_> {
    /// Runs, is watched or will be, and nothing is remembered against it that needs a look at heartbeat.
    fn is_well(&self, state: &UnitState) -> bool {
        let calm = [Phase::Healthy, Phase::Recovered].contains(&self.state.phase());
        calm && self.dead == 0 && state.active == "active" && state.main_pid != 0
    }

    /// Watches a main process that is not watched yet.
    fn watch(&mut self, state: &UnitState) {
        let known = self.watched.as_ref().map(|(pid, _)| *pid);
        if state.active == "active" && state.main_pid != 0 && known != Some(state.main_pid) && self.dead == 0
        {
            match wake::of_process(state.main_pid) {
                Some(process) => self.watched = Some((state.main_pid, process)),
                None => self.dead = state.main_pid,
            }
        }
    }
}

/// Since the machine's boot: it goes on over restarts of this process.
fn now_ms() -> u64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME);
    let ms = |time: nix::sys::time::TimeSpec| time.tv_sec() * 1_000 + time.tv_nsec() / 1_000_000;
    time.ok().and_then(|time| u64::try_from(ms(time)).ok()).unwrap_or_default()
}
