//! Main processes of the units that the engine carries here. The end of one wakes the watcher; [`judge`] says whether
//! the engine must know; it is told once a main process.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread::Scope;

use super::judge::{UnitState, Verdict, judge};
use super::{WatchProblem, system, tell, wake};
use crate::engines::watchlist::{WatchedUnit, Watchlist};

/// A unit that somebody starts by hand is watched after that time at the latest. Asking costs about 10 ms of a core.
const SWEEP_MS: u64 = 30_000;

/// While a unit starts or stops it is asked so soon, and then after twice the time, up to a second.
const FIRST_MS: u64 = 10;
const LONGEST_MS: u64 = 1_000;

/// One unit.
#[derive(Debug)]
struct Main {
    of: WatchedUnit,
    watched: Option<(u32, OwnedFd)>,
    /// A main process that has ended and is not judged yet.
    dead: Option<u32>,
    /// The main process that was judged last: its number may still be shown for a moment.
    judged: u32,
}

/// All units of this head.
#[derive(Debug)]
pub(super) struct Mains {
    host: String,
    folder: PathBuf,
    marks: wake::Marks,
    units: Vec<Main>,
}

impl Mains {
    pub(super) fn new(list: &Watchlist, folder: &Path) -> Result<Self, WatchProblem> {
        let main = |of: &WatchedUnit| Main { of: of.clone(), watched: None, dead: None, judged: 0 };
        Ok(Self {
            host: list.host.clone(),
            folder: folder.to_owned(),
            marks: wake::Marks::of(folder).map_err(system("inotify"))?,
            units: list.units.iter().map(main).collect(),
        })
    }

    pub(super) fn run<'scope, 'env>(
        &'scope mut self,
        scope: &'scope Scope<'scope, 'env>,
        say: &'scope (dyn Fn(&str) + Sync),
    ) {
        let host = self.host.clone();
        let mut pause_ms = 0; // the first look is at once
        loop {
            let noticed = self.wait(pause_ms);
            let settled = self.look(&mut |of, why| {
                let host = host.clone();
                scope.spawn(move || report(&host, &of, &why, say));
            });
            let soon = if noticed { FIRST_MS } else { (pause_ms * 2).clamp(FIRST_MS, LONGEST_MS) };
            pause_ms = if settled { SWEEP_MS } else { soon };
        }
    }

    /// Waits for a notice. Says whether there was one.
    fn wait(&mut self, limit_ms: u64) -> bool {
        let watched = self.units.iter().filter_map(|main| main.watched.as_ref());
        let mut sources = vec![self.marks.as_fd()];
        sources.extend(watched.map(|(_, process)| process.as_fd()));
        let ready = wake::wait(&sources, limit_ms);
        self.marks.drain();
        let mut ended = ready.iter().skip(1);
        for main in self.units.iter_mut().filter(|main| main.watched.is_some()) {
            if ended.next() == Some(&true) {
                main.dead = main.watched.take().map(|(pid, _)| pid);
            }
        }
        ready.contains(&true)
    }

    /// Reads every unit, judges what has ended, watches what is new. Says whether all is at rest.
    fn look(&mut self, report: &mut dyn FnMut(WatchedUnit, String)) -> bool {
        let names: Vec<_> = self.units.iter().map(|main| main.of.unit.as_str()).collect();
        if names.is_empty() {
            return true;
        }
        let Ok(states) = tell::states(&names) else { return false }; // systemd reloads: ask again
        let mut settled = true;
        for (main, state) in self.units.iter_mut().zip(&states) {
            main.judge(state, &self.folder, report);
            main.watch(state);
            settled &= main.dead.is_none() && state.settled();
        }
        settled
    }
}

impl Main {
    fn judge(&mut self, state: &UnitState, folder: &Path, report: &mut dyn FnMut(WatchedUnit, String)) {
        let Some(pid) = self.dead else { return };
        let mark = std::fs::read_to_string(folder.join(&self.of.unit)).unwrap_or_default();
        let verdict = judge(state, pid, mark.trim() == "stop");
        if verdict == Verdict::Report {
            report(self.of.clone(), format!("main process {pid} ended ({})", state.result));
        }
        if verdict != Verdict::Wait {
            (self.dead, self.judged) = (None, pid);
        }
    }

    /// Watches a main process that is not watched yet. One that has ended meanwhile is judged at the next look.
    fn watch(&mut self, state: &UnitState) {
        let known = self.watched.as_ref().map(|(pid, _)| *pid);
        let runs = ["active", "reloading"].contains(&state.active.as_str()) && state.main_pid != 0;
        if !runs || self.dead.is_some() || known == Some(state.main_pid) || self.judged == state.main_pid {
            return;
        }
        match wake::of_process(state.main_pid) {
            Some(process) => self.watched = Some((state.main_pid, process)),
            None => self.dead = Some(state.main_pid),
        }
    }
}

fn report(host: &str, of: &WatchedUnit, why: &str, say: &(dyn Fn(&str) + Sync)) {
    let WatchedUnit { unit, resource } = of;
    let told = tell::failed(host, of).and_then(|before| {
        say(&format!("{unit}: {why}; the engine knows that {resource} failed"));
        tell::count_once(host, of, before)
    });
    if let Err(error) = told {
        say(&format!("{unit}: {why}; the engine could not be told: {error}"));
    }
}
